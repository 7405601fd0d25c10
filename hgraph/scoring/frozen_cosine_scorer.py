"""Scaled cosine against label vectors that no longer change."""

import torch.nn.functional as F
from torch import Tensor

from hgraph.scoring.frozen_scorer import FrozenScorer
from hgraph.scoring.functional import dot_scores


class FrozenCosineScorer(FrozenScorer):
    r"""What a cosine :class:`~hgraph.scoring.DotScorer` becomes when it is frozen: unit label vectors, stored once.

    .. math:: z_{i,l} = \langle h_i / \lVert h_i \rVert, v_l \rangle + b_l

    The scale of the cosine is part of the stored vectors, so one matrix product scores a batch.

    Args:
        vectors: the label vectors, already of unit length and scaled.
        bias: one number a label, or one for all.

    Shapes:
        - text ``[B, D]``, vectors ``[L, D]``, bias ``[L]`` or ``[1]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> import torch
        >>> FrozenCosineScorer(torch.eye(2), bias=torch.zeros(1))(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """

    kind = "cosine"
    vectors: Tensor
    bias: Tensor

    def __init__(self, vectors: Tensor, *, bias: Tensor) -> None:
        super().__init__(*vectors.shape, vectors=vectors, bias=bias)

    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of every label, or of the candidates of each document."""
        return dot_scores(F.normalize(text, dim=-1), self.vectors, bias=self.bias, candidates=candidates)
