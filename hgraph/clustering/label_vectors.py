"""`LabelVectors`: a vector for each label, made of the documents that carry it (PIFA)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from hgraph.clustering.rows import as_features, row_lengths, unit_rows
from hgraph.clustering.two_means import num_threads
from hgraph.clustering.work import by_rows
from hgraph.errors import ConfigError, DataError

Normalization = Literal["pecos", "cascade"]
CASCADE_KEEP = 1000
PENDING_ENTRIES = 4_000_000
"""Fewest entries of blocks that are gathered before they are added to the sums (48 MB)."""


class LabelVectors:
    r"""Positive instance feature aggregation: the vector of a label is the sum of the vectors of its documents.

    - `"pecos"` (Yu et al. 2022, https://arxiv.org/abs/2010.05878): :math:`z_l = \sum_i Y_{il} x_i / \sqrt{m_i}`, where
      document :math:`i` has :math:`m_i` labels.
    - `"cascade"` (CascadeXML, Kharbanda et al. 2022, https://arxiv.org/abs/2211.00640):
      :math:`z_l = \sum_i Y_{il} x_i / \|x_i\|`, of which the 1000 largest entries are kept.

    Both are scaled to length 1 in the end. A label without documents has a row of zeros, unless its own
    text gives it a place: count it as one more document, `update(text_features, identity(L))`, or put it beside, with
    :func:`~hgraph.clustering.joined_features`.

    Documents come in blocks, once each, and need not fit in memory. Sums run in the order of the documents, so the cut
    into blocks and the number of threads do not change a bit of the result.

    Args:
        num_labels: number of labels `L`.
        normalization: `"pecos"` or `"cascade"`.
        keep: how many of the largest entries of a sparse vector are kept. Default: 1000 with `"cascade"`, else all.
        threads: all cores that the process may use by default.

    Memory is at most about three times that of the vectors: the sums so far, those that replace them, and sparse blocks
    that wait until they are as large as the sums. Dense features take `[L, C]` float32.

    Raises:
        ConfigError: an argument is none of its choices.

    Example:
        >>> vectors = LabelVectors(2)
        >>> vectors.update(sp.csr_matrix([[3.0, 0.0]]), [[1, 1]])
        >>> vectors.update(sp.csr_matrix([[0.0, 2.0]]), [[1, 0]])
        >>> vectors.finish().toarray().astype(float).round(2).tolist()
        [[0.73, 0.69], [1.0, 0.0]]
    """

    def __init__(
        self,
        num_labels: int,
        *,
        normalization: Normalization = "pecos",
        keep: int | None = None,
        threads: int | None = None,
    ) -> None:
        if normalization not in ("pecos", "cascade"):
            raise ConfigError(f"'normalization' must be 'pecos' or 'cascade', found {normalization!r}.")
        if keep is not None and keep < 1:
            raise ConfigError(f"'keep' must be at least 1, found {keep}. Leave it out to keep all entries.")
        self.num_labels, self.normalization, self.threads = num_labels, normalization, num_threads(threads)
        self.keep = CASCADE_KEEP if keep is None and normalization == "cascade" else keep
        self._sums: sp.csr_matrix | np.ndarray | None = None
        self._pending: list[tuple[sp.csr_matrix, sp.csr_matrix, np.ndarray]] = []

    def update(self, features: Any, labels: Any) -> None:
        """Add a block of documents.

        Shapes:
            - **features:** CSR or dense `[N, C]`, the same kind in every block
            - **labels:** sparse or dense `[N, L]`, non-zero where a document has a label

        Raises:
            DataError: shapes do not fit each other or earlier blocks.
        """
        block, present = as_features(features), _present(labels, self.num_labels)
        if present.shape[0] != block.shape[0]:
            raise DataError(f"'labels' have {present.shape[0]} rows, but 'features' have {block.shape[0]}.")
        self._check_columns(block)
        if self.normalization == "pecos":
            weights = 1 / np.sqrt(np.maximum(present.getnnz(axis=1), 1))
        else:
            lengths = row_lengths(block)
            weights = 1 / np.where(lengths > 0, lengths, 1)
        if isinstance(block, np.ndarray):
            self._add_dense(block, present, weights.astype(np.float32))
            return
        self._pending.append((block, present, weights.astype(np.float32)))
        done = 0 if self._sums is None or isinstance(self._sums, np.ndarray) else self._sums.nnz
        if sum(part.nnz for part, _, _ in self._pending) > max(PENDING_ENTRIES, done):
            self._add_pending()

    def finish(self) -> sp.csr_matrix | np.ndarray:
        """The vectors; nothing is left here.

        Shapes:
            - **output:** float32 CSR with sorted columns, or dense, `[L, C]`, of rows of length 1 or 0

        Raises:
            DataError: there was no document.
        """
        self._add_pending()
        sums, self._sums = self._sums, None
        if sums is None:
            raise DataError("'features' are empty. Give at least one block of documents, of no rows if need be.")
        if self.keep is not None and sp.issparse(sums):
            sums = _largest(sums, self.keep, self.threads)
        return unit_rows(sums, in_place=True)

    def _check_columns(self, block: sp.csr_matrix | np.ndarray) -> None:
        before = self._pending[0][0] if self._pending else self._sums
        if before is None:
            return
        if before.shape[1] != block.shape[1]:
            raise DataError(f"'features' have {block.shape[1]} columns, but those before have {before.shape[1]}.")
        if isinstance(before, np.ndarray) != isinstance(block, np.ndarray):
            raise DataError("'features' are sparse in one block and dense in another. Give one kind.")

    def _add_dense(self, block: np.ndarray, present: sp.csr_matrix, weights: np.ndarray) -> None:
        from hgraph.clustering.sums import add_dense

        if self._sums is None:
            self._sums = np.zeros((self.num_labels, block.shape[1]), dtype=np.float32)
        lists = present.tocsc()
        pointers = lists.indptr.astype(np.int64)
        sums = self._sums
        by_rows(
            lambda first, last: add_dense(pointers, lists.indices, weights, block, first, last, sums),
            np.diff(pointers), self.threads,
        )  # fmt: skip

    def _add_pending(self) -> None:
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        blocks, labels, weights = zip(*pending, strict=True)
        one = len(pending) == 1
        features = blocks[0] if one else sp.vstack(blocks, format="csr")
        lists = (labels[0] if one else sp.vstack(labels, format="csr")).tocsc()
        self._sums = _sum_sparse(features, lists, np.concatenate(weights), self._sums, self.threads)


def label_vectors(
    features: Any,
    labels: Any = None,
    *,
    normalization: Normalization = "pecos",
    keep: int | None = None,
    threads: int | None = None,
) -> sp.csr_matrix | np.ndarray:
    """The vector of every label, made of the documents that carry it; see :class:`LabelVectors`.

    Args:
        features: of documents; or, without `labels`, an iterable of blocks (features, labels), which is read once.
        labels: of documents.
        normalization: `"pecos"` or `"cascade"`.
        keep: how many of the largest entries of a sparse vector are kept. Default: 1000 with `"cascade"`, else all.
        threads: all cores that the process may use by default.

    Shapes:
        - **features:** CSR or dense `[N, C]`
        - **labels:** sparse or dense `[N, L]`, non-zero where a document has a label
        - **output:** float32, CSR or dense like the features, `[L, C]`

    Raises:
        ConfigError: an argument is none of its choices.
        DataError: shapes do not fit, or there is no block.

    Example:
        >>> label_vectors(np.array([[1.0, 0.0], [3.0, 4.0]]), [[1, 0, 0], [0, 1, 0]]).astype(float).round(2).tolist()
        [[1.0, 0.0], [0.6, 0.8], [0.0, 0.0]]
    """
    blocks: Iterable[tuple[Any, Any]] = features if labels is None else [(features, labels)]
    out: LabelVectors | None = None
    for block, present in blocks:
        if out is None:
            if np.ndim(present) != 2:
                raise DataError(f"'labels' must have shape [num_documents, num_labels], found {np.shape(present)}.")
            out = LabelVectors(np.shape(present)[1], normalization=normalization, keep=keep, threads=threads)
        out.update(block, present)
    if out is None:
        raise DataError("'features' are empty. Give at least one block of documents, of no rows if need be.")
    return out.finish()


def _present(labels: Any, num_labels: int) -> sp.csr_matrix:
    if np.ndim(labels) != 2 or np.shape(labels)[1] != num_labels:
        raise DataError(f"'labels' must have shape [num_documents, {num_labels}], found {list(np.shape(labels))}.")
    present = sp.csr_matrix(labels) != 0  # a new matrix, without explicit zeros and with every entry once
    present.sort_indices()
    return present.tocsr()


def _sum_sparse(
    features: sp.csr_matrix, lists: sp.csc_matrix, weights: np.ndarray, sums: sp.csr_matrix | None, threads: int
) -> sp.csr_matrix:
    """The sums so far and the documents of each label (`lists` `[N, L]`), as CSR `[L, C]`."""
    from hgraph.clustering.sums import count_columns, sum_rows

    (num_labels, columns) = (lists.shape[1], features.shape[1])
    indptr, indices, data = features.indptr.astype(np.int64), features.indices, features.data
    pointers, documents = lists.indptr.astype(np.int64), lists.indices.astype(np.int32)
    if sums is None:
        old = np.zeros(num_labels + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)
    else:
        old = sums.indptr.astype(np.int64), sums.indices, sums.data
    cost = np.add.reduceat(np.append(np.diff(indptr)[documents], 0), pointers[:-1]) * (np.diff(pointers) > 0)
    cost += np.diff(old[0]) + columns // 4096
    counts = np.zeros(num_labels + 1, dtype=np.int64)
    by_rows(
        lambda first, last: count_columns(
            pointers, documents, indptr, indices, old[0], old[1], first, last, columns, counts[1:]
        ),
        cost, threads,
    )  # fmt: skip
    out = np.cumsum(counts)
    new_indices, new_data = np.empty(out[-1], np.int32), np.empty(out[-1], np.float32)
    by_rows(
        lambda first, last: sum_rows(
            pointers, documents, weights, indptr, indices, data, *old, first, last, columns, out, new_indices, new_data
        ),
        cost, threads,
    )  # fmt: skip
    return sp.csr_matrix((new_data, new_indices, out), shape=(num_labels, columns))


def _largest(vectors: sp.csr_matrix, keep: int, threads: int) -> sp.csr_matrix:
    """The `keep` entries of largest size of each row."""
    from hgraph.clustering.sums import keep_largest

    stays = np.zeros(vectors.nnz, dtype=bool)
    indptr = vectors.indptr.astype(np.int64)
    by_rows(
        lambda first, last: keep_largest(indptr, vectors.data, keep, first, last, stays), np.diff(indptr) + 1, threads
    )
    pointers = np.concatenate([[0], np.cumsum(stays, dtype=np.int64)])[indptr]
    return sp.csr_matrix((vectors.data[stays], vectors.indices[stays], pointers), shape=vectors.shape)
