"""Each label judged among the documents that have its parents."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch_geometric.utils import scatter

from hgraph.errors import ConfigError
from hgraph.losses.bce import Reduction, binary_cross_entropy, check_reduction, reduce_pairs
from hgraph.losses.conditional_probabilities import ConditionalProbabilities, Kind, sibling_log_softmax
from hgraph.losses.objective import Objective, check_shapes
from hgraph.losses.precision import full_precision
from hgraph.losses.relations import Relation, check_columns

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph


class ConditionalLoss(Objective):
    r"""Conditional sigmoid or softmax down a hierarchy.

    Scores judge a label given its parents, and the probability of a label is a product down the hierarchy
    (:class:`~hgraph.losses.ConditionalProbabilities`): consistent by construction. Among recent models for hierarchical
    text classification this simple objective is competitive (`arXiv 2410.01305 <https://arxiv.org/abs/2410.01305>`_).

    ``"sigmoid"``: binary cross-entropy over the labels all of whose parents are labels of the document; roots always
    count. With label sets closed upwards, which the loss expects, a label with a missing parent is absent for certain:
    nothing is to be learned from it, and the sum over the others is minus the log-likelihood of the label set. That is
    why all parents are asked for, not any.

    ``"softmax"``: for documents with one path each,

    .. math:: \ell_i = -\sum_{(p, c) : p, c \in Y_i} \log \frac{e^{z_{i,c} + \tau \log n_c}}
        {\sum_{c' \in \operatorname{ch}(p)} e^{z_{i,c'} + \tau \log n_{c'}}}

    with a virtual root above all roots. On a DAG a label competes among the children of each of its parents; a document
    with several labels below one parent has one such term for each. :math:`\tau` is the logit adjustment of Menon et
    al. (`arXiv 2007.07314 <https://arxiv.org/abs/2007.07314>`_) for rare labels: in training alone, scores are raised
    by the log-share of documents among siblings (of which only the number :math:`n_c` matters), so that the plain
    scores answer as if siblings were equally frequent.

    Args:
        graph: the hierarchy.
        kind: ``"sigmoid"`` (default) or ``"softmax"``.
        tau: strength of the logit adjustment, with ``"softmax"`` (default 0, none).
        support: number of training documents of each label, for `tau`; 0 counts as 1.
        reduction: ``"mean"`` (default) over the terms of the batch, or ``"sum"`` over the terms of a document, then the
            mean over documents: with ``"sigmoid"`` the negative log-likelihood.

    Shapes:
        - scores, labels, mask and candidates ``[B, L]``, or ``[B, K]`` of a shortlist with ``"sigmoid"``, where a label
          counts if all its parents are candidates too; ``"softmax"`` needs all siblings and refuses shortlists
        - output: scalar

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> loss = ConditionalLoss(LabelGraph.from_edges([("a", "b"), ("b", "c")]))
        >>> loss(scores=torch.tensor([[9.0, 0.0, 9.0]]), labels=torch.tensor([[1.0, 0.0, 0.0]]))
        tensor(0.3466)
    """

    name = "conditional"
    shift: Tensor
    num_parents: Tensor

    def __init__(
        self,
        graph: "LabelGraph",
        *,
        kind: Kind = "sigmoid",
        tau: float = 0.0,
        support: Tensor | list[int] | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        self.probabilities = ConditionalProbabilities(graph, kind=kind)
        self.parents = Relation(graph.parents)
        self.kind, self.tau, self.reduction = kind, tau, reduction
        self.num_labels = graph.num_labels
        self.register_buffer("shift", self._shift(support), persistent=False)

    def _shift(self, support: Tensor | list[int] | None) -> Tensor:
        """What is added to the score of each label in training."""
        if self.tau and (self.kind != "softmax" or support is None):
            raise ConfigError(
                f"'tau' must be 0 unless kind is 'softmax' and 'support' is given, but got {self.tau} with kind "
                f"{self.kind!r}" + (" and no 'support'." if support is None else ".")
            )
        counts = torch.ones(self.num_labels) if support is None else torch.as_tensor(support).float()
        if counts.shape != (self.num_labels,):
            raise ConfigError(
                f"'support' must have one number for each label, [{self.num_labels}], but got {list(counts.shape)}."
            )
        return self.tau * counts.clamp(min=1).log()

    def forward(
        self, *, scores: Tensor, labels: Tensor, mask: Tensor | None = None, candidates: Tensor | None = None
    ) -> Tensor:
        """The value for one batch."""
        check_shapes(scores, labels, mask)
        check_columns(scores, self.num_labels, candidates)
        if self.kind == "softmax":
            if candidates is not None:
                raise ConfigError(
                    "'candidates' must be None: ConditionalLoss with kind 'softmax' compares a label with all its "
                    "siblings. Use kind 'sigmoid' for shortlists."
                )
            return self._softmax(scores, labels, mask)
        known = self._has_all_parents(labels > 0.5, mask, candidates)
        kept = known if mask is None else known & mask.bool()
        return binary_cross_entropy(scores, labels, reduction=self.reduction, mask=kept)

    def _has_all_parents(self, positive: Tensor, mask: Tensor | None, candidates: Tensor | None) -> Tensor:
        """Whether the document is known to have every parent of each label, shaped like ``positive``."""
        if mask is not None:
            positive = positive & mask.bool()
        if candidates is None:
            label, above, missing = self.parents.labels, self.parents.others, ~positive.t()
            return ~scatter(missing[above].int(), label, 0, self.num_labels, reduce="max").bool().t()
        label, above = self.parents.pairs(candidates, mask)
        found = scatter(positive.flatten()[above].long(), label, 0, positive.numel(), reduce="sum")
        return found.view_as(positive) == self.parents.degree[candidates]

    def _softmax(self, scores: Tensor, labels: Tensor, mask: Tensor | None) -> Tensor:
        parent, child = self.probabilities.parent, self.probabilities.child
        scores = full_precision(scores)
        rows, positive = (scores + self.shift.to(scores)).t(), (labels > 0.5).t()
        if mask is not None:
            kept = mask.bool().t()
            rows, positive = rows.masked_fill(~kept, -torch.inf), positive & kept
        log_child = sibling_log_softmax(rows[child], parent, self.num_labels + 1)
        # The virtual root, label L, is in every document.
        walked = torch.cat([positive, torch.ones_like(positive[:1])])[parent] & positive[child]
        return reduce_pairs(-log_child.t(), self.reduction, walked.t())

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """Log-probabilities of all labels, for decoding; shapes ``[B, L]``."""
        return self.probabilities(scores)

    def __repr__(self) -> str:
        tau = f", tau={self.tau}" if self.tau else ""
        return f"{type(self).__name__}(kind={self.kind!r}{tau}, reduction={self.reduction!r})"
