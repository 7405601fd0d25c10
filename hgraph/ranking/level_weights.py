"""`LevelWeights`: the classifiers of one level, laid out by parent for the walk of a query through them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True, eq=False)
class LevelWeights:
    """Weights of siblings as chunks, one a parent: for each feature that any of them uses, (sibling, weight) entries.

    A query that reaches a parent walks through the features that it has in common with the chunk once, and adds up the
    scores of all siblings (Etter et al. 2022, Accelerating Inference for Sparse Extreme Multi-Label Ranking Trees,
    https://arxiv.org/abs/2106.02697, section 4). Memory is linear in the number of weights. An only child has no
    classifier: its probability, given its parent, is 1.

    Shapes:
        - **child_ptr:** int64 `[P + 1]`, first child of each parent
        - **only_child:** uint8 `[P]`, whether the parent's child was an only child at training
        - **row_ptr, entry_ptr:** int64 `[P + 1]`, first row and entry of each chunk
        - **feature:** `[R]` ascending within a chunk; **count:** `[R]` number of entries of each row
        - **offset, weight:** `[E]`, position among the siblings, and float32
        - **bias:** float32 `[n_d]`; **dense:** float32 `[n_d, d]`, weights of the dense block
    """

    child_ptr: np.ndarray
    only_child: np.ndarray
    row_ptr: np.ndarray
    entry_ptr: np.ndarray
    feature: np.ndarray
    count: np.ndarray
    offset: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    dense: np.ndarray

    @property
    def num_nodes(self) -> int:
        """Number of nodes of the level."""
        return len(self.bias)

    @property
    def num_parents(self) -> int:
        """Number of chunks."""
        return len(self.only_child)

    @cached_property
    def row_start(self) -> np.ndarray:
        """First entry of each row, int64 `[R + 1]`; made on first use."""
        start = np.zeros(len(self.count) + 1, dtype=np.int64)
        np.cumsum(self.count, out=start[1:])
        return start

    def to_csr(self, num_features: int) -> sp.csr_matrix:
        """All sparse weights as float32 CSR `[n_d, F]`, without the bias."""
        chunks = np.repeat(np.arange(self.num_parents), np.diff(self.entry_ptr))
        nodes = self.child_ptr[chunks] + self.offset
        columns = np.repeat(self.feature.astype(np.int64), self.count)
        return sp.csr_matrix((np.asarray(self.weight), (nodes, columns)), shape=(self.num_nodes, num_features))

    def take(self, nodes: np.ndarray, child_ptr: np.ndarray, parents: np.ndarray) -> LevelWeights:
        """Weights of some nodes, ascending, under the parents that are kept; `child_ptr` is the new one."""
        matrix = self.to_csr(int(self.feature.max()) + 1 if len(self.feature) else 1)[nodes]
        matrix.sort_indices()
        return chunked(
            child_ptr,
            self.only_child[parents],
            (matrix.indptr[:-1].astype(np.int64), np.diff(matrix.indptr).astype(np.int64)),
            (matrix.indices, matrix.data),
            (self.bias[nodes], self.dense[nodes]),
            matrix.shape[1],
        )


def chunked(
    child_ptr: np.ndarray,
    only_child: np.ndarray,
    lists: tuple[np.ndarray, np.ndarray],
    entries: tuple[np.ndarray, np.ndarray],
    others: tuple[np.ndarray, np.ndarray],
    num_features: int,
    threads: int = 1,
) -> LevelWeights:
    """Chunks from one list of (feature, weight) a node.

    Shapes:
        - **child_ptr:** `[P + 1]`; **only_child:** `[P]`
        - **lists:** where each node's list begins, and its length, int64 `[n_d]`
        - **entries:** features int32 and weights float32 of all lists
        - **others:** bias `[n_d]` and dense weights `[n_d, d]`
    """
    from hgraph.ranking.chunk_kernels import count_rows, fill_chunks

    num_parents = len(only_child)
    starts, counts = lists
    features, weights = entries
    node_ptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = np.zeros(num_parents, dtype=np.int64)
    pieces = np.linspace(0, num_parents, min(num_parents, threads * 4) + 1).astype(np.int64)

    def run(work: Callable[[int, int], None]) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, pieces[:-1].tolist(), pieces[1:].tolist()))

    run(lambda first, last: count_rows(first, last, child_ptr, starts, counts, features, num_features, rows))
    row_ptr = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
    entry_ptr = node_ptr[child_ptr]
    widest = int(np.diff(child_ptr).max(initial=1))
    feature = np.empty(row_ptr[-1], dtype=np.uint16 if num_features <= 1 << 16 else np.int32)
    count = np.empty(row_ptr[-1], dtype=_small(widest))
    offset = np.empty(entry_ptr[-1], dtype=_small(widest - 1))
    weight = np.empty(entry_ptr[-1], dtype=np.float32)
    pointers, out = (row_ptr, entry_ptr), (feature, count, offset, weight)
    run(
        lambda first, last: fill_chunks(
            first, last, child_ptr, starts, counts, features, weights, num_features, pointers, out
        )
    )
    return LevelWeights(child_ptr, only_child, row_ptr, entry_ptr, *out, *others)


def _small(largest: int) -> type[np.generic]:
    """The smallest type of integers up to `largest`."""
    return np.uint8 if largest < 1 << 8 else np.uint16 if largest < 1 << 16 else np.int32
