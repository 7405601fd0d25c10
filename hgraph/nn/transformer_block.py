"""What the layers of GPTrans and Graphormer have in common: a feed-forward network, residuals and normalisation."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError

Norm = Literal["pre", "post"]


class TransformerBlock(nn.Module):
    r"""A graph attention and a feed-forward network with residuals; base of the blocks.

    With ``norm="pre"`` (of the two, the one that trains without warm-up):

    .. math::
        x &\leftarrow x + \gamma_1 \operatorname{attention}(\operatorname{LN}_1 x) \\
        x &\leftarrow x + \gamma_2 \operatorname{FFN}(\operatorname{LN}_2 x)

    and with ``norm="post"``:

    .. math::
        x &\leftarrow \operatorname{LN}_1 (x + \gamma_1 \operatorname{attention}(x)) \\
        x &\leftarrow \operatorname{LN}_2 (x + \gamma_2 \operatorname{FFN}(x))

    Args:
        channels: the width of a node.
        attention: the graph layer.
        dropout: on both layers of the feed-forward network.
        ffn_ratio: the width of the feed-forward network in multiples of ``channels``.
        layer_scale: where :math:`\gamma_1` and :math:`\gamma_2`, one number a channel, start.
        norm: where the normalisation is.
    """

    def __init__(
        self,
        channels: int,
        attention: nn.Module,
        *,
        dropout: float,
        ffn_ratio: float,
        layer_scale: float,
        norm: Norm,
    ) -> None:
        super().__init__()
        if norm not in get_args(Norm):
            raise ConfigError(f"'norm' must be one of {', '.join(get_args(Norm))}, but got {norm!r}.")
        hidden = max(1, round(channels * ffn_ratio))
        self.layer_scale, self.norm = layer_scale, norm
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = attention
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
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        for scale in (self.attention_scale, self.ffn_scale):
            nn.init.constant_(scale, self.layer_scale)

    def residuals(
        self, x: Tensor | tuple[Tensor, Tensor], attend: Callable[[Tensor | tuple[Tensor, Tensor]], Tensor]
    ) -> Tensor:
        """The targets after the layer; `attend` takes what `x` is (nodes, or sources and targets)."""
        target = x if isinstance(x, Tensor) else x[1]
        if self.norm == "pre":
            normed = self.attention_norm(x) if isinstance(x, Tensor) else tuple(self.attention_norm(end) for end in x)
            target = target + self.attention_scale * attend(normed)
            return target + self.ffn_scale * self.ffn(self.ffn_norm(target))
        target = self.attention_norm(target + self.attention_scale * attend(x))
        return self.ffn_norm(target + self.ffn_scale * self.ffn(target))
