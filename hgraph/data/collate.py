"""Prepared documents and their labels as batches, padded no further than the batch needs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hgraph.errors import DataError


class AlignmentDataset(Dataset):
    """Rows of prepared text features beside rows of a label matrix.

    Args:
        features: What a text encoder made of the texts (`encoder.prepare(texts)`): a sequence of items.
        labels: CSR [num_documents, num_labels], or None at prediction.

    Attributes:
        numbered: Whether an item says its row, under `row`; off at first.

    Raises:
        DataError: The two differ in length.
    """

    def __init__(self, features: Sequence[Any], labels: sp.csr_matrix | None = None) -> None:
        if labels is not None and labels.shape[0] != len(features):
            raise DataError(f"'labels' must have {len(features)} rows, one a document, found {labels.shape[0]}.")
        if labels is not None:
            labels = sp.csr_matrix(labels)
            if not labels.data.all():  # a stored zero is no label
                labels = labels.copy()
                labels.eliminate_zeros()
        self.features = features
        self.labels = labels
        self.numbered = False

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, row: int) -> dict[str, Any]:
        row = range(len(self))[row]  # a negative row counts from the end
        item = {"features": self.features[row]}
        if self.numbered:
            item["row"] = row
        if self.labels is not None:
            item["labels"] = self.labels.indices[self.labels.indptr[row] : self.labels.indptr[row + 1]]
        return item


class Collator:
    """Items of an :class:`AlignmentDataset` -> one batch.

    Args:
        collate_text: Items of features -> tensors (`encoder.collate`).
        num_labels: Width of the multi-hot labels.

    Shapes:
        - `labels`: [B, num_labels], float32 multi-hot; only where the items carry labels.
        - `rows`: [B], long, rows of the dataset; only where the items say theirs.
    """

    def __init__(self, collate_text: Callable[[Sequence[Any]], Mapping[str, Tensor]], num_labels: int) -> None:
        self.collate_text = collate_text
        self.num_labels = num_labels

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The batch: tensors under `text` and, where the items have them, `labels` and `rows`."""
        batch: dict[str, Any] = {"text": dict(self.collate_text([item["features"] for item in items]))}
        if items and "labels" in items[0]:
            rows = np.repeat(np.arange(len(items)), [len(item["labels"]) for item in items])
            columns = np.concatenate([item["labels"] for item in items]).astype(np.int64)
            labels = torch.zeros(len(items), self.num_labels)
            labels[torch.from_numpy(rows), torch.from_numpy(columns)] = 1.0
            batch["labels"] = labels
        if items and "row" in items[0]:
            batch["rows"] = torch.tensor([item["row"] for item in items], dtype=torch.long)
        return batch
