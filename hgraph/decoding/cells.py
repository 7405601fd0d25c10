"""Stored cells of a CSR matrix: which document, which rank, which of them are true.

A *cell* is one stored (document, label) pair. Scores keep only the best cells of a document, so every function here
costs as much as there are stored cells and never as much as there are documents times labels.
"""

from typing import Any

import numpy as np
from scipy import sparse

from hgraph.errors import ConfigError, DataError


def binary(matrix: Any, *, name: str = "matrix") -> sparse.csr_matrix:
    """Copy a matrix to CSR int32 ones: non-zero cells only, sorted, each once.

    Args:
        matrix: Any SciPy sparse matrix or dense array [N, L]; a non-zero value means "has the label".
        name: What the caller calls it, for the error message.

    Example:
        >>> binary([[0.0, 0.5], [2.0, 0.0]]).toarray()
        array([[0, 1],
               [1, 0]], dtype=int32)
    """
    result = sparse.csr_matrix(matrix, copy=True)
    if result.dtype == bool:  # SciPy cannot add up duplicates of booleans
        result = result.astype(np.int32)
    if result.ndim != 2:
        raise DataError(f"'{name}' has {result.ndim} dimensions, expected [documents, labels].")
    result.sum_duplicates()
    result.eliminate_zeros()
    return from_cells(result.indices, result.indptr, shape=result.shape)


def from_cells(indices: np.ndarray, indptr: np.ndarray, *, shape: tuple[int, int]) -> sparse.csr_matrix:
    """CSR matrix of int32 ones (int8 would overflow in sums) with these labels a row."""
    return sparse.csr_matrix((np.ones(len(indices), dtype=np.int32), indices, indptr), shape=shape)


def select_cells(matrix: sparse.csr_matrix, keep: np.ndarray) -> sparse.csr_matrix:
    """CSR matrix of ones at the stored cells for which `keep` [nnz] is true, in their order.

    Example:
        >>> scores = sparse.csr_matrix([[0.9, 0.2], [0.0, 0.7]])
        >>> select_cells(scores, scores.data >= 0.5).toarray()
        array([[1, 0],
               [0, 1]], dtype=int32)
    """
    kept_before = np.concatenate([[0], np.cumsum(keep)])
    return from_cells(matrix.indices[keep], kept_before[matrix.indptr], shape=matrix.shape)


def score_matrix(scores: Any, *, name: str = "scores") -> sparse.csr_matrix:
    """Scores as CSR float32 with sorted rows, keeping stored zeros (a stored 0 still ranks above an absent label).

    Args:
        scores: SciPy sparse matrix [N, L]; a dense array is taken without its zeros.
        name: What the caller calls it, for the error message.
    """
    result = sparse.csr_matrix(scores, dtype=np.float32)
    if not result.has_canonical_format:
        result = result.copy()
        result.sort_indices()
        if not result.has_canonical_format:
            raise DataError(
                f"'{name}' stores the same (document, label) more than once. Keep one score for each label."
            )
    return result


def check_same_shape(**matrices: sparse.csr_matrix) -> None:
    """Raise `DataError` unless all these matrices have one shape [documents, labels].

    Example:
        >>> check_same_shape(truth=sparse.csr_matrix((2, 3)), scores=sparse.csr_matrix((2, 4)))
        Traceback (most recent call last):
        ...
        hgraph.errors.DataError: 'scores' has shape (2, 4), but 'truth' has shape (2, 3). Use one label order for both.
    """
    (first, expected), *others = matrices.items()
    for name, matrix in others:
        if matrix.shape != expected.shape:
            raise DataError(
                f"'{name}' has shape {matrix.shape}, but '{first}' has shape {expected.shape}. "
                "Use one label order for both."
            )


def cell_rows(matrix: sparse.csr_matrix) -> np.ndarray:
    """Row (document) of every stored cell, [nnz]."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def find_hits(scores: sparse.csr_matrix, truth: sparse.csr_matrix) -> np.ndarray:
    """Whether each stored cell of `scores` is a cell of `truth` (as from `binary`), bool [nnz].

    Example:
        >>> find_hits(sparse.csr_matrix([[0.9, 0.2], [0.0, 0.7]]), binary([[0, 1], [0, 1]]))
        array([False,  True,  True])
    """
    # The elementwise product with 1, 2, 3, ... is the sparse intersection, and its values say which cells are in it.
    position = np.arange(1, scores.nnz + 1, dtype=np.int64)
    common = sparse.csr_matrix((position, scores.indices, scores.indptr), shape=scores.shape).multiply(truth)
    hits = np.zeros(scores.nnz, dtype=bool)
    hits[common.tocsr().data - 1] = True
    return hits


def best_cells(scores: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    """The k best stored cells of each document, with their scores; ties go to the smaller label index.

    Example:
        >>> best_cells(sparse.csr_matrix([[0.25, 0.5, 0.25], [0.0, 0.75, 0.0]]), 2).toarray()
        array([[0.25, 0.5 , 0.  ],
               [0.  , 0.75, 0.  ]])
    """
    if k < 1:
        raise ConfigError(f"'k' is {k}, expected at least 1.")
    keep = rank_cells(scores) < k
    kept_before = np.concatenate([[0], np.cumsum(keep)])
    return sparse.csr_matrix((scores.data[keep], scores.indices[keep], kept_before[scores.indptr]), shape=scores.shape)


def rank_cells(scores: sparse.csr_matrix) -> np.ndarray:
    """Rank of each stored cell within its document, [nnz]: 0 is the best; ties go to the smaller label index.

    Example:
        >>> rank_cells(sparse.csr_matrix([[0.2, 0.9, 0.2], [0.0, 0.7, 0.0]]))
        array([1, 0, 2, 0])
    """
    rows = cell_rows(scores)
    order = np.lexsort((scores.indices, -scores.data, rows))
    ranks = np.empty(scores.nnz, dtype=np.int64)
    ranks[order] = np.arange(scores.nnz) - scores.indptr[rows]  # sorted by row first, so rows stay where they were
    return ranks
