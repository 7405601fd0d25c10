"""Documents that a document is contrasted with, level by level (HMCL)."""

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.sampling.label_sets import LabelSets, full_product

TextNegativesKind = Literal["all", "level", "sibling", "parent"]

TEXT_NEGATIVES: tuple[TextNegativesKind, ...] = get_args(TextNegativesKind)
"""The kinds of :class:`TextNegatives`."""


class TextNegatives(nn.Module):
    r"""Positives and negatives among the documents of a batch, for each level of the hierarchy.

    The strategies of HMCL (`arXiv 2507.04413 <https://arxiv.org/abs/2507.04413>`_). With :math:`Y_i^l` the labels of
    document :math:`i` on level :math:`l`, another document :math:`j` is a positive of :math:`i` on level :math:`l` if
    :math:`Y_i^l \cap Y_j^l \neq \emptyset`, and a negative

    - ``"all"``: if the two share no label on any level;
    - ``"level"``: if :math:`Y_j^l` is not empty and the two share no label on level :math:`l`;
    - ``"sibling"``: if it is one by ``"level"``, and some label of :math:`Y_j^l` has a parent in common with some label
      of :math:`Y_i^l` (the hardest);
    - ``"parent"``: if it is one by ``"level"``, and no label of :math:`Y_j^l` has (the easiest).

    The first level has no parents: there ``"sibling"`` and ``"parent"`` are both the same as ``"level"``. On every
    other one the two divide the negatives of ``"level"`` between them. A document without labels on a level is no
    anchor there: its rows are false. A document is never a positive or a negative of itself.

    All comes from products of the multi-hot label sets of the batch, on the labels that occur in it: the cost does not
    depend on the number of labels.

    Args:
        graph: the hierarchy.
        kind: one of the above.

    Shapes:
        - output: positives and negatives, boolean ``[num_levels, B, B]``, the anchors along the rows

    Example:
        >>> from hgraph.sampling.label_sets import label_sets
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e")])
        >>> sets = label_sets(torch.tensor([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 1]]))  # ab, ac, de
        >>> positive, negative = TextNegatives(graph, "sibling")(sets)
        >>> positive[0, 0].tolist(), negative[0, 0].tolist()  # of the first document, by the labels a and d
        ([False, True, False], [False, False, True])
        >>> positive[1, 0].tolist(), negative[1, 0].tolist()  # by b, c and e
        ([False, False, False], [False, True, False])
    """

    level: Tensor
    starts: Tensor
    above: Tensor

    def __init__(self, graph: LabelGraph, kind: TextNegativesKind = "level") -> None:
        super().__init__()
        if kind not in TEXT_NEGATIVES:
            raise ConfigError(f"'kind' must be one of {', '.join(TEXT_NEGATIVES)}, but got {kind!r}.")
        self.kind: TextNegativesKind = kind
        self.num_levels = graph.num_levels
        self.register_buffer("level", graph.level.clone(), persistent=False)
        for name, value in (("starts", graph.parents.indptr), ("above", graph.parents.indices)):
            self.register_buffer(name, torch.from_numpy(value.astype(np.int64)), persistent=False)

    @torch.no_grad()
    def forward(self, sets: LabelSets) -> tuple[Tensor, Tensor]:
        """Positives and negatives of each document on each level."""
        shared = sets.shared(self.level, self.num_levels)  # [num_levels, B, B]
        itself = torch.eye(shared.size(1), dtype=torch.bool, device=shared.device)
        positive = (shared > 0) & ~itself
        anchor = (shared.diagonal(dim1=1, dim2=2) > 0).unsqueeze(2)  # [num_levels, B, 1]
        if self.kind == "all":
            return positive, anchor & (shared.sum(0) == 0) & ~itself
        negative = anchor & anchor.transpose(1, 2) & (shared == 0)
        if self.kind != "level":
            under_one = self._under_one_parent(sets)
            negative[1:] &= under_one if self.kind == "sibling" else ~under_one
        return positive, negative

    def _under_one_parent(self, sets: LabelSets) -> Tensor:
        """Whether labels of two documents on a level have a parent in common, `[num_levels - 1, B, B]`."""
        found = []
        for part, ids in sets.by_level(self.level, self.num_levels)[1:]:
            counts = self.starts[ids + 1] - self.starts[ids]
            label = torch.repeat_interleave(counts)
            first = self.starts[ids] - (counts.cumsum(0) - counts)
            parent = self.above[first[label] + torch.arange(len(label), device=label.device)]
            parents, column = parent.unique(return_inverse=True)
            # [B, number of parents]: how many labels of a document each parent has below it.
            below = part.new_zeros(len(part), len(parents)).index_add_(1, column, part[:, label])
            found.append(full_product(below, below.t()) > 0)
        return torch.stack(found) if found else sets.multi_hot.new_zeros(0, *[len(sets.multi_hot)] * 2) > 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_levels={self.num_levels}, kind={self.kind!r})"
