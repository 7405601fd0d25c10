"""From scores to label sets that agree with the hierarchy.

A label set is consistent when it holds every ancestor of its labels. Two ways lead there and give the same set for
one global threshold: decode, then add ancestors (`LabelGraph.expand`), or raise each score to the highest below it,
then decode.
"""

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from hgraph.decoding.cells import binary, cell_rows, rank_cells, score_matrix, select_cells
from hgraph.errors import ConfigError

if TYPE_CHECKING:
    from hgraph.decoding.thresholds import Thresholds
    from hgraph.graph.label_graph import LabelGraph

BLOCK_CELLS = 2**23
"""Largest number of (document, ancestor) cells sorted at once: bounds the working memory to a few hundred MB."""


def close_upward_scores(scores: Any, graph: "LabelGraph") -> sparse.csr_matrix:
    r"""Max-constraint: raise each label's score to the best of itself and its descendants.

    .. math:: \hat s_{ia} = \max \{ s_{il} : l = a \text{ or } l \text{ is a descendant of } a \}

    (Giunchiglia and Lukasiewicz, https://arxiv.org/abs/2010.10151). Any threshold on the result gives an
    ancestor-closed set. An ancestor that was not stored enters with its best stored descendant.

    Args:
        scores: CSR [N, L], each document's stored scores.
        graph: The hierarchy of the L labels.

    Shapes:
        - **returns**: CSR float32 `[N, L]`; cost O(c log c) for c = stored cells times their ancestors

    Example:
        >>> from hgraph.graph.label_graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("root", "leaf")])
        >>> close_upward_scores(sparse.csr_matrix([[0.1, 0.75], [0.5, 0.25]]), graph).toarray()
        array([[0.75, 0.75],
               [0.5 , 0.25]], dtype=float32)
    """
    matrix = score_matrix(scores)
    ancestors = sparse.csr_matrix(graph.ancestors)
    cells_per_label = 1 + np.diff(ancestors.indptr)
    # Documents are cut into blocks so that the longer list of cells never has to exist as a whole.
    cells_before = np.concatenate([[0], np.cumsum(cells_per_label[matrix.indices], dtype=np.int64)])[matrix.indptr]
    blocks = [_close_block(matrix[a:b], ancestors) for a, b in _blocks(cells_before, BLOCK_CELLS)]
    return sparse.vstack(blocks, format="csr") if blocks else matrix.copy()


def ranking_scores(scores: Any, graph: "LabelGraph") -> sparse.csr_matrix:
    """Scores to rank labels by: closed upward, and of equal ones the label on the higher level first.

    An ancestor's closed score ties with that of its best descendant whenever it was lower; a document that has the
    descendant has the ancestor, so the ancestor must come first. Scores are moved by at most 1e-6 a level.

    Args:
        scores: CSR [N, L] of probabilities.
        graph: The hierarchy of the L labels.

    Shapes:
        - **returns**: CSR float64 `[N, L]`

    Example:
        >>> from hgraph.graph.label_graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("root", "leaf")])
        >>> ranking_scores(sparse.csr_matrix([[0.25, 0.75]]), graph).toarray().round(6)
        array([[0.749999, 0.749998]])
    """
    closed = close_upward_scores(scores, graph).astype(np.float64)
    level = graph.level.cpu().numpy()
    closed.data -= 1e-6 * level[closed.indices]
    return closed


def threshold_decode(scores: Any, thresholds: "Thresholds", graph: "LabelGraph | None" = None) -> sparse.csr_matrix:
    """Labels whose score reaches their threshold; with a graph, also all their ancestors.

    Args:
        scores: CSR [N, L] of probabilities.
        thresholds: One for all labels, or one a label.
        graph: Hierarchy used to add ancestors. None leaves the raw decisions, as `violation_rate` wants them.

    Shapes:
        - **returns**: CSR int32 ones `[N, L]`

    Example:
        >>> from hgraph.decoding.thresholds import Thresholds
        >>> threshold_decode(sparse.csr_matrix([[0.1, 0.75], [0.5, 0.25]]), Thresholds(value=0.5)).toarray()
        array([[0, 1],
               [1, 0]], dtype=int32)
    """
    matrix = score_matrix(scores)
    limit = thresholds.vector(matrix.shape[1])
    return _closed(select_cells(matrix, matrix.data >= limit[matrix.indices]), graph)


def top_k_decode(scores: Any, k: int, graph: "LabelGraph | None" = None) -> sparse.csr_matrix:
    """The k best stored labels of each document, ties to the smaller index; with a graph, also all their ancestors.

    Args:
        scores: CSR [N, L]; a document with fewer stored scores gives fewer labels.
        k: Labels a document before ancestors are added.
        graph: Hierarchy used to add ancestors.

    Shapes:
        - **returns**: CSR int32 ones `[N, L]`

    Example:
        >>> top_k_decode(sparse.csr_matrix([[0.1, 0.75, 0.5]]), 2).indices
        array([1, 2], dtype=int32)
    """
    if k < 1:
        raise ConfigError(f"'k' is {k}, expected at least 1.")
    matrix = score_matrix(scores)
    return _closed(select_cells(matrix, rank_cells(matrix) < k), graph)


def _closed(predictions: sparse.csr_matrix, graph: "LabelGraph | None") -> sparse.csr_matrix:
    return predictions if graph is None else binary(graph.expand(predictions))


def _blocks(cells_before: np.ndarray, limit: int) -> list[tuple[int, int]]:
    """Cut documents into runs of at most `limit` cells (one document may exceed it alone)."""
    bounds, num_documents = [0], len(cells_before) - 1
    while bounds[-1] < num_documents:
        end = int(np.searchsorted(cells_before, cells_before[bounds[-1]] + limit, side="right")) - 1
        bounds.append(max(end, bounds[-1] + 1))
    return list(itertools.pairwise(bounds))


def _close_block(scores: sparse.csr_matrix, ancestors: sparse.csr_matrix) -> sparse.csr_matrix:
    num_documents, num_labels = scores.shape
    rows = cell_rows(scores)
    above = ancestors[scores.indices]  # [nnz, L]: row j lists the ancestors of stored cell j
    lengths = np.diff(above.indptr)
    # One integer for each (document, label) pair: cheaper to sort than two arrays.
    keys = np.concatenate(
        [rows * num_labels + scores.indices, np.repeat(rows, lengths) * num_labels + above.indices],
        dtype=np.int64,
    )
    if len(keys) == 0:
        return scores
    values = np.concatenate([scores.data, np.repeat(scores.data, lengths)])
    order = np.argsort(keys)
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    best = np.maximum.reduceat(values[order], starts)
    rows, labels = np.divmod(keys[starts], num_labels)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=num_documents))])
    return sparse.csr_matrix((best, labels, indptr), shape=scores.shape)
