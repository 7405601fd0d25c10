import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import f1_score, precision_recall_fscore_support

from hgraph.errors import ConfigError, DataError
from hgraph.metrics import label_counts, macro_f1, micro_f1, per_label_f1
from hgraph.metrics.f1 import micro_of_counts


def random_sets(seed, *, documents=40, labels=150, density=0.05):
    rng = np.random.default_rng(seed)
    truth = rng.random((documents, labels)) < density
    predictions = np.where(rng.random(truth.shape) < 0.7, truth, rng.random(truth.shape) < density)
    return truth.astype(np.int32), predictions.astype(np.int32)


@pytest.mark.parametrize("seed", range(5))
def test_f1_equals_scikit_learn(seed):
    truth, predictions = random_sets(seed)
    sparse_truth, sparse_predictions = sparse.csr_matrix(truth), sparse.csr_matrix(predictions)
    expected = f1_score(truth, predictions, average=None, zero_division=0)
    np.testing.assert_allclose(per_label_f1(sparse_truth, sparse_predictions), expected)
    for average, ours in (("micro", micro_f1), ("macro", macro_f1)):
        expected = f1_score(truth, predictions, average=average, zero_division=0)
        assert ours(sparse_truth, sparse_predictions) == pytest.approx(expected)


def test_supported_macro_f1_averages_labels_with_documents():
    truth, predictions = random_sets(7)
    truth[:, :30] = 0
    labels = np.flatnonzero(truth.sum(axis=0))
    assert len(labels) < truth.shape[1]
    expected = f1_score(truth, predictions, labels=labels, average="macro", zero_division=0)
    assert macro_f1(truth, predictions, over="supported") == pytest.approx(expected)


def test_micro_precision_and_recall_equal_scikit_learn():
    truth, predictions = random_sets(3)
    expected = precision_recall_fscore_support(truth, predictions, average="micro", zero_division=0)[:3]
    assert micro_of_counts(label_counts(truth, predictions)) == pytest.approx(expected)


def test_stored_zeros_and_unsorted_duplicates_are_one_label():
    truth = sparse.csr_matrix((np.array([1, 0, 1, 1]), np.array([2, 1, 0, 2]), np.array([0, 4])), shape=(1, 3))
    assert label_counts(truth, truth).support.tolist() == [1, 0, 1]
    booleans = sparse.csr_matrix((np.ones(300, dtype=bool), np.zeros(300, dtype=int), np.array([0, 300])), shape=(1, 3))
    assert label_counts(booleans, booleans).true_positives.tolist() == [1, 0, 0]


@pytest.mark.parametrize("shape", [(0, 3), (2, 3), (1, 1)])
def test_nothing_true_and_nothing_predicted_is_zero(shape):
    empty = sparse.csr_matrix(shape)
    assert micro_f1(empty, empty) == macro_f1(empty, empty) == macro_f1(empty, empty, over="supported") == 0.0


def test_wrong_input_is_named():
    with pytest.raises(DataError, match="'predictions' has shape"):
        micro_f1(sparse.csr_matrix((2, 3)), sparse.csr_matrix((2, 4)))
    with pytest.raises(ConfigError, match="'over' is 'some'"):
        macro_f1(sparse.csr_matrix((2, 3)), sparse.csr_matrix((2, 3)), over="some")
