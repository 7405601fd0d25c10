"""Counts that every picture of a hierarchy shows: labels below a label, documents of a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hgraph.errors import DataError
from hgraph.graph.structure import gather_rows

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph


def count_descendants(graph: LabelGraph) -> np.ndarray:
    """Number of different labels below each label, int64 `[L]`.

    Linear in the labels of a tree; of a DAG all ancestors are listed, so that no label is counted twice.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> count_descendants(LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])).tolist()
        [3, 1, 1, 0]
    """
    if not graph.is_tree:
        return np.bincount(graph.ancestors.indices, minlength=graph.num_labels).astype(np.int64)
    below = np.zeros(graph.num_labels, dtype=np.int64)
    for labels in graph.levels[:0:-1]:
        np.add.at(below, graph._structure.primary_parent[labels], below[labels] + 1)
    return below


def document_counts(graph: LabelGraph, documents: Any) -> np.ndarray | None:
    """Checked number of documents of each label, int64 `[L]`, or None where there are none.

    Raises:
        DataError: not one number of zero or more for each label.
    """
    if documents is None:
        return None
    counts = np.asarray(documents)
    if counts.shape != (graph.num_labels,) or counts.dtype.kind not in "iuf" or (counts < 0).any():
        found = f"{counts.dtype} of shape {list(counts.shape)}"
        raise DataError(f"'documents' must hold one count for each of {graph.num_labels} labels, found {found}.")
    return counts.astype(np.int64)


def branch(graph: LabelGraph, root: int) -> np.ndarray:
    """Indices of a label and everything below it, sorted, int64; linear in the branch."""
    inside = np.zeros(graph.num_labels, dtype=bool)
    inside[root] = True
    frontier = np.array([root], dtype=np.int64)
    while len(frontier):
        reached = np.unique(gather_rows(graph.children, frontier))
        frontier = reached[~inside[reached]]
        inside[frontier] = True
    return np.flatnonzero(inside)
