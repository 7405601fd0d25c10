"""A learned mixture of document and label vector, instead of their sum."""

import torch
from torch import Tensor, nn

from hgraph.scoring.blocks import MEMORY_BUDGET, check_budget
from hgraph.scoring.frozen_gated_scorer import FrozenGatedScorer
from hgraph.scoring.functional import fold_bias
from hgraph.scoring.fusion import gated_scores
from hgraph.scoring.scorer import Scorer


class GatedScorer(Scorer):
    r"""Decides coordinate by coordinate how much of the document and how much of the label is looked at.

    .. math:: g_{i,l} = \sigma(A h_i + B f_l + c), \qquad
        z_{i,l} = \langle w_l, \; g_{i,l} \odot h_i + (1 - g_{i,l}) \odot f_l \rangle + b_l

    Unlike with the sum of :class:`~hgraph.scoring.AdditiveScorer`, the label vector acts on each score, since the gate
    reads both. The price is a gate of D numbers for each pair of document and label: ``B x L x D`` sigmoids, where
    sum and inner product are one matrix product. They are computed in blocks of labels within ``memory_budget``; the
    backward pass computes each block again.

    Args:
        num_labels: the number of labels.
        channels: the width of document and label vectors.
        memory_budget: bytes that a block of labels may take (default 16 MiB).

    Shapes:
        - text ``[B, D]``, labels ``[L, D]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> scorer = GatedScorer(num_labels=5, channels=4)
        >>> scorer(torch.randn(2, 4), torch.randn(5, 4)).shape
        torch.Size([2, 5])
    """

    num_labels: int
    label_parameters = ("weight", "bias")

    def __init__(self, num_labels: int, channels: int, *, memory_budget: int = MEMORY_BUDGET) -> None:
        super().__init__(num_labels, channels)
        self.memory_budget = check_budget(memory_budget)
        self.text_gate = nn.Linear(channels, channels)
        self.label_gate = nn.Linear(channels, channels, bias=False)
        self.weight = nn.Parameter(torch.empty(num_labels, channels))
        self.bias = nn.Parameter(torch.empty(num_labels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights (uniform within one over the square root of the width) and zero biases."""
        self.text_gate.reset_parameters()
        self.label_gate.reset_parameters()
        nn.init.uniform_(self.weight, -(self.channels**-0.5), self.channels**-0.5)
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
        labels = self.require_labels(labels)
        return gated_scores(
            text, self.text_gate(text), self.label_gate(labels), self.weight, self.weight * labels,
            fold_bias(labels, self.weight, self.bias), candidates=candidates, memory_budget=self.memory_budget,
        )  # fmt: skip

    def label_weights(self, labels: Tensor | None = None) -> Tensor:
        """The weight matrix."""
        return self.weight

    @torch.no_grad()
    def freeze(self, labels: Tensor | None = None) -> FrozenGatedScorer:
        """The same gates with the label vectors multiplied out."""
        labels = self.require_labels(labels).to(self.bias)
        return FrozenGatedScorer(
            gate_map=self.text_gate.weight, gate_bias=self.text_gate.bias, label_gate=self.label_gate(labels),
            weight=self.weight, label_part=self.weight * labels, bias=fold_bias(labels, self.weight, self.bias),
            memory_budget=self.memory_budget,
        )  # fmt: skip
