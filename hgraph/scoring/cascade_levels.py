"""A hierarchy as a cascade walks it: the children of every node that has some, level by level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError
from hgraph.graph.edit.level_partition import ExtraParents, LevelPartition

if TYPE_CHECKING:
    from hgraph.graph import LabelGraph


@dataclass(frozen=True)
class Lists:
    """Lists of integers behind one another: list `i` is `items[offsets[i] : offsets[i + 1]]`, int64."""

    offsets: np.ndarray
    items: np.ndarray

    @classmethod
    def of(cls, matrix: sp.csr_matrix) -> Lists:
        """The columns that each row of a sparse matrix stores."""
        matrix.sort_indices()
        return cls(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64))


@dataclass(frozen=True)
class CascadeLevels:
    r"""Inner nodes on levels :math:`0 .. T - 1`, and the labels that hang from them.

    A label without children is scored where its parent is selected, whatever level that is on. A label with children is
    an inner node, and a copy of it hangs below it, so that it is a candidate like any other. So branches need no
    padding, and each label has one row of weights, however many copies or parents it has. An inner node that is its
    parent's only child, and has no other parent, is right whenever its parent is: it is an *alias* and has no weights.

    Memory is linear in the edges and in the pairs of a label and a node above it.

    Args:
        num_labels: number of labels L.
        nodes: for each level the nodes of the hierarchy that its inner nodes stand for, -1 for none.
        inner: for each level the inner nodes below each of its nodes, positions on the next level; the last has none.
        labels: for each level the labels below each of its nodes.
        members: for each level the nodes above each label, `L` lists.
        alias: for each level which nodes are aliases, bool :math:`[K_t]`.
        roots: labels that are candidates for every document, int64 :math:`[R]`.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> levels = CascadeLevels.of(LabelGraph.from_edges([("a", "b"), ("b", "c"), ("a", "d")]))
        >>> levels
        CascadeLevels(labels=4, nodes=1 / 1)
        >>> levels.labels[0].items.tolist(), levels.labels[1].items.tolist()  # a and d below a, then b and c below b
        ([0, 3], [1, 2])
    """

    num_labels: int
    nodes: list[np.ndarray]
    inner: list[Lists]
    labels: list[Lists]
    members: list[Lists]
    alias: list[np.ndarray]
    roots: np.ndarray

    @property
    def sizes(self) -> list[int]:
        """Number of inner nodes of each level."""
        return [len(alias) for alias in self.alias]

    @classmethod
    def of(
        cls, tree: LabelGraph, num_labels: int | None = None, *, extra_parents: ExtraParents = "native"
    ) -> CascadeLevels:
        """The levels of a hierarchy.

        Args:
            tree: the hierarchy; nodes from `num_labels` on are clusters.
            num_labels: number of labels, the first nodes of `tree`; by default all of its nodes.
            extra_parents: what becomes of second parents, as in :class:`~hgraph.graph.LevelPartition`; by default they
                are kept.

        Raises:
            ConfigError: There are fewer nodes than labels.
        """
        size = tree.num_labels if num_labels is None else num_labels
        if size > tree.num_labels:
            raise ConfigError(f"'tree' must hold the {size} labels first, but has {tree.num_labels} nodes in all.")
        nobody = np.zeros(tree.num_labels, dtype=bool)
        partition = LevelPartition(tree, carried=nobody, extra_parents=extra_parents, pad=False)
        below = [partition.children(level) for level in range(1, partition.num_levels)]
        is_inner = [np.diff(matrix.indptr) > 0 for matrix in below] + [np.zeros(partition.num_nodes[-1], dtype=bool)]
        labels = _hang_labels(partition, below, is_inner, size)
        depth = sum(bool(inner.any()) for inner in is_inner)
        inner = [_between(below, is_inner, level) for level in range(depth)]
        first = partition.levels[0][~is_inner[0]]
        return cls(
            num_labels=size,
            nodes=[partition.levels[level][is_inner[level]] for level in range(depth)],
            inner=[Lists.of(matrix) for matrix in inner],
            labels=[Lists.of(matrix) for matrix in labels[:depth]],
            members=[Lists.of(matrix.T.tocsr()) for matrix in _members(inner, labels[:depth])],
            alias=_aliases(inner, labels[:depth]),
            roots=np.sort(first[(first >= 0) & (first < size)]).astype(np.int64),
        )

    def __repr__(self) -> str:
        nodes = " / ".join(f"{size:,}" for size in self.sizes) or "none"
        return f"{type(self).__name__}(labels={self.num_labels:,}, nodes={nodes})"


def _between(below: list[sp.csr_matrix], is_inner: list[np.ndarray], level: int) -> sp.csr_matrix:
    """Inner nodes of the next level below those of a level, bool [K_t, K_{t+1}]."""
    return sp.csr_matrix(below[level][is_inner[level]][:, is_inner[level + 1]])


def _hang_labels(
    partition: LevelPartition, below: list[sp.csr_matrix], is_inner: list[np.ndarray], size: int
) -> list[sp.csr_matrix]:
    """Labels below the inner nodes of each level, bool [K_t, L]: those that end there, and each node's own label."""
    made: list[sp.csr_matrix] = []
    waiting = np.zeros(partition.num_nodes[0], dtype=bool)  # nodes that take the label of the node above them
    for level, matrix in enumerate(below):
        inner = is_inner[level]
        own = partition.levels[level]
        child, single = _only_child(matrix)
        above = partition.parent(level + 1)
        begins = np.ones(len(own), dtype=bool) if not level else partition.levels[level - 1][above] != own
        hangs = inner & (own >= 0) & (own < size) & (begins | waiting)
        # The only child of a node may be a further copy of it: the label then hangs below that one.
        passed = hangs & single
        passed[passed] = (partition.levels[level + 1][child[passed]] == own[passed]) & is_inner[level + 1][
            child[passed]
        ]
        waiting = np.zeros(partition.num_nodes[level + 1], dtype=bool)
        waiting[child[passed]] = True
        hangs &= ~passed
        rows, cols = matrix.nonzero()
        ends = ~is_inner[level + 1][cols]
        rows, cols = rows[ends], partition.levels[level + 1][cols[ends]]
        known = (cols >= 0) & (cols < size)
        rows = np.concatenate([rows[known], np.flatnonzero(hangs)])
        cols = np.concatenate([cols[known], own[hangs]])
        cells = sp.csr_matrix((np.ones(len(rows), dtype=bool), (rows, cols)), shape=(len(own), size))
        made.append(sp.csr_matrix(cells[inner]))
    return made


def _only_child(children: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """The first child of each row, and whether it is the only one."""
    counts = np.diff(children.indptr)
    child = np.zeros(len(counts), dtype=np.int64)
    child[counts > 0] = children.indices[children.indptr[:-1][counts > 0]]
    return child, counts == 1


def _aliases(inner: list[sp.csr_matrix], labels: list[sp.csr_matrix]) -> list[np.ndarray]:
    """Inner nodes that are the only child of their only parent."""
    alias = [np.zeros(matrix.shape[0], dtype=bool) for matrix in inner]
    for level, matrix in enumerate(inner[:-1]):
        child, single = _only_child(matrix)
        single &= np.diff(labels[level].indptr) == 0
        parents = np.bincount(matrix.indices, minlength=matrix.shape[1])
        found = child[single]
        alias[level + 1][found[parents[found] == 1]] = True
    return alias


def _members(inner: list[sp.csr_matrix], labels: list[sp.csr_matrix]) -> list[sp.csr_matrix]:
    """The labels anywhere below each inner node, bool [K_t, L]."""
    members: list[sp.csr_matrix] = []
    for level in reversed(range(len(inner))):
        matrix = labels[level]
        if members:
            matrix = sp.csr_matrix(matrix + inner[level] @ members[0])
        members.insert(0, matrix)
    return members
