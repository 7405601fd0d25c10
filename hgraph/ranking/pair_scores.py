"""Scores of given (document, label) pairs along their paths through the tree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.errors import DataError
from hgraph.ranking.beam import Beam, Search, start_beam
from hgraph.ranking.level_weights import LevelWeights
from hgraph.ranking.ranker_features import RankerFeatures
from hgraph.ranking.ranker_tree import RankerTree
from hgraph.ranking.transforms import Transform

BLOCK_PAIRS = 1 << 16
"""Pairs that are scored at a time, about."""


def score_pairs(
    tree: RankerTree,
    levels: Sequence[LevelWeights],
    steps: Sequence[Transform],
    features: RankerFeatures,
    pairs: Any,
) -> sp.csr_matrix:
    """Scores of the stored pairs, float32 CSR `[N, L]`; the best of a label's nodes counts.

    All siblings of a node on a path are scored, so a pair costs the fan-outs along its path.
    """
    wanted = sp.csr_matrix(pairs)
    if wanted.shape != (features.num_documents, tree.num_labels):
        expected = [features.num_documents, tree.num_labels]
        raise DataError(f"'pairs' must have shape {expected}, found {list(wanted.shape)}.")
    ones = sp.csr_matrix((np.ones(wanted.nnz, dtype=np.float32), wanted.indices, wanted.indptr), shape=wanted.shape)
    nodes = ones[:, tree.labels].tocsr()
    search, rows, scores = Search(levels, steps, features), [], []
    for first, last in _blocks(nodes.indptr):
        block = nodes[first:last]
        document = np.repeat(np.arange(last - first), np.diff(block.indptr))
        keys = np.unique(document * nodes.shape[1] + block.indices)
        rows.append(first * nodes.shape[1] + keys)
        scores.append(_path_values(tree, search, (first, last), keys))
    cells = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    values = np.concatenate([np.zeros(0, dtype=np.float32), *scores])
    return _best_of_copies(cells // nodes.shape[1], tree.labels[cells % nodes.shape[1]], values, wanted.shape)


def _blocks(indptr: np.ndarray) -> list[tuple[int, int]]:
    """Runs of documents with about `BLOCK_PAIRS` pairs."""
    run = np.asarray(indptr[:-1]) // BLOCK_PAIRS
    cuts = [0, *(np.flatnonzero(np.diff(run)) + 1).tolist(), len(indptr) - 1]
    return [(first, last) for first, last in pairwise(cuts) if first < last]


def _path_values(tree: RankerTree, search: Search, documents: tuple[int, int], keys: np.ndarray) -> np.ndarray:
    """Values of bottom nodes, given by sorted keys document x n_D + node."""
    sizes, size = tree.num_nodes, documents[1] - documents[0]
    active = [keys]
    for level in range(tree.num_levels - 1, 0, -1):
        above = tree.parents[level - 1][active[-1] % sizes[level]]
        active.append(np.unique(active[-1] // sizes[level] * sizes[level - 1] + above))
    beam = start_beam(size, any(step.log for step in search.steps))
    for level, chosen in enumerate(active[::-1]):
        if level == 0:
            beam = _only(beam, np.unique(chosen // sizes[0]), 1, size)
        beam = _only(search.candidates(level, documents, beam), chosen, sizes[level], size)
    return beam[2]


def _only(candidates: Beam, keys: np.ndarray, width: int, size: int) -> Beam:
    """The candidates with the keys, which are sorted as the candidates are: by document, then by node."""
    ptr, node, value, margin = candidates
    document = np.repeat(np.arange(size), np.diff(ptr))
    place = np.searchsorted(document * width + node, keys)
    new_ptr = np.concatenate([[0], np.cumsum(np.bincount(keys // width, minlength=size))]).astype(np.int64)
    return new_ptr, node[place], value[place], margin[place]


def _best_of_copies(rows: np.ndarray, labels: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """Each (document, label) once, with its highest value."""
    order = np.lexsort((-values, labels, rows))
    rows, labels, values = rows[order], labels[order], values[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (rows[1:] != rows[:-1]) | (labels[1:] != labels[:-1])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows[first], minlength=shape[0]))])
    return sp.csr_matrix((values[first], labels[first], indptr), shape=shape)
