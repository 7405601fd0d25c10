"""The trained scorer of steps."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.scoring import FrozenLevelScorer, LevelDecoding, Scorer


class LevelScorer(LevelDecoding, Scorer):
    """Scores each label by the state of the step of its level; see :class:`hgraph.scoring.LevelDecoding`.

    Args:
        graph: The hierarchy.
        channels: The width D of states and label vectors.
        threshold: Probability from which a label is fed to the next step.
        constrained: Whether a label is fed only below one that was fed.
        faithful: The published form: all labels and the end of the sequence are candidates of every step, every label
            may be fed at every step, and a step without labels is fed zeros.

    Shapes:
        - text ``[B, K, D]``, the states of the steps; candidates ``[B, C]``
        - output ``[B, L]``, or ``[B, C]`` with candidates

    Example:
        >>> scorer = LevelScorer(LabelGraph.from_edges([("a", "b"), ("a", "c")]), 4)
        >>> scorer(torch.randn(5, 2, 4)).shape
        torch.Size([5, 3])
    """

    num_labels: int
    label_parameters: ClassVar[tuple[str, ...]] = ("weight", "bias")
    label_products: ClassVar[tuple[tuple[str, str], ...]] = ()  # a new label starts from its name

    def __init__(
        self,
        graph: LabelGraph,
        channels: int,
        *,
        threshold: float = 0.5,
        constrained: bool = True,
        faithful: bool = False,
    ) -> None:
        super().__init__(graph.num_labels, channels)
        if not 0.0 <= threshold < 1.0:
            raise ConfigError(f"'threshold' must be a share from 0 to below 1, found {threshold}.")
        self.threshold, self.constrained, self.faithful = threshold, constrained, faithful
        level = graph.level.numpy()
        child, parent = graph.parents.nonzero()
        edges = np.stack([parent, child])[:, np.argsort(level[child], kind="stable")]
        self.register_buffer("order", torch.from_numpy(np.argsort(level, kind="stable")), persistent=False)
        self.register_buffer("edge_index", torch.from_numpy(edges.astype(np.int64)), persistent=False)
        self.level_sizes = np.bincount(level)[1:].tolist()
        self.edge_sizes = np.bincount(level[child], minlength=len(self.level_sizes) + 1)[1:].tolist()
        self.weight = nn.Parameter(torch.empty(graph.num_labels, channels))
        self.bias = nn.Parameter(torch.empty(graph.num_labels))
        self.mask_vector = nn.Parameter(torch.empty(channels))
        self.map_weight = nn.Parameter(torch.empty(channels, channels))
        self.map_bias = nn.Parameter(torch.empty(channels))
        self.norm_weight = nn.Parameter(torch.empty(channels))
        self.norm_bias = nn.Parameter(torch.empty(channels))
        self.end_weight = nn.Parameter(torch.empty(channels)) if faithful else None
        self.end_bias = nn.Parameter(torch.empty(())) if faithful else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw label vectors and the mask; the transform starts as a normalisation."""
        for parameter in (self.weight, self.mask_vector, self.end_weight):
            if parameter is not None:
                nn.init.normal_(parameter, std=0.02)
        for parameter in (self.bias, self.map_weight, self.map_bias, self.norm_bias, self.end_bias):
            if parameter is not None:
                nn.init.zeros_(parameter)
        nn.init.ones_(self.norm_weight)

    @property
    def num_steps(self) -> int:
        """Steps of a training sequence: the levels, and in the published form one more for the end."""
        return self.num_levels + (1 if self.faithful else 0)

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

    @torch.no_grad()
    def targets(self, labels: Tensor) -> Tensor:
        """What the steps are fed with in training, ``[B, S, D]``: sums of the vectors of each level's labels.

        No gradient reaches the vectors through them.

        Args:
            labels: ``[B, L]``, multi-hot.
        """
        chosen = labels[:, self.order].bool().split(self.level_sizes, dim=1)
        vectors = self.weight[self.order].split(self.level_sizes)
        sums = [self.summed(own, rows) for own, rows in zip(chosen, vectors, strict=True)]
        # No step that counts comes behind the end, so none sees what the end is fed with.
        sums += [torch.zeros_like(sums[0])] * (self.num_steps - self.num_levels)
        return torch.stack(sums, dim=1)

    def published_pairs(self, steps: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and targets of the published loss, ``[N, 1 + L]`` for the N steps that count.

        Each document has one step a level down to its last label, and then the end, column 0. At each step every label
        is a candidate.

        Args:
            steps: ``[B, K + 1, D]``, states of the pseudo stream.
            labels: ``[B, L]``, multi-hot.
        """
        assert self.end_weight is not None
        assert self.end_bias is not None
        depth = torch.zeros_like(self.order)
        depth[self.order] = torch.repeat_interleave(
            torch.arange(self.num_levels, device=labels.device), torch.tensor(self.level_sizes, device=labels.device)
        )
        given = labels > 0
        last = torch.where(given, depth + 1, 0).amax(1)  # [B]: the step that is the end
        number = torch.arange(self.num_steps, device=labels.device)
        row, step = (number <= last.unsqueeze(1)).nonzero().T
        states = self.transform(steps[row, step])
        weight = torch.cat([self.end_weight.unsqueeze(0), self.weight])
        scores = states @ weight.T + torch.cat([self.end_bias.reshape(1), self.bias])
        truth = given[row] & (depth == step.unsqueeze(1))
        return scores, torch.cat([(step == last[row]).unsqueeze(1), truth], dim=1).to(labels.dtype)

    def label_weights(self, labels: Tensor | None = None) -> Tensor:
        """The label vectors."""
        return self.weight

    @torch.no_grad()
    def init_bias(self, prior: Tensor) -> None:
        """Start from the log-odds of ``prior`` ``[L]``; in the published form, where a label is a candidate of every
        step, biases stay zero."""
        if not self.faithful:
            super().init_bias(prior)

    def freeze(self, labels: Tensor | None = None) -> FrozenLevelScorer:
        """A copy that training leaves alone."""
        names = ("weight", "bias", "mask_vector", "map_weight", "map_bias", "norm_weight", "norm_bias")
        return FrozenLevelScorer(
            self.num_labels,
            self.channels,
            level_sizes=self.level_sizes,
            edge_sizes=self.edge_sizes,
            threshold=self.threshold,
            constrained=self.constrained,
            faithful=self.faithful,
            **{name: getattr(self, name) for name in (*names, "order", "edge_index")},
        )
