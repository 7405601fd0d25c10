"""Probabilities of labels as products of conditional ones, down a hierarchy."""

from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.utils import scatter

from hgraph.errors import ConfigError
from hgraph.losses.precision import full_precision
from hgraph.losses.relations import LevelSteps, Relation, check_columns

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

Kind = Literal["sigmoid", "softmax"]

MAX_ENTRIES = 1 << 24
"""Largest number of (label, ancestor, document) entries added up at a time."""


def conditional_log_probabilities(scores: Tensor, graph: "LabelGraph", *, kind: Kind = "sigmoid") -> Tensor:
    """Log-probability of each label from scores given its parents; see :class:`ConditionalProbabilities`.

    Shapes:
        - scores and output ``[B, L]``

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d")])
        >>> conditional_log_probabilities(torch.zeros(1, 4), graph).exp()
        tensor([[0.5000, 0.2500, 0.2500, 0.1250]])
        >>> conditional_log_probabilities(torch.zeros(1, 4), graph, kind="softmax").exp()
        tensor([[1.0000, 0.5000, 0.5000, 0.5000]])
    """
    return ConditionalProbabilities(graph, kind=kind)(scores)


class ConditionalProbabilities(nn.Module):
    r"""Log-probabilities of labels from scores that judge a label given its parents.

    ``"sigmoid"``: :math:`\sigma(z_l)` is the probability of label :math:`l` in a document that has all its parents.
    In a set of labels closed upwards :math:`l` occurs exactly if each of its ancestors does, so that

    .. math:: P(l) = \prod_{a \in \{l\} \cup \operatorname{anc}(l)} \sigma(z_a)

    On a tree this is the product down the path. On a DAG it is exact as well: each ancestor is one decision and enters
    once, however many paths lead through it, where a product along one path would forget the other parents.

    ``"softmax"``: a document walks down from a virtual root, and :math:`P(l \mid p)` is a softmax over the children of
    :math:`p` (over the roots at the start). With several parents, the ways to reach a label exclude each other and add
    up:

    .. math:: P(l) = \sum_{p \in \operatorname{par}(l)} P(p) P(l \mid p)

    Either way no threshold separates a label from its parent on a tree; with ``"softmax"`` on a DAG a label can be more
    likely than each of its parents alone, as it takes in walks through all of them.

    Args:
        graph: the hierarchy.
        kind: ``"sigmoid"`` (default), for any number of labels a document, or ``"softmax"``, for one path a document.

    Shapes:
        - scores ``[B, L]``
        - output ``[B, L]``, at most 0

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> probabilities = ConditionalProbabilities(LabelGraph.from_edges([("a", "c"), ("b", "c")]))
        >>> probabilities(torch.zeros(1, 3)).exp()
        tensor([[0.5000, 0.1250, 0.5000]])
    """

    parent: Tensor
    child: Tensor

    def __init__(self, graph: "LabelGraph", *, kind: Kind = "sigmoid") -> None:
        super().__init__()
        if kind not in ("sigmoid", "softmax"):
            raise ConfigError(f"'kind' must be 'sigmoid' or 'softmax', but got {kind!r}.")
        self.kind: Kind = kind
        self.num_labels = graph.num_labels
        if kind == "sigmoid":
            self.ancestors = Relation(graph.ancestors)
            return
        self.steps = LevelSteps(graph, "down")
        roots = torch.from_numpy(graph.roots)
        # The virtual root is label L.
        parent = torch.cat([torch.full_like(roots, self.num_labels), self.steps.source])
        child = torch.cat([roots, *(step.target[step.group] for step in self.steps)])
        self.num_roots = len(roots)
        self.register_buffer("parent", parent, persistent=False)
        self.register_buffer("child", child, persistent=False)

    def forward(self, scores: Tensor) -> Tensor:
        """Log-probabilities of all labels."""
        check_columns(scores, self.num_labels, None)
        rows = full_precision(scores).t()
        return (self._products(rows) if self.kind == "sigmoid" else self._walks(rows)).t()

    def _products(self, rows: Tensor) -> Tensor:
        """Sums of log-sigmoids over each label and its ancestors, ``[L, B]``, a block of documents at a time."""
        own, label, above = F.logsigmoid(rows), self.ancestors.labels, self.ancestors.others
        block = max(MAX_ENTRIES // max(len(above), 1), 1)
        sums = [scatter(part[above], label, 0, self.num_labels, reduce="sum") for part in own.split(block, dim=1)]
        return own + torch.cat(sums, dim=1)

    def _walks(self, rows: Tensor) -> Tensor:
        """Log-probabilities that a walk from the virtual root comes through each label, ``[L, B]``."""
        log_child = sibling_log_softmax(rows[self.child], self.parent, self.num_labels + 1)
        start, *steps = log_child.split([self.num_roots, *(len(step.source) for step in self.steps)])
        out = torch.zeros_like(rows).index_copy(0, self.child[: self.num_roots], start)
        for step, log_step in zip(self.steps, steps, strict=True):
            ways = out[step.source] + log_step
            out = out.index_copy(0, step.target, group_logsumexp(ways, step.group, len(step.target)))
        return out


def group_logsumexp(values: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Log-sum-exp of the rows of each group; 0 for a group without finite rows.

    Shapes:
        - values ``[E, B]``, group ``[E]``
        - output ``[num_groups, B]``

    Example:
        >>> group_logsumexp(torch.zeros(3, 1), torch.tensor([0, 0, 1]), 2).exp()
        tensor([[2.],
                [1.]])
    """
    top = scatter(values.detach(), group, 0, num_groups, reduce="max")
    top = top.masked_fill(top == -torch.inf, 0.0)
    sums = scatter((values - top[group]).exp(), group, 0, num_groups, reduce="sum")
    return top + (sums + (sums == 0)).log()


def sibling_log_softmax(values: Tensor, parent: Tensor, num_groups: int) -> Tensor:
    """Log-softmax of the edges among all edges of the same parent; -inf for an edge whose value is -inf.

    Shapes:
        - values ``[E, B]``, parent ``[E]``
        - output ``[E, B]``
    """
    return values - group_logsumexp(values, parent, num_groups)[parent]
