"""How much a negative counts, by how rare and how deep its labels are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.sampling.label_sets import LabelSets, full_product

Schedule = tuple[float, float]
"""A value at the beginning of the training and one at its end; linear between."""


class SupportWeights(nn.Module):
    r"""Weights of negatives by support and depth, which change over the training.

    With :math:`n_l` the number of training documents of label :math:`l`, :math:`d_l` its level and :math:`t` the
    progress of the training from 0 to 1:

    .. math:: w_l(t) \propto n_l^{-\alpha(t)} \, d_l^{\beta(t)}, \qquad
        \alpha(t) = (1 - t)\, \alpha_0 + t\, \alpha_1, \qquad \beta(t) = (1 - t)\, \beta_0 + t\, \beta_1

    scaled so that the mean over all pairs of a training document and its label is 1. A document weighs, on a level, the
    mean of its labels there; without labels on that level, the mean of all its labels; without any, 1.

    With the defaults the training begins among frequent labels near the roots and ends among rare, deep ones. HMCL
    (`arXiv 2507.04413 <https://arxiv.org/abs/2507.04413>`_) found that which negatives help depends on the support of
    a label and left open how to weigh them; this is our proposal, not part of the paper.

    Args:
        graph: the hierarchy.
        support: number of training documents of each label. A label without documents counts as if it had one.
        alpha: :math:`\alpha_0, \alpha_1` (default -0.5 and 0.5): above 0, rare labels weigh more.
        beta: :math:`\beta_0, \beta_1` (default -0.5 and 0.5): above 0, deep labels weigh more.

    Shapes:
        - support ``[L]``
        - output ``[num_levels, B]``, float32

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
        >>> weights = SupportWeights(graph, [10, 8, 2], alpha=(0.0, 1.0), beta=(0.0, 0.0))
        >>> weights.label_weights.tolist()
        [1.0, 1.0, 1.0]
        >>> weights.set_progress(1.0)
        >>> [round(weight, 3) for weight in weights.label_weights.tolist()]
        [0.667, 0.833, 3.333]
    """

    level: Tensor
    log_support: Tensor
    label_weights: Tensor

    def __init__(
        self,
        graph: LabelGraph,
        support: Any,
        *,
        alpha: Schedule = (-0.5, 0.5),
        beta: Schedule = (-0.5, 0.5),
    ) -> None:
        super().__init__()
        self.alpha, self.beta = check_schedule(alpha, "alpha"), check_schedule(beta, "beta")
        self.num_levels = graph.num_levels
        self.progress = 0.0
        counts = check_support(support, graph.num_labels)
        self.register_buffer("level", graph.level.clone(), persistent=False)
        self.register_buffer("log_support", torch.from_numpy(counts).clamp(min=1).log().float(), persistent=False)
        self.register_buffer("label_weights", torch.ones(graph.num_labels), persistent=False)
        self.set_progress(0.0)

    @torch.no_grad()
    def set_progress(self, progress: float) -> None:
        """Say how much of the training is done, from 0 to 1; linear in the number of labels."""
        if not 0 <= progress <= 1:
            raise ConfigError(f"'progress' must be from 0 to 1, but got {progress}.")
        self.progress = float(progress)
        alpha, beta = at_progress(self.alpha, progress), at_progress(self.beta, progress)
        weights = beta * self.level.to(self.log_support).log() - alpha * self.log_support
        # The mean over pairs: each label as often as it has documents.
        scale = (weights + self.log_support).logsumexp(0) - self.log_support.logsumexp(0)
        self.label_weights.copy_((weights - scale).exp())

    @torch.no_grad()
    def forward(self, sets: LabelSets) -> Tensor:
        """What each document weighs as a negative on each level."""
        parts = sets.by_level(self.level, self.num_levels)
        total = torch.stack(
            [full_product(part, self.label_weights[ids].to(part)) for part, ids in parts]
        )  # [num_levels, B]
        count = torch.stack([part.sum(1) for part, _ in parts])
        of_all = torch.where(count.sum(0) > 0, total.sum(0) / count.sum(0).clamp(min=1), 1.0)
        return torch.where(count > 0, total / count.clamp(min=1), of_all)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha}, beta={self.beta}, progress={self.progress})"


def at_progress(schedule: Schedule, progress: float) -> float:
    """The value of a schedule when so much of the training is done.

    Example:
        >>> at_progress((0.0, 2.0), 0.25)
        0.5
    """
    start, end = schedule
    return (1 - progress) * start + progress * end


def check_schedule(schedule: Sequence[float], name: str) -> Schedule:
    """The schedule as a pair of floats; an error if it is not one."""
    values = tuple(schedule) if isinstance(schedule, Sequence) else ()
    if len(values) != 2 or not all(isinstance(value, int | float) and np.isfinite(value) for value in values):
        raise ConfigError(f"'{name}' must be two numbers, at the beginning and at the end, but got {schedule!r}.")
    return float(values[0]), float(values[1])


def check_support(support: Any, num_labels: int) -> np.ndarray:
    """The support as float64 `[num_labels]`; an error if it has another length or negative entries."""
    counts = np.asarray(support, dtype=np.float64)
    if counts.shape != (num_labels,):
        raise ConfigError(f"'support' must have shape [{num_labels}], one a label, but got {list(counts.shape)}.")
    if not (counts >= 0).all():
        raise ConfigError(f"'support' must be counts of documents, 0 or more, but got {counts.min()}.")
    return counts
