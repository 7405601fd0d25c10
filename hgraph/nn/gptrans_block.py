"""A layer of GPTrans: attention and feed-forward network with residuals."""

from torch import Tensor

from hgraph.nn.conv import EdgeBlocks, GPTransConv
from hgraph.nn.encodings.pair_rows import PairRows
from hgraph.nn.transformer_block import Norm, TransformerBlock


class GPTransBlock(TransformerBlock):
    r"""The pre-norm block of GPTrans (`arXiv 2305.11424 <https://arxiv.org/abs/2305.11424>`_).

    With :math:`\operatorname{GPA}` the attention of :class:`~hgraph.nn.GPTransConv`:

    .. math::
        (a, E') &= \operatorname{GPA}(\operatorname{LN}_1 x, E) \\
        E &\leftarrow E + E' \\
        x &\leftarrow x + \gamma_1 a \\
        x &\leftarrow x + \gamma_2 \operatorname{FFN}(\operatorname{LN}_2 x)

    The edge states carry on from block to block; they have no normalisation of their own, as in the paper.

    Args:
        channels: the width :math:`C` of a node.
        edge_channels: the width :math:`D_e` of an edge state.
        heads: the number of attention heads (default 8).
        dropout: on attention weights, attention output and both layers of the feed-forward network (default 0).
        ffn_ratio: the width of the feed-forward network in multiples of ``channels`` (default 1, as in the paper).
        layer_scale: where :math:`\gamma_1` and :math:`\gamma_2`, one number a channel, start (default 1).
        norm: ``pre`` (default, as in the paper) or ``post``, see
            :class:`~hgraph.nn.transformer_block.TransformerBlock`.
        update_edges: whether the edge states are updated (default); the last block of a model can do without, which
            saves memory, and gives them back as they were.

    Shapes:
        - as :class:`~hgraph.nn.GPTransConv`

    Example:
        >>> import torch
        >>> block = GPTransBlock(channels=16, edge_channels=4, heads=2)
        >>> x, edge_state = block(torch.randn(5, 16), None, torch.randn(5, 5, 4))
        >>> x.shape, edge_state.shape
        (torch.Size([5, 16]), torch.Size([5, 5, 4]))
    """

    def __init__(
        self,
        channels: int,
        edge_channels: int,
        *,
        heads: int = 8,
        dropout: float = 0.0,
        ffn_ratio: float = 1.0,
        layer_scale: float = 1.0,
        norm: Norm = "pre",
        update_edges: bool = True,
    ) -> None:
        attention = GPTransConv(
            channels, channels, edge_channels, heads=heads, dropout=dropout, update_edges=update_edges
        )
        super().__init__(channels, attention, dropout=dropout, ffn_ratio=ffn_ratio, layer_scale=layer_scale, norm=norm)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        edge_index: Tensor | EdgeBlocks | None,
        edge_attr: Tensor | PairRows,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | PairRows]:
        """The nodes and the edge states after one layer."""
        new_edges: list[Tensor] = []

        def attend(nodes: Tensor | tuple[Tensor, Tensor]) -> Tensor:
            out, update = self.attention(nodes, edge_index, edge_attr, mask)
            new_edges.append(update)
            return out

        nodes = self.residuals(x, attend)
        if not self.attention.update_edges:
            return nodes, edge_attr
        return nodes, (edge_attr.dense() if isinstance(edge_attr, PairRows) else edge_attr) + new_edges[0]
