"""What encoders keep of texts between preparing and batching, as sequences with one item a text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp


class SparseRows(Sequence[tuple[np.ndarray, np.ndarray]]):
    """Rows of a CSR matrix as a sequence; item i is (columns, weights) of row i."""

    def __init__(self, matrix: sp.csr_matrix) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return self.matrix.shape[0]

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[override]
        row = range(len(self))[row]  # a negative row counts from the end
        start, stop = self.matrix.indptr[row], self.matrix.indptr[row + 1]
        return self.matrix.indices[start:stop], self.matrix.data[start:stop]


class VectorRows(Sequence[np.ndarray]):
    """Rows of a dense matrix, in memory or mapped from disk, as a sequence."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return len(self.matrix)

    def __getitem__(self, row: int) -> np.ndarray:  # type: ignore[override]
        return self.matrix[row]


class PairedRows(Sequence[tuple[Any, Any]]):
    """Two sequences of one length as one; item i is the pair of their items i."""

    def __init__(self, first: Sequence[Any], second: Sequence[Any]) -> None:
        self.first = first
        self.second = second

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, row: int) -> tuple[Any, Any]:  # type: ignore[override]
        return self.first[row], self.second[row]


class FieldRows(Sequence[tuple[Any, ...]]):
    """Documents of several fields; item i has one item for each field, None for a field that document i has not.

    Args:
        columns: For each field the items of the documents that have it, in order.
        present: bool [N, F], which document has which field.
    """

    def __init__(self, columns: Sequence[Sequence[Any]], present: np.ndarray) -> None:
        self.columns = columns
        self.present = present
        self.places = np.cumsum(present, axis=0, dtype=np.int64) - 1

    def __len__(self) -> int:
        return len(self.present)

    def __getitem__(self, row: int) -> tuple[Any, ...]:  # type: ignore[override]
        row = range(len(self))[row]  # a negative row counts from the end
        has, places = self.present[row].tolist(), self.places[row].tolist()
        return tuple(
            column[place] if here else None for column, here, place in zip(self.columns, has, places, strict=True)
        )


def stack_vectors(items: Sequence[np.ndarray], channels: int) -> np.ndarray:
    """Items as one matrix [len(items), channels], float32."""
    if not len(items):
        return np.zeros((0, channels), dtype=np.float32)
    return np.stack([np.asarray(item, dtype=np.float32) for item in items])
