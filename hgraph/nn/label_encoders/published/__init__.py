"""Layers as the programs of published models have them, where that differs from what this library does."""

from hgraph.nn.label_encoders.published.hgclr_block import HGCLRBlock
from hgraph.nn.label_encoders.published.htla_block import HTLABlock

__all__ = ["HGCLRBlock", "HTLABlock"]
