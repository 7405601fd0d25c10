"""Features of documents as the kernels read them: a sparse block and a dense one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.errors import DataError


@dataclass(frozen=True, eq=False)
class RankerFeatures:
    """A sparse block and a dense block, either of which may have no columns.

    Shapes:
        - **indptr, indices, data:** the sparse block as CSR `[N, F]`, int64, int32 and float32, columns ascending
        - **dense:** float32 `[N, d]`
    """

    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray
    num_sparse: int
    dense: np.ndarray

    @classmethod
    def of(cls, features: Any) -> RankerFeatures:
        """Features from a sparse matrix, a dense array, or a list of one of each.

        Raises:
            DataError: they are something else, of different lengths, or not finite.

        Example:
            >>> both = RankerFeatures.of([sp.eye(2, 5, format="csr"), np.ones((2, 3))])
            >>> both.num_documents, both.num_sparse, both.num_dense
            (2, 5, 3)
        """
        if isinstance(features, cls):
            return features
        blocks = list(features) if isinstance(features, Sequence) else [features]
        sparse = [block for block in blocks if sp.issparse(block)]
        dense = [np.asarray(block) for block in blocks if not sp.issparse(block)]
        if len(sparse) > 1 or len(dense) > 1 or not blocks or any(block.ndim != 2 for block in dense):
            found = [list(np.shape(block)) for block in blocks]
            raise DataError(
                f"'features' must be a sparse matrix, a dense one, or a list of one of each, found {found}."
            )
        if len({block.shape[0] for block in blocks}) > 1:
            sizes = " and ".join(str(block.shape[0]) for block in blocks)
            raise DataError(f"The blocks of 'features' must have one row a document, found {sizes} rows.")
        rows = blocks[0].shape[0]
        matrix = _canonical(sparse[0]) if sparse else sp.csr_matrix((rows, 0), dtype=np.float32)
        array = np.ascontiguousarray(dense[0] if dense else np.zeros((rows, 0)), dtype=np.float32)
        if not (np.isfinite(matrix.data).all() and np.isfinite(array).all()):
            raise DataError("'features' must be finite, found NaN or infinity. Look for empty or broken vectors.")
        indptr, indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
        return cls(indptr, indices, matrix.data, matrix.shape[1], array)

    @property
    def num_documents(self) -> int:
        """Number of documents `N`."""
        return len(self.indptr) - 1

    @property
    def num_dense(self) -> int:
        """Number of columns of the dense block `d`."""
        return self.dense.shape[1]


def _canonical(matrix: Any) -> sp.csr_matrix:
    """Float32 CSR with ascending columns; the input is left as it is."""
    result = sp.csr_matrix(matrix, dtype=np.float32)
    if not result.has_canonical_format:
        result = result.copy()
        result.sum_duplicates()
    return result
