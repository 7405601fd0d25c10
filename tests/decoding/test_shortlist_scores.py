"""Scores of a shortlist as CSR, against a loop."""

import numpy as np
import pytest
import torch

from hgraph.decoding import shortlist_to_csr
from hgraph.errors import ConfigError, DataError


@pytest.mark.parametrize("k", [1, 2, 5, 100])
def test_the_best_of_each_row_are_kept(k):
    rng = np.random.default_rng(0)
    labels = np.full((30, 6), -1)
    for row in labels:
        size = rng.integers(7)
        row[rng.choice(6, size, replace=False)] = rng.choice(9, size, replace=False)
    scores = rng.integers(0, 4, labels.shape) / 4  # many are equal
    scores[labels < 0] = -np.inf
    found = shortlist_to_csr(torch.from_numpy(labels), torch.from_numpy(scores), 9, k)
    assert found.shape == (30, 9) and found.dtype == np.float32 and found.has_sorted_indices
    for row in range(30):
        pairs = [(-s, label) for s, label in zip(scores[row], labels[row], strict=True) if label >= 0]
        expected = sorted((label, -s) for s, label in sorted(pairs)[:k])
        mine = found[[row]]
        assert list(zip(mine.indices.tolist(), mine.data.tolist(), strict=True)) == expected


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
def test_nothing(shape):
    found = shortlist_to_csr(torch.full(shape, -1), torch.zeros(shape), 4, 2)
    assert found.shape == (shape[0], 4) and found.nnz == 0


def test_what_does_not_fit():
    labels, scores = torch.tensor([[0, -1]]), torch.tensor([[float("nan"), 0.0]])
    with pytest.raises(DataError, match="contains NaN"):
        shortlist_to_csr(labels, scores, 2, 1)
    with pytest.raises(ConfigError, match="'k' is 0"):
        shortlist_to_csr(labels, scores, 2, 0)
    assert shortlist_to_csr(labels, scores.flip(1), 2, 1).nnz == 1  # padding may hold anything
