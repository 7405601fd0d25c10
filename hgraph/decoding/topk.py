"""Keep the k best scores of each document: dense [B, L] of one batch to CSR."""

from typing import Any

import numpy as np
from scipy import sparse

from hgraph.errors import ConfigError, DataError


def scores_to_csr(dense: Any, k: int) -> sparse.csr_matrix:
    """The k highest scores of every row as CSR; ties go to the smaller label index.

    Linear in B x L: one partial selection finds the k-th score, then cells above it are kept and the cells equal to
    it fill what is left from the left. On a GPU tensor the selection runs there and only B x k values are copied to
    the host.

    Args:
        dense: Scores of one batch, NumPy array or torch tensor (any float type, any device).
        k: How many labels to keep; `k >= L` keeps all.

    Shapes:
        - **dense**: `[B, L]`
        - **returns**: CSR float32 `[B, L]` with `min(k, L)` cells a row, sorted by label

    Example:
        >>> scores_to_csr(np.array([[0.1, 0.9, 0.9, 0.9], [0.4, 0.3, 0.2, 0.1]]), 2).indices
        array([1, 2, 0, 1], dtype=int32)
    """
    if k < 1:
        raise ConfigError(f"'k' is {k}, expected at least 1.")
    is_tensor = hasattr(dense, "detach")
    values = dense.detach() if is_tensor else np.asarray(dense)
    if values.ndim != 2:
        raise DataError(f"'dense' has shape {tuple(values.shape)}, expected [batch, labels].")
    if bool((values != values).any()):
        raise DataError("'dense' contains NaN. The model diverged: lower the learning rate, or check its inputs.")
    batch, num_labels = values.shape
    k = min(k, num_labels)
    if batch == 0 or k == 0:
        return sparse.csr_matrix((batch, num_labels), dtype=np.float32)

    lowest = _kth_highest(values, k)  # [B, 1]
    above, tied = values > lowest, values == lowest
    room = k - above.sum(1).reshape(batch, 1)  # how many of the tied cells still fit
    keep = above | (tied & (tied.cumsum(1) <= room))
    kept = values[keep]
    if is_tensor:
        kept, labels = kept.float().cpu().numpy(), keep.nonzero()[:, 1].cpu().numpy()
    else:
        labels = keep.nonzero()[1]
    indptr = np.arange(batch + 1, dtype=np.int64) * k
    return sparse.csr_matrix((kept.astype(np.float32), labels, indptr), shape=(batch, num_labels))


def shortlist_to_csr(labels: Any, scores: Any, num_labels: int, k: int) -> sparse.csr_matrix:
    """The k highest of the scores that each row has for some labels, as CSR; ties go to the smaller label index.

    Args:
        labels: Which labels, torch tensor; negative where there is none.
        scores: Their scores, torch tensor.
        num_labels: Number L of labels.
        k: How many to keep.

    Shapes:
        - **labels** and **scores**: `[B, K]`, a label at most once a row
        - **returns**: CSR float32 `[B, L]` with at most `k` cells a row, sorted by label

    Example:
        >>> import torch
        >>> found = shortlist_to_csr(torch.tensor([[5, 2, -1]]), torch.tensor([[0.5, 0.25, 0.0]]), 9, 2)
        >>> found.indices, found.data
        (array([2, 5], dtype=int32), array([0.25, 0.5 ], dtype=float32))
    """
    if k < 1:
        raise ConfigError(f"'k' is {k}, expected at least 1.")
    values, columns = scores.detach().float().cpu().numpy(), labels.cpu().numpy()
    row, place = np.nonzero(columns >= 0)
    value, column = values[row, place], columns[row, place]
    if np.isnan(value).any():
        raise DataError("'scores' contains NaN. The model diverged: lower the learning rate, or check its inputs.")
    order = np.lexsort((column, -value, row))
    count = np.bincount(row, minlength=len(columns))
    kept = np.sort(order[np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count) < k])
    cells = (value[kept].astype(np.float32), (row[kept], column[kept]))
    return sparse.csr_matrix(cells, shape=(len(columns), num_labels))


def _kth_highest(values: Any, k: int) -> Any:
    """The k-th highest value of each row, [B, 1]: well defined with ties, unlike the indices of a top-k."""
    if hasattr(values, "topk"):
        return values.topk(k, dim=1).values[:, -1:]
    place = values.shape[1] - k
    return np.partition(values, place, axis=1)[:, place : place + 1]
