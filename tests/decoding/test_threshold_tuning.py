import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import f1_score

from hgraph.decoding import Thresholds, scores_to_csr, threshold_decode, tune_global, tune_per_label
from hgraph.decoding.sweep import between
from hgraph.errors import ConfigError, DataError
from hgraph.graph.label_graph import LabelGraph


def random_case(seed, *, documents=30, labels=8, stored=6, steps=20):
    """Informative, coarse scores (ties), a random DAG with closed truth, one label nobody has, one empty document."""
    rng = np.random.default_rng(seed)
    edges = {(f"l{rng.integers(0, i)}", f"l{i}") for i in range(2, labels) for _ in range(rng.integers(0, 3))}
    graph = LabelGraph.from_edges(sorted(edges), nodes=[f"l{i}" for i in range(labels)])
    truth = rng.random((documents, labels)) < 0.2
    truth[0], truth[:, -1] = False, False
    truth = graph.expand(truth.astype(np.int32)).toarray()
    noisy = np.clip(0.4 * truth + 0.8 * rng.random(truth.shape), 0, 1)
    return graph, truth, scores_to_csr(np.round(noisy * steps) / steps, stored)


def candidates(scores):
    """Every threshold that could matter: all values, between all values, and below and above all."""
    values = np.unique(scores.data.astype(np.float64))
    return np.concatenate([[0.0], values, (values[1:] + values[:-1]) / 2, [1.01]])


def f1_at(thresholds, scores, truth, graph, average="micro"):
    predictions = threshold_decode(scores, thresholds, graph).toarray()
    return f1_score(truth, predictions, average=average, zero_division=0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("average", ["micro", "macro"])
def test_global_threshold_is_the_best_of_all(seed, closed, average):
    graph, truth, scores = random_case(seed)
    graph = graph if closed else None
    tuned = tune_global(scores, truth, graph, objective=f"{average}_f1")
    best = max(f1_at(Thresholds(value=t), scores, truth, graph, average) for t in candidates(scores))
    assert f1_at(tuned, scores, truth, graph, average) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(6))
def test_label_thresholds_are_each_the_best_of_all(seed):
    _, truth, scores = random_case(seed)
    tuned = tune_per_label(scores, truth, fallback=0.5, prior=0)
    found = f1_at(tuned, scores, truth, None, average=None)
    tried = [f1_at(Thresholds(value=t), scores, truth, None, average=None) for t in candidates(scores)]
    np.testing.assert_allclose(found, np.max(tried, axis=0))
    assert tuned.per_label[-1] == 0.5  # nobody has this label


@pytest.mark.parametrize("seed", range(4))
def test_label_thresholds_with_a_graph_are_best_given_the_labels_below(seed):
    graph, truth, scores = random_case(seed)
    tuned = tune_per_label(scores, truth, graph, fallback=0.5, prior=0)
    found = f1_at(tuned, scores, truth, graph, average=None)
    for label in range(graph.num_labels):
        for threshold in candidates(scores):
            changed = tuned.per_label.copy()
            changed[label] = threshold
            other = f1_at(Thresholds.from_arrays(changed), scores, truth, graph, average=None)
            assert other[label] <= found[label] + 1e-9


def test_parent_that_only_adds_errors_is_left_to_its_children():
    graph = LabelGraph.from_edges([("parent", "child")])
    truth = [[1, 1], [0, 0], [0, 0]]
    scores = sparse.csr_matrix([[0.1, 0.9], [0.8, 0.2], [0.7, 0.1]])
    tuned = tune_per_label(scores, truth, graph, prior=0)
    assert f1_at(tuned, scores, np.array(truth), graph) == 1.0
    assert tuned.per_label[0] > 0.8


def test_rare_labels_take_the_fallback_and_prior_draws_to_it():
    truth = np.array([[1, 1], [0, 1], [0, 0]])
    scores = sparse.csr_matrix([[0.8, 0.9], [0.2, 0.7], [0.2, 0.1]])
    free = tune_per_label(scores, truth, fallback=0.3, prior=0)
    np.testing.assert_allclose(free.per_label, [0.5, 0.4], atol=1e-6)
    np.testing.assert_allclose(
        tune_per_label(scores, truth, fallback=0.3, min_support=2, prior=0).per_label, [0.3, 0.4]
    )
    drawn = tune_per_label(scores, truth, fallback=0.3, prior=2)
    np.testing.assert_allclose(drawn.per_label, [(0.5 + 2 * 0.3) / 3, (2 * 0.4 + 2 * 0.3) / 4], atol=1e-6)
    assert tune_per_label(scores, truth).value == tune_global(scores, truth).value


def test_neighbouring_floats_are_told_apart():
    low = np.float32(0.5)
    high = np.nextafter(low, np.float32(1))
    assert low < between(low, high) <= high
    tuned = tune_global(sparse.csr_matrix(np.array([[high, low]])), [[1, 0]])
    assert threshold_decode(np.array([[high, low]]), tuned).toarray().tolist() == [[1, 0]]


@pytest.mark.parametrize("documents", [0, 3])
@pytest.mark.parametrize("labels", [1, 2])
def test_nothing_to_tune_gives_the_default(documents, labels):
    graph = LabelGraph.from_edges([], nodes=[str(i) for i in range(labels)])
    empty = sparse.csr_matrix((documents, labels))
    for given_graph in (None, graph):
        assert tune_global(empty, empty, given_graph).value == 0.5
        assert tune_global(empty, empty, given_graph, objective="macro_f1").value == 0.5
        assert tune_per_label(empty, empty, given_graph).per_label.tolist() == [0.5] * labels
    wrong = sparse.csr_matrix(np.full((documents, labels), 0.7))
    assert tune_global(wrong, empty).value == 0.5


def test_thresholds_survive_json():
    for thresholds in (Thresholds(value=0.25), Thresholds.from_arrays([0.1, 0.7], fallback=0.4)):
        again = Thresholds.from_dict(json.loads(json.dumps(thresholds.to_dict())))
        assert (again.kind, again.value) == (thresholds.kind, thresholds.value)
        assert again.vector(2).tolist() == thresholds.vector(2).tolist()
    assert Thresholds.from_arrays(0.25).kind == "global"


def test_wrong_input_is_named():
    with pytest.raises(DataError, match="tuned for 2 labels, but the scores have 3"):
        threshold_decode(sparse.csr_matrix((1, 3)), Thresholds.from_arrays([0.1, 0.7]))
    with pytest.raises(DataError, match="finite"):
        Thresholds.from_arrays([0.5, np.nan])
    with pytest.raises(ConfigError, match="expected kind 'global'"):
        Thresholds.from_dict({"kind": "other", "value": 0.5})
    with pytest.raises(ConfigError, match="'objective' is 'accuracy'"):
        tune_global([[0.5]], [[1]], objective="accuracy")
    with pytest.raises(ConfigError, match="'prior' is -1"):
        tune_per_label([[0.5]], [[1]], prior=-1)
    with pytest.raises(DataError, match="'scores' has shape"):
        tune_global(sparse.csr_matrix((2, 3)), sparse.csr_matrix((2, 4)))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100_000), steps=st.sampled_from([2, 10, 1000]))
def test_tuning_is_never_worse_than_one_half(seed, steps):
    graph, truth, scores = random_case(seed, documents=8, labels=5, stored=4, steps=steps)
    half = Thresholds(value=0.5)
    for given_graph in (None, graph):
        tuned = tune_global(scores, truth, given_graph)
        assert f1_at(tuned, scores, truth, given_graph) >= f1_at(half, scores, truth, given_graph) - 1e-9
    per_label = f1_at(tune_per_label(scores, truth, prior=0), scores, truth, None, average=None)
    assert (per_label >= f1_at(half, scores, truth, None, average=None) - 1e-9).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_label_order_changes_nothing(seed):
    graph, truth, scores = random_case(seed, documents=10, labels=6)
    order = np.random.default_rng(seed).permutation(graph.num_labels)
    edges = [(graph.label_id[a], graph.label_id[b]) for a, b in graph.edge_index.T.tolist()]
    shuffled = LabelGraph.from_edges(edges, nodes=[graph.label_id[i] for i in order])
    before = tune_per_label(scores, truth, graph)
    after = tune_per_label(scores[:, order], truth[:, order], shuffled)
    assert after.value == before.value
    np.testing.assert_array_equal(after.per_label, before.per_label[order])
