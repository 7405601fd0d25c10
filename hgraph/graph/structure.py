"""The algebra of a label hierarchy on sparse arrays: neighbours, levels, order and closures."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp


def adjacency(rows: np.ndarray, cols: np.ndarray, num_nodes: int) -> sp.csr_matrix:
    """Boolean CSR `[num_nodes, num_nodes]` with an entry per (row, col) pair, columns sorted."""
    matrix = sp.csr_matrix((np.ones(len(rows), dtype=bool), (rows, cols)), shape=(num_nodes, num_nodes))
    matrix.sum_duplicates()
    return matrix


def gather_rows(matrix: sp.csr_matrix, rows: np.ndarray) -> np.ndarray:
    """Column indices of the given rows, one row after the other: `[sum of their lengths]`."""
    starts, stops = matrix.indptr[rows], matrix.indptr[rows + 1]
    counts = stops - starts
    offsets = np.repeat(starts - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
    return matrix.indices[offsets + np.arange(counts.sum())].astype(np.int64)


def longest_path_levels(parents: sp.csr_matrix, children: sp.csr_matrix) -> np.ndarray:
    """Level of every node, `[num_nodes]`: 1 + the longest path from a root, 0 for nodes in or below a cycle.

    Kahn's peeling, one whole frontier a step: linear in nodes and edges, without recursion.
    """
    missing = np.diff(parents.indptr).astype(np.int64)
    level = np.zeros(len(missing), dtype=np.int64)
    frontier, depth = np.flatnonzero(missing == 0), 0
    while len(frontier):
        depth += 1
        level[frontier] = depth
        reached, counts = np.unique(gather_rows(children, frontier), return_counts=True)
        missing[reached] -= counts
        frontier = reached[missing[reached] == 0]
    return level


def find_cycle(parents: sp.csr_matrix, level: np.ndarray) -> list[int]:
    """Nodes of one cycle in edge direction, starting at its smallest index; empty when there is none."""
    stuck = np.flatnonzero(level == 0)
    if not len(stuck):
        return []
    node, position = int(stuck[0]), {}
    walk: list[int] = []
    while node not in position:  # a node that was never peeled always has a parent that was not peeled either
        position[node] = len(walk)
        walk.append(node)
        above = parents.indices[parents.indptr[node] : parents.indptr[node + 1]]
        node = int(above[level[above] == 0][0])
    cycle = walk[position[node] :][::-1]
    start = cycle.index(min(cycle))
    return cycle[start:] + cycle[:start]


def transitive_closure(step: sp.csr_matrix) -> sp.csr_matrix:
    """Boolean CSR of everything reachable in one or more steps of an acyclic `step`, columns sorted.

    Walks one edge further at a time and merges once at the end, so that on a tree time and memory are linear in the
    size of the answer.
    """
    reach, rows, cols = step.tocoo(), [], []
    while reach.nnz:
        rows.append(reach.row)
        cols.append(reach.col)
        reach = (reach.tocsr() @ step).tocoo()
    if not rows:
        return step.copy()
    return adjacency(np.concatenate(rows), np.concatenate(cols), step.shape[0])


class Derived:
    """A cached value that is neither pickled nor deep-copied: the copy finds None and computes its own.

    Args:
        key: what it was made from, so that its owner can tell whether it still holds.
        value: what is kept.
    """

    def __init__(self, key: Any, value: Any = None) -> None:
        self.key, self.value = key, value

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


class Structure(Derived):
    """Everything derived from one `edge_index`, each piece computed on first use and kept.

    Args:
        edges: int64 array `[2, num_edges]`, parent over child.
        num_nodes: number of nodes.
        key: whatever identifies the source of `edges`.
    """

    def __init__(self, edges: np.ndarray, num_nodes: int, key: tuple[Any, ...] = ()) -> None:
        super().__init__(key)
        self.edges, self.num_nodes = edges, num_nodes

    @cached_property
    def parents(self) -> sp.csr_matrix:
        """Row `l` lists the parents of `l`."""
        return adjacency(self.edges[1], self.edges[0], self.num_nodes)

    @cached_property
    def children(self) -> sp.csr_matrix:
        """Row `l` lists the children of `l`."""
        return adjacency(self.edges[0], self.edges[1], self.num_nodes)

    @cached_property
    def level(self) -> np.ndarray:
        """1 + longest path from a root, `[num_nodes]`."""
        return longest_path_levels(self.parents, self.children)

    @cached_property
    def order(self) -> np.ndarray:
        """Parents before children, `[num_nodes]`; by level, then by index."""
        return np.argsort(self.level, kind="stable")

    @cached_property
    def roots(self) -> np.ndarray:
        """Nodes without parents."""
        return np.flatnonzero(np.diff(self.parents.indptr) == 0)

    @cached_property
    def leaves(self) -> np.ndarray:
        """Nodes without children."""
        return np.flatnonzero(np.diff(self.children.indptr) == 0)

    @cached_property
    def ancestors(self) -> sp.csr_matrix:
        """Row `l` lists all ancestors of `l`, without `l`."""
        return transitive_closure(self.parents)

    @cached_property
    def descendants(self) -> sp.csr_matrix:
        """Row `l` lists all descendants of `l`, without `l`."""
        closure = self.ancestors.T.tocsr()
        closure.sort_indices()
        return closure

    @cached_property
    def primary_parent(self) -> np.ndarray:
        """First listed parent of every node, -1 for a root, `[num_nodes]`."""
        first = np.full(self.num_nodes, -1, dtype=np.int64)
        first[self.edges[1][::-1]] = self.edges[0][::-1]  # the last write wins: the first edge
        return first
