"""A small network on document and label vector side by side."""

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring.blocks import MEMORY_BUDGET, check_budget
from hgraph.scoring.frozen_concat_scorer import FrozenConcatScorer
from hgraph.scoring.fusion import Activation, check_activation, hidden_scores
from hgraph.scoring.scorer import Scorer


class ConcatScorer(Scorer):
    r"""One hidden layer on the concatenation of document and label vector.

    .. math:: z_{i,l} = \langle v, \phi( [A \; B] [h_i; f_l] + c) \rangle + b_l
        = \langle v, \phi(A h_i + B f_l + c) \rangle + b_l

    Only the right-hand side is computed: documents and labels go through the first layer once each, and a pair costs
    a sum, the activation and an inner product of ``hidden`` numbers. That is done in blocks of labels within
    ``memory_budget``; the backward pass computes each block again. Nothing but the bias belongs to one label.

    Args:
        channels: the width D of a document vector.
        num_labels: with it each label has a bias of its own; without it (default) all labels share one, and the scorer
            takes any number of label vectors.
        label_channels: the width C of a label vector (default: ``channels``).
        hidden: the width of the hidden layer (default: ``channels``).
        activation: :math:`\phi`, ``"relu"`` (default), ``"gelu"`` or ``"tanh"``.
        memory_budget: bytes that a block of labels may take (default 16 MiB).

    Shapes:
        - text ``[B, D]``, labels ``[L, C]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> scorer = ConcatScorer(channels=4, label_channels=3, hidden=16)
        >>> scorer(torch.randn(2, 4), torch.randn(5, 3)).shape
        torch.Size([2, 5])
    """

    label_parameters = ("bias",)

    def __init__(
        self,
        channels: int,
        *,
        num_labels: int | None = None,
        label_channels: int | None = None,
        hidden: int | None = None,
        activation: Activation = "relu",
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        super().__init__(num_labels, channels, label_channels=label_channels)
        if hidden is not None and hidden < 1:
            raise ConfigError(f"'hidden' must be at least 1, but got {hidden}.")
        self.hidden = hidden or channels
        self.activation = check_activation(activation)
        self.memory_budget = check_budget(memory_budget)
        self.text_map = nn.Linear(channels, self.hidden)
        self.label_map = nn.Linear(self.label_channels, self.hidden, bias=False)
        self.output = nn.Parameter(torch.empty(self.hidden))
        self.bias = nn.Parameter(torch.empty(num_labels or 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights (uniform within one over the square root of the width) and zero biases."""
        self.text_map.reset_parameters()
        self.label_map.reset_parameters()
        nn.init.uniform_(self.output, -(self.hidden**-0.5), self.hidden**-0.5)
        nn.init.zeros_(self.bias)

    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of every label, or of the candidates of each document."""
        return hidden_scores(
            self.text_map(text), self.label_map(self.require_labels(labels)), self.output, self.bias,
            activation=self.activation, candidates=candidates, memory_budget=self.memory_budget,
        )  # fmt: skip

    @torch.no_grad()
    def freeze(self, labels: Tensor | None = None) -> FrozenConcatScorer:
        """The same network with the label vectors multiplied out."""
        labels = self.require_labels(labels).to(self.bias)
        return FrozenConcatScorer(
            text_map=self.text_map.weight, text_bias=self.text_map.bias, label_part=self.label_map(labels),
            output=self.output, bias=self.bias, activation=self.activation, memory_budget=self.memory_budget,
        )  # fmt: skip

    def __repr__(self) -> str:
        size = f"num_labels={self.num_labels}, channels={self.channels}, label_channels={self.label_channels}"
        return f"{type(self).__name__}({size}, hidden={self.hidden}, activation={self.activation!r})"
