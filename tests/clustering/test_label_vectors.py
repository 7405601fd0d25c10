import importlib

import numpy as np
import pytest
import scipy.sparse as sp

from hgraph.clustering import LabelVectors, joined_features, label_vectors, rows
from hgraph.errors import ConfigError, DataError

MODULE = importlib.import_module("hgraph.clustering.label_vectors")


def data(seed=0, documents=60, columns=300, labels=25):
    generator = np.random.default_rng(seed)
    features = generator.random((documents, columns)) * (generator.random((documents, columns)) < 0.1)
    present = generator.random((documents, labels)) < generator.random(labels) * 0.3
    present[:, 3] = False  # no document
    present[5] = False  # no label
    features[7] = 0  # no feature
    return features.astype(np.float32), present


def by_loops(features, present, normalization, keep=None):
    features = features.astype(np.float64)
    out = np.zeros((present.shape[1], features.shape[1]))
    for document in range(len(features)):
        carried = np.flatnonzero(present[document])
        for label in carried:
            if normalization == "pecos":
                out[label] += features[document] / np.sqrt(len(carried))
            elif features[document].any():
                out[label] += features[document] / np.linalg.norm(features[document])
    for row in out:
        if keep is not None:
            row[np.argsort(-np.abs(row), kind="stable")[keep:]] = 0
        if row.any():
            row /= np.linalg.norm(row)
    return out


def dense(vectors):
    return vectors.toarray() if sp.issparse(vectors) else vectors


@pytest.mark.parametrize("kind", [sp.csr_matrix, np.asarray])
@pytest.mark.parametrize("normalization", ["pecos", "cascade"])
def test_equals_the_definition(kind, normalization):
    features, present = data()
    found = label_vectors(kind(features), sp.csr_matrix(present), normalization=normalization)
    assert found.dtype == np.float32 and sp.issparse(found) == (kind is sp.csr_matrix)
    np.testing.assert_allclose(dense(found), by_loops(features, present, normalization), atol=1e-6)
    assert not dense(found)[3].any()
    if sp.issparse(found):
        assert found.has_sorted_indices and found.nnz == np.count_nonzero(by_loops(features, present, normalization))


def test_cascade_keeps_the_largest_entries(monkeypatch):
    features, present = data(seed=1)
    found = label_vectors(sp.csr_matrix(features), present, normalization="cascade", keep=12)
    np.testing.assert_allclose(found.toarray(), by_loops(features, present, "cascade", keep=12), atol=1e-6)
    assert found.getnnz(axis=1).max() == 12
    monkeypatch.setattr(MODULE, "CASCADE_KEEP", 7)
    assert label_vectors(sp.csr_matrix(features), present, normalization="cascade").getnnz(axis=1).max() == 7
    assert label_vectors(sp.csr_matrix(features), present).getnnz(axis=1).max() > 12


def test_of_equal_entries_the_first_are_kept():
    found = label_vectors(sp.csr_matrix([[1.0, 2.0, 1.0, 1.0]]), [[1]], keep=2)
    assert found.indices.tolist() == [0, 1]


@pytest.mark.parametrize("kind", [sp.csr_matrix, np.asarray])
@pytest.mark.parametrize("pending", [0, 50, 10**9])
def test_blocks_and_threads_change_no_bit(kind, pending, monkeypatch):
    features, present = data(seed=2)
    expected = dense(label_vectors(kind(features), present, threads=1))
    monkeypatch.setattr(MODULE, "PENDING_ENTRIES", pending)
    for size in (1, 7, 60):
        for threads in (1, 3):
            blocks = ((kind(features[i : i + size]), present[i : i + size]) for i in range(0, 60, size))
            np.testing.assert_array_equal(dense(label_vectors(blocks, threads=threads)), expected)


def test_order_of_documents_is_rounding_only():
    features, present = data(seed=3)
    order = np.random.default_rng(0).permutation(60)
    found = label_vectors(sp.csr_matrix(features[order]), present[order]).toarray()
    np.testing.assert_allclose(found, label_vectors(sp.csr_matrix(features), present).toarray(), atol=1e-6)


def test_explicit_zeros_and_repeated_entries_are_no_labels():
    labels = sp.csr_matrix(([1.0, 0.0, 1.0, 1.0], ([0, 0, 1, 1], [0, 1, 0, 0])), shape=(2, 2))
    labels_with_zero = labels.copy()
    found = label_vectors(np.eye(2), labels_with_zero)
    np.testing.assert_allclose(found, [[2**-0.5, 2**-0.5], [0, 0]], atol=1e-6)
    assert labels_with_zero.nnz == labels.nnz  # what was given stays as it was


def test_wide_rows_use_every_column():
    columns = 64 * 64 * 3 + 5
    features = sp.csr_matrix((np.ones(4, np.float32), ([0, 0, 0, 1], [0, 63, columns - 1, 4096])), shape=(2, columns))
    found = label_vectors(features, [[1, 0], [1, 1]])
    assert found.indices.tolist() == [0, 63, 4096, columns - 1, 4096]
    full = label_vectors(sp.csr_matrix(np.ones((1, 300))), [[1]])
    assert full.indices.tolist() == list(range(300))


def test_empty_and_small_inputs():
    found = label_vectors(sp.csr_matrix((0, 4)), sp.csr_matrix((0, 3)))
    assert found.shape == (3, 4) and found.nnz == 0
    assert label_vectors(np.ones((1, 1)), [[1]]).tolist() == [[1.0]]
    assert label_vectors(sp.csr_matrix((2, 3)), [[1], [1]]).nnz == 0
    with pytest.raises(DataError, match="at least one block"):
        label_vectors(iter([]))
    with pytest.raises(DataError, match="at least one block"):
        LabelVectors(3).finish()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: label_vectors(np.ones((2, 3)), [[1]]), DataError, "'labels' have 1 rows, but 'features' have 2"),
        (lambda: label_vectors(np.ones(3), [[1]]), DataError, "'features' must have shape"),
        (lambda: label_vectors(np.full((1, 1), np.inf), [[1]]), DataError, "finite"),
        (lambda: LabelVectors(2, normalization="l2"), ConfigError, "'pecos' or 'cascade', found 'l2'"),
        (lambda: LabelVectors(2, keep=0), ConfigError, "'keep' must be at least 1"),
        (lambda: label_vectors([(np.ones((1, 2)), [[1]]), (np.ones((1, 3)), [[1]])]), DataError, "3 columns, but"),
        (lambda: label_vectors([(np.ones((1, 2)), [[1]]), (sp.eye(2), [[1], [1]])]), DataError, "one kind"),
        (lambda: joined_features(np.ones((1, 2)), np.ones((1, 2)), 1.5), ConfigError, "from 0 to 1, found 1.5"),
        (lambda: joined_features(np.ones((1, 2)), np.ones((2, 2)), 0.5), DataError, "1 rows, but"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("first", [sp.csr_matrix, np.asarray])
@pytest.mark.parametrize("second", [sp.csr_matrix, np.asarray])
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_joined_products_are_weighted_cosines(first, second, weight):
    generator = np.random.default_rng(0)
    left, right = generator.random((6, 4)) - 0.5, generator.random((6, 3)) - 0.5
    joined = joined_features(first(left), second(right), weight)
    assert sp.issparse(joined) == (first is sp.csr_matrix or second is sp.csr_matrix)
    joined = dense(joined)

    def cosine(vectors, i, j):
        return vectors[i] @ vectors[j] / np.linalg.norm(vectors[i]) / np.linalg.norm(vectors[j])

    for i in range(6):
        for j in range(6):
            expected = weight * cosine(left, i, j) + (1 - weight) * cosine(right, i, j)
            assert joined[i] @ joined[j] == pytest.approx(expected, abs=1e-6)


def test_label_text_places_labels_without_documents():
    features, present = data()
    text = np.eye(25, 5)
    joined = dense(joined_features(label_vectors(sp.csr_matrix(features), present), text, 0.5))
    np.testing.assert_allclose(joined[3, :300], 0)
    np.testing.assert_allclose(joined[3, 300:], text[3], atol=1e-6)
    np.testing.assert_allclose(joined[10], [*by_loops(features, present, "pecos")[10], 0, 0, 0, 0, 0], atol=1e-6)


def test_lengths_in_chunks(monkeypatch):
    features, _ = data()
    expected = np.linalg.norm(features.astype(np.float64), axis=1)
    for size in (1, 30, 10**6):
        monkeypatch.setattr(rows, "CHUNK_ENTRIES", size)
        np.testing.assert_allclose(rows.row_lengths(sp.csr_matrix(features)), expected, rtol=1e-6)
        unit = rows.unit_rows(sp.csr_matrix(features)).toarray()
        np.testing.assert_allclose(unit, features / np.where(expected > 0, expected, 1)[:, None], atol=1e-6)


def test_features_are_not_changed():
    features, present = data()
    sparse = sp.csr_matrix(features)
    label_vectors(sparse, present, normalization="cascade")
    joined_features(sparse, features, 0.5)
    np.testing.assert_array_equal(sparse.toarray(), features)


def test_label_text_counts_as_one_more_document():
    features, present = data()
    text = np.random.default_rng(5).random((25, 300)).astype(np.float32)
    sums = LabelVectors(25)
    sums.update(sp.csr_matrix(features), present)
    sums.update(sp.csr_matrix(text), sp.identity(25))
    expected = by_loops(np.vstack([features, text]), np.vstack([present, np.eye(25, dtype=bool)]), "pecos")
    np.testing.assert_allclose(sums.finish().toarray(), expected, atol=1e-6)
