"""A layer of Graphormer: attention and feed-forward network with residuals."""

from torch import Tensor

from hgraph.nn.conv import EdgeBlocks, GraphormerConv
from hgraph.nn.encodings.pair_rows import PairRows
from hgraph.nn.transformer_block import Norm, TransformerBlock


class GraphormerBlock(TransformerBlock):
    r"""The block of Graphormer (`arXiv 2106.05234 <https://arxiv.org/abs/2106.05234>`_).

    :class:`~hgraph.nn.GraphormerConv` with residual and LayerNorm, then a feed-forward network with the same; see
    :class:`~hgraph.nn.transformer_block.TransformerBlock` for the two places of the normalisation.

    Args:
        channels: the width :math:`C` of a node.
        heads: the number of attention heads (default 8).
        edge_channels: the width of an edge state that is projected to the bias; by default edges are the bias.
        dropout: on attention weights, attention output and both layers of the feed-forward network (default 0).
        ffn_ratio: the width of the feed-forward network in multiples of ``channels`` (default 1, as in the paper).
        layer_scale: where the factors of the residual branches, one number a channel, start (default 1).
        norm: ``pre`` (default, as in the paper) or ``post``.

    Shapes:
        - as :class:`~hgraph.nn.GraphormerConv`

    Example:
        >>> import torch
        >>> block = GraphormerBlock(channels=16, heads=2)
        >>> block(torch.randn(5, 16), None, torch.randn(5, 5, 2)).shape
        torch.Size([5, 16])
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int = 8,
        edge_channels: int | None = None,
        dropout: float = 0.0,
        ffn_ratio: float = 1.0,
        layer_scale: float = 1.0,
        norm: Norm = "pre",
    ) -> None:
        attention = GraphormerConv(channels, channels, heads=heads, edge_channels=edge_channels, dropout=dropout)
        super().__init__(channels, attention, dropout=dropout, ffn_ratio=ffn_ratio, layer_scale=layer_scale, norm=norm)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        edge_index: Tensor | EdgeBlocks | None,
        edge_attr: Tensor | PairRows | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """The nodes after one layer."""
        return self.residuals(x, lambda nodes: self.attention(nodes, edge_index, edge_attr, mask))
