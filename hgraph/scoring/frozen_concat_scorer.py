"""A hidden layer on documents and label vectors that no longer change."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from hgraph.scoring.blocks import MEMORY_BUDGET, check_budget
from hgraph.scoring.frozen_scorer import FrozenScorer
from hgraph.scoring.fusion import Activation, check_activation, hidden_scores


class FrozenConcatScorer(FrozenScorer):
    r"""What a :class:`~hgraph.scoring.ConcatScorer` becomes when it is frozen.

    Args:
        text_map: :math:`A`.
        text_bias: :math:`c`.
        label_part: :math:`B f_l`.
        output: :math:`v`.
        bias: one number a label, or one for all.
        activation: :math:`\phi`.
        memory_budget: bytes that a block of labels may take.

    Shapes:
        - text ``[B, D]``, candidates ``[B, K]`` (long); text_map ``[W, D]``, text_bias and output ``[W]``, label_part
          ``[L, W]``, bias ``[L]`` or ``[1]``
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> import torch
        >>> parts = {"text_map": torch.eye(2), "text_bias": torch.zeros(2), "label_part": torch.tensor([[1.0, -5.0]])}
        >>> scorer = FrozenConcatScorer(**parts, output=torch.ones(2), bias=torch.zeros(1))
        >>> scorer(torch.tensor([[2.0, 3.0]]))
        tensor([[3.]])
    """

    kind = "concat"
    text_map: Tensor
    text_bias: Tensor
    label_part: Tensor
    output: Tensor
    bias: Tensor

    def __init__(
        self,
        *,
        text_map: Tensor,
        text_bias: Tensor,
        label_part: Tensor,
        output: Tensor,
        bias: Tensor,
        activation: Activation = "relu",
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        super().__init__(
            label_part.shape[0], text_map.shape[1], text_map=text_map, text_bias=text_bias, label_part=label_part,
            output=output, bias=bias,
        )  # fmt: skip
        self.activation = check_activation(activation)
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
        return hidden_scores(
            F.linear(text, self.text_map, self.text_bias), self.label_part, self.output, self.bias,
            activation=self.activation, candidates=candidates, memory_budget=self.memory_budget,
        )  # fmt: skip

    def options(self) -> dict[str, Any]:
        """Arguments of the constructor that are no tensors."""
        return {"activation": self.activation, "memory_budget": self.memory_budget}
