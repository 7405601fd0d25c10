"""From raw scores to the log-odds of labels, where a score alone is not one."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hgraph.losses.conditional_probabilities import ConditionalProbabilities, Kind, group_logsumexp
from hgraph.losses.relations import LevelSteps

if TYPE_CHECKING:
    from hgraph.graph import LabelGraph

UNSCORED = -30.0
"""Log-probability of a label that has no score of its own."""


class ConditionalLink(nn.Module):
    r"""Scores that judge a label given its parents, to the log-odds of the label itself.

    .. math:: \operatorname{logit} P(l) = \log P(l) - \log(1 - P(l))

    with :math:`P` of :class:`~hgraph.losses.ConditionalProbabilities`: on a tree no label is more probable than its
    parent. What follows from it (calibration, thresholds, decoding, measures) reads log-odds and needs to know nothing
    of it. :class:`~hgraph.losses.ConditionalLoss` is the objective that trains such scores.

    Labels that a newer hierarchy put between others have no scores of their own (:attr:`unscored`). They are not
    predicted, and what is below them is as probable as before: they drop out of the product; among siblings they count
    as much as their children together.

    Args:
        graph: the hierarchy.
        kind: ``"sigmoid"``, for any number of labels a document, or ``"softmax"``, for one path a document.

    Attributes:
        unscored: bool ``[L]``, labels whose scores say nothing; none at first.

    Shapes:
        - scores and output ``[B, L]``

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> link = ConditionalLink(LabelGraph.from_edges([("a", "b")]))
        >>> link(torch.zeros(1, 2)).sigmoid()
        tensor([[0.5000, 0.2500]])
    """

    unscored: Tensor
    label_buffers = ("unscored",)

    def __init__(self, graph: "LabelGraph", *, kind: Kind = "sigmoid") -> None:
        super().__init__()
        self.probabilities = ConditionalProbabilities(graph, kind=kind)
        self.steps = LevelSteps(graph, "up") if kind == "softmax" else None
        self.register_buffer("unscored", torch.zeros(graph.num_labels, dtype=torch.bool))

    def forward(self, scores: Tensor) -> Tensor:
        """Log-odds; see the class for shapes."""
        # Of a label that is certain the odds are infinite: no log-probability above that of 1 - 1e-7.
        log = self.probabilities(self._neutral(scores.float())).clamp(max=-1e-7)
        log = log.masked_fill(self.unscored, UNSCORED)
        return log - torch.log(-torch.expm1(log))

    def _neutral(self, scores: Tensor) -> Tensor:
        """Scores in which labels without scores of their own change nothing for the labels below them."""
        if self.steps is None:
            return scores.masked_fill(self.unscored, -UNSCORED)
        rows = scores.masked_fill(self.unscored, UNSCORED).t()
        for step in self.steps:
            below = group_logsumexp(rows[step.source], step.group, len(step.target))
            unscored = self.unscored[step.target].unsqueeze(1)
            rows = rows.index_copy(0, step.target, torch.where(unscored, below, rows[step.target]))
        return rows.t()
