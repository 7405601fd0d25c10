"""The network of HMCN: scores level by level, all at once, and from both, of a text and its fields."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring.functional import log_odds
from hgraph.scoring.hmcn_level import HMCNLevel, hidden_layer


class HMCNNetwork(nn.Module):
    r"""HMCN (`arXiv 2507.04413 <https://arxiv.org/abs/2507.04413>`_) from the vectors of a text to scores.

    See :class:`~hgraph.scoring.HMCNScorer` for the maths. The vectors of labels come from outside, so that a frozen
    scorer runs the same network.

    Args:
        channels: the width D of a vector.
        order: the labels by level.
        sizes: the number of labels of each level, from the first.
        heads: attention heads, a divisor of ``channels``.
        dropout: in hidden layers.
        top: the labels of the level above that a level reads.
        blend: the share of local scores in what the integrator corrects; None lets it give the final scores alone.
        integrator: whether there is one.

    Shapes:
        - text ``[B, 1 + F, D]``, the vector of the text and then its fields; mask ``[B, 1 + F]`` (bool) or None
        - labels ``[L, D]`` or None, order ``[L]``
        - output: final scores ``[B, L]``, and local and global ones, ``[2, B, L]``
    """

    order: Tensor

    def __init__(
        self,
        channels: int,
        *,
        order: Tensor,
        sizes: Sequence[int],
        heads: int,
        dropout: float,
        top: int,
        blend: float | None,
        integrator: bool,
    ) -> None:
        super().__init__()
        _check_options(channels, heads, dropout, top, blend)
        self.channels, self.sizes, self.heads, self.top, self.blend = channels, list(sizes), heads, top, blend
        num_labels = sum(self.sizes)
        self.register_buffer("order", order)
        self.levels = nn.ModuleList(HMCNLevel(channels, heads=heads, dropout=dropout) for _ in self.sizes)
        self.local_hidden = nn.ModuleList(hidden_layer(channels, dropout) for _ in self.sizes)
        self.hidden = hidden_layer(channels, dropout)
        size = (num_labels, channels)
        self.local_weight, self.local_bias = nn.Parameter(torch.empty(size)), nn.Parameter(torch.empty(num_labels))
        self.weight, self.bias = nn.Parameter(torch.empty(size)), nn.Parameter(torch.empty(num_labels))
        self.integrator = Integrator(num_labels, channels, dropout) if integrator else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights; biases of labels are zero, and an integrator corrects nothing."""
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.LayerNorm, Integrator)):
                module.reset_parameters()
        for weight, bias in ((self.local_weight, self.local_bias), (self.weight, self.bias)):
            nn.init.uniform_(weight, -(self.channels**-0.5), self.channels**-0.5)
            nn.init.zeros_(bias)
        if self.integrator is not None and self.blend is not None:
            nn.init.zeros_(self.integrator.weight)

    def forward(self, text: Tensor, mask: Tensor | None, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Final scores and those of both branches."""
        pooled, fields, log_weight = _keys(text, mask)
        overall = F.linear(self.hidden(pooled), self.weight, self.bias)
        local = self._local(pooled, fields, log_weight, labels)
        branches = torch.stack([local, overall])
        if self.blend is None:
            assert self.integrator is not None
            return self.integrator(local, overall), branches
        blended = self.blend * local + (1.0 - self.blend) * overall
        return blended if self.integrator is None else blended + self.integrator(local, overall), branches

    def _local(self, state: Tensor, fields: Tensor, log_weight: Tensor, labels: Tensor | None) -> Tensor:
        """Scores of all labels, each from the state of its level, ``[B, L]``."""
        weights, biases = self._by_level(self.local_weight), self._by_level(self.local_bias)
        vectors = None if labels is None else self._by_level(labels)
        keys, weighed, scores = fields, log_weight, []
        for place, (level, hidden) in enumerate(zip(self.levels, self.local_hidden, strict=True)):
            state = level(state, keys, weighed)
            scores.append(F.linear(hidden(state), weights[place], biases[place]))
            if vectors is not None and place + 1 < len(self.sizes):
                found, log_probability = self._likely(scores[-1], vectors[place])
                keys = torch.cat([fields, found.to(fields.dtype)], dim=1)
                weighed = torch.cat([log_weight, log_probability], dim=1)
        by_level = torch.cat(scores, dim=1)
        return torch.empty_like(by_level).index_copy(1, self.order, by_level)

    def _by_level(self, rows: Tensor) -> tuple[Tensor, ...]:
        """The rows of the labels of each level."""
        return rows.index_select(0, self.order).split(self.sizes)

    def _likely(self, scores: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of the most probable labels of each document, ``[B, top, D]``, and log-probabilities ``[B, top]``."""
        scores, label = scores.topk(min(self.top, scores.shape[1]), dim=1)
        return F.embedding(label, vectors), F.logsigmoid(_precise(scores))

    @torch.no_grad()
    def init_bias(self, prior: Tensor) -> None:
        """Start the final scores and both branches from the log-odds of `prior` ``[L]``."""
        odds = log_odds(prior.to(self.bias))
        for bias in (self.local_bias, self.bias):
            bias.copy_(odds)
        if self.integrator is not None:
            self.integrator.init_bias(odds, alone=self.blend is None)

    def options(self) -> dict[str, Any]:
        """What makes an empty network of this size, plain JSON values."""
        names = ("channels", "sizes", "heads", "top", "blend")
        return {**{name: getattr(self, name) for name in names}, "integrator": self.integrator is not None}


class Integrator(nn.Module):
    r"""Scores from local and global ones of all labels.

    .. math:: z = W \operatorname{dropout}(\operatorname{gelu}(A z_\text{local} + B z_\text{global} + c)) + b

    Args:
        num_labels: the number of labels L.
        channels: the width D of the hidden layer.
        dropout: on the hidden layer.

    Shapes:
        - local and global scores ``[B, L]``
        - output ``[B, L]``

    Example:
        >>> Integrator(5, 4, dropout=0.0)(torch.randn(2, 5), torch.randn(2, 5)).shape
        torch.Size([2, 5])
    """

    def __init__(self, num_labels: int, channels: int, dropout: float) -> None:
        super().__init__()
        size = (num_labels, channels)
        self.local_input, self.global_input = nn.Parameter(torch.empty(size)), nn.Parameter(torch.empty(size))
        self.hidden_bias = nn.Parameter(torch.empty(channels))
        self.dropout = nn.Dropout(dropout)
        self.weight, self.bias = nn.Parameter(torch.empty(size)), nn.Parameter(torch.empty(num_labels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights and put the biases to zero."""
        labels, channels = self.weight.shape
        for tensor, width in ((self.local_input, 2 * labels), (self.global_input, 2 * labels), (self.weight, channels)):
            nn.init.uniform_(tensor, -(width**-0.5), width**-0.5)
        for bias in (self.hidden_bias, self.bias):
            nn.init.zeros_(bias)

    def forward(self, local: Tensor, overall: Tensor) -> Tensor:
        """Scores of all labels."""
        hidden = local @ self.local_input + overall @ self.global_input + self.hidden_bias
        return F.linear(self.dropout(F.gelu(hidden)), self.weight, self.bias)

    @torch.no_grad()
    def init_bias(self, odds: Tensor, *, alone: bool) -> None:
        """Start from `odds` ``[L]``, or `alone` false, from zero, where both inputs start from `odds`.

        The hidden layer sees how they differ from there.
        """
        self.bias.copy_(odds if alone else torch.zeros_like(odds))
        self.hidden_bias.copy_(-(odds @ (self.local_input + self.global_input)))


def _keys(text: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """The vector of each text ``[B, D]``, its fields ``[B, F, D]`` and the logs of their weights ``[B, F]``.

    A field weighs 1, one that is missing 0; a text without fields has one that is zero.
    """
    if text.shape[1] < 2:
        raise ConfigError(
            f"'text' must be [B, 1 + F, D], the vector of the text and one or more fields, but got {list(text.shape)}: "
            "pass the vector twice where there are no fields."
        )
    pooled, fields = text[:, 0], text[:, 1:]
    log_weight = _precise(torch.zeros_like(fields[..., 0]))
    if mask is None:
        return pooled, fields, log_weight
    mask = mask[:, 1:]
    first = torch.arange(mask.shape[1], device=text.device) == 0
    counted = mask | (first & ~mask.any(1, keepdim=True))
    return pooled, fields.masked_fill(~mask.unsqueeze(-1), 0.0), log_weight.masked_fill(~counted, -torch.inf)


def _precise(values: Tensor) -> Tensor:
    """The same in float32 at least."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _check_options(channels: int, heads: int, dropout: float, top: int, blend: float | None) -> None:
    """Raise an error that names the option that is wrong."""
    if heads < 1 or channels % heads:
        raise ConfigError(f"'heads' must divide the width of the text vectors, {channels}, but got {heads}.")
    if not 0.0 <= dropout < 1.0:
        raise ConfigError(f"'dropout' must be at least 0 and below 1, but got {dropout}.")
    if top < 1:
        raise ConfigError(f"'top' must be at least 1, but got {top}.")
    if blend is not None and not 0.0 <= blend <= 1.0:
        raise ConfigError(f"'blend' must be a share from 0 to 1, but got {blend}.")
