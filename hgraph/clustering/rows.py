"""Rows of features: checks, lengths, scaling, two kinds side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError, DataError

CHUNK_ENTRIES = 4_000_000
"""Entries of a sparse matrix that are looked at together: what is made of them takes 32 MB."""


def as_features(features: Any, name: str = "features") -> sp.csr_matrix | np.ndarray:
    """Float32 CSR with sorted int32 columns, or a C-contiguous float32 array; the given one where it is that already.

    Raises:
        DataError: not a matrix, or not finite.
    """
    if np.ndim(features) != 2:
        raise DataError(f"'{name}' must have shape [rows, columns], found {list(np.shape(features))}.")
    if sp.issparse(features):
        out = features.tocsr().astype(np.float32, copy=False)
        if not out.has_canonical_format:
            out = out.copy() if out is features else out
            out.sum_duplicates()
        if out.indices.dtype != np.int32:
            out = sp.csr_matrix((out.data, out.indices.astype(np.int32), out.indptr), shape=out.shape)
        values = out.data
    else:
        out = values = np.ascontiguousarray(features, dtype=np.float32)
    if not np.isfinite(values.sum(dtype=np.float64)):
        raise DataError(f"'{name}' must be finite, found NaN or infinity.")
    return out


def row_lengths(matrix: sp.csr_matrix | np.ndarray) -> np.ndarray:
    """Euclidean length of each row, float64."""
    squares = np.zeros(matrix.shape[0])
    if isinstance(matrix, np.ndarray):
        return np.sqrt(np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64, out=squares))
    for rows, entries in _chunks(matrix):
        filled = rows.start + np.flatnonzero(np.diff(matrix.indptr[rows.start : rows.stop + 1]))
        values = np.square(matrix.data[entries], dtype=np.float64)
        if len(filled):
            squares[filled] = np.add.reduceat(values, matrix.indptr[filled] - entries.start)
    return np.sqrt(squares)


def scale_rows(matrix: sp.csr_matrix | np.ndarray, factors: np.ndarray, *, in_place: bool) -> Any:
    """Each row times a factor; float32 like the matrix."""
    factors = factors.astype(np.float32)
    out = matrix if in_place else matrix.copy()
    if isinstance(out, np.ndarray):
        out *= factors[:, None]
        return out
    for rows, entries in _chunks(out):
        out.data[entries] *= np.repeat(factors[rows], np.diff(out.indptr[rows.start : rows.stop + 1]))
    return out


def _chunks(matrix: sp.csr_matrix) -> Iterator[tuple[slice, slice]]:
    """Runs of rows with about `CHUNK_ENTRIES` entries, and where these are."""
    indptr, start, size = matrix.indptr, 0, matrix.shape[0]
    while start < size:
        stop = int(np.searchsorted(indptr, int(indptr[start]) + CHUNK_ENTRIES, side="right")) - 1
        stop = min(max(stop, start + 1), size)
        yield slice(start, stop), slice(int(indptr[start]), int(indptr[stop]))
        start = stop


def unit_rows(matrix: sp.csr_matrix | np.ndarray, *, in_place: bool = False) -> Any:
    """Rows of length 1; a row of zeros stays one."""
    lengths = row_lengths(matrix)
    return scale_rows(matrix, 1 / np.where(lengths > 0, lengths, 1), in_place=in_place)


def joined_features(first: Any, second: Any, weight: float) -> sp.csr_matrix | np.ndarray:
    r"""Two kinds of features side by side with a weight: :math:`[\sqrt{w}\,\hat a \oplus \sqrt{1-w}\,\hat b]`.

    Rows of both are scaled to length 1 before and the whole row is after, so a dot product is `w` times the cosine of
    the first kind plus `1 - w` times that of the second. A row that has one kind only consists of it. Use it for TF-IDF
    beside dense text vectors of documents, and for PIFA beside text features of labels, which gives labels without
    documents a place.

    Args:
        first: features of one kind.
        second: features of the other kind.
        weight: share of the first kind, from 0 to 1.

    Shapes:
        - **first:** CSR or dense `[n, A]`
        - **second:** CSR or dense `[n, B]`
        - **output:** float32 `[n, A + B]`, dense if both are, else CSR

    Raises:
        ConfigError: `weight` is out of range.
        DataError: the numbers of rows differ.

    Example:
        >>> joined_features([[3.0, 4.0], [0.0, 0.0]], [[2.0], [1.0]], 0.5).astype(float).round(2).tolist()
        [[0.42, 0.57, 0.71], [0.0, 0.0, 1.0]]
    """
    if not 0 <= weight <= 1:
        raise ConfigError(f"'weight' must be from 0 to 1, found {weight}.")
    left, right = as_features(first, "first"), as_features(second, "second")
    if left.shape[0] != right.shape[0]:
        raise DataError(f"'first' has {left.shape[0]} rows, but 'second' has {right.shape[0]}.")
    parts = []
    for part, share in ((left, weight), (right, 1 - weight)):
        lengths = row_lengths(part)
        parts.append(scale_rows(part, np.sqrt(share) / np.where(lengths > 0, lengths, 1), in_place=False))
    if all(isinstance(part, np.ndarray) for part in parts):
        return unit_rows(np.hstack(parts), in_place=True)
    joined = sp.hstack([sp.csr_matrix(part) for part in parts], format="csr", dtype=np.float32)
    return unit_rows(as_features(joined), in_place=True)
