"""Shortest ways between nodes of a hierarchy, walked up and down its edges, for many pairs at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from hgraph.graph.structure import gather_rows

MAX_CELLS = 1 << 25
"""Cells of the source x node array that a search from all nodes holds at once."""


class ShortestPaths(NamedTuple):
    """One shortest path a pair, one after the other, as edges in the order in which they are walked."""

    indptr: np.ndarray
    """Path `i` is `edge[indptr[i]:indptr[i + 1]]`; int64 `[num_pairs + 1]`."""
    edge: np.ndarray
    """Columns of `edge_index`; int64 `[sum of lengths]`."""
    upward: np.ndarray
    """Whether the edge is walked from child to parent; bool, as long as `edge`."""


def climb(parent: np.ndarray, level: np.ndarray, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, ...]:
    """In a forest, walk both ends of each pair up to where they meet.

    Args:
        parent: parent of every node, -1 for a root, `[num_nodes]`.
        level: 1 + distance from the root, `[num_nodes]`.
        left: one end of each pair, `[num_pairs]`.
        right: the other end.

    Returns:
        Meeting node of each pair, -1 where there is none, `[num_pairs]`; and for every edge on the way the pair, the
        child, and whether it is on the left side. The edges of one pair and side come bottom first.
    """
    left, right, pair = left.copy(), right.copy(), np.arange(len(left))
    pairs, nodes, sides = [], [], []
    meet = np.full(len(left), -1, dtype=np.int64)
    meet[left == right] = left[left == right]
    pair = pair[left != right]
    while len(pair):
        a, b = left[pair], right[pair]
        up = level[a] >= level[b]
        for side, moving, end in ((True, up, left), (False, level[b] >= level[a], right)):
            walked = pair[moving]
            nodes.append(end[walked])
            pairs.append(walked)
            sides.append(np.full(len(walked), side))
            end[walked] = parent[end[walked]]
        met = left[pair] == right[pair]
        meet[pair[met]] = left[pair[met]]  # -1 where both walked out of their roots
        pair = pair[~met]
    empty = np.empty(0, dtype=np.int64)
    join = [np.concatenate([empty, *parts]) for parts in (pairs, nodes)]
    return meet, *join, np.concatenate([np.empty(0, dtype=bool), *sides])


def all_hops(neighbours: sp.csr_matrix, sources: np.ndarray) -> np.ndarray:
    """Hops from each source to every node by breadth-first search, int16 `[num_sources, num_nodes]`, -1 if none."""
    num_nodes = neighbours.shape[0]
    hops = np.full((len(sources), num_nodes), -1, dtype=np.int16)
    row, node = np.arange(len(sources)), sources
    hops[row, node] = step = 0
    degree = np.diff(neighbours.indptr)
    while len(row):
        step += 1
        row, node = np.repeat(row, degree[node]), gather_rows(neighbours, node)
        new = hops[row, node] < 0
        hops[row[new], node[new]] = step
        row, node = np.nonzero(hops == step)
    return hops


class Search:
    """Breadth-first search from one end of every pair; a visited node is the number `pair * num_nodes + node`."""

    def __init__(self, neighbours: sp.csr_matrix, pairs: np.ndarray, starts: np.ndarray) -> None:
        self.neighbours, self.size = neighbours, neighbours.shape[0]
        self.front = self.visited = pairs * self.size + starts
        self.hops = np.zeros(len(pairs), dtype=np.int64)
        self.depth = 0

    def advance(self) -> None:
        """Go one hop further everywhere."""
        self.depth += 1
        beyond = np.unique(self.around(self.front)[1])
        self.front = beyond[self.hops_at(beyond) < 0]
        place = np.searchsorted(self.visited, self.front)
        self.visited = np.insert(self.visited, place, self.front)
        self.hops = np.insert(self.hops, place, self.depth)

    def around(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours of visited nodes: position in `keys` and number of each."""
        pair, node = np.divmod(keys, self.size)
        counts = np.diff(self.neighbours.indptr)[node]
        return np.repeat(np.arange(len(keys)), counts), np.repeat(pair * self.size, counts) + gather_rows(
            self.neighbours, node
        )

    def hops_at(self, keys: np.ndarray) -> np.ndarray:
        """Hops to each number, -1 where the search has not been."""
        place = np.minimum(np.searchsorted(self.visited, keys), len(self.visited) - 1)
        return np.where(self.visited[place] == keys, self.hops[place], -1)

    def trace(self, keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Walk from visited nodes back to where their searches began, always to the smallest node one hop closer.

        Yields the positions of `keys` still on their way, and where they stood and stand as numbers.
        """
        left = self.hops_at(keys)
        while (some := np.flatnonzero(left > 0)).size:
            position, beyond = self.around(keys[some])
            closer = self.hops_at(beyond) == left[some][position] - 1
            _, first = np.unique(position[closer], return_index=True)
            there = beyond[closer][first]
            yield some, keys[some], there
            keys, left = keys.copy(), left - 1
            keys[some] = there


def meet(neighbours: sp.csr_matrix, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, Search, Search]:
    """Search from both ends of each pair until they meet; the two of each pair must be in one component.

    Returns:
        Meeting node of each pair, on a shortest path between the two, and the two searches.
    """
    pairs, size = np.arange(len(left)), neighbours.shape[0]
    searches = (Search(neighbours, pairs, left), Search(neighbours, pairs, right))
    middle = np.where(left == right, left, -1)
    while (middle < 0).any():
        for search in searches:
            search.front = search.front[middle[search.front // size] < 0]
        # In turn, not the smaller one first: a path must not depend on the other pairs that are searched with it.
        near, far = searches if searches[0].depth == searches[1].depth else searches[::-1]
        near.advance()
        # Whatever both have seen now was first seen in this step, so the way over it is a shortest one.
        common = near.front[far.hops_at(near.front) >= 0]
        found, first = np.unique(common // size, return_index=True)
        middle[found] = common[first] % size
    return middle, *searches


def within_hops(neighbours: sp.csr_matrix, max_hops: int) -> sp.csr_matrix:
    """CSR `[num_nodes, num_nodes]` of hop counts 1 to `max_hops`; the diagonal and farther nodes are left out."""
    reached = sp.identity(neighbours.shape[0], dtype=bool, format="csr")
    front, parts = reached, []
    for _ in range(max_hops):
        front = (front @ neighbours) > reached
        if not front.nnz:
            break
        parts.append(front)
        reached = reached + front
    out = sp.csr_matrix(neighbours.shape, dtype=np.int16)
    for hops, part in enumerate(parts, start=1):
        out = out + part.astype(np.int16) * np.int16(hops)
    out.sort_indices()
    return out
