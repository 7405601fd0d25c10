"""Matrices and split files: `.npz` of scipy or text, whichever the name says."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.data.xmc.bag_of_words import read_text_matrix
from hgraph.data.xmc.bag_of_words_writer import canonical, write_text_matrix
from hgraph.data.xmc.files import read_blocks, whole_file
from hgraph.errors import DataError


def read_matrix(path: str | Path) -> sp.csr_matrix:
    """Read a matrix of features or labels: `.npz` as scipy saves it, else text with the header `rows columns`.

    Nothing in an `.npz` file is run: arrays of objects, which are pickles, are refused.

    Returns:
        float32 CSR, sorted, each entry once, no zeros.

    Raises:
        DataError: The file cannot be read or is malformed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "Y.npz"
        >>> write_matrix(path, [[0, 1], [1, 0]])
        >>> read_matrix(path).toarray()
        array([[0., 1.],
               [1., 0.]], dtype=float32)
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        return read_text_matrix(path)
    matrix = load_npz(path)
    if matrix.dtype.kind not in "biuf":
        raise DataError(f"{path}: expected a matrix of numbers, found {matrix.dtype}. Convert it.")
    try:
        return canonical(matrix, "matrix")
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def load_npz(path: Path) -> sp.csr_matrix:
    """A sparse matrix of scipy as CSR with its indices checked, otherwise as it stands in the file.

    Raises:
        DataError: The file cannot be read, is no sparse matrix, or its indices are out of range.
    """
    try:
        loaded = sp.load_npz(path)
        if loaded.ndim != 2:
            raise ValueError(f"found {loaded.ndim} dimensions, expected 2")
        if hasattr(loaded, "check_format"):
            loaded.check_format(full_check=True)
        return sp.csr_matrix(loaded)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file. Check the path.") from None
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, NotImplementedError, TypeError) as error:
        said = str(error).strip("'\"").splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path}: is no sparse matrix that can be read ({said}). Save it with scipy.sparse.save_npz."
        ) from None


def write_matrix(path: str | Path, matrix: Any, *, overwrite: bool = False) -> None:
    """Write a matrix as :func:`read_matrix` reads it: `.npz`, else text; whole or not at all.

    Raises:
        DataError: A value is not finite.
        ConfigError: The file exists, or cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        save_npz(path, canonical(matrix, "matrix"), overwrite=overwrite)
    else:
        write_text_matrix(path, matrix, overwrite=overwrite)


def save_npz(path: Path, matrix: sp.csr_matrix, *, overwrite: bool = False) -> None:
    """Write a CSR matrix as it is, stored zeros included; whole or not at all.

    Raises:
        ConfigError: The file exists, or cannot be written.
    """
    with whole_file(path, overwrite=overwrite) as stream:
        sp.save_npz(stream, matrix)


def read_split(path: str | Path) -> np.ndarray:
    """Read a split file: on each line one document number (from 1) for each of several splits.

    Returns:
        int64 [documents, splits], numbers from 0.

    Raises:
        DataError: The file cannot be read, or a line is malformed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "trSplit.txt"
        >>> write_split(path, [[2, 0], [1, 1]])
        >>> path.read_text()
        '3 1\\n2 2\\n'
        >>> read_split(path)
        array([[2, 0],
               [1, 1]])
    """
    path = Path(path)
    rows: list[list[int]] = []
    number = 0
    for line in (line for block in read_blocks(path) for line in block.splitlines()):
        number += 1
        cells = line.split()
        if not cells:
            continue
        right = all(cell.isdigit() and 0 < int(cell) < 2**62 for cell in cells)
        if not right or (rows and len(cells) != len(rows[0])):
            wanted = f"{len(rows[0])} document numbers" if rows else "document numbers"
            raise DataError(f"{path}:{number}: expected {wanted} from 1, found {line[:40]!r}. Correct the line.")
        rows.append([int(cell) - 1 for cell in cells])
    return np.array(rows, dtype=np.int64).reshape(len(rows), -1 if rows else 0)


def write_split(path: str | Path, rows: Any, *, overwrite: bool = False) -> None:
    """Write a split file as :func:`read_split` reads it.

    Args:
        path: File to write.
        rows: [documents, splits], numbers from 0.
        overwrite: Replace the file if it exists.

    Raises:
        DataError: The numbers are not whole, or negative.
        ConfigError: The file exists, or cannot be written.
    """
    numbers = np.asarray(rows)
    if numbers.ndim != 2 or numbers.dtype.kind not in "iu" or (numbers.size and numbers.min() < 0):
        raise DataError(
            f"'rows' must be whole numbers from 0 of shape [documents, splits], found {numbers.dtype} {numbers.shape}."
        )
    with whole_file(Path(path), overwrite=overwrite) as stream:
        for line in (numbers.astype(np.int64) + 1).tolist():
            stream.write((" ".join(map(str, line)) + "\n").encode())
