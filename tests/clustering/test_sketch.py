import numpy as np
import pytest
import scipy.sparse as sp

from hgraph.clustering import label_vectors, sketch
from hgraph.clustering.sketch import projection
from hgraph.errors import ConfigError, DataError


def vectors(size=40, columns=500, seed=0):
    generator = np.random.default_rng(seed)
    dense = generator.standard_normal((size, columns)) * (generator.random((size, columns)) < 0.1)
    return sp.csr_matrix((dense / np.linalg.norm(dense, axis=1, keepdims=True)).astype(np.float32))


@pytest.mark.parametrize("copies", [1, 3, 16])
def test_equals_a_loop(copies):
    rows = vectors()
    columns, signs = projection(500, 16, 7, copies)
    expected = np.zeros((40, 16))
    dense = rows.toarray()
    for row in range(40):
        for column in range(500):
            for copy in range(copies):
                expected[row, columns[column, copy]] += signs[column, copy] * dense[row, column]
    found = sketch(rows, 16, seed=7, copies=copies)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for threads in (1, 3):
        np.testing.assert_array_equal(sketch(rows, 16, seed=7, copies=copies, threads=threads), found)


def test_a_feature_has_distinct_channels_and_unit_length():
    columns, signs = projection(1000, 10, 0, 4)
    assert all(len(set(row)) == 4 for row in columns.tolist())
    assert columns.min() == 0 and columns.max() == 9
    np.testing.assert_allclose((signs**2).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("copies", [1, 4])
def test_products_are_right_on_average(copies):
    rows = vectors(8)
    true = (rows @ rows.T).toarray()
    found = np.mean([(lambda s: s @ s.T)(sketch(rows, 64, seed=seed, copies=copies)) for seed in range(400)], axis=0)
    assert np.abs(found - true).max() < 5 / np.sqrt(64 * 400)


def test_documents_may_be_sketched_first():
    rows = vectors()
    labels = np.random.default_rng(1).random((40, 6)) < 0.3
    before = label_vectors(sketch(rows, 32), labels)
    sums = sketch(sp.csr_matrix((labels / np.sqrt(np.maximum(labels.sum(1, keepdims=True), 1))).T @ rows), 32)
    np.testing.assert_allclose(before, sums / np.linalg.norm(sums, axis=1, keepdims=True), atol=1e-5)


def test_empty_and_errors():
    assert sketch(sp.csr_matrix((0, 5)), 8).shape == (0, 8)
    assert not sketch(sp.csr_matrix((3, 5)), 8).any()
    with pytest.raises(ConfigError, match="'copies' must be from 1 to 'channels'"):
        sketch(vectors(), 2, copies=3)
    with pytest.raises(DataError, match="Dense vectors need no sketch"):
        sketch(np.ones((2, 3)))
