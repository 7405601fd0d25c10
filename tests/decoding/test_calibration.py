"""Platt's calibration against an unregularised logistic regression; the order of ranked labels."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from hgraph.decoding import PlattScaling, close_upward_scores, fit_platt, ranking_scores
from hgraph.graph import LabelGraph


def sample(scale, shift, *, documents=300, labels=6, seed=0):
    """Logits and labels drawn with the probabilities expit(scale * logit + shift)."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 3, (documents, labels)).astype(np.float32)
    return logits, (draw.random(logits.shape) < expit(scale * logits + shift)).astype(int)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.3, -1.0), (2.5, 2.0)])
def test_equals_logistic_regression(scale, shift):
    logits, truth = sample(scale, shift)
    fit = fit_platt(sparse.csr_matrix(logits), truth)
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(logits.reshape(-1, 1), truth.ravel())
    assert fit.scale == pytest.approx(model.coef_[0, 0], rel=2e-3)
    assert fit.shift == pytest.approx(model.intercept_[0], abs=4e-3)


def test_lowers_the_log_loss_and_keeps_the_order():
    logits, truth = sample(0.4, -1.5, seed=1)
    fit = fit_platt(sparse.csr_matrix(logits), truth)
    calibrated = expit(fit.scale * logits + fit.shift)
    assert log_loss(truth.ravel(), calibrated.ravel()) < log_loss(truth.ravel(), expit(logits).ravel())
    assert (np.argsort(calibrated.ravel(), kind="stable") == np.argsort(logits.ravel(), kind="stable")).all()


def test_scores_that_point_the_wrong_way_keep_a_positive_scale():
    logits, truth = sample(-1.0, 0.0, seed=2)
    assert fit_platt(sparse.csr_matrix(logits), truth).scale > 0


def test_only_stored_cells_count():
    logits, truth = sample(0.7, 0.3, seed=3)
    matrix = sparse.csr_matrix(logits)
    keep = logits > np.median(logits, axis=1, keepdims=True)
    matrix.data[~keep.ravel()] = np.nan
    stored = sparse.csr_matrix(
        (logits[keep], matrix.indices[keep.ravel()], np.r_[0, np.cumsum(keep.sum(1))]), logits.shape
    )
    fit = fit_platt(stored, truth)
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(logits[keep].reshape(-1, 1), truth[keep])
    assert fit.scale == pytest.approx(model.coef_[0, 0], rel=5e-3)


@pytest.mark.parametrize("truth", [np.zeros((3, 2)), np.ones((3, 2))])
def test_nothing_to_fit_is_the_identity(truth):
    assert fit_platt(sparse.csr_matrix(np.ones((3, 2))), truth) == PlattScaling()
    assert fit_platt(sparse.csr_matrix((0, 2)), np.zeros((0, 2))) == PlattScaling()


def test_separable_labels_stay_finite():
    fit = fit_platt(sparse.csr_matrix([[9.0, -9.0], [8.0, -8.0]]), [[1, 0], [1, 0]])
    assert np.isfinite([fit.scale, fit.shift]).all()


GRAPH = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("e", "f")])


def test_ranking_puts_ancestors_first_and_keeps_the_rest():
    draw = np.random.default_rng(0)
    scores = sparse.csr_matrix(draw.random((50, GRAPH.num_labels)).astype(np.float32))
    ranked = ranking_scores(scores, GRAPH).toarray()
    closed = close_upward_scores(scores, GRAPH).toarray()
    for parent, child in GRAPH.edge_index.t().tolist():
        assert (ranked[:, parent] > ranked[:, child]).all()
    depth = int(GRAPH.level.max())
    assert np.abs(ranked - closed).max() <= 1e-6 * depth + 1e-9
    # Labels whose closed scores differ by more than the nudge keep their order.
    apart = closed[:, :, None] - closed[:, None, :] > 1e-6 * depth
    assert (ranked[:, :, None] > ranked[:, None, :])[apart].all()


def test_ranking_of_no_documents():
    assert ranking_scores(sparse.csr_matrix((0, GRAPH.num_labels)), GRAPH).shape == (0, GRAPH.num_labels)
