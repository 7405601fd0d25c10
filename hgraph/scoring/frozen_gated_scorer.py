"""Gates between documents and label vectors that no longer change."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from hgraph.scoring.blocks import MEMORY_BUDGET, check_budget
from hgraph.scoring.frozen_scorer import FrozenScorer
from hgraph.scoring.fusion import gated_scores


class FrozenGatedScorer(FrozenScorer):
    r"""What a :class:`~hgraph.scoring.GatedScorer` becomes when it is frozen.

    Args:
        gate_map: :math:`A`.
        gate_bias: :math:`c`.
        label_gate: :math:`B f_l`.
        weight: :math:`w_l`.
        label_part: :math:`w_l \odot f_l`.
        bias: :math:`\langle w_l, f_l \rangle + b_l`.
        memory_budget: bytes that a block of labels may take.

    Shapes:
        - text ``[B, D]``, candidates ``[B, K]`` (long); gate_map ``[D, D]``, gate_bias ``[D]``, label_gate, weight and
          label_part ``[L, D]``, bias ``[L]``
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> import torch
        >>> zeros = {"gate_map": torch.zeros(2, 2), "gate_bias": torch.zeros(2), "label_gate": torch.zeros(1, 2)}
        >>> weight, vectors = torch.tensor([[1.0, 1.0]]), torch.tensor([[4.0, 6.0]])
        >>> scorer = FrozenGatedScorer(**zeros, weight=weight, label_part=weight * vectors, bias=torch.tensor([10.0]))
        >>> scorer(torch.tensor([[2.0, 0.0]]))  # half of both
        tensor([[6.]])
    """

    kind = "gated"
    gate_map: Tensor
    gate_bias: Tensor
    label_gate: Tensor
    weight: Tensor
    label_part: Tensor
    bias: Tensor

    def __init__(
        self,
        *,
        gate_map: Tensor,
        gate_bias: Tensor,
        label_gate: Tensor,
        weight: Tensor,
        label_part: Tensor,
        bias: Tensor,
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        super().__init__(
            *weight.shape, gate_map=gate_map, gate_bias=gate_bias, label_gate=label_gate, weight=weight,
            label_part=label_part, bias=bias,
        )  # fmt: skip
        self.memory_budget = check_budget(memory_budget)

    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of every label, or of the candidates of each document."""
        return gated_scores(
            text, F.linear(text, self.gate_map, self.gate_bias), self.label_gate, self.weight, self.label_part,
            self.bias, candidates=candidates, memory_budget=self.memory_budget,
        )  # fmt: skip

    def options(self) -> dict[str, Any]:
        """Arguments of the constructor that are no tensors."""
        return {"memory_budget": self.memory_budget}
