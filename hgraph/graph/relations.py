"""How labels of a `LabelGraph` stand to each other: siblings, common ancestors, distances, shortest paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError
from hgraph.graph import distances
from hgraph.graph.distances import ShortestPaths

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph
    from hgraph.graph.similarity import Measure
    from hgraph.graph.structure import Structure

Labels = int | str | Sequence[int] | Sequence[str] | np.ndarray

MAX_DENSE_LABELS = 10_000
"""Most labels for which :meth:`Relations.distance_matrix` makes an array of all pairs (200 MB)."""
MAX_SIBLING_PAIRS = 200_000_000
"""Most pairs that :attr:`Relations.siblings` lists (1 GB)."""
PAIRS_AT_ONCE = 100_000
SEARCHES_AT_ONCE = 1_000


class Relations:
    """What holds between two labels; a base of :class:`hgraph.graph.LabelGraph` alone.

    Methods on pairs take two arguments of the same length, indices or ids, or one label and several, and answer with
    one row a pair.
    """

    if TYPE_CHECKING:
        label_id: list[str]

        @property
        def num_labels(self) -> int: ...  # noqa: D102

        @property
        def is_tree(self) -> bool: ...  # noqa: D102

        @property
        def ancestors(self) -> sp.csr_matrix: ...  # noqa: D102

        def _labels(self, labels: Any, argument: str) -> np.ndarray: ...

        @property
        def _structure(self) -> Structure: ...

    @property
    def siblings(self) -> sp.csr_matrix:
        """Boolean CSR `[L, L]`: row `l` lists the labels that share a parent with `l`; roots have no siblings.

        Raises:
            ConfigError: there are more than `MAX_SIBLING_PAIRS`.
        """
        structure = self._structure
        fan_out = np.diff(structure.children.indptr).astype(np.int64)
        pairs = int((fan_out * (fan_out - 1)).sum())
        if pairs > MAX_SIBLING_PAIRS:
            widest = int(fan_out.argmax())
            raise ConfigError(
                f"'siblings' would list {pairs:,} pairs, more than {MAX_SIBLING_PAIRS:,}: {self.label_id[widest]!r} "
                f"alone has {fan_out[widest]:,} children. Split it, or use 'children' of 'parents'."
            )
        return structure.siblings

    def lca(self, left: Labels, right: Labels) -> np.ndarray:
        """Lowest common ancestor of each pair: a label is its own ancestor here, as in networkx.

        In a DAG, where there may be several, the one on the highest level and of these the first by index;
        :meth:`lowest_common_ancestors` has them all. Needs no closure where labels have one parent.

        Shapes:
            - **output:** int64 `[num_pairs]`, -1 where the two have no common ancestor

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d")])
            >>> graph.lca(["d", "d"], ["c", "b"]).tolist()
            [0, 1]
        """
        first, second = self._pairs(left, right)
        structure = self._structure
        if self.is_tree:
            return distances.climb(structure.primary_parent, structure.level, first, second)[0]
        out = np.full(len(first), -1, dtype=np.int64)
        for start in range(0, len(first), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            common = self._common(first[part], second[part])
            filled = np.flatnonzero(np.diff(common.indptr))
            # The highest level, then the smallest index: one number that is largest there.
            rank = structure.level[common.indices] * self.num_labels - common.indices
            best = np.maximum.reduceat(rank, common.indptr[filled]) if len(filled) else rank
            out[start + filled] = -best % self.num_labels
        return out

    def lowest_common_ancestors(self, left: Labels, right: Labels) -> sp.csr_matrix:
        """All lowest common ancestors of each pair: common ancestors none of whose descendants is one too.

        Shapes:
            - **output:** boolean CSR `[num_pairs, L]`

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> graph = LabelGraph.from_edges([("a", "c"), ("b", "c"), ("a", "d"), ("b", "d")])
            >>> graph.lowest_common_ancestors("c", "d").indices.tolist() == sorted(graph.indices(["a", "b"]))
            True
        """
        first, second = self._pairs(left, right)
        common = self._common(first, second)
        lowest = common > (common @ self.ancestors)
        lowest.sort_indices()
        return lowest

    def distance(self, left: Labels, right: Labels) -> np.ndarray:
        """Number of edges on a shortest path between the two labels of each pair, whichever way the edges point.

        With one parent a label, the way over the lowest common ancestor; in a DAG a search from both ends of each
        pair until the two meet.

        Shapes:
            - **output:** int64 `[num_pairs]`, -1 where no path joins the two

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d")]).distance("d", ["a", "c", "d"]).tolist()
            [2, 3, 0]
        """
        first, second = self._pairs(left, right)
        structure = self._structure
        if self.is_tree:
            level, meet = structure.level, self.lca(first, second)
            return np.where(meet < 0, -1, level[first] + level[second] - 2 * level[meet])
        out = np.full(len(first), -1, dtype=np.int64)
        for some, middle, ahead, behind in self._searches(first, second):
            key = np.arange(len(some)) * self.num_labels + middle
            out[some] = ahead.hops_at(key) + behind.hops_at(key)
        return out

    def distance_matrix(self) -> np.ndarray:
        """Distances between all labels, int16 `[L, L]`, -1 where no path joins two.

        Raises:
            ConfigError: more than `MAX_DENSE_LABELS` labels.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> LabelGraph.from_edges([("a", "b"), ("b", "c")]).distance_matrix()
            array([[0, 1, 2],
                   [1, 0, 1],
                   [2, 1, 0]], dtype=int16)
        """
        size, structure = self.num_labels, self._structure
        if size > MAX_DENSE_LABELS:
            raise ConfigError(
                f"'distance_matrix' is for at most {MAX_DENSE_LABELS:,} labels, found {size:,}. "
                "Use distance(left, right) for pairs or hop_distances(max_hops)."
            )
        out = np.empty((size, size), dtype=np.int16)
        step = max(1, distances.MAX_CELLS // size)
        for start in range(0, size, step):
            rows = np.arange(start, min(start + step, size))
            out[rows] = distances.all_hops(structure.neighbours, rows)
        return out

    def hop_distances(self, max_hops: int) -> sp.csr_matrix:
        """Distances of at least 1 and at most `max_hops`, CSR `[L, L]` of int16; linear in the size of the answer.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> LabelGraph.from_edges([("a", "b"), ("b", "c"), ("c", "d")]).hop_distances(2).toarray()[0]
            array([0, 1, 2, 0], dtype=int16)
        """
        if max_hops < 1:
            raise ConfigError(f"'max_hops' must be at least 1, found {max_hops}.")
        return distances.within_hops(self._structure.neighbours, max_hops)

    def shortest_paths(self, left: Labels, right: Labels) -> ShortestPaths:
        """The edges of one shortest path for each pair, as Graphormer's edge encoding reads them.

        Where there are several the choice is arbitrary and always the same. A pair that no path joins, and a label with
        itself, have an empty path.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d")])
            >>> paths = graph.shortest_paths(["d", "b"], ["c", "d"])
            >>> paths.indptr.tolist(), paths.edge.tolist(), paths.upward.tolist()
            ([0, 3, 4], [2, 0, 1, 2], [True, True, False, False])
        """
        first, second = self._pairs(left, right)
        walk = self._tree_walk if self.is_tree else self._search_walk
        pair, position, edge, upward = walk(first, second)
        order = np.lexsort((position, pair))
        indptr = np.concatenate(([0], np.cumsum(np.bincount(pair, minlength=len(first)))))
        return ShortestPaths(indptr.astype(np.int64), edge[order], upward[order])

    def information_content(self, support: Any = None) -> np.ndarray:
        """How specific each label is, float64 `[L]`; see :func:`hgraph.graph.similarity.information_content`."""
        from hgraph.graph.similarity import information_content

        return information_content(cast("LabelGraph", self), support)

    def similarity(self, left: Labels, right: Labels, *, measure: Measure = "lin", content: Any = None) -> np.ndarray:
        """How alike the labels of each pair are, float64 `[num_pairs]`.

        By Lin, Resnik, Jiang & Conrath or Wu & Palmer; see :func:`hgraph.graph.similarity.similarity`.

        Example:
            >>> from hgraph.graph import LabelGraph
            >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("c", "d"), ("c", "e")])
            >>> graph.similarity("d", ["e", "b"], measure="wu_palmer").round(2)
            array([0.67, 0.4 ])
        """
        from hgraph.graph.similarity import similarity

        return similarity(cast("LabelGraph", self), left, right, measure=measure, content=content)

    def _tree_walk(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, ...]:
        structure = self._structure
        level = structure.level
        meet, pair, node, left = distances.climb(structure.primary_parent, level, first, second)
        joined = meet[pair] >= 0
        pair, node, left = pair[joined], node[joined], left[joined]
        top = level[meet]
        length = level[first] + level[second] - 2 * top
        down = length[pair] - (level[second][pair] - level[node]) - 1
        edge_of = np.empty(self.num_labels, dtype=np.int64)
        edge_of[structure.edges[1]] = np.arange(structure.edges.shape[1])
        return pair, np.where(left, level[first][pair] - level[node], down), edge_of[node], left

    def _search_walk(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, ...]:
        structure, size = self._structure, self.num_labels
        parent, child = structure.edges
        keys = parent * size + child
        by_key = np.argsort(keys)
        walked = [np.empty((4, 0), dtype=np.int64)]
        for some, middle, ahead, behind in self._searches(first, second):
            start = np.arange(len(some)) * size + middle
            half = ahead.hops_at(start)
            # The first half was searched from its other end, so it is walked backwards.
            for search, sign in ((ahead, -1), (behind, 1)):
                for step, (pairs, stood, stands) in enumerate(search.trace(start)):
                    source, target = (stands, stood) if sign < 0 else (stood, stands)
                    source, target = source % size, target % size
                    upward = structure.level[target] < structure.level[source]
                    key = np.where(upward, target * size + source, source * size + target)
                    edge = by_key[np.searchsorted(keys, key, sorter=by_key)]
                    position = half[pairs] + (step if sign > 0 else -1 - step)
                    walked.append(np.stack([some[pairs], position, edge, upward]))
        pair, position, edge, upward = np.concatenate(walked, axis=1)
        return pair, position, edge, upward.astype(bool)

    def _searches(
        self, first: np.ndarray, second: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, distances.Search, distances.Search]]:
        """Searches from both ends of the pairs that a path joins, some at a time, with the positions of these pairs."""
        structure = self._structure
        joined = np.flatnonzero(structure.component[first] == structure.component[second])
        for start in range(0, len(joined), SEARCHES_AT_ONCE):
            some = joined[start : start + SEARCHES_AT_ONCE]
            yield some, *distances.meet(structure.neighbours, first[some], second[some])

    def _common(self, first: np.ndarray, second: np.ndarray) -> sp.csr_matrix:
        """Common ancestors of each pair, labels counted as their own; boolean CSR `[num_pairs, L]`, sorted."""
        above = self._structure.ancestors_or_self
        common = above[first].multiply(above[second]).tocsr()
        common.sort_indices()
        return common

    def _pairs(self, left: Labels, right: Labels) -> tuple[np.ndarray, np.ndarray]:
        first, second = self._labels(left, "left"), self._labels(right, "right")
        if len(first) != len(second) and 1 not in (len(first), len(second)):
            raise ConfigError(f"'left' and 'right' must have the same length, found {len(first)} and {len(second)}.")
        first, second = np.broadcast_arrays(first, second)
        return first.copy(), second.copy()
