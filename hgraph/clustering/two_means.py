"""`balanced_groups`: groups of equal size by repeated balanced spherical 2-means."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError, DataError

WIDE_NODE = 1_000_000
"""Entries from which the threads share one node; below it each thread takes nodes of its own, in a copy (12 MB)."""

Progress = Callable[[int, int], None]
Arrays: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]


def balanced_groups(
    vectors: sp.csr_matrix | np.ndarray,
    num_groups: int,
    *,
    seed: int = 0,
    rounds: int = 20,
    threads: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    r"""Groups of similar vectors whose sizes differ by at most one.

    The balanced spherical 2-means of PECOS (Yu et al. 2022, https://arxiv.org/abs/2010.05878). A node is cut along a
    direction :math:`c`: first the difference of two random members, then

    .. math:: c = \frac{\sum_{right} x}{\|\sum_{right} x\|} - \frac{\sum_{left} x}{\|\sum_{left} x\|}.

    The members with the lowest :math:`\langle c, x \rangle` go left, of equals the earlier ones, until no member
    changes sides. A node of `n` members that is to become `g` groups sends
    :math:`\lfloor n \lfloor g/2 \rfloor / g \rfloor` of them left; where `g` is a power of two this is the median.

    A sum is only changed by the rows that changed sides, so a round reads every vector once. Small nodes are copied
    with columns of their own, so that they fit in the cache.

    Args:
        vectors: one a member; scale them to length 1 (see :func:`~hgraph.clustering.label_vectors`). A row of zeros
            goes where rows that score 0 go.
        num_groups: from 1 to the number of vectors. Numbers of groups are paths: those of groups close in the tree
            are close, and with a power of two `group // 2` is one level up.
        seed: of the first directions. Threads and their order never change a result.
        rounds: most rounds in a node.
        threads: all cores that the process may use by default.
        progress: called with the number of levels done and of all levels.

    Memory is that of the vectors and, for each vector, 40 bytes; for each thread 12 MB and 28 bytes a column.

    Shapes:
        - **vectors:** float32, CSR or C-contiguous `[n, C]`; others are converted
        - **output:** int64 `[n]`, from 0

    Raises:
        ConfigError: `num_groups`, `rounds` or `threads` is out of range.
        DataError: `vectors` are not a matrix, or not finite.

    Example:
        >>> vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6], [0.6, 0.8]])
        >>> balanced_groups(vectors, 2).tolist() in ([0, 1, 0, 1], [1, 0, 1, 0])
        True
    """
    arrays, (size, channels) = matrix_arrays(vectors)
    if not 1 <= num_groups <= max(size, 1):
        raise ConfigError(f"'num_groups' must be from 1 to {max(size, 1)}, the number of vectors, found {num_groups}.")
    if rounds < 1:
        raise ConfigError(f"'rounds' must be at least 1, found {rounds}.")
    state = _Layers(arrays, size, channels, seed, rounds)
    groups, nodes = np.array([num_groups]), np.array([1])
    levels, level = max(num_groups - 1, 1).bit_length() if num_groups > 1 else 0, 0
    with ThreadPoolExecutor(num_threads(threads)) as pool:
        while (groups > 1).any():
            groups, nodes = state.cut(groups, nodes, pool)
            level += 1
            if progress is not None:
                progress(level, levels)
    out = np.empty(size, dtype=np.int64)
    out[state.order] = np.repeat(np.arange(len(groups)), np.diff(state.bounds))
    return out


class _Layers:
    """The rows in the order of their nodes, and the bounds of the nodes, of the level reached so far."""

    def __init__(self, arrays: Arrays, size: int, channels: int, seed: int, rounds: int) -> None:
        self.arrays, self.channels, self.seed, self.rounds = arrays, channels, np.uint64(seed), rounds
        self.order, self.bounds = np.arange(size), np.array([0, size])

    def cut(self, groups: np.ndarray, nodes: np.ndarray, pool: ThreadPoolExecutor) -> tuple[np.ndarray, np.ndarray]:
        """Cut every node with more than one group; the numbers of groups and of nodes of the next level."""
        from hgraph.clustering.node_kernels import split_nodes

        sizes, lower = np.diff(self.bounds), groups // 2
        num_left = sizes * lower // groups
        entries = np.add.reduceat(np.diff(self.arrays[0])[self.order], self.bounds[:-1])
        inner = groups > 1
        for node in np.flatnonzero(inner & (entries > WIDE_NODE)):
            self._cut_wide(self.order[self.bounds[node] : self.bounds[node + 1]], num_left[node], nodes[node], pool)
        small = np.flatnonzero(inner & (entries <= WIDE_NODE))
        parts = np.array_split(small, min(max(len(small), 1), 8 * pool._max_workers))
        _wait(
            pool.submit(split_nodes, *self.arrays, self.channels, self.order, self.bounds, num_left,
                        nodes.astype(np.uint64), part, self.seed, self.rounds)
            for part in parts
        )  # fmt: skip
        left = np.stack([np.where(inner, num_left, 0), np.where(inner, sizes - num_left, sizes)], axis=1)
        keep = np.stack([inner, np.ones_like(inner)], axis=1)
        self.bounds = np.concatenate([[0], np.cumsum(left[keep])])
        split = np.stack([lower, groups - lower], axis=1)
        split[~inner, 1] = groups[~inner]
        number = np.stack([2 * nodes, 2 * nodes + 1], axis=1)
        return split[keep], number[keep]

    def _cut_wide(self, rows: np.ndarray, num_left: int, node: int, pool: ThreadPoolExecutor) -> None:
        """What `split_node` of the kernels does, with the rows shared out to the threads; bit for bit the same."""
        from hgraph.clustering import kernels
        from hgraph.clustering.node_kernels import partition

        size = len(rows)
        left, right = np.zeros(self.channels), np.zeros(self.channels)
        keys, spare, sides = np.empty(size, np.int64), np.empty(size, np.int64), np.full((2, size), -1, np.int8)
        first, second = kernels.choose_seeds(self.seed, np.uint64(node), size)
        kernels.add_rows(*self.arrays, rows[first : first + 1], 1.0, right)
        kernels.add_rows(*self.arrays, rows[second : second + 1], 1.0, left)
        vector = (right - left).astype(np.float32)
        left[:], right[:] = 0, 0
        steps = np.linspace(0, size, 8 * pool._max_workers + 1).astype(np.int64)
        for step in range(self.rounds):
            if step:
                kernels.direction(left, right, self.channels, vector)
            _wait(
                pool.submit(kernels.score_rows, *self.arrays, rows, vector, start, stop, keys)
                for start, stop in pairwise(steps)
            )
            if not kernels.cut(keys, spare, num_left, sides[0], sides[1]):
                break
            if step + 1 < self.rounds:
                _wait(
                    pool.submit(kernels.add_side, *self.arrays, rows, sides[0], sides[1], side, total)
                    for side, total in ((0, left), (1, right))
                )
            sides[0] = sides[1]
        partition(rows, sides[0], spare)


def _wait(futures: Iterable[Any]) -> None:
    for future in list(futures):
        future.result()


def num_threads(threads: int | None) -> int:
    """`threads`, or all cores that the process may use.

    Raises:
        ConfigError: `threads` is less than 1.
    """
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise ConfigError(f"'threads' must be at least 1, found {threads}.")
    return threads


def matrix_arrays(vectors: Any) -> tuple[Arrays, tuple[int, int]]:
    """Vectors as the kernels read them: `(indptr, indices, data)`, where dense rows have no `indices`; their shape.

    Raises:
        DataError: `vectors` are not a matrix, or not finite.
    """
    if np.ndim(vectors) != 2:
        raise DataError(f"'vectors' must have shape [num_vectors, channels], found {list(np.shape(vectors))}.")
    rows, columns = vectors.shape
    if sp.issparse(vectors):
        matrix = vectors.tocsr()
        indptr, indices, data = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32, copy=False), matrix.data
    else:
        data = np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1)
        indptr, indices = np.arange(rows + 1, dtype=np.int64) * columns, np.empty(0, dtype=np.int32)
    data = data.astype(np.float32, copy=False)
    if not np.isfinite(data.sum(dtype=np.float64)):
        raise DataError("'vectors' must be finite, found NaN or infinity. Look at the features they are made of.")
    return (indptr, indices, data), (rows, columns)
