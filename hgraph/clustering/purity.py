"""Purity of a label tree: do labels of one cluster belong together in the real hierarchy?"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from hgraph.errors import DataError
from hgraph.graph import LabelGraph

ENTRIES_AT_ONCE = 4_000_000


def purity(tree: LabelGraph, hierarchy: LabelGraph) -> float | None:
    """Share of the pairs of leaves below one node of `tree` that have a common parent in `hierarchy`.

    A root has no parent. A pair that is below several nodes counts below each. `None` where there is no pair.

    Time and memory are linear in the edges where labels have one parent in `hierarchy`; else time goes with the pairs
    of siblings that share a cluster, and memory with a limited number of them.

    Raises:
        DataError: `hierarchy` has more labels than `tree`.

    Example:
        >>> real = LabelGraph.from_edges([("p", "a"), ("p", "b"), ("q", "c")], nodes=["a", "b", "c", "p", "q"])
        >>> edges = [("~", label) for label in "abc"]
        >>> purity(LabelGraph.from_edges(edges, nodes=["a", "b", "c", "p", "q", "~"]), real)
        0.3333333333333333
    """
    size = hierarchy.num_labels
    if size > tree.num_labels:
        raise DataError(f"'hierarchy' has {size} labels, but 'tree' has {tree.num_labels}. Give its own tree.")
    above, leaf = tree.edge_index.cpu().numpy()
    keep = (np.diff(tree.children.indptr)[leaf] == 0) & (leaf < size)
    above, leaf = above[keep], leaf[keep]
    pairs = _pairs(np.bincount(above)).sum()
    if not pairs:
        return None
    # A row for each place of a leaf in the tree; a column for each real parent within each node of the tree.
    parents = hierarchy.parents[leaf]
    place = np.repeat(np.arange(len(leaf)), np.diff(parents.indptr))
    _, column = np.unique(above[place] * size + parents.indices, return_inverse=True)
    if np.diff(parents.indptr).max(initial=0) <= 1:
        return float(_pairs(np.bincount(column)).sum() / pairs)
    shape = (len(leaf), int(column.max(initial=-1)) + 1)
    belongs = sp.csr_matrix((np.ones(len(place), dtype=np.float32), (place, column)), shape=shape)
    return float(_linked(belongs) / pairs)


def chance_purity(tree: LabelGraph, hierarchy: LabelGraph) -> float | None:
    """Share of all pairs of leaves of `tree` that have a common parent; where some have several, at most that."""
    leaves = np.flatnonzero(np.diff(tree.children.indptr) == 0)
    leaves = leaves[leaves < hierarchy.num_labels]
    if len(leaves) < 2:
        return None
    together = _pairs(np.bincount(hierarchy.parents[leaves].indices)).sum()
    return float(min(together / _pairs(np.array([len(leaves)]))[0], 1))


def _pairs(counts: np.ndarray) -> np.ndarray:
    counts = counts.astype(np.float64)
    return counts * (counts - 1) / 2


def _linked(belongs: sp.csr_matrix) -> float:
    """Number of pairs of rows with a common column."""
    other = belongs.T.tocsr()
    cost = np.cumsum(belongs @ np.diff(other.indptr).astype(np.float64))
    start, linked = 0, 0
    while start < len(cost):
        done = cost[start - 1] if start else 0
        stop = max(int(np.searchsorted(cost, done + ENTRIES_AT_ONCE, side="right")), start + 1)
        common = (belongs[start:stop] @ other).tocoo()
        linked += int((common.row + start < common.col).sum())
        start = stop
    return float(linked)
