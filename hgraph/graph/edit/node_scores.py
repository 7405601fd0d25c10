"""Scores of nodes as scores of labels: the highest of all nodes of a label and of its descendants."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from hgraph.graph.structure import gather_rows

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph


def sparse_to_labels(graph: LabelGraph, owner: np.ndarray, scores: Any) -> Any:
    """For sparse scores `[N, n]` of nodes: sparse scores `[N, L]`, from what is stored.

    Args:
        graph: the hierarchy of the labels.
        owner: label of each node `[n]`.
        scores: scores of the nodes.
    """
    given = scores.tocoo()
    above, size = graph.ancestors, graph.num_labels
    label = owner[given.col]
    counts = np.diff(above.indptr)[label]
    row = np.concatenate([given.row, np.repeat(given.row, counts)]).astype(np.int64)
    col = np.concatenate([label, gather_rows(above, label)])
    data = np.concatenate([given.data, np.repeat(given.data, counts)])
    key = row * size + col
    order = np.argsort(key, kind="stable")
    key, first = np.unique(key[order], return_index=True)
    best = np.maximum.reduceat(data[order], first) if len(first) else data
    make = sp.csr_array if isinstance(scores, sp.sparray) else sp.csr_matrix
    return make((best, (key // size, key % size)), shape=(scores.shape[0], size))


def dense_to_labels(graph: LabelGraph, owner: np.ndarray, scores: np.ndarray, fill: float) -> np.ndarray:
    """For dense scores `[N, n]` of nodes: dense scores `[N, L]`, `fill` for labels without a node at or below them."""
    level, (parent, child) = graph._structure.level, graph._structure.edges
    kind = scores.dtype.kind
    lowest = -np.inf if kind == "f" else False if kind == "b" else np.iinfo(scores.dtype).min
    out = np.full((scores.shape[0], graph.num_labels), lowest, dtype=scores.dtype)
    reached = np.zeros(graph.num_labels, dtype=bool)
    order = np.argsort(owner, kind="stable")
    label, first = np.unique(owner[order], return_index=True)
    out[:, label], reached[label] = np.maximum.reduceat(scores[:, order], first, axis=1), True
    order = np.lexsort((parent, -level[parent]))  # the deepest parents first: their children are finished
    parent, child = parent[order], child[order]
    for start, stop in _runs(level[parent]):
        above, first = np.unique(parent[start:stop], return_index=True)
        best = np.maximum.reduceat(out[:, child[start:stop]], first, axis=1)
        out[:, above] = np.maximum(out[:, above], best)
        reached[above] |= np.logical_or.reduceat(reached[child[start:stop]], first)
    out[:, ~reached] = fill
    return out


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    """Start and stop of each run of equal values."""
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]]).tolist()
    return [(start, stop) for start, stop in itertools.pairwise(bounds) if stop > start]
