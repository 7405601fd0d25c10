"""Prepared documents and their labels as batches, padded no further than the batch needs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hgraph.errors import DataError

LabelForm = Literal["multi_hot", "ids"]


class AlignmentDataset(Dataset):
    """Rows of prepared text features beside rows of a label matrix.

    Args:
        features: What a text encoder made of the texts (`encoder.prepare(texts)`): a sequence of items.
        labels: CSR [num_documents, num_labels], or None at prediction.
        candidates: CSR [num_documents, anything]; what is stored in a row is what the document is compared with.

    Attributes:
        numbered: Whether an item says its row, under `row`; off at first.

    Raises:
        DataError: The two differ in length.
    """

    def __init__(
        self,
        features: Sequence[Any],
        labels: sp.csr_matrix | None = None,
        *,
        candidates: sp.csr_matrix | None = None,
    ) -> None:
        if labels is not None and labels.shape[0] != len(features):
            raise DataError(f"'labels' must have {len(features)} rows, one a document, found {labels.shape[0]}.")
        if labels is not None:
            labels = sp.csr_matrix(labels)
            if not labels.data.all():  # a stored zero is no label
                labels = labels.copy()
                labels.eliminate_zeros()
        self.features = features
        self.labels = labels
        self.candidates = candidates
        self.numbered = False

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, row: int) -> dict[str, Any]:
        row = range(len(self))[row]  # a negative row counts from the end
        item = {"features": self.features[row]}
        if self.numbered:
            item["row"] = row
        if self.labels is not None:
            item["labels"] = _stored(self.labels, row)
        if self.candidates is not None:
            item["candidates"] = _stored(self.candidates, row)
        return item


def _stored(matrix: sp.csr_matrix, row: int) -> np.ndarray:
    """Columns that a row stores."""
    return matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]


def multi_hot(ids: Tensor, width: int) -> Tensor:
    """1 at the ids of each row, 0 elsewhere.

    Shapes:
        - ids [B, P], long, -1 where there is none
        - output [B, width], float32

    Example:
        >>> multi_hot(torch.tensor([[2, 0], [1, -1]]), width=3)
        tensor([[1., 0., 1.],
                [0., 1., 0.]])
    """
    # What is none goes to a further column, which is cut off.
    labels = torch.zeros(len(ids), width + 1, device=ids.device)
    return labels.scatter_(1, ids.masked_fill(ids < 0, width), 1.0)[:, :width]


class Collator:
    """Items of an :class:`AlignmentDataset` -> one batch.

    Args:
        collate_text: Items of features -> tensors (`encoder.collate`).
        num_labels: Width of the multi-hot labels.
        form: `"multi_hot"`, or `"ids"`, for models of so many labels that a row of all of them is too long.

    Shapes:
        - `labels`: [B, num_labels], float32 multi-hot, or [B, P], long, the ids of each item's labels and then -1; only
          where the items carry labels.
        - `candidates`: [B, C], long, -1 behind the last of a document; only where the items have some.
        - `rows`: [B], long, rows of the dataset; only where the items say theirs.
    """

    def __init__(
        self,
        collate_text: Callable[[Sequence[Any]], Mapping[str, Tensor]],
        num_labels: int,
        *,
        form: LabelForm = "multi_hot",
    ) -> None:
        self.collate_text = collate_text
        self.num_labels = num_labels
        self.form = form

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The batch: tensors under `text` and, where the items have them, `labels`, `candidates` and `rows`."""
        batch: dict[str, Any] = {"text": dict(self.collate_text([item["features"] for item in items]))}
        if items and "labels" in items[0]:
            batch["labels"] = self._labels([item["labels"] for item in items])
        if items and "candidates" in items[0]:
            batch["candidates"] = padded_ids([item["candidates"] for item in items])
        if items and "row" in items[0]:
            batch["rows"] = torch.tensor([item["row"] for item in items], dtype=torch.long)
        return batch

    def _labels(self, given: Sequence[np.ndarray]) -> Tensor:
        ids = padded_ids(given)
        return ids if self.form == "ids" else multi_hot(ids, self.num_labels)


def padded_ids(given: Sequence[np.ndarray]) -> Tensor:
    """Lists of ids side by side, [B, P] (long), -1 behind the last of each; P is that of the longest.

    Example:
        >>> padded_ids([np.array([2, 0]), np.array([1])])
        tensor([[ 2,  0],
                [ 1, -1]])
    """
    counts = np.array([len(row) for row in given])
    rows = np.repeat(np.arange(len(given)), counts)
    ids = np.full((len(given), counts.max()), -1, dtype=np.int64)
    ids[rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)] = np.concatenate(given)
    return torch.from_numpy(ids)
