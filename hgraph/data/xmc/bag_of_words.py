"""The text formats of the repository: lines of labels and features below a header of sizes, and matrices alone."""

import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from hgraph.data.xmc.files import BLOCK_BYTES, read_blocks
from hgraph.errors import DataError

TOKEN = re.compile(rb"\S+")
MAX_INDEX = np.iinfo(np.int32).max


@dataclass(frozen=True)
class BagOfWords:
    """Documents as features and labels.

    Attributes:
        features: float32 CSR [N, D].
        labels: float32 CSR [N, L], ones.
    """

    features: sp.csr_matrix
    labels: sp.csr_matrix


class _Rows(NamedTuple):
    """Lines of one block: ends and entries of labels and of pairs."""

    label_ends: np.ndarray
    labels: np.ndarray
    pair_ends: np.ndarray
    columns: np.ndarray
    values: np.ndarray


def read_bow(path: str | Path, *, block_bytes: int = BLOCK_BYTES) -> BagOfWords:
    """Read a file with the header `N D L` and a line `l1,l2 f:v f:v` for each of N documents.

    Labels and features count from 0. A line without labels begins with a blank or with its first feature; a line may
    be empty. A feature that a line has several times is summed, a label is taken once, zeros are left out. Memory is
    linear in the number of entries; the result does not depend on `block_bytes`.

    Args:
        path: The file, gzipped or not.
        block_bytes: How much of it is read at once.

    Returns:
        features [N, D] and labels [N, L], sorted float32 CSR.

    Raises:
        DataError: The file cannot be read, or a line is malformed: the message names it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "train.txt"
        >>> size = path.write_text("2 4 3\\n0,2 1:0.5 3:2\\n 0:1\\n")
        >>> data = read_bow(path)
        >>> data.features.toarray()
        array([[0. , 0.5, 0. , 2. ],
               [1. , 0. , 0. , 0. ]], dtype=float32)
        >>> data.labels.toarray()
        array([[1., 0., 1.],
               [0., 0., 0.]], dtype=float32)
    """
    (num_rows, num_features, num_labels), rows = _read(Path(path), "N D L", block_bytes)
    features = _matrix(rows.pair_ends, rows.columns, rows.values, (num_rows, num_features))
    ones = np.ones(len(rows.labels), dtype=np.float32)
    labels = _matrix(rows.label_ends, rows.labels, ones, (num_rows, num_labels))
    labels.data[:] = 1
    return BagOfWords(features, labels)


def read_text_matrix(path: str | Path, *, block_bytes: int = BLOCK_BYTES) -> sp.csr_matrix:
    """Read a matrix with the header `rows columns` and a line `column:value column:value` for each row.

    Such are `trn_X_Xf.txt` (features) and `trn_X_Y.txt` (labels) of the newer data sets. Otherwise as :func:`read_bow`.

    Returns:
        float32 CSR [rows, columns].

    Raises:
        DataError: The file cannot be read, or a line is malformed: the message names it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "trn_X_Y.txt"
        >>> size = path.write_text("2 3\\n2:1 0:1\\n\\n")
        >>> read_text_matrix(path).toarray()
        array([[1., 0., 1.],
               [0., 0., 0.]], dtype=float32)
    """
    (num_rows, num_columns), rows = _read(Path(path), "rows columns", block_bytes)
    return _matrix(rows.pair_ends, rows.columns, rows.values, (num_rows, num_columns))


def _matrix(ends: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """CSR from the end of each row; sorted, each entry once, no zeros."""
    indptr = np.concatenate([[0], ends])
    if len(columns) <= MAX_INDEX:
        indptr = indptr.astype(np.int32)
    matrix = sp.csr_matrix((values, columns, indptr), shape=shape)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def _read(path: Path, header: str, block_bytes: int) -> tuple[list[int], _Rows]:
    """The sizes of the header, and the lines below it."""
    blocks = read_blocks(path, block_bytes)
    line, _, rest = next(blocks, b"").partition(b"\n")
    sizes = _sizes(line, header, path)
    parts: list[_Rows] = []
    found = 0
    for block in chain([rest], blocks):
        if block:
            parts.append(_scan(block, sizes, path, found + 2))
            found += len(parts[-1].pair_ends)
    return sizes, _checked(_joined(parts), sizes[0], path)


def _sizes(line: bytes, header: str, path: Path) -> list[int]:
    cells = line.split()
    if len(cells) != len(header.split()) or not all(cell.isdigit() and int(cell) <= MAX_INDEX for cell in cells):
        raise DataError(
            f"{path}:1: expected the header '{header}', whole numbers, found {_shown(line)}. Put the numbers of rows "
            "and columns on the first line."
        )
    return [int(cell) for cell in cells]


def _scan(block: bytes, sizes: list[int], path: Path, first_line: int) -> _Rows:
    """The lines of one block; `sizes` has a third number where lines may begin with labels."""
    from hgraph.data.xmc.scan import FINE, scan_lines

    data = np.frombuffer(block, dtype=np.uint8)
    lines, pairs, commas = (int(np.count_nonzero(data == ord(mark))) for mark in "\n:,")
    rows = _Rows(
        np.empty(lines, dtype=np.int64),
        np.empty(lines + commas, dtype=np.int32),
        np.empty(lines, dtype=np.int64),
        np.empty(pairs, dtype=np.int32),
        np.empty(pairs, dtype=np.float32),
    )
    unsure = np.empty((pairs, 2), dtype=np.int64)
    num_labels = sizes[2] if len(sizes) == 3 else 0
    code, line, place, doubts = scan_lines(data, len(sizes) == 3, num_labels, sizes[1], *rows, unsure)
    if code != FINE:
        raise _malformed(code, sizes, block, place, f"{path}:{first_line + line}")
    for pair, start in unsure[:doubts].tolist():
        with np.errstate(over="ignore"):  # told below, with the line
            rows.values[pair] = _exact(block, start)
    finite = np.isfinite(rows.values[: rows.pair_ends[-1]])
    if not finite.all():
        line = int(np.searchsorted(rows.pair_ends, np.flatnonzero(~finite)[0], side="right"))
        raise DataError(f"{path}:{first_line + line}: a value is beyond what float32 holds, 3.4e38. Scale the values.")
    return rows._replace(
        labels=rows.labels[: rows.label_ends[-1]],
        columns=rows.columns[: rows.pair_ends[-1]],
        values=rows.values[: rows.pair_ends[-1]],
    )


def _exact(block: bytes, start: int) -> float:
    """The number that begins at `start`, by the slow and exact way."""
    found = TOKEN.match(block, start)
    assert found is not None
    return min(max(float(found[0]), -1e300), 1e300)


def _malformed(code: int, sizes: list[int], block: bytes, place: int, where: str) -> DataError:
    from hgraph.data.xmc.scan import BAD_LABEL, HIGH_COLUMN, HIGH_LABEL

    token = _shown(block[place : place + 80].split(None, 1)[0])
    if code in (HIGH_LABEL, HIGH_COLUMN):
        what, size = ("label", sizes[2]) if code == HIGH_LABEL else ("column", sizes[1])
        return DataError(f"{where}: expected a {what} below {size}, as the header says, found {token}. Correct one.")
    wanted = "labels such as '3,17', whole numbers" if code == BAD_LABEL else "'column:value', such as '4:0.25'"
    return DataError(f"{where}: expected {wanted}, found {token}. Correct the line.")


def _shown(text: bytes) -> str:
    return repr(text[:40].decode("utf-8", "replace"))


def _joined(parts: list[_Rows]) -> _Rows:
    """Blocks as one: their ends are moved behind those of the blocks before."""
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return _Rows(none, none.astype(np.int32), none, none.astype(np.int32), none.astype(np.float32))
    label_starts = np.cumsum([0, *(len(part.labels) for part in parts)])
    pair_starts = np.cumsum([0, *(len(part.columns) for part in parts)])
    return _Rows(
        np.concatenate([part.label_ends + start for part, start in zip(parts, label_starts[:-1], strict=True)]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.pair_ends + start for part, start in zip(parts, pair_starts[:-1], strict=True)]),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def _checked(rows: _Rows, expected: int, path: Path) -> _Rows:
    """As many rows as the header says; blank lines at the end of the file are none.

    Raises:
        DataError: There are fewer, or more.
    """
    found = len(rows.pair_ends)
    if found < expected:
        raise DataError(f"{path}: the header says {expected} rows, found {found}. The file is cut short.")
    filled = np.diff(rows.pair_ends, prepend=0) + np.diff(rows.label_ends, prepend=0) > 0
    surplus = np.flatnonzero(filled[expected:])
    if len(surplus):
        line = expected + int(surplus[0]) + 2
        raise DataError(f"{path}:{line}: the header says {expected} rows, found more. Correct the header.")
    return rows._replace(label_ends=rows.label_ends[:expected], pair_ends=rows.pair_ends[:expected])
