"""Inner product or scaled cosine of document and label vectors."""

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring.frozen_cosine_scorer import FrozenCosineScorer
from hgraph.scoring.functional import dot_scores
from hgraph.scoring.linear_scorer import LinearScorer
from hgraph.scoring.scorer import Scorer

Similarity = Literal["dot", "cosine"]


class DotScorer(Scorer):
    r"""Scores a label by how far its vector points the way of the document vector.

    .. math:: z_{i,l} = \alpha \, s(h_i, f_l) + b_l

    where :math:`s` is the inner product or the cosine and :math:`\alpha > 0` is learned. Unlike with
    :class:`~hgraph.scoring.AdditiveScorer`, the label vectors act on every single score, so a label that had no
    training documents can still be scored from its name and its place in the hierarchy.

    Args:
        channels: the width of document and label vectors.
        num_labels: with it each label has a bias of its own; without it (default) all labels share one, and the scorer
            takes any number of label vectors.
        similarity: ``"dot"`` (default) or ``"cosine"``.
        scale: where :math:`\alpha` starts; by default ``1 / sqrt(channels)`` for ``"dot"`` and ``1 / 0.07`` for
            ``"cosine"``. Its logarithm is the parameter, so it stays positive.

    Shapes:
        - text ``[B, D]``, labels ``[L, D]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> scorer = DotScorer(channels=2, similarity="cosine", scale=10.0)
        >>> scorer(torch.tensor([[0.0, 3.0]]), labels=torch.eye(2))
        tensor([[ 0., 10.]], grad_fn=<AddBackward0>)
    """

    label_parameters = ("bias",)

    def __init__(
        self,
        channels: int,
        *,
        num_labels: int | None = None,
        similarity: Similarity = "dot",
        scale: float | None = None,
    ) -> None:
        super().__init__(num_labels, channels)
        if similarity not in get_args(Similarity):
            raise ConfigError(f"'similarity' must be one of {', '.join(get_args(Similarity))}, but got {similarity!r}.")
        if scale is not None and not scale > 0:
            raise ConfigError(f"'scale' must be above 0, but got {scale}.")
        self.similarity = similarity
        self.initial_scale = scale or (channels**-0.5 if similarity == "dot" else 1 / 0.07)
        self.log_scale = nn.Parameter(torch.empty(()))
        self.bias = nn.Parameter(torch.empty(num_labels or 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Put the scale back to where it started and the biases to zero."""
        nn.init.constant_(self.log_scale, math.log(self.initial_scale))
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
        if self.similarity == "cosine":
            text, labels = F.normalize(text, dim=-1), F.normalize(labels, dim=-1)
        # The scale goes to the documents: there are fewer of them than of labels or of scores.
        return dot_scores(text * self.log_scale.exp(), labels, bias=self.bias, candidates=candidates)

    @torch.no_grad()
    def freeze(self, labels: Tensor | None = None) -> LinearScorer | FrozenCosineScorer:
        """A :class:`LinearScorer` for ``"dot"``, a :class:`FrozenCosineScorer` for ``"cosine"``."""
        labels = self.require_labels(labels).to(self.bias)
        if self.similarity == "dot":
            bias = self.bias.expand(labels.shape[0])
            return LinearScorer.from_weights(labels * self.log_scale.exp(), bias)
        return FrozenCosineScorer(F.normalize(labels, dim=-1) * self.log_scale.exp(), bias=self.bias)

    def __repr__(self) -> str:
        size = f"num_labels={self.num_labels}, channels={self.channels}"
        return f"{type(self).__name__}({size}, similarity={self.similarity!r})"
