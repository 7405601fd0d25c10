"""What a beam search down a label tree finds at best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph
from hgraph.graph.edit.level_partition import LevelPartition

DOCUMENTS_AT_ONCE = 16_384


def oracle_recall(tree: LabelGraph, labels: Any, beams: Sequence[int]) -> tuple[dict[int, float], int]:
    """Recall of a beam search whose ranker knows the labels, by beam width; and the number of labels without documents.

    The tree is drawn out over levels (:class:`~hgraph.graph.LevelPartition`, a label with several parents under all of
    them). On every level above the bottom, of the nodes below those kept so far, the ones above most labels of the
    document are kept; of equals the first ones. A label is found if a parent of its bottom node was kept. What a label
    brings with it (its ancestors) is not counted twice: only the most specific labels of a document are. The mean is
    over all labels of all documents; it is 1 where there are none.

    Raises:
        ConfigError: a beam is less than 1.
        DataError: `labels` have more columns than `tree` has labels.
    """
    if any(beam < 1 for beam in beams):
        raise ConfigError(f"'beams' must be at least 1, found {min(beams)}.")
    present = sp.csr_matrix(labels) != 0
    size = tree.num_labels
    if present.shape[1] > size:
        raise DataError(f"'labels' must have at most {size} columns, one a label, found {present.shape[1]}.")
    empty = int((present.getnnz(axis=0) == 0).sum())
    present = sp.csr_matrix((present.data, present.indices, present.indptr), shape=(present.shape[0], size))
    partition = LevelPartition(tree, extra_parents="native")
    parents = [partition.parents(level).tocsr() for level in range(1, partition.num_levels + 1)]
    found, total = dict.fromkeys(beams, 0), 0
    for start in range(0, present.shape[0], DOCUMENTS_AT_ONCE):
        bottom = partition.to_nodes(present[start : start + DOCUMENTS_AT_ONCE]).astype(np.float32)
        counts = _counts(bottom, parents)
        total += bottom.nnz
        for beam in beams:
            found[beam] += _found(counts, parents, beam)
    return {beam: count / total if total else 1.0 for beam, count in found.items()}, empty


def _counts(bottom: sp.csr_matrix, parents: Sequence[sp.csr_matrix]) -> list[sp.csr_matrix]:
    """Labels of each document below each node, level by level from the top."""
    out = [bottom]
    for above in reversed(parents[1:]):
        out.append((out[-1] @ above.astype(np.float32)).tocsr())
    return out[::-1]


def _found(counts: Sequence[sp.csr_matrix], parents: Sequence[sp.csr_matrix], beam: int) -> int:
    """Number of bottom nodes of the documents below a node that was kept, above the bottom `beam` of each level."""
    kept: np.ndarray | None = None
    for level, (count, above) in enumerate(zip(counts, parents, strict=True)):
        row = np.repeat(np.arange(count.shape[0]), np.diff(count.indptr))
        column, value = count.indices.astype(np.int64), count.data
        if kept is not None:
            below = _below(row, column, above, kept)
            row, column, value = row[below], column[below], value[below]
        if level == len(counts) - 1:
            return len(row)
        order = np.lexsort((column, -value, row))
        row, column = row[order], column[order]
        best = np.arange(len(row)) - np.searchsorted(row, row) < beam
        kept = np.sort(row[best] * count.shape[1] + column[best])
    return 0


def _below(row: np.ndarray, column: np.ndarray, above: sp.csr_matrix, kept: np.ndarray) -> np.ndarray:
    """Which (document, node) have a parent among those kept, numbers `document * nodes + node`, ascending."""
    sizes = np.diff(above.indptr)[column]
    entry = np.repeat(above.indptr[column] - np.append(0, np.cumsum(sizes)[:-1]), sizes) + np.arange(sizes.sum())
    wanted = np.repeat(row, sizes) * above.shape[1] + above.indices[entry]
    place = np.minimum(np.searchsorted(kept, wanted), max(len(kept) - 1, 0))
    hit = kept[place] == wanted if len(kept) else np.zeros(len(wanted), dtype=bool)
    return np.bincount(np.repeat(np.arange(len(row)), sizes)[hit], minlength=len(row)) > 0
