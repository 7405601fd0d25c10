"""Beam search through the levels of a ranker, documents in blocks, blocks over threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError
from hgraph.ranking.level_weights import LevelWeights
from hgraph.ranking.ranker_features import RankerFeatures
from hgraph.ranking.transforms import Transform

Beam = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
BLOCK_CANDIDATES = 1 << 23
"""Most candidates of a block of documents, about: 16 bytes each, so 130 MB a thread."""
MAX_BLOCK = 1 << 14


def num_threads(threads: int | None) -> int:
    """The number of threads asked for; by default all cores that the process may use."""
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise ConfigError(f"'threads' must be at least 1, found {threads}. Use None for all cores.")
    return threads


def start_beam(size: int, log: bool) -> Beam:
    """The root for each document: value 1, or 0 as a logarithm, and margin 1."""
    value = np.full(size, 0.0 if log else 1.0, dtype=np.float32)
    return np.arange(size + 1), np.zeros(size, dtype=np.int32), value, np.ones(size, dtype=np.float32)


class Search:
    """One thread's search: the levels, the documents, and a table of the features.

    Shapes:
        - **candidates, beams:** `ptr [B + 1]`, and of all documents one after the other `node`, `value`, `margin` `[m]`
    """

    def __init__(self, levels: Sequence[LevelWeights], steps: Sequence[Transform], features: RankerFeatures) -> None:
        self.levels, self.steps, self.features = levels, steps, features
        self._table = np.zeros(features.num_sparse, dtype=np.int32)

    def candidates(self, level: int, documents: tuple[int, int], beam: Beam) -> Beam:
        """All children of the nodes of a beam."""
        from hgraph.ranking.walk_kernels import expand

        weights, step, rows = self.levels[level], self.steps[level], self.features
        arrays = (
            weights.child_ptr,
            weights.only_child,
            weights.row_ptr,
            weights.row_start,
            weights.feature,
            weights.offset,
            weights.weight,
            weights.bias,
            weights.dense,
        )
        queries = (rows.indptr, rows.indices, rows.data)
        transform = (step.kind, step.power, step.log)
        return expand(documents, beam, arrays, transform, queries, rows.dense, self._table)

    def beam(self, documents: tuple[int, int], widths: Sequence[int]) -> Beam:
        """The beam after as many levels as there are widths."""
        from hgraph.ranking.walk_kernels import select

        beam = start_beam(documents[1] - documents[0], any(step.log for step in self.steps))
        for level, width in enumerate(widths):
            beam = select(self.candidates(level, documents, beam), width)
        return beam

    def top_labels(
        self, documents: tuple[int, int], widths: Sequence[int], labels: np.ndarray, num_labels: int, k: int
    ) -> Beam:
        """The `k` best labels of each document, best first."""
        from hgraph.ranking.walk_kernels import merge_copies, select

        last = len(self.levels) - 1
        found = self.candidates(last, documents, self.beam(documents, widths[:last]))
        return select(merge_copies(found, labels, num_labels), k)


def document_blocks(levels: Sequence[LevelWeights], widths: Sequence[int], rows: int, threads: int) -> list[int]:
    """Where blocks of documents begin and end, so that a block has no more than `BLOCK_CANDIDATES` candidates.

    A beam's parents have the average number of children or a few times as many, as labels are spread evenly or not.
    """
    most = 1
    for level, weights in enumerate(levels):
        sizes = np.sort(np.diff(weights.child_ptr))[::-1]
        most = max(most, int(sizes[: widths[level - 1] if level else 1].sum()))
    size = max(1, min(MAX_BLOCK, BLOCK_CANDIDATES // most, -(-rows // threads)))
    return [*range(0, rows, size), rows]


def search_blocks(
    levels: Sequence[LevelWeights],
    steps: Sequence[Transform],
    features: RankerFeatures,
    bounds: Sequence[int],
    work: Callable[[Search, tuple[int, int]], Beam],
    threads: int,
) -> list[Beam]:
    """The work on each block of documents, in their order."""
    for weights in levels:
        _ = weights.row_start  # made once, before the threads begin
    blocks = list(pairwise(bounds))
    if threads == 1 or len(blocks) < 2:
        search = Search(levels, steps, features)
        return [work(search, block) for block in blocks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda block: work(Search(levels, steps, features), block), blocks))


def to_csr(beams: Sequence[Beam], shape: tuple[int, int]) -> sp.csr_matrix:
    """Beams of blocks of documents as one CSR, the cells of a row in the order of the beam."""
    lengths = [np.diff(beam[0]) for beam in beams]
    indptr = np.concatenate([[0], *lengths]).cumsum()
    indices = np.concatenate([np.zeros(0, dtype=np.int32), *(beam[1] for beam in beams)])
    values = np.concatenate([np.zeros(0, dtype=np.float32), *(beam[2] for beam in beams)])
    return sp.csr_matrix((values, indices, indptr), shape=shape)
