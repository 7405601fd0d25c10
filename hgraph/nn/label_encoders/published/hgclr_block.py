"""The graph layer of HGCLR as its program has it."""

from torch import Tensor, nn

from hgraph.nn.conv import GraphormerConv
from hgraph.nn.label_encoders.published.htla_block import feed_forward


class HGCLRBlock(nn.Module):
    r"""Graphormer as in the program of HGCLR (`arXiv 2203.03825 <https://arxiv.org/abs/2203.03825>`_).

    Self-attention with *one* bias for all heads, residual and post-norm; all layers but the last have a feed-forward
    network of four times the width, with residual and post-norm. Degrees are not encoded. It is here to compare with
    published numbers; see :class:`~hgraph.nn.GraphormerBlock` for Graphormer itself.

    Args:
        channels: the width of a label.
        heads: the number of attention heads.
        dropout: on attention weights and output, and in the feed-forward network.
        last: whether this is the last layer, which has no feed-forward network.

    Shapes:
        - x ``[L, channels]``, bias ``[L, L, 1]``; output ``[L, channels]``

    Example:
        >>> import torch
        >>> block = HGCLRBlock(16, heads=2, dropout=0.1, last=True)
        >>> block(torch.randn(3, 16), None, torch.randn(3, 3, 1)).shape
        torch.Size([3, 16])
    """

    def __init__(self, channels: int, *, heads: int, dropout: float, last: bool) -> None:
        super().__init__()
        self.attention = GraphormerConv(channels, channels, heads=heads, dropout=dropout)
        self.attention_norm = nn.LayerNorm(channels)
        self.ffn = None if last else feed_forward(channels, dropout)
        self.ffn_norm = None if last else nn.LayerNorm(channels)

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        for module in (self.attention, self.attention_norm, *(self.ffn or ()), self.ffn_norm):
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()

    def forward(self, x: Tensor, edge_index: None, bias: Tensor) -> Tensor:
        """The labels after one layer."""
        x = self.attention_norm(x + self.attention(x, edge_index, bias))
        if self.ffn is not None and self.ffn_norm is not None:
            x = self.ffn_norm(x + self.ffn(x))
        return x
