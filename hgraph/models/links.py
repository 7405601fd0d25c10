"""From raw scores to the log-odds of labels, where a score alone is not one."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hgraph.losses.conditional_probabilities import ConditionalProbabilities, Kind

if TYPE_CHECKING:
    from hgraph.graph import LabelGraph


class ConditionalLink(nn.Module):
    r"""Scores that judge a label given its parents, to the log-odds of the label itself.

    .. math:: \operatorname{logit} P(l) = \log P(l) - \log(1 - P(l))

    with :math:`P` of :class:`~hgraph.losses.ConditionalProbabilities`: on a tree no label is more probable than its
    parent. What follows from it (calibration, thresholds, decoding, measures) reads log-odds and needs to know nothing
    of it. :class:`~hgraph.losses.ConditionalLoss` is the objective that trains such scores.

    Args:
        graph: the hierarchy.
        kind: ``"sigmoid"``, for any number of labels a document, or ``"softmax"``, for one path a document.

    Shapes:
        - scores and output ``[B, L]``

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> link = ConditionalLink(LabelGraph.from_edges([("a", "b")]))
        >>> link(torch.zeros(1, 2)).sigmoid()
        tensor([[0.5000, 0.2500]])
    """

    def __init__(self, graph: "LabelGraph", *, kind: Kind = "sigmoid") -> None:
        super().__init__()
        self.probabilities = ConditionalProbabilities(graph, kind=kind)

    def forward(self, scores: Tensor) -> Tensor:
        """Log-odds; see the class for shapes."""
        # Of a label that is certain the odds are infinite: no log-probability above that of 1 - 1e-7.
        log = self.probabilities(scores.float()).clamp(max=-1e-7)
        return log - torch.log(-torch.expm1(log))
