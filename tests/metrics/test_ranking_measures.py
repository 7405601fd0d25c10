import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import ndcg_score

from hgraph.decoding import scores_to_csr
from hgraph.errors import ConfigError, DataError
from hgraph.metrics import ndcg_at_k, precision_at_k, r_precision, rank_labels, recall_at_k


def example(seed, *, documents=30, labels=20, stored=12, steps=8):
    """Truth with empty documents and coarse scores with many ties."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((documents, labels)) < 0.15).astype(np.int32)
    truth[::7] = 0
    scores = scores_to_csr(rng.integers(0, steps, truth.shape) / steps, stored)
    return truth, scores


def naive_ranking(scores, document):
    row = scores[document]
    cells = sorted(zip(-row.data, row.indices, strict=True))
    return [int(label) for _, label in cells]


def naive(truth, scores, k):
    precision, recall, ndcg, r_prec = [], [], [], []
    for i in range(truth.shape[0]):
        relevant = set(np.flatnonzero(truth[i]).tolist())
        ranking = naive_ranking(scores, i)
        hits = [label in relevant for label in ranking]
        precision.append(sum(hits[:k]) / k)
        if relevant:
            recall.append(sum(hits[:k]) / len(relevant))
            ideal = sum(1 / math.log2(j + 2) for j in range(min(k, len(relevant))))
            ndcg.append(sum(hit / math.log2(j + 2) for j, hit in enumerate(hits[:k])) / ideal)
            r_prec.append(sum(hits[: len(relevant)]) / len(relevant))
        else:
            recall.append(0.0)
            ndcg.append(0.0)
    return np.mean(precision), np.mean(recall), np.mean(ndcg), np.mean(r_prec)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 3, 5, 15])
def test_measures_equal_a_naive_loop(seed, k):
    truth, scores = example(seed)
    ours = [f(truth, scores, k) for f in (precision_at_k, recall_at_k, ndcg_at_k)] + [r_precision(truth, scores)]
    assert ours == pytest.approx(naive(truth, scores, k))


def test_ndcg_equals_scikit_learn_without_ties_and_empty_documents():
    rng = np.random.default_rng(0)
    truth = (rng.random((25, 12)) < 0.3).astype(int)
    truth[:, 0] = 1
    scores = rng.random(truth.shape)
    assert ndcg_at_k(truth, scores, 5) == pytest.approx(ndcg_score(truth, scores, k=5), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_rank_labels_equals_a_naive_loop(seed):
    _, scores = example(seed, stored=4)
    ranking = rank_labels(scores, 6)
    for i, row in enumerate(ranking):
        assert row.tolist() == [*naive_ranking(scores, i), -1, -1]


def test_fewer_predictions_than_k_are_misses():
    truth, scores = sparse.csr_matrix([[1, 1, 1]]), sparse.csr_matrix([[0.0, 0.5, 0.0]])
    assert precision_at_k(truth, scores, 5) == pytest.approx(0.2)
    assert recall_at_k(truth, scores, 5) == r_precision(truth, scores) == pytest.approx(1 / 3)


def test_documents_without_labels_count_for_precision_but_not_for_r_precision():
    truth, scores = [[1, 0], [0, 0]], [[0.9, 0.1], [0.9, 0.1]]
    assert precision_at_k(truth, scores, 1) == 0.5
    assert r_precision(truth, scores) == 1.0


def test_a_stored_zero_ranks_above_an_absent_label():
    scores = sparse.csr_matrix((np.array([0.0]), np.array([1]), np.array([0, 1])), shape=(1, 2))
    assert rank_labels(scores, 1).tolist() == [[1]]
    assert precision_at_k([[0, 1]], scores, 1) == 1.0


def test_no_documents_gives_zero():
    empty = sparse.csr_matrix((0, 4))
    assert precision_at_k(empty, empty, 3) == recall_at_k(empty, empty, 3) == ndcg_at_k(empty, empty, 3) == 0.0
    assert r_precision(empty, empty) == 0.0
    assert rank_labels(empty, 2).shape == (0, 2)


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="'k' is 0"):
        precision_at_k([[1]], [[0.5]], 0)
    twice = sparse.csr_matrix((np.array([0.5, 0.6]), np.array([1, 1]), np.array([0, 2])), shape=(1, 2))
    with pytest.raises(DataError, match="more than once"):
        rank_labels(twice, 1)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 6))
def test_label_order_changes_nothing_without_ties(seed, k):
    rng = np.random.default_rng(seed)
    documents, labels = rng.integers(1, 6), rng.integers(1, 9)
    truth = (rng.random((documents, labels)) < 0.4).astype(int)
    scores = rng.permuted(np.tile(np.arange(1, labels + 1) / labels, (documents, 1)), axis=1)
    order = rng.permutation(labels)
    for measure in (precision_at_k, recall_at_k, ndcg_at_k):
        assert measure(truth[:, order], scores[:, order], k) == pytest.approx(measure(truth, scores, k))
    assert r_precision(truth[:, order], scores[:, order]) == pytest.approx(r_precision(truth, scores))
