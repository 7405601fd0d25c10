"""Each label at least as likely as everything below it, in training (C-HMCNN)."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.losses.bce import Reduction, check_reduction, reduce_pairs
from hgraph.losses.objective import Objective, check_shapes
from hgraph.losses.precision import full_precision
from hgraph.losses.relations import LevelSteps, Relation, Step, best_below, check_columns

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph


class MaxConstraint(nn.Module):
    r"""The max-constraint module of C-HMCNN (`arXiv 2010.10151 <https://arxiv.org/abs/2010.10151>`_).

    .. math:: \operatorname{MCM}(h)_a = \max \{ h_c : c = a \text{ or } c \text{ is a descendant of } a \}

    It works on probabilities and on raw scores alike. The gradient goes to the one score that is the maximum, of equal
    ones to the label with the smallest number, so that a gradient is never spread over labels by chance equality.

    The paper compares all pairs of labels. Here maxima are passed up the edges level by level, in time ``B x E`` and
    memory ``B x L``. On a shortlist the descendants among the candidates count, found through the ancestors of each
    candidate; labels between them need not be there.

    Args:
        graph: the hierarchy.

    Shapes:
        - scores ``[B, L]``, or ``[B, K]`` with candidates ``[B, K]`` (long); mask of the same shape
        - output: as the scores; -inf for a label that does not count and has nothing below it that does

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> mcm = MaxConstraint(LabelGraph.from_edges([("a", "b"), ("b", "c"), ("a", "d")]))
        >>> mcm(torch.tensor([[0.1, 0.2, 0.6, 0.3]]))
        tensor([[0.6000, 0.6000, 0.6000, 0.3000]])
    """

    def __init__(self, graph: "LabelGraph") -> None:
        super().__init__()
        self.steps = LevelSteps(graph, "up")
        self.ancestors = Relation(graph.ancestors)

    def forward(self, scores: Tensor, *, mask: Tensor | None = None, candidates: Tensor | None = None) -> Tensor:
        """The best score of each label and its descendants."""
        check_columns(scores, self.ancestors.num_labels, candidates)
        if mask is not None:
            scores = scores.masked_fill(~mask.bool(), -torch.inf)
        return scores.gather(1, self.places(scores, mask=mask, candidates=candidates)[0])

    def places(self, *scores: Tensor, mask: Tensor | None = None, candidates: Tensor | None = None) -> list[Tensor]:
        """For each matrix of scores the column of the best one of each label and its descendants."""
        if candidates is None:
            return [best_below(values.t(), self.steps)[1].t() for values in scores]
        step = Step.of(*self.ancestors.pairs(candidates, mask))
        width = max(candidates.size(1), 1)
        return [best_below(values.flatten(), [step])[1].view_as(values) % width for values in scores]


class MaxConstraintLoss(Objective):
    r"""Binary cross-entropy under the max constraint (C-HMCNN, `arXiv 2010.10151 <https://arxiv.org/abs/2010.10151>`_).

    .. math:: \ell_{i,l} = -y_{i,l} \log \operatorname{MCM}(h \odot y)_{i,l}
        - (1 - y_{i,l}) \log (1 - \operatorname{MCM}(h)_{i,l}), \qquad h = \sigma(z)

    A positive may be explained only by the document's own labels below it, a negative pushes down whatever below it is
    most likely. Decode with the maxima as well (:func:`~hgraph.decoding.close_upward_scores`). All is computed on raw
    scores, which the maximum treats as it treats probabilities, and stays exact where probabilities round to 0 or 1.

    Args:
        graph: the hierarchy.
        reduction: as of :class:`~hgraph.losses.BCELoss`.

    Shapes:
        - scores, labels and mask ``[B, L]``, or ``[B, K]`` with candidates ``[B, K]``; a pair that does not count
          explains nothing either
        - output: scalar

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> loss = MaxConstraintLoss(LabelGraph.from_edges([("a", "b"), ("a", "c")]), reduction="sum")
        >>> loss(scores=torch.tensor([[-9.0, 0.0, 9.0]]), labels=torch.tensor([[1.0, 1.0, 0.0]]))
        tensor(10.3864)
    """

    name = "max_constraint"

    def __init__(self, graph: "LabelGraph", *, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction: Reduction = reduction
        self.constraint = MaxConstraint(graph)

    def forward(
        self, *, scores: Tensor, labels: Tensor, mask: Tensor | None = None, candidates: Tensor | None = None
    ) -> Tensor:
        """The value for one batch."""
        check_shapes(scores, labels, mask)
        check_columns(scores, self.constraint.ancestors.num_labels, candidates)
        scores, positive = full_precision(scores), labels > 0.5
        kept = torch.ones_like(positive) if mask is None else mask.bool()
        # A product with y = 0 is probability 0, a score of -inf. A positive is below itself, and so is a negative among
        # all labels: no -inf is ever gathered for a pair that counts.
        by_own, by_any = self.constraint.places(
            scores.masked_fill(~(positive & kept), -torch.inf),
            scores.masked_fill(~kept, -torch.inf),
            mask=mask,
            candidates=candidates,
        )
        best = scores.gather(1, torch.where(positive, by_own, by_any))
        losses = F.softplus(torch.where(positive, -best, best))
        return reduce_pairs(losses, self.reduction, kept)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(reduction={self.reduction!r})"
