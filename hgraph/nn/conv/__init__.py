"""Graph layers."""

from hgraph.nn.conv.edge_blocks import EdgeBlock, EdgeBlocks
from hgraph.nn.conv.gptrans_conv import GPTransConv
from hgraph.nn.conv.graphormer_conv import GraphormerConv

__all__ = ["EdgeBlock", "EdgeBlocks", "GPTransConv", "GraphormerConv"]
