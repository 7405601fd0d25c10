"""The algebra of a label hierarchy on sparse arrays: neighbours, levels, order and closures."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

NARROW = 8
"""Frontiers of at most so many nodes are peeled node by node."""
BLOCK_WORK = 1 << 22
"""Entries that one block of a large sparse product adds up."""


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
        if len(frontier) <= NARROW:
            frontier, depth = _peel_narrow(children, missing, level, frontier, depth)
            continue
        depth += 1
        level[frontier] = depth
        below = gather_rows(children, frontier)
        if len(below) > len(missing) // 8:  # counting beats sorting
            counts = np.bincount(below, minlength=len(missing))
            missing -= counts
            frontier = np.flatnonzero((counts > 0) & (missing == 0))
            continue
        reached, times = np.unique(below, return_counts=True)
        missing[reached] -= times
        frontier = reached[missing[reached] == 0]
    return level


def _peel_narrow(
    children: sp.csr_matrix, missing: np.ndarray, level: np.ndarray, frontier: np.ndarray, depth: int
) -> tuple[np.ndarray, int]:
    """Peel while the frontier is narrow, node by node: a long chain is not worth an array operation a step."""
    arrays: list[Any] = [children.indptr, children.indices, missing, level]
    # Single numbers cost a third of what numpy takes for them.
    starts, below, waiting, levels = [memoryview(array) for array in arrays]
    nodes = frontier.tolist()
    while 0 < len(nodes) <= NARROW:
        depth += 1
        found = []
        for node in nodes:
            levels[node] = depth
            for child in below[starts[node] : starts[node + 1]]:
                waiting[child] -= 1
                if not waiting[child]:
                    found.append(child)
        nodes = found
    return np.array(sorted(nodes), dtype=np.int64), depth


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


def sparse(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """CSR from its three arrays, without copies: both index arrays must have the same dtype."""
    return sp.csr_matrix((data, indices, indptr), shape=shape, copy=False)


def transposed(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """The transpose as CSR with sorted columns, in time linear in its size."""
    columns = matrix.tocsc()
    return sparse(columns.data, columns.indices, columns.indptr, (matrix.shape[1], matrix.shape[0]))


def forest_closure(parent: np.ndarray, order: np.ndarray, level: np.ndarray) -> sp.csr_matrix:
    """:func:`ancestor_closure` where no node has two parents: on one level all rows have the same length.

    Args:
        parent: parent of each node, -1 for a root, `[num_nodes]`.
        order: nodes by level, `[num_nodes]`.
        level: 1 + longest path from a root, `[num_nodes]`.
    """
    num_nodes, starts = len(order), _level_starts(level)
    indptr = np.concatenate(([0], np.cumsum(level - 1)))
    small = np.int32 if max(indptr[-1], num_nodes) <= np.iinfo(np.int32).max else np.int64
    indptr, indices = indptr.astype(small), np.empty(indptr[-1], dtype=small)
    place = np.empty(num_nodes, dtype=small)
    place[order] = np.arange(num_nodes)
    above = np.empty((starts[1], 0), dtype=small)
    for depth, (first, stop) in enumerate(itertools.pairwise(starts[1:]), start=1):
        rows = order[first:stop]
        up = parent[rows]
        above = np.column_stack([above[place[up] - starts[depth - 1]], up.astype(small)])
        above.sort(axis=1)
        indices[np.add.outer(indptr[rows], np.arange(depth, dtype=small))] = above
    return sparse(np.ones(len(indices), dtype=bool), indices, indptr, (num_nodes, num_nodes))


def ancestor_closure(parents: sp.csr_matrix, order: np.ndarray, level: np.ndarray) -> sp.csr_matrix:
    """Boolean CSR `[num_nodes, num_nodes]` of everything above each node, columns sorted.

    One level at a time: the ancestors of a level are one sparse product of its parents with the rows finished before.
    Time and memory are linear in the size of the answer where labels have one parent, and in the sum of their parents'
    answers otherwise.

    Args:
        parents: row `l` lists the parents of `l`.
        order: nodes by level, `[num_nodes]`.
        level: 1 + longest path from a root, `[num_nodes]`.
    """
    num_nodes, starts = len(order), _level_starts(level)
    rank = np.empty(num_nodes, dtype=np.int32)
    rank[order] = np.arange(num_nodes, dtype=np.int32)
    above = parents[order]
    # Rows in `order`: the ancestors of a node, and then the node itself, for the rows below it to inherit.
    indptr = np.zeros(num_nodes + 1, dtype=np.int32)
    indptr[: starts[1] + 1] = np.arange(starts[1] + 1)
    indices = np.empty(4 * num_nodes, dtype=np.int32)
    indices[: starts[1]] = order[: starts[1]]
    ones = np.ones(len(indices), dtype=bool)
    for first, stop in itertools.pairwise(starts[1:]):
        low, high, end, size = above.indptr[first], above.indptr[stop], int(indptr[first]), stop - first
        finished = sparse(ones[:end], indices[:end], indptr[: first + 1], (first, num_nodes))
        step = (ones[: high - low], rank[above.indices[low:high]], above.indptr[first : stop + 1] - low)
        found = sparse(*step, shape=(size, first)) @ finished
        found.sort_indices()
        grown = end + found.nnz + size
        if grown > len(indices):
            if grown > np.iinfo(np.int32).max and indptr.dtype == np.int32:
                indptr, indices = indptr.astype(np.int64), indices.astype(np.int64)
            indices = np.concatenate([indices, np.empty(max(grown, 2 * len(indices)) - len(indices), indices.dtype)])
            ones = np.ones(len(indices), dtype=bool)
        own = found.indptr[1:].astype(np.int64) + np.arange(size)  # where each row ends
        inherited = np.ones(grown - end, dtype=bool)
        inherited[own] = False
        part = indices[end:grown]
        part[inherited], part[own] = found.indices, order[first:stop]
        indptr[first + 1 : stop + 1] = end + own + 1
    keep = ones[: indptr[-1]]
    keep[indptr[1:] - 1] = False
    indices = indices[: indptr[-1]][keep]
    bounds = indptr - np.arange(len(indptr), dtype=indptr.dtype)
    return sparse(np.ones(len(indices), dtype=bool), indices, bounds, (num_nodes, num_nodes))[rank]


def _level_starts(level: np.ndarray) -> np.ndarray:
    """Where each level begins among the nodes ordered by level, and their number at the end."""
    return np.concatenate(([0], np.cumsum(np.bincount(level)[1:])))


def sorted_product(left: sp.csr_matrix, right: sp.csr_matrix) -> sp.csr_matrix:
    """`left @ right` with sorted columns; large ones in blocks of rows, which the cores share."""

    def block(first: int, stop: int) -> sp.csr_matrix:
        out = left[first:stop] @ right
        out.sort_indices()
        return out

    # Entries that the product of the rows before each row adds up.
    work = np.concatenate(([0], np.cumsum(np.diff(right.indptr)[left.indices], dtype=np.int64)))[left.indptr]
    bounds = np.unique(np.searchsorted(work, np.arange(0, work[-1], BLOCK_WORK)))
    if len(bounds) < 2:
        return block(0, left.shape[0])
    bounds[-1] = left.shape[0]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # scipy lets other threads run while it multiplies and sorts
        return sp.vstack(list(pool.map(block, bounds[:-1], bounds[1:])), format="csr")


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
        if self.edges.shape[1] == self.num_nodes - len(self.roots):
            return forest_closure(self.primary_parent, self.order, self.level)
        return ancestor_closure(self.parents, self.order, self.level)

    @cached_property
    def descendants(self) -> sp.csr_matrix:
        """Row `l` lists all descendants of `l`, without `l`."""
        return transposed(self.ancestors)

    @cached_property
    def neighbours(self) -> sp.csr_matrix:
        """Row `l` lists the parents and children of `l`."""
        return (self.parents + self.children).tocsr()

    @cached_property
    def component(self) -> np.ndarray:
        """Number of the connected component of every node, `[num_nodes]`."""
        return connected_components(self.neighbours, directed=False)[1]

    @cached_property
    def siblings(self) -> sp.csr_matrix:
        """Row `l` lists the other nodes with a parent of `l`."""
        pairs = (self.parents @ self.children).tocoo()
        other = pairs.row != pairs.col
        return adjacency(pairs.row[other], pairs.col[other], self.num_nodes)

    @cached_property
    def ancestors_or_self(self) -> sp.csr_matrix:
        """Row `l` lists `l` and all its ancestors."""
        closure = self.ancestors + sp.identity(self.num_nodes, dtype=bool, format="csr")
        closure.sort_indices()
        return closure

    @cached_property
    def primary_parent(self) -> np.ndarray:
        """First listed parent of every node, -1 for a root, `[num_nodes]`."""
        first = np.full(self.num_nodes, -1, dtype=np.int64)
        first[self.edges[1][::-1]] = self.edges[0][::-1]  # the last write wins: the first edge
        return first
