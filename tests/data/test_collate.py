"""Batches against a loop over documents and labels."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from hgraph.data import AlignmentDataset, Collator
from hgraph.data.collate import multi_hot
from hgraph.errors import DataError


def lengths(items):
    return {"size": torch.tensor([len(item) for item in items])}


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.bool_])
@pytest.mark.parametrize("to_sparse", [sp.csr_matrix, sp.csc_matrix, sp.csr_array])
def test_multi_hot_against_a_loop(dtype, to_sparse):
    rng = np.random.default_rng(0)
    dense = (rng.random((12, 300)) < 0.02).astype(dtype)  # more columns than an int8 can count
    dense[[0, 5]] = 0
    texts = ["x" * i for i in range(12)]
    dataset = AlignmentDataset(texts, to_sparse(dense))
    rows = rng.permutation(12)[:7].tolist()
    batch = Collator(lengths, 300)([dataset[row] for row in rows])
    expected = torch.zeros(7, 300)
    for i, row in enumerate(rows):
        for column in range(300):
            if dense[row, column]:
                expected[i, column] = 1.0
    assert batch["labels"].dtype == torch.float32
    torch.testing.assert_close(batch["labels"], expected, rtol=0, atol=0)
    assert batch["text"]["size"].tolist() == rows


@pytest.mark.parametrize("counts", [[2, 0, 3], [0, 0], [1], []])
def test_ids_are_the_places_of_the_multi_hot_form(counts):
    rng = np.random.default_rng(0)
    dense = np.zeros((len(counts), 6), dtype=np.float32)
    for row, count in zip(dense, counts, strict=True):
        row[rng.choice(6, count, replace=False)] = 1
    dataset = AlignmentDataset(["x"] * len(counts), sp.csr_matrix(dense))
    items = [dataset[row] for row in range(len(counts))]
    if not items:
        assert multi_hot(torch.empty(0, 2, dtype=torch.long), 6).shape == (0, 6)
        return
    ids = Collator(lengths, 6, form="ids")(items)["labels"]
    assert ids.shape == (len(counts), max(counts))
    assert ids.dtype == torch.int64
    for row, found in zip(dense, ids.tolist(), strict=True):
        assert sorted(label for label in found if label >= 0) == np.flatnonzero(row).tolist()
        assert -1 not in found[: int(row.sum())]  # what is none comes last
    torch.testing.assert_close(multi_hot(ids, 6), torch.from_numpy(dense), rtol=0, atol=0)


def test_documents_without_labels_and_without_a_matrix():
    collate = Collator(lengths, 3)
    batch = collate(list(AlignmentDataset(["a", "bb"], sp.csr_matrix((2, 3)))))
    assert batch["labels"].tolist() == [[0.0] * 3] * 2
    assert "labels" not in collate([AlignmentDataset(["a"])[0]])
    assert set(collate([])) == {"text"}


def test_a_stored_zero_is_no_label():
    labels = sp.csr_matrix((np.array([1.0, 0.0]), np.array([0, 1]), np.array([0, 2])), shape=(1, 2))
    assert AlignmentDataset(["a"], labels)[0]["labels"].tolist() == [0]
    assert labels.nnz == 2  # the caller's matrix is left alone


def test_candidates_come_as_ids_of_their_own():
    candidates = sp.csr_matrix([[0, 0, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]])
    dataset = AlignmentDataset(["a", "b", "c"], sp.eye(3, format="csr"), candidates=candidates)
    collate = Collator(lambda items: {"lengths": torch.tensor([len(item) for item in items])}, 3)
    batch = collate([dataset[row] for row in range(3)])
    assert batch["candidates"].tolist() == [[2, 3], [-1, -1], [0, -1]]
    assert batch["labels"].tolist() == np.eye(3).tolist()
    assert "candidates" not in collate([AlignmentDataset(["a"], sp.eye(1, format="csr"))[0]])


def test_rows_from_the_end_and_beyond():
    dataset = AlignmentDataset(["a", "b"], sp.csr_matrix(np.eye(2)))
    assert dataset[-1]["features"] == "b"
    assert dataset[-1]["labels"].tolist() == [1]
    with pytest.raises(IndexError):
        dataset[2]


def test_lengths_must_agree():
    with pytest.raises(DataError, match="'labels' must have 2 rows, one a document, found 3"):
        AlignmentDataset(["a", "b"], sp.csr_matrix((3, 4)))
