"""Relevance of labels to documents, carried up a label tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.errors import DataError
from hgraph.ranking.ranker_tree import RankerTree


def level_relevance(
    tree: RankerTree, targets: Sequence[sp.csr_matrix], labels: Any, relevance: Any
) -> list[np.ndarray]:
    """Cost of each target cell of each level: 1, or the relevance of its labels.

    On the levels above the last it is the sum over the labels below, divided by the greatest sum of the document.

    Shapes:
        - **labels, relevance:** `[N, L]`, `relevance` may be None
        - **output:** for each level float32 `[nnz of its targets]`
    """
    if relevance is None:
        return [level.data for level in targets]
    given = sp.csr_matrix(relevance, dtype=np.float32)
    if given.shape != (targets[0].shape[0], tree.num_labels):
        found, expected = list(given.shape), [targets[0].shape[0], tree.num_labels]
        raise DataError(f"'relevance' must have the shape of the labels, {expected}, found {found}.")
    if len(given.data) and not (np.isfinite(given.data).all() and given.data.min() >= 0):
        raise DataError("'relevance' must be finite and not below 0. Leave a cell out for a relevance of 1.")
    given.eliminate_zeros()
    present = (sp.csr_matrix(labels) != 0).astype(np.float32).tocsr()
    stored = present.multiply(given).tocsr()
    values = (stored + present - present.multiply(given != 0)).tocsr()
    levels = []
    for level, (sums, cells) in enumerate(zip(tree.lift(values), targets, strict=True), start=1):
        sums.sort_indices()
        costs = np.asarray(sums.data, dtype=np.float32)
        if level < tree.num_levels and len(costs):
            greatest = np.asarray(sums.max(axis=1).todense()).ravel()
            costs = costs / np.repeat(greatest, np.diff(sums.indptr))
        if len(costs) != cells.nnz:
            raise DataError("'relevance' must be above 0 where a document has the label.")
        levels.append(costs)
    return levels
