"""Weights of sparse score matrices against scikit-learn and a plain loop."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from hgraph.decoding import SparseFusion, ensemble, fit_fusion, fit_sparse_fusion
from hgraph.errors import ConfigError, DataError
from hgraph.metrics import precision_at_k


def noisy(seed, documents=120, labels=12, *, stored=6, noise=1.0):
    """Truth, and the best labels by a score that knows something of it."""
    draw = np.random.default_rng(seed)
    truth = np.random.default_rng(0).random((documents, labels)) < 0.2
    scores = 2 * truth - 1 + noise * draw.normal(size=truth.shape)
    cut = np.sort(scores, axis=1)[:, -stored][:, None]
    return truth, sp.csr_matrix(np.where(scores >= cut, scores, 0))


def features(matrices, truth):
    """One row for each label that a matrix stores: scores, missing marks, truth."""
    table = []
    for row in range(truth.shape[0]):
        stored = [dict(zip(m[row].indices.tolist(), m[row].data.tolist(), strict=True)) for m in matrices]
        for label in sorted(set().union(*stored)):
            scores = [cells.get(label, 0.0) for cells in stored]
            table.append([*scores, *(float(label not in cells) for cells in stored), float(truth[row, label])])
    return np.array(table)


def test_weights_are_those_of_logistic_regression_with_marks_for_missing():
    truth, first = noisy(1)
    second = noisy(2, stored=4, noise=2.0)[1]
    fusion = fit_sparse_fusion([first, second], truth)
    table = features([first, second], truth)
    reference = LogisticRegression(C=1e8, tol=1e-9, max_iter=1000).fit(table[:, :-1], table[:, -1])
    np.testing.assert_allclose(fusion.weights, reference.coef_[0, :2], rtol=1e-2)
    np.testing.assert_allclose(fusion.missing, reference.coef_[0, 2:], rtol=1e-2, atol=1e-2)
    assert fusion.shift == pytest.approx(reference.intercept_[0], abs=1e-2)
    assert fusion.probabilities == (False, False)
    # What it learnt is what it says, and it is better than either part and a plain mean.
    combined = fusion.apply([first, second])
    np.testing.assert_allclose(combined.data, reference.predict_proba(table[:, :-1])[:, 1], atol=1e-2)
    best = max(precision_at_k(truth, part, 2) for part in (first, second, ensemble([first, second], "sigmoid")))
    assert precision_at_k(truth, combined, 2) >= best


@pytest.mark.parametrize("block_cells", [1, 50, 1 << 22])
def test_probabilities_are_those_of_the_formula(block_cells):
    fusion = SparseFusion((2.0, 0.5), (-1.0, -3.0), 0.25, (False, True))
    first = sp.csr_matrix(np.array([[1.5, 0, -2.0], [0, 0, 0], [0, 3.0, 0]]))
    second = sp.csr_matrix(np.array([[0.9, 0.2, 0], [0, 0, 1.0], [0, 0, 0]]))
    found = fusion.apply([first, second], block_cells=block_cells)
    expected = np.zeros((3, 3))
    for row in range(3):
        for label in range(3):
            a, p = first[row, label], second[row, label]
            if a == p == 0:
                continue
            p = min(max(p, 1e-6), 1 - 1e-6) if p else 0
            z = 0.25 + (2 * a if a else -1) + (0.5 * math.log(p / (1 - p)) if p else -3)
            expected[row, label] = 1 / (1 + math.exp(-z))
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-5)
    assert found.dtype == np.float32


def test_fitting_gives_the_same_bits_each_time():
    truth, first = noisy(3)
    second = noisy(4)[1]
    assert fit_sparse_fusion([first, second], truth) == fit_sparse_fusion([first, second], truth)


def test_a_model_that_never_missed_a_label_is_taken_at_its_lowest():
    truth, first = noisy(5, stored=12)
    second = noisy(6, stored=3)[1]
    fusion = fit_sparse_fusion([first, second], truth)
    assert fusion.missing[0] == pytest.approx(fusion.weights[0] * first.data.min(), rel=1e-5)


def test_probabilities_enter_as_log_odds():
    truth, raw = noisy(7)
    odds = raw.copy()
    odds.data = 1 / (1 + np.exp(-raw.data))
    second = noisy(8)[1]
    first, again = fit_sparse_fusion([raw, second], truth), fit_sparse_fusion([odds, second], truth)
    assert again.probabilities == (True, False)
    np.testing.assert_allclose(again.weights, first.weights, rtol=1e-3)


@pytest.mark.parametrize("truth", [np.zeros((2, 3)), np.ones((2, 3))])
def test_nothing_to_fit(truth):
    scores = sp.csr_matrix([[1.0, 0, -2.0], [0, 0.5, 0]])
    fusion = fit_sparse_fusion([scores, -scores], truth)
    assert fusion == SparseFusion((1.0, 1.0), (-2.0, -1.0), 0.0, (False, False))


def test_no_document_no_score():
    fusion = fit_sparse_fusion([sp.csr_matrix((0, 3))], sp.csr_matrix((0, 3)))
    assert fusion.weights == (1.0,) and fusion.apply([sp.csr_matrix((0, 3))]).shape == (0, 3)
    assert fusion.apply([sp.csr_matrix((2, 3))]).nnz == 0


def test_wrong_input_is_named():
    one = sp.csr_matrix([[1.0]])
    with pytest.raises(ConfigError, match="'matrices' is empty"):
        fit_sparse_fusion([], one)
    with pytest.raises(DataError, match="'scores' has shape"):
        fit_sparse_fusion([one], sp.csr_matrix((2, 1)))
    with pytest.raises(DataError, match="'matrices' must be 1, as in fitting, found 2"):
        fit_sparse_fusion([one], one).apply([one, one])
    with pytest.raises(DataError, match=r"'indicators' must be \[J, 2\]"):
        fit_fusion(np.zeros((1, 2)), np.array([0, 1]), indicators=np.zeros((1, 3)))
