import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from hgraph.decoding import (
    Thresholds,
    close_upward_scores,
    consistency,
    scores_to_csr,
    threshold_decode,
    top_k_decode,
)
from hgraph.errors import ConfigError, DataError
from hgraph.graph.label_graph import LabelGraph
from hgraph.metrics import violation_rate


def random_case(seed, *, documents=12, labels=10, stored=5, steps=10):
    rng = np.random.default_rng(seed)
    edges = {(f"l{rng.integers(0, i)}", f"l{i}") for i in range(2, labels) for _ in range(rng.integers(0, 3))}
    graph = LabelGraph.from_edges(sorted(edges), nodes=[f"l{i}" for i in rng.permutation(labels)])
    return graph, scores_to_csr(rng.integers(0, steps, (documents, labels)) / steps, stored)


def naive_close(scores, graph):
    above = graph.ancestors.toarray()
    closed = {}
    for i, label in zip(*scores.nonzero(), strict=True):
        for target in (label, *np.flatnonzero(above[label])):
            closed[i, target] = max(closed.get((i, target), 0), scores[i, label])
    return closed


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("block", [1, 20, 2**23])
def test_closed_scores_equal_a_naive_loop(seed, block, monkeypatch):
    monkeypatch.setattr(consistency, "BLOCK_CELLS", block)
    graph, scores = random_case(seed)
    scores.data += 0.05  # the loop cannot tell a stored zero from an absent label
    closed, expected = close_upward_scores(scores, graph), naive_close(scores, graph)
    assert closed.shape == scores.shape
    assert closed.has_sorted_indices
    assert closed.nnz == len(expected)
    assert all(closed[cell] == value for cell, value in expected.items())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100_000), threshold=st.floats(0.01, 1), k=st.integers(1, 6))
def test_decoding_with_a_graph_is_ancestor_closed(seed, threshold, k):
    graph, scores = random_case(seed, documents=4, labels=7)
    rng = np.random.default_rng(seed)
    each = Thresholds.from_arrays(rng.random(graph.num_labels))
    for decoded in (
        threshold_decode(scores, Thresholds(value=threshold), graph),
        threshold_decode(scores, each, graph),
        top_k_decode(scores, k, graph),
        threshold_decode(close_upward_scores(scores, graph), Thresholds(value=threshold)),
    ):
        assert violation_rate(decoded, graph) == 0
        assert (decoded.data == 1).all()
        assert (graph.expand(decoded) != decoded).nnz == 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100_000), threshold=st.floats(0.01, 1))
def test_closing_scores_or_closing_labels_is_the_same_for_one_threshold(seed, threshold):
    graph, scores = random_case(seed, documents=4, labels=7)
    one = Thresholds(value=threshold)
    labels = threshold_decode(scores, one, graph)
    assert (threshold_decode(close_upward_scores(scores, graph), one) != labels).nnz == 0


def test_closed_scores_are_a_fixed_point():
    graph, scores = random_case(3)
    once = close_upward_scores(scores, graph)
    twice = close_upward_scores(once, graph)
    assert once.nnz == twice.nnz
    np.testing.assert_array_equal(once.data, twice.data)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_a_document_does_not_depend_on_its_batch(seed):
    graph, scores = random_case(seed)
    together = close_upward_scores(scores, graph)
    alone = sparse.vstack([close_upward_scores(scores[i], graph) for i in range(scores.shape[0])])
    assert (together != alone).nnz == 0


def test_thresholds_compare_in_float32():
    scores = sparse.csr_matrix(np.array([[0.1]], dtype=np.float32))
    assert threshold_decode(scores, Thresholds(value=0.1)).nnz == 1
    assert threshold_decode(scores.astype(np.float64), Thresholds(value=0.1)).nnz == 1


def test_top_k_breaks_ties_by_index_and_takes_what_there_is():
    scores = sparse.csr_matrix([[0.5, 0.5, 0.5, 0.0], [0.0, 0.0, 0.0, 0.9], [0.0, 0.0, 0.0, 0.0]])
    assert top_k_decode(scores, 2).toarray().tolist() == [[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize("documents", [0, 2])
def test_empty_input_decodes_to_nothing(documents):
    graph = LabelGraph.from_edges([], nodes=["only"])
    empty = sparse.csr_matrix((documents, 1))
    for decoded in (
        close_upward_scores(empty, graph),
        threshold_decode(empty, Thresholds(), graph),
        top_k_decode(empty, 3, graph),
    ):
        assert decoded.shape == (documents, 1)
        assert decoded.nnz == 0


@pytest.mark.parametrize("make", [np.asarray, torch.tensor, lambda x: torch.tensor(x).bfloat16()])
@pytest.mark.parametrize("k", [1, 3, 7, 50])
def test_dense_top_k_equals_a_stable_sort(make, k):
    dense = np.random.default_rng(k).integers(0, 4, (20, 9)).astype(np.float32) / 4
    best = np.sort(np.argsort(-dense, axis=1, kind="stable")[:, :k], axis=1)
    result = scores_to_csr(make(dense), k)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result.indices.reshape(20, -1), best)
    np.testing.assert_array_equal(result.data, np.take_along_axis(dense, best, axis=1).ravel())


def test_dense_top_k_of_an_empty_batch():
    assert scores_to_csr(np.zeros((0, 4)), 2).shape == (0, 4)
    assert scores_to_csr(torch.zeros(0, 4), 2).shape == (0, 4)
    assert scores_to_csr(torch.ones(2, 1, requires_grad=True), 3).toarray().tolist() == [[1.0], [1.0]]


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="'k' is 0"):
        scores_to_csr(np.zeros((1, 2)), 0)
    with pytest.raises(ConfigError, match="'k' is 0"):
        top_k_decode(sparse.csr_matrix((1, 2)), 0)
    with pytest.raises(DataError, match="expected \\[batch, labels\\]"):
        scores_to_csr(np.zeros(3), 1)
    with pytest.raises(DataError, match="NaN"):
        scores_to_csr(torch.tensor([[0.1, float("nan")]]), 1)
