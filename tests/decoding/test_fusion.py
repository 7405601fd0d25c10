"""Weights of several scores against scikit-learn's logistic regression."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from hgraph.decoding import fit_fusion
from hgraph.errors import DataError


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 3))
def test_weights_are_those_of_logistic_regression(seed, parts):
    draw = np.random.default_rng(seed)
    truth = draw.random(800) < 0.3
    # Each score knows something, in units of its own, so that no weight of the free fit is negative.
    scores = np.stack([(k + 1) * (truth + draw.normal(size=800)) for k in range(parts)])
    weights, shift = fit_fusion(scores, truth)
    reference = LogisticRegression(C=1e8, tol=1e-8).fit(scores.T, truth)
    np.testing.assert_allclose(weights, reference.coef_[0], rtol=1e-2, atol=1e-3)
    assert shift == pytest.approx(reference.intercept_[0], abs=1e-2)


def test_a_score_that_argues_against_its_labels_gets_no_weight():
    draw = np.random.default_rng(0)
    truth = draw.random(500) < 0.5
    good, bad = truth + draw.normal(size=500), draw.normal(size=500) - truth
    weights, _ = fit_fusion(np.stack([good, bad]), truth)
    assert weights[0] > 0.5 and weights[1] == 0


@pytest.mark.parametrize("truth", [np.zeros(3), np.ones(3)])
def test_nothing_to_fit(truth):
    weights, shift = fit_fusion(np.zeros((2, 3)), truth)
    assert weights.tolist() == [1, 1] and shift == 0


def test_wrong_input_is_named():
    with pytest.raises(DataError, match="'truth'"):
        fit_fusion(np.zeros((2, 3)), np.zeros(2))
    with pytest.raises(DataError, match="NaN"):
        fit_fusion(np.full((1, 2), np.nan), np.array([0, 1]))
