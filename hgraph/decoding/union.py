"""Several sparse score matrices of the same documents and labels, cell by cell."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from hgraph.decoding.cells import cell_rows, check_same_shape, score_matrix
from hgraph.errors import ConfigError, DataError

BLOCK_CELLS = 1 << 22


class CellUnion(NamedTuple):
    """The cells that at least one of several matrices stores, for some of their rows.

    Attributes:
        cells: CSR [rows, L] of these cells; its values mean nothing.
        rows: Row of each cell, [U].
        members: The matrices, CSR [rows, L].
        places: For each matrix the place of each of its stored cells among those of `cells`.
    """

    cells: sparse.csr_matrix
    rows: np.ndarray
    members: list[sparse.csr_matrix]
    places: list[np.ndarray]

    def with_values(self, values: np.ndarray) -> sparse.csr_matrix:
        """These cells with `values` [U], float32 CSR [rows, L]; zeros are kept."""
        data = values.astype(np.float32)
        return sparse.csr_matrix((data, self.cells.indices, self.cells.indptr), shape=self.cells.shape)


def score_matrices(matrices: Sequence[Any]) -> list[sparse.csr_matrix]:
    """Check score matrices of one shape; float32 CSR each, stored zeros kept.

    Raises:
        ConfigError: There is none.
        DataError: The shapes differ, a cell is stored twice or a score is not finite.
    """
    if not len(matrices):
        raise ConfigError("'matrices' is empty, expected the scores of at least one model. Give some.")
    checked = [score_matrix(matrix, name=f"matrices[{number}]") for number, matrix in enumerate(matrices)]
    check_same_shape(**{f"matrices[{number}]": matrix for number, matrix in enumerate(checked)})
    for number, matrix in enumerate(checked):
        if not np.isfinite(matrix.data).all():
            raise DataError(f"'matrices[{number}]' contains NaN or infinity. Check the model that made it.")
    return checked


def unions(matrices: Sequence[sparse.csr_matrix], *, block_cells: int = BLOCK_CELLS) -> Iterator[CellUnion]:
    """The union of the stored cells, some rows at a time, so that memory beside the matrices is bounded.

    Args:
        matrices: As from :func:`score_matrices`.
        block_cells: About how many stored cells to take at once; at least one row is taken.

    Example:
        >>> union, = unions(score_matrices([[[0.5, 0.0, 0.25]], [[0.0, 0.0, 0.75]]]))
        >>> union.cells.indices, union.places
        (array([0, 2], dtype=int32), [array([0, 1]), array([1])])
    """
    ends = np.asarray(np.sum([matrix.indptr for matrix in matrices], axis=0, dtype=np.int64))
    start, num_rows = 0, matrices[0].shape[0]
    while start < num_rows:
        limit = int(ends[start]) + block_cells
        stop = max(int(np.searchsorted(ends, limit, side="right")) - 1, start + 1)
        yield _union([matrix[start:stop] for matrix in matrices])
        start = stop


def _union(members: list[sparse.csr_matrix]) -> CellUnion:
    num_rows, num_labels = members[0].shape
    keys = [cell_rows(member) * np.int64(num_labels) + member.indices for member in members]
    unique, inverse = (np.asarray(part) for part in np.unique(np.concatenate(keys), return_inverse=True))
    rows = unique // max(num_labels, 1)
    indptr = np.searchsorted(rows, np.arange(num_rows + 1))
    cells = sparse.csr_matrix((np.ones(len(unique)), unique - rows * num_labels, indptr), shape=(num_rows, num_labels))
    places = np.split(inverse.reshape(-1), np.cumsum([len(key) for key in keys])[:-1])
    return CellUnion(cells, rows, members, places)
