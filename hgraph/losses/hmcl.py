"""Hierarchical contrast between documents, level by level (HMCL)."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses.objective import Objective
from hgraph.losses.precision import full_precision
from hgraph.losses.supcon import check_temperature, cosines
from hgraph.sampling.label_sets import label_sets
from hgraph.sampling.support_weights import SupportWeights
from hgraph.sampling.text_negatives import TextNegatives, TextNegativesKind


def hmcl_from_similarity(
    similarity: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    temperature: float = 0.07,
    negative_weights: Tensor | None = None,
) -> Tensor:
    r"""Contrast of each document with its negatives, for each of its positives, on each level.

    With :math:`P_l(i)` and :math:`N_l(i)` the positives and negatives of document :math:`i` on level :math:`l`:

    .. math:: \ell_i^l = \frac{-1}{|P_l(i)|} \sum_{p \in P_l(i)} \log \frac{e^{s_{ip} / \tau}}
        {e^{s_{ip} / \tau} + \sum_{n \in N_l(i)} w_n^l e^{s_{in} / \tau}}

    averaged on each level over the documents that have positives there; zero, with zero gradient, where none has. Other
    positives are not in the denominator, so none pushes another away.

    Args:
        similarity: :math:`s`, usually cosines.
        positives: true where the column is a positive of the row.
        negatives: true where it is a negative.
        temperature: :math:`\tau`.
        negative_weights: :math:`w > 0`, 1 by default.

    Shapes:
        - similarity ``[B, B]``, positives and negatives ``[T, B, B]`` for T levels, negative_weights ``[T, B]``
        - output ``[T]``

    Example:
        >>> similarity = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
        >>> positives = torch.tensor([[[False, True, False], [True, False, False], [False, False, False]]])
        >>> negatives = torch.tensor([[[False, False, True], [False, False, True], [True, True, False]]])
        >>> hmcl_from_similarity(similarity, positives, negatives, temperature=1.0)
        tensor([0.4741])
    """
    similarity = full_precision(similarity) / temperature
    exponent = similarity.expand_as(positives)
    if negative_weights is not None:
        exponent = exponent + negative_weights.to(similarity).log().unsqueeze(1)
    # A row of -inf alone has a NaN gradient, which a later zero weight does not remove: such rows keep their values.
    contrasted = negatives.any(2, keepdim=True)  # [T, B, 1]
    against = exponent.masked_fill(~negatives & contrasted, -torch.inf).logsumexp(2, keepdim=True)
    terms = F.softplus(against - similarity).masked_fill(~(positives & contrasted), 0.0)
    count = positives.sum(2)
    losses = terms.sum(2) / count.clamp(min=1)  # [T, B]
    return losses.sum(1) / (count > 0).sum(1).clamp(min=1)


class HMCLLoss(Objective):
    r"""Hierarchical multi-label contrastive learning (HMCL, `arXiv 2507.04413 <https://arxiv.org/abs/2507.04413>`_).

    Pulls documents that share a label on a level together, and apart from documents that have other labels there;
    :func:`hmcl_from_similarity` on cosines, summed over the levels. Made for the pre-training of a text encoder, on
    batches in which each document has a positive (:class:`~hgraph.sampling.LevelSampler`).

    The paper leaves the temperature and the weights of levels open; it finds ``"level"`` the best negatives and
    ``"sibling"`` harmful to rare labels. Weights of negatives that change over the training are our addition.

    Args:
        graph: the hierarchy.
        negatives: a kind of :class:`~hgraph.sampling.TextNegatives` (default ``"level"``), or one made already.
        temperature: :math:`\tau` (default 0.07).
        level_weights: one factor a level, 1 by default.
        negative_weights: weights of negatives by support and depth; without it all weigh 1.

    Shapes:
        - labels and mask ``[B, L]``, or ``[B, K]`` with candidates ``[B, K]``; text ``[B, D]``
        - output: scalar

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
        >>> labels = torch.tensor([[1, 1, 0], [1, 1, 0], [1, 0, 1]])
        >>> text = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> HMCLLoss(graph, temperature=1.0)(labels=labels, text=text)  # level 1 has no negatives
        tensor(0.3133)
    """

    name = "hmcl"
    level_weights: Tensor

    def __init__(
        self,
        graph: LabelGraph,
        *,
        negatives: TextNegativesKind | TextNegatives = "level",
        temperature: float = 0.07,
        level_weights: Sequence[float] | None = None,
        negative_weights: SupportWeights | None = None,
    ) -> None:
        super().__init__()
        self.num_labels = graph.num_labels
        self.temperature = check_temperature(temperature)
        self.negatives = negatives if isinstance(negatives, TextNegatives) else TextNegatives(graph, negatives)
        self.negative_weights = negative_weights
        weights = [1.0] * graph.num_levels if level_weights is None else [float(weight) for weight in level_weights]
        if len(weights) != graph.num_levels or not all(math.isfinite(w) and w >= 0 for w in weights):
            raise ConfigError(
                f"'level_weights' must be {graph.num_levels} numbers of 0 or more, one a level, but got {weights}."
            )
        self.register_buffer("level_weights", torch.tensor(weights), persistent=False)

    def set_progress(self, progress: float) -> None:
        """Say how much of the training is done, from 0 to 1, for weights that change with it."""
        if self.negative_weights is not None:
            self.negative_weights.set_progress(progress)

    def forward(
        self, *, labels: Tensor, text: Tensor, mask: Tensor | None = None, candidates: Tensor | None = None
    ) -> Tensor:
        """The value for one batch."""
        sets = label_sets(labels, mask=mask, candidates=candidates, num_labels=self.num_labels)
        values = hmcl_from_similarity(
            cosines(text),
            *self.negatives(sets),
            temperature=self.temperature,
            negative_weights=None if self.negative_weights is None else self.negative_weights(sets),
        )
        return (values * self.level_weights.to(values)).sum()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(temperature={self.temperature}, negatives={self.negatives.kind!r})"
