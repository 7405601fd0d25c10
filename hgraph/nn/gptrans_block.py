"""A layer of GPTrans: attention and feed-forward network with residuals."""

import torch
from torch import Tensor, nn

from hgraph.nn.conv.gptrans_conv import GPTransConv


class GPTransBlock(nn.Module):
    r"""The pre-norm block of GPTrans (`arXiv 2305.11424 <https://arxiv.org/abs/2305.11424>`_).

    With :math:`\operatorname{GPA}` the attention of :class:`~hgraph.nn.GPTransConv`:

    .. math::
        (a, E') &= \operatorname{GPA}(\operatorname{LN}_1 x, E) \\
        E &\leftarrow E + E' \\
        x &\leftarrow x + \gamma_1 a \\
        x &\leftarrow x + \gamma_2 \operatorname{FFN}(\operatorname{LN}_2 x)

    The pair states carry on from block to block; they have no normalisation of their own, as in the paper.

    Args:
        channels: the width :math:`C` of a node.
        edge_channels: the width :math:`D_e` of a pair state.
        heads: the number of attention heads (default 8).
        dropout: on attention weights, attention output and both layers of the feed-forward network (default 0).
        ffn_ratio: the width of the feed-forward network in multiples of ``channels`` (default 1, as in the paper).
        layer_scale: where :math:`\gamma_1` and :math:`\gamma_2`, one number a channel, start (default 1).

    Shapes:
        - x ``[*, n, C]``, edge_state ``[*, n, n, De]``, mask ``[*, n]`` (true for nodes, false for padding)
        - output: ``[*, n, C]`` and ``[*, n, n, De]``

    Example:
        >>> block = GPTransBlock(channels=16, edge_channels=4, heads=2)
        >>> x, edge_state = block(torch.randn(5, 16), torch.randn(5, 5, 4))
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
    ) -> None:
        super().__init__()
        hidden = max(1, round(channels * ffn_ratio))
        self.layer_scale = layer_scale
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = GPTransConv(channels, edge_channels, heads=heads, dropout=dropout)
        self.attention_scale = nn.Parameter(torch.empty(channels))
        self.ffn_norm = nn.LayerNorm(channels)
        self.ffn = nn.Sequential(
            nn.Linear(channels, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, channels),
            nn.Dropout(dropout),
        )
        self.ffn_scale = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        for module in (self.attention_norm, self.attention, self.ffn_norm, *self.ffn):
            if isinstance(module, nn.LayerNorm | GPTransConv | nn.Linear):
                module.reset_parameters()
        for scale in (self.attention_scale, self.ffn_scale):
            nn.init.constant_(scale, self.layer_scale)

    def forward(self, x: Tensor, edge_state: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The nodes and the pair states after one layer."""
        update, edge_update = self.attention(self.attention_norm(x), edge_state, mask)
        x = x + self.attention_scale * update
        x = x + self.ffn_scale * self.ffn(self.ffn_norm(x))
        return x, edge_state + edge_update
