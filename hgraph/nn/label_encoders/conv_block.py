"""Any PyG layer with a residual, normalisation and a feed-forward network."""

from typing import Literal

from torch import Tensor, nn

from hgraph.errors import ConfigError


class ConvBlock(nn.Module):
    r"""A PyG layer and a feed-forward network, each with a residual and LayerNorm.

    .. math::
        \text{pre:} \quad u &= x + \operatorname{Conv}(\operatorname{LN}_1 x), & z &= u + \operatorname{FFN}(\operatorname{LN}_2 u) \\
        \text{post:} \quad u &= \operatorname{LN}_1(x + \operatorname{Conv}(x)), & z &= \operatorname{LN}_2(u + \operatorname{FFN}(u))

    Without ``residual``, :math:`u` is what the layer gives: :math:`\operatorname{Conv}(\operatorname{LN}_1 x)` in the
    first form and :math:`\operatorname{Conv}(x)` in the second, the layer of HJCL.

    Args:
        conv: a layer called as ``conv(x, edge_index)``.
        channels: the width of a node, before and after.
        dropout: on the output of the layer, where it meets a residual, and on that of the feed-forward network
            (default 0).
        ffn_ratio: the width of the feed-forward network in multiples of ``channels`` (default 1).
        norm: where the LayerNorms are (default ``"post"``).
        residual: whether nodes carry on past the layer (default true).

    Shapes:
        - x ``[N, channels]``, edge_index ``[2, E]``
        - output ``[N, channels]``, or of the first ``num_targets`` nodes

    Example:
        >>> import torch
        >>> from torch_geometric.nn import SAGEConv
        >>> block = ConvBlock(SAGEConv(8, 8), 8)
        >>> block(torch.randn(3, 8), torch.tensor([[0, 1], [1, 2]])).shape
        torch.Size([3, 8])
    """  # noqa: E501

    def __init__(
        self,
        conv: nn.Module,
        channels: int,
        *,
        dropout: float = 0.0,
        ffn_ratio: float = 1.0,
        norm: Literal["pre", "post"] = "post",
        residual: bool = True,
    ) -> None:
        super().__init__()
        if norm not in ("pre", "post"):
            raise ConfigError(f"'norm' must be 'pre' or 'post', but got {norm!r}.")
        hidden = max(1, round(channels * ffn_ratio))
        self.norm, self.residual = norm, residual
        self.conv = conv
        # What HJCL has between its layer and its feed-forward network is nothing.
        self.conv_norm = nn.LayerNorm(channels) if residual or norm == "pre" else nn.Identity()
        self.conv_dropout = nn.Dropout(dropout if residual else 0.0)
        self.ffn = nn.Sequential(
            nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels), nn.Dropout(dropout)
        )
        self.ffn_norm = nn.LayerNorm(channels)

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        for module in (self.conv, self.conv_norm, *self.ffn, self.ffn_norm):
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()

    def forward(self, x: Tensor, edge_index: Tensor, num_targets: int | None = None) -> Tensor:
        """The nodes after one layer, or the first ``num_targets`` of them."""
        update = self.conv(self.conv_norm(x) if self.norm == "pre" else x, edge_index)[:num_targets]
        update = self.conv_dropout(update)
        if self.norm == "pre":
            x = x[:num_targets] + update if self.residual else update
            return x + self.ffn(self.ffn_norm(x))
        x = self.conv_norm(x[:num_targets] + update) if self.residual else update
        return self.ffn_norm(x + self.ffn(x))
