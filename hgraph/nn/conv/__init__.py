"""Graph layers."""

from hgraph.nn.conv.gptrans_conv import GPTransConv

__all__ = ["GPTransConv"]
