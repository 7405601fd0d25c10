"""Labels that a document is contrasted with."""

from typing import Literal, get_args

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.sampling.label_sets import positives

LabelNegativesKind = Literal["all", "level", "sibling", "parent", "descendant"]

LABEL_NEGATIVES: tuple[LabelNegativesKind, ...] = get_args(LabelNegativesKind)
"""The kinds of :class:`LabelNegatives`."""


class LabelNegatives(nn.Module):
    r"""Which labels may be negatives of a document, by where they stand to the labels that it has.

    With :math:`Y_i` the labels of document :math:`i`, a label :math:`n \notin Y_i` is a negative

    - ``"all"``: always;
    - ``"level"``: where the document has a label on the level of :math:`n`;
    - ``"sibling"``: where :math:`n` shares a parent with a label of the document (the hardest); roots are siblings;
    - ``"parent"``: where the document has a label on the level of :math:`n`, but none of the parents of :math:`n` (the
      easiest); a root, which has no parents, is one wherever ``"level"`` makes it one;
    - ``"descendant"``: where :math:`n` is below a label of the document.

    A document without labels has negatives of the kind ``"all"`` alone. The kinds are those that HTLA, HyILR and HMCL
    (`arXiv 2507.04413 <https://arxiv.org/abs/2507.04413>`_) choose from, as one switch. Label sets are usually closed
    upward; nothing here requires it.

    On all labels, time and memory are ``B x (L + E)``, and a sweep over the levels for ``"descendant"``. With
    candidates, nothing has a side of ``L``: pairs of document and label are sorted and searched, and time and memory
    are ``B x K`` times the parents of a label (its ancestors for ``"descendant"``). A document's labels are then those
    among its candidates. A padded place needs the mask: without it, it is a label like any other.

    Args:
        graph: the hierarchy.
        kind: one of the above.

    Shapes:
        - labels and mask ``[B, L]``, or ``[B, K]`` with candidates ``[B, K]`` (long)
        - output: boolean, of the shape of the labels

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e"), ("b", "f")])
        >>> labels = torch.tensor([[1, 1, 0, 0, 0, 0]])  # the document has a and b
        >>> for kind in LABEL_NEGATIVES:
        ...     print(kind, [graph.label_id[i] for i in LabelNegatives(graph, kind)(labels)[0].nonzero()])
        all ['c', 'd', 'e', 'f']
        level ['c', 'd', 'e']
        sibling ['c', 'd']
        parent ['d', 'e']
        descendant ['c', 'f']
    """

    level: Tensor
    source: Tensor
    target: Tensor
    starts: Tensor
    above: Tensor

    def __init__(self, graph: LabelGraph, kind: LabelNegativesKind = "all") -> None:
        super().__init__()
        if kind not in LABEL_NEGATIVES:
            raise ConfigError(f"'kind' must be one of {', '.join(LABEL_NEGATIVES)}, but got {kind!r}.")
        self.kind: LabelNegativesKind = kind
        self.num_labels = graph.num_labels
        self.num_levels = graph.num_levels
        # Parents of each label, and for siblings a root above the roots, whose number is that of the labels.
        child, parent = graph.parents.nonzero()
        if kind == "sibling":
            child = np.concatenate([child, graph.roots])
            parent = np.concatenate([parent, np.full(len(graph.roots), graph.num_labels)])
        # By the level of the child: whoever sweeps finds all parents of a level finished.
        level = graph.level.cpu().numpy()
        order = np.argsort(level[child], kind="stable")
        self.edges_of_level = np.bincount(level[child], minlength=self.num_levels + 1)[2:].tolist()
        up = (
            graph.ancestors
            if kind == "descendant"
            else sp.csr_matrix(
                (np.ones(len(child), dtype=bool), (child, parent)), shape=(graph.num_labels, graph.num_labels + 1)
            )
        )
        for name, value in (
            ("level", level - 1),
            ("source", parent[order]),
            ("target", child[order]),
            ("starts", up.indptr),
            ("above", up.indices),
        ):
            self.register_buffer(name, torch.from_numpy(value.astype(np.int64)), persistent=False)

    @torch.no_grad()
    def forward(self, labels: Tensor, candidates: Tensor | None = None, *, mask: Tensor | None = None) -> Tensor:
        """True where a label may be a negative of the document; never where it is positive or does not count."""
        positive = positives(labels, mask=mask, candidates=candidates, num_labels=self.num_labels)
        negative = ~positive if mask is None else ~positive & mask.bool()
        if self.kind in ("level", "parent"):
            negative &= self._on_levels(
                positive, self.level.expand_as(labels) if candidates is None else self.level[candidates]
            )
        if self.kind in ("sibling", "parent", "descendant"):
            related = self._related(positive) if candidates is None else self._related_candidates(positive, candidates)
            negative &= ~related if self.kind == "parent" else related
        return negative

    def _on_levels(self, positive: Tensor, level: Tensor) -> Tensor:
        """Where the document has a label on the level of the column."""
        found = torch.zeros(len(positive), self.num_levels, dtype=torch.int32, device=positive.device)
        return found.scatter_add_(1, level, positive.int()).gather(1, level) > 0

    def _related(self, positive: Tensor) -> Tensor:
        """Whether a label shares a parent with a positive, has a positive parent, or a positive ancestor: `[B, L]`."""
        # Labels along the rows: a row of documents is moved at a time.
        has = positive.t().int()
        if self.kind == "descendant":
            return self._sweep(has).t()
        if self.kind == "sibling":
            size = (self.num_labels + 1, has.size(1))
            has = has.new_zeros(size).index_add_(0, self.source, has[self.target])
        return (has.new_zeros(positive.t().shape).index_add_(0, self.target, has[self.source]) > 0).t()

    def _sweep(self, has: Tensor) -> Tensor:
        """Whether a label has a positive ancestor, `[L, B]`: the levels from the top, each edge once."""
        below = torch.zeros_like(has)
        sizes = self.edges_of_level
        for source, target in zip(self.source.split(sizes), self.target.split(sizes), strict=True):
            below.index_add_(0, target, (has[source] + below[source]).sign())
        return below > 0

    def _related_candidates(self, positive: Tensor, candidates: Tensor) -> Tensor:
        """:meth:`_related` for given labels, `[B, K]`."""
        row, column = positive.nonzero(as_tuple=True)
        wanted = self._key(row, candidates[row, column])
        if self.kind == "sibling":
            pair, parent = self._gather_above(candidates[row, column])
            wanted = self._key(row[pair], parent)
        pair, other = self._gather_above(candidates.reshape(-1))
        hit = torch.isin(self._key(pair // max(candidates.size(1), 1), other), wanted)
        related = torch.zeros(candidates.numel(), dtype=torch.bool, device=candidates.device)
        related[pair[hit]] = True
        return related.view_as(candidates)

    def _key(self, document: Tensor, label: Tensor) -> Tensor:
        """One number for a pair of document and label."""
        return document * (self.num_labels + 1) + label

    def _gather_above(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The labels above each of ``labels``, one after the other, with the position of the label they belong to."""
        start, count = self.starts[labels], self.starts[labels + 1] - self.starts[labels]
        position = torch.repeat_interleave(count)
        offset = start - (count.cumsum(0) - count)
        return position, self.above[offset[position] + torch.arange(len(position), device=labels.device)]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_labels={self.num_labels}, kind={self.kind!r})"
