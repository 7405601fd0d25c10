"""The text formats of the repository, written."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.data.xmc.files import whole_file
from hgraph.errors import DataError

BLOCK_ROWS = 4096
SHORT, EXACT = 6, 9
"""Digits of a float32: what is tried, and what tells all of them apart."""


def write_bow(path: str | Path, features: Any, labels: Any, *, overwrite: bool = False) -> None:
    """Write documents as :func:`hgraph.data.xmc.read_bow` reads them, value for value.

    Args:
        path: File to write, gzipped when named `.gz`; whole or not at all.
        features: CSR [N, D].
        labels: CSR [N, L], non-zero = label.
        overwrite: Replace the file if it exists.

    Raises:
        DataError: The numbers of rows differ, or a value is not finite.
        ConfigError: The file exists, or cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "train.txt"
        >>> write_bow(path, [[0, 0.1], [1, 0]], [[1, 0, 1], [0, 0, 0]])
        >>> path.read_text()
        '2 2 3\\n0,2 1:0.1\\n 0:1\\n'
    """
    matrix, truth = canonical(features, "features"), canonical(labels, "labels")
    if matrix.shape[0] != truth.shape[0]:
        raise DataError(f"'labels' must have {matrix.shape[0]} rows as 'features' has, found {truth.shape[0]}.")
    header = f"{matrix.shape[0]} {matrix.shape[1]} {truth.shape[1]}\n"
    _write(Path(path), header, matrix, truth, overwrite)


def write_text_matrix(path: str | Path, matrix: Any, *, overwrite: bool = False) -> None:
    """Write a matrix as :func:`hgraph.data.xmc.read_text_matrix` reads it; arguments as in :func:`write_bow`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "trn_X_Y.txt"
        >>> write_text_matrix(path, [[1, 0, 1], [0, 0, 0]])
        >>> path.read_text()
        '2 3\\n0:1 2:1\\n\\n'
    """
    csr = canonical(matrix, "matrix")
    _write(Path(path), f"{csr.shape[0]} {csr.shape[1]}\n", csr, None, overwrite)


def canonical(matrix: Any, name: str) -> sp.csr_matrix:
    """Float32 CSR, sorted, each entry once, no zeros; a copy.

    Raises:
        DataError: A value is not finite.
    """
    csr = sp.csr_matrix(matrix, dtype=np.float32, copy=True)
    csr.sum_duplicates()
    csr.eliminate_zeros()
    if not np.isfinite(csr.data).all():
        raise DataError(f"'{name}' contains NaN or infinity. Check what made it.")
    return csr


def _write(path: Path, header: str, pairs: sp.csr_matrix, labels: sp.csr_matrix | None, overwrite: bool) -> None:
    with whole_file(path, overwrite=overwrite) as stream:
        stream.write(header.encode())
        for start in range(0, pairs.shape[0], BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            stream.write(_text(pairs[rows], None if labels is None else labels[rows]).encode())


def _text(pairs: sp.csr_matrix, labels: sp.csr_matrix | None) -> str:
    """The lines of some rows: one format string, filled once."""
    pieces = []
    label_counts = [0] * pairs.shape[0] if labels is None else np.diff(labels.indptr).tolist()
    blank = "" if labels is None else " "
    for number, count in zip(np.diff(pairs.indptr).tolist(), label_counts, strict=True):
        pieces.append(",".join(["%d"] * count) + (blank if number else "") + " ".join(["%d:%.*g"] * number))
    return ("\n".join([*pieces, ""])) % _arguments(pairs, labels)


def _arguments(pairs: sp.csr_matrix, labels: sp.csr_matrix | None) -> tuple[Any, ...]:
    """Labels of the first row, then column, digits, value of its pairs, then those of the next row."""
    cells = np.empty((pairs.nnz, 3), dtype=object)
    cells[:, 0], cells[:, 1], cells[:, 2] = pairs.indices, _digits(pairs.data), pairs.data.astype(np.float64)
    if labels is None:
        return tuple(cells.ravel().tolist())
    out: list[Any] = []
    flat, names = cells.ravel().tolist(), labels.indices.tolist()
    for row in range(pairs.shape[0]):
        out += names[labels.indptr[row] : labels.indptr[row + 1]]
        out += flat[3 * pairs.indptr[row] : 3 * pairs.indptr[row + 1]]
    return tuple(out)


def _digits(values: np.ndarray) -> np.ndarray:
    """Digits that each float32 needs to be read back as itself: few where few do, else all, [n]."""
    wide = np.abs(values.astype(np.float64))
    scale = 10.0 ** (SHORT - 1 - np.floor(np.log10(np.maximum(wide, 1e-290))))
    gap = np.abs(np.round(wide * scale) / scale - wide)
    # A quarter of the distance to the float32 below: the decimal is surely nearest to this one.
    below = wide - np.nextafter(np.abs(values), np.float32(0)).astype(np.float64)
    return np.where(gap < 0.25 * below, SHORT, EXACT)
