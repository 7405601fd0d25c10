"""The frozen scorer of a cascade."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.scoring.cascade_decoding import CascadeDecoding
from hgraph.scoring.cascade_functional import CascadeScores
from hgraph.scoring.frozen_scorer import FrozenScorer

WEIGHTS = ("weight_", "bias_", "projection_", "shift_")
"""How the names of tensors begin that are no part of the hierarchy."""


class FrozenCascadeScorer(CascadeDecoding, FrozenScorer):
    """Scores a shortlist of labels for each document; see :class:`~hgraph.scoring.CascadeDecoding`.

    It holds the hierarchy, so neither the label graph nor the tree is read for a prediction.

    Args:
        num_labels: the number of labels.
        channels: the width of a document vector.
        sizes: number of inner nodes of each level.
        sources: for each level, the labels' last, the vectors of a document that it reads.
        topk: how many nodes of each level are selected.
        scores: how a label's probability follows from the scores on the way down.
        aliases: whether a level has nodes without weights of their own.
        tensors: weights and hierarchy by name.

    Shapes:
        - text ``[B, S, D]``
        - ``forward``: every label by its own weights, without the levels, ``[B, L]``, or candidates ``[B, K]``
        - ``shortlist``: labels (long, -1 where there is none) and log-odds, ``[B, K]`` each

    Example:
        >>> tensors = {"weight_0": torch.eye(2), "bias_0": torch.zeros(2, 1), "roots": torch.arange(2)}
        >>> scorer = FrozenCascadeScorer(2, 2, sizes=[], sources=[[0]], topk=[], aliases=[], **tensors)
        >>> scorer.shortlist(torch.tensor([[[3.0, 1.0]]]))
        (tensor([[0, 1]]), tensor([[3., 1.]]))
    """

    kind: ClassVar[str] = "cascade"

    def __init__(
        self,
        num_labels: int,
        channels: int,
        *,
        sizes: Sequence[int],
        sources: Sequence[Sequence[int]],
        topk: Sequence[int],
        aliases: Sequence[bool],
        scores: CascadeScores = "level",
        **tensors: Tensor | None,
    ) -> None:
        super().__init__(num_labels, channels, **tensors)
        self.sizes, self.topk, self.aliases = list(sizes), list(topk), list(aliases)
        self.sources = [list(group) for group in sources]
        self.scores: CascadeScores = scores

    def table(self, level: int) -> tuple[Tensor, Tensor]:
        """Weights and biases of a level; behind the last level, those of the labels."""
        return self.structure("weight", level), self.structure("bias", level)

    def feature(self, text: Tensor, level: int) -> Tensor:
        """The vector of a level, ``[B, D]``."""
        vector = text[:, self.sources[level]].flatten(1)
        if len(self.sources[level]) == 1:
            return vector
        return F.linear(vector, self.structure("projection", level), self.structure("shift", level))

    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of every label, or of given candidates, without the levels above."""
        return self.label_scores(text, candidates)

    def options(self) -> dict[str, Any]:
        """Sizes and how a prediction goes down the levels."""
        return {
            "num_labels": self.num_labels,
            "channels": self.channels,
            "sizes": self.sizes,
            "sources": self.sources,
            "topk": self.topk,
            "scores": self.scores,
            "aliases": self.aliases,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FrozenCascadeScorer":
        """A scorer of the right shapes from :meth:`config`; its tensors hold anything."""
        tensors: dict[str, Any] = {
            name: torch.empty(shape, dtype=None if name.startswith(WEIGHTS) else torch.long)
            for name, shape in config["shapes"].items()
        }
        return cls(**tensors, **{name: value for name, value in config.items() if name != "shapes"})
