"""The frozen scorer of steps."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from hgraph.scoring.frozen_scorer import FrozenScorer
from hgraph.scoring.level_decoding import LevelDecoding


class FrozenLevelScorer(LevelDecoding, FrozenScorer):
    """Scores each label by the state of the step of its level; see :class:`~hgraph.scoring.LevelDecoding`.

    It also decides what a step is fed with, so it holds the edges of the hierarchy; the model that runs the steps is
    :class:`hgraph.models.FrozenHBGL`.

    Args:
        num_labels: the number of labels.
        channels: the width of a state.
        level_sizes: number of labels of each level.
        edge_sizes: number of edges that end at each level.
        threshold: probability from which a label is fed to the next step.
        constrained: whether a label is fed only below one that was fed.
        faithful: the published form.
        tensors: the tensors of :class:`~hgraph.scoring.LevelDecoding`, by name.

    Shapes:
        - text ``[B, K, D]``, the states of the steps; candidates ``[B, C]``
        - output ``[B, L]``, or ``[B, C]`` with candidates

    Example:
        >>> tensors = {"weight": torch.eye(2), "bias": torch.zeros(2), "mask_vector": torch.zeros(2)}
        >>> maps = {"map_weight": torch.zeros(2, 2), "map_bias": torch.zeros(2)}
        >>> norm = {"norm_weight": torch.ones(2), "norm_bias": torch.zeros(2)}
        >>> tree = {"order": torch.tensor([1, 0]), "edge_index": torch.tensor([[1], [0]])}
        >>> scorer = FrozenLevelScorer(2, 2, level_sizes=[1, 1], edge_sizes=[0, 1], **tensors, **maps, **norm, **tree)
        >>> scorer(torch.tensor([[[1.0, 3.0], [5.0, 1.0]]])).round()
        tensor([[1., 1.]])
    """

    kind: ClassVar[str] = "level"

    def __init__(
        self,
        num_labels: int,
        channels: int,
        *,
        level_sizes: list[int],
        edge_sizes: list[int],
        threshold: float = 0.5,
        constrained: bool = True,
        faithful: bool = False,
        **tensors: Tensor | None,
    ) -> None:
        super().__init__(num_labels, channels, **tensors)
        self.level_sizes, self.edge_sizes = list(level_sizes), list(edge_sizes)
        self.threshold, self.constrained, self.faithful = threshold, constrained, faithful

    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of every label, or of the candidates of each document."""
        return self.all_scores(text, candidates)

    def options(self) -> dict[str, Any]:
        """Sizes of the levels and how a step is fed."""
        return {
            "num_labels": self.num_labels,
            "channels": self.channels,
            "level_sizes": self.level_sizes,
            "edge_sizes": self.edge_sizes,
            "threshold": self.threshold,
            "constrained": self.constrained,
            "faithful": self.faithful,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FrozenLevelScorer":
        """A scorer of the right shapes from :meth:`config`; its tensors hold anything."""
        whole = ("order", "edge_index")
        tensors: dict[str, Any] = {
            name: torch.empty(shape, dtype=torch.long if name in whole else None)
            for name, shape in config["shapes"].items()
        }
        return cls(**tensors, **{name: value for name, value in config.items() if name != "shapes"})
