"""`LevelPartition`: any hierarchy as levels of nodes, each level a partition, for level-wise models."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError, DataError
from hgraph.graph.build import as_binary
from hgraph.graph.edit import placement as place
from hgraph.graph.edit.node_scores import dense_to_labels, sparse_to_labels
from hgraph.graph.edit.placement import Affinity
from hgraph.graph.edit.split import Grouping, check_max_children, grouper
from hgraph.graph.structure import Structure, gather_rows

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

ExtraParents = Literal["primary", "copies", "native"]
COPY = "copy"

MAX_NODES = 200_000_000
"""Most nodes on all levels together (5 GB); a deep hierarchy with many leaves is padded to more than it has labels."""


class LevelPartition:
    r"""A hierarchy drawn out over levels :math:`1..D`, as models need it that decide level by level.

    On each level every node has a parent on the level above, every node above the bottom has a child, and the bottom
    reaches every label:

    - A label stands on its level in the hierarchy (1 + the longest path from a root). Where its parent is further up,
      the gap is filled with *copies of the parent*, one a level.
    - An inner label that documents carry without any of its descendants gets a copy of itself below it, so that it can
      be predicted without predicting a child.
    - Short branches are padded with copies of their last label down to the bottom.
    - A label with several parents goes under one of them, or is copied, or keeps them all (`extra_parents`). Then nodes
      are a partition of the level below, or, with `"native"`, sets of nodes that overlap.
    - A fan-out may be limited: nameless clusters are put between. Only children may be left out.

    What is copied is merged again by a maximum, and what is left out comes back from its descendants:
    :meth:`to_labels` undoes :meth:`to_nodes` for every label matrix that is closed upward, as long as each label that
    is the most specific one of a document is a leaf or `carried`.

    Args:
        graph: the hierarchy.
        carried: inner labels that documents carry without a descendant: a mask `[L]`, or a label matrix `[N, L]` from
            which they are found. By default all inner labels that are not of `kind` `"cluster"`.
        extra_parents: `"primary"`: a label goes under its parent of highest affinity. `"copies"`: a copy of the label
            and of what is below it goes under each parent; a copy whose descendants ran out of copies is a leaf.
            `"native"`: the label keeps all parents.
        affinity: how close a label is to a parent: scores `[L, L]`, child over parent, or a function of two arrays,
            labels and their parents, to an array of scores. By default all are equal. Of equals the first listed comes
            first.
        max_copies: most copies of a label, with `"copies"`.
        max_children: most children of a node; by default there is no limit. Roots are not grouped.
        grouping: how children are grouped, as in :meth:`LabelGraph.split_fan_out`.
        collapse: leave out labels that are not carried and have an only child without other parents; they are predicted
            whenever it is, and what is below them moves up.
        pad: draw all branches out to the bottom. Otherwise a leaf ends on its level, and a carried inner label one
            level below its own unless a gap goes on; then no level reaches all labels.

    Shapes:
        - **levels:** for each level, the roots' first, the label of every node, int64 :math:`[n_d]`, -1 for a cluster.
          Nodes with the same (first) parent are next to each other, in the order of their parents.
        - **owners:** the same, and for a cluster the label whose children it groups, int64 :math:`[n_d]`
        - **is_copy:** for each level, which nodes repeat a label that has a node already, bool :math:`[n_d]`

    Raises:
        ConfigError: an argument is none of its choices, or there would be more than `MAX_NODES` nodes.
        DataError: `carried` or `affinity` has another shape.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("a", "b"), ("b", "c"), ("b", "d"), ("a", "e")])
        >>> partition = LevelPartition(graph)
        >>> partition
        LevelPartition(levels=3, nodes=1 / 3 / 5, copies=4)
        >>> [[graph.label_id[label] for label in level] for level in partition.levels]
        [['a'], ['a', 'b', 'e'], ['a', 'b', 'c', 'd', 'e']]
        >>> partition.parent(3).tolist()
        [0, 1, 1, 1, 2]
        >>> partition.to_nodes(np.array([[1, 1, 0, 0, 0]]), level=3).toarray()  # a document about b, no more precisely
        array([[0, 1, 0, 0, 0]])
    """

    def __init__(
        self,
        graph: LabelGraph,
        *,
        carried: Any = None,
        extra_parents: ExtraParents = "primary",
        affinity: Affinity | None = None,
        max_copies: int = 4,
        max_children: int | None = None,
        grouping: Grouping = "order",
        collapse: bool = False,
        pad: bool = True,
    ) -> None:
        self.graph, self.extra_parents = graph, extra_parents
        if extra_parents == "primary":
            placed = place.primary(graph, affinity)
        elif extra_parents == "copies":
            placed = place.copies(graph, affinity, max_copies)
        elif extra_parents == "native":
            placed = place.native(graph)
        else:
            raise ConfigError(f"'extra_parents' must be 'primary', 'copies' or 'native', found {extra_parents!r}.")
        has_copy = place.carried_bases(graph, placed, carried)
        if collapse:
            placed, has_copy = place.collapsed(graph, placed, has_copy)
        if max_children is not None:
            check_max_children(max_children)
            placed = place.clustered(placed, has_copy, max_children, grouper(grouping, lambda: graph.name))
            has_copy = np.concatenate([has_copy, np.zeros(placed.num_bases - len(has_copy), dtype=bool)])
        self._placement = placed
        # Nothing is left to hold a label on its old level once what was above it is collapsed.
        self._start = self._structure.level if collapse else place.start_levels(graph, placed)
        self._draw(has_copy, pad)

    def _draw(self, has_copy: np.ndarray, pad: bool) -> None:
        """Nodes of every level: a base from its level down to the last one where something needs it."""
        placed, structure, start = self._placement, self._structure, self._start
        parent, child = placed.edges
        self._is_inner = inner = np.diff(structure.children.indptr) > 0
        last, num_levels = start.copy(), int(start.max())
        np.maximum.at(last, parent, start[child] - 1)
        if pad:
            last[has_copy | ~inner] = num_levels
        else:
            last[has_copy] = np.maximum(last, start + 1)[has_copy]
        total = int((last - start + 1).sum())
        if total > MAX_NODES:
            raise ConfigError(
                f"The partition would have {total:,} nodes on {num_levels} levels, more than {MAX_NODES:,}. "
                "Use collapse=True or pad=False, or cut the hierarchy."
            )
        by_start = np.split(np.argsort(start, kind="stable"), np.cumsum(np.bincount(start)[1:-1]))
        above, position = structure.primary_parent, np.full(placed.num_bases, -1)
        self._bases, self._parent = [by_start[0]], [np.full(len(by_start[0]), -1)]
        for level, new in enumerate(by_start[1:], start=2):
            before = self._bases[-1]
            position[before] = np.arange(len(before))
            stays = before[last[before] >= level]
            nodes = np.concatenate([stays, new])
            parents = position[np.concatenate([stays, above[new]])]
            order = np.argsort(parents, kind="stable")
            self._bases.append(nodes[order])
            self._parent.append(parents[order])
        self.levels = [placed.label[bases] for bases in self._bases]
        stands = np.full(placed.num_bases, -1)  # the level on which a base is no copy
        stands[placed.label < 0] = start[placed.label < 0]
        stands[placed.first[placed.first >= 0]] = start[placed.first[placed.first >= 0]]
        self.owners = [placed.owner[bases] for bases in self._bases]
        self.is_copy = [stands[bases] != level for level, bases in enumerate(self._bases, start=1)]

    @property
    def num_levels(self) -> int:
        """Number of levels `D`."""
        return len(self.levels)

    @property
    def num_nodes(self) -> list[int]:
        """Number of nodes of each level, the roots' first."""
        return [len(level) for level in self.levels]

    @property
    def num_copies(self) -> int:
        """Number of nodes that repeat a label which has a node already, on all levels."""
        return int(sum(copies.sum() for copies in self.is_copy))

    def parent(self, level: int) -> np.ndarray:
        """Position on the level above of the parent of each node, the first one with `"native"`; -1 on level 1.

        Shapes:
            - **output:** int64 `[n_d]`, ascending
        """
        return self._parent[self._check(level) - 1]

    def parents(self, level: int) -> sp.csr_matrix:
        """All parents of each node, one unless `extra_parents` is `"native"`.

        Shapes:
            - **output:** boolean CSR `[n_d, n_{d-1}]`, and `[n_1, 0]` on level 1
        """
        nodes = self._bases[self._check(level) - 1]
        if level == 1:
            return sp.csr_matrix((len(nodes), 0), dtype=bool)
        before = self._bases[level - 2]
        position = np.full(self._placement.num_bases, -1)
        position[before] = np.arange(len(before))
        new = np.flatnonzero(self._start[nodes] == level)
        old = np.flatnonzero(self._start[nodes] < level)
        above = self._structure.parents
        rows = np.concatenate([old, np.repeat(new, np.diff(above.indptr)[nodes[new]])])
        cols = np.concatenate([position[nodes[old]], position[gather_rows(above, nodes[new])]])
        return sp.csr_matrix((np.ones(len(rows), dtype=bool), (rows, cols)), shape=(len(nodes), len(before)))

    def children(self, level: int) -> sp.csr_matrix:
        """All children of each node of a level above the bottom.

        Shapes:
            - **output:** boolean CSR `[n_d, n_{d+1}]`
        """
        return self.parents(self._check(level) + 1).T.tocsr()

    def to_nodes(self, label_matrix: Any, level: int | None = None) -> Any:
        """Which nodes of a level are right for each document.

        The node of a label is, if the document carries the label or one of its descendants. A copy is, if the label has
        no positive child in the partition, or one further down; so a positive node above the bottom always has a
        positive child, unless it is for a label that is not `carried`. A cluster is, if one of its labels is.

        Args:
            label_matrix: which documents have which labels; ancestors are added.
            level: from 1 to `num_levels`; by default the bottom.

        Shapes:
            - **label_matrix:** sparse or dense `[N, L]`, non-zero where a document has a label
            - **output:** CSR `[N, n_d]` of ones with sorted columns, of the same dtype
        """
        level = self._check(level)
        present, restore = as_binary(self.graph.expand(label_matrix), self.graph.num_labels)
        nodes, (parent, child) = self._bases[level - 1], self._placement.edges
        targets = present @ self._members[:, nodes]
        repeats = np.flatnonzero((self._start[nodes] < level) & self._is_inner[nodes])
        if len(repeats):
            column = np.full(self._placement.num_bases, -1)
            column[nodes[repeats]] = repeats
            below = column[parent] >= 0
            deeper = below & (self._start[child] > level)
            bases = present @ self._members
            some, later = (
                bases
                @ sp.csr_matrix(
                    (np.ones(edges.sum(), dtype=bool), (child[edges], column[parent[edges]])),
                    shape=(bases.shape[1], len(nodes)),
                )
                for edges in (below, deeper)
            )
            targets = targets > (some > later)
        return restore(targets)

    def to_labels(self, scores: Any, level: int | None = None, *, fill: float = 0.0) -> Any:
        """Scores of labels from scores of nodes: the highest of all nodes of a label and of its descendants.

        Args:
            scores: a score for each document and node; of a sparse matrix only what it stores counts.
            level: from 1 to `num_levels`; by default the bottom, the one that reaches every label.
            fill: score of labels that a higher level does not reach, when `scores` are dense.

        Shapes:
            - **scores:** sparse or dense `[N, n_d]`
            - **output:** `[N, L]` of the same kind and dtype
        """
        level = self._check(level)
        owner = self.owners[level - 1]
        if np.ndim(scores) != 2 or scores.shape[1] != len(owner):
            expected = f"[num_documents, {len(owner)}] on level {level}"
            raise DataError(f"'scores' must have shape {expected}, found {list(np.shape(scores))}.")
        if sp.issparse(scores):
            return sparse_to_labels(self.graph, owner, scores)
        return dense_to_labels(self.graph, owner, np.asarray(scores), fill)

    def to_graph(self) -> LabelGraph:
        """The nodes of all levels as a hierarchy.

        Its labels are the nodes, level by level. The list `kind` says `"label"`, `"copy"` or `"cluster"` of each, and
        the tensor `label` which label of `graph` it stands for, -1 for a cluster. The first node of a label has its id,
        the others get one like `id@3.17`, level and position.
        """
        from hgraph.graph.edit.node_graph import node_graph

        return node_graph(self)

    @cached_property
    def _structure(self) -> Structure:
        return self._placement.structure()

    @cached_property
    def _members(self) -> sp.csr_matrix:
        return place.members(self._placement, self._structure, self.graph.num_labels)

    def _check(self, level: int | None) -> int:
        level = self.num_levels if level is None else level
        if not 1 <= level <= self.num_levels:
            raise ConfigError(f"'level' must be between 1 and {self.num_levels}, found {level}.")
        return level

    def __repr__(self) -> str:
        nodes = " / ".join(f"{size:,}" for size in self.num_nodes)
        return f"{type(self).__name__}(levels={self.num_levels}, nodes={nodes}, copies={self.num_copies:,})"
