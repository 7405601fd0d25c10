import json
import math

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import f1_score, precision_recall_fscore_support

from hgraph.decoding import Thresholds, threshold_decode
from hgraph.graph.label_graph import LabelGraph
from hgraph.metrics import (
    evaluate,
    hierarchical_scores,
    macro_f1,
    micro_f1,
    per_level,
    precision_at_k,
    r_precision,
    violation_rate,
    violation_rates,
)

KEYS = {
    *("micro_f1", "micro_precision", "micro_recall", "macro_f1", "macro_f1_supported", "p@1", "p@3", "p@5"),
    *("r_precision", "hierarchical_f1", "violation_rate", "document_violation_rate", "documents", "labels"),
    *("labels_supported", "predicted_labels_per_document", "true_labels_per_document", "per_level"),
}


def random_dag(seed, labels=15):
    """Up to two parents a label, roots without children, indices in no particular order."""
    rng = np.random.default_rng(seed)
    names = [f"l{i}" for i in rng.permutation(labels)]
    edges = {(names[rng.integers(0, i)], names[i]) for i in range(2, labels) for _ in range(rng.integers(0, 3))}
    return LabelGraph.from_edges(sorted(edges), nodes=sorted(names))


def random_sets(seed, graph, documents=25):
    rng = np.random.default_rng(seed)
    return (rng.random((2, documents, graph.num_labels)) < 0.2).astype(np.int32)


@pytest.mark.parametrize("seed", range(5))
def test_violations_equal_a_naive_loop(seed):
    graph = random_dag(seed)
    _, predictions = random_sets(seed, graph)
    predictions[3] = 0
    parents = graph.parents.toarray()
    broken = [
        (i, label)
        for i, label in zip(*np.nonzero(predictions), strict=True)
        if any(not predictions[i, parent] for parent in np.flatnonzero(parents[label]))
    ]
    rates = violation_rates(sparse.csr_matrix(predictions), graph)
    assert broken
    assert rates.cells == pytest.approx(len(broken) / predictions.sum())
    assert rates.documents == pytest.approx(len({i for i, _ in broken}) / len(predictions))
    assert violation_rates(graph.expand(predictions), graph) == (0.0, 0.0)


def test_all_parents_are_required():
    graph = LabelGraph.from_edges([("a", "c"), ("b", "c")])
    predictions = np.zeros((1, 3))
    predictions[0, graph.indices(["a", "c"])] = 1
    assert violation_rate(predictions, graph) == 0.5


@pytest.mark.parametrize("seed", range(3))
def test_per_level_equals_scikit_learn_on_the_columns(seed):
    graph = random_dag(seed)
    truth, predictions = random_sets(seed, graph)
    levels = per_level(truth, predictions, graph)
    assert [part["level"] for part in levels] == list(range(1, graph.num_levels + 1))
    assert sum(part["labels"] for part in levels) == graph.num_labels
    for part in levels:
        columns = np.flatnonzero(graph.level.numpy() == part["level"])
        assert part["support"] == truth[:, columns].sum()
        # A column of zeros keeps scikit-learn from reading one label as a binary problem; it adds nothing to micro.
        wide = [np.pad(m[:, columns], ((0, 0), (0, 1))) for m in (truth, predictions)]
        assert part["micro_f1"] == pytest.approx(f1_score(*wide, average="micro", zero_division=0))
        each = f1_score(*wide, average=None, zero_division=0)[:-1]
        assert part["macro_f1"] == pytest.approx(each.mean())


@pytest.mark.parametrize("seed", range(3))
def test_hierarchical_scores_are_micro_figures_of_closed_sets(seed):
    graph = random_dag(seed)
    truth, predictions = random_sets(seed, graph)
    reach = np.eye(graph.num_labels) + graph.ancestors.toarray()
    closed = [((m @ reach) > 0).astype(int) for m in (truth, predictions)]
    expected = precision_recall_fscore_support(*closed, average="micro", zero_division=0)[:3]
    assert tuple(hierarchical_scores(truth, predictions, graph)) == pytest.approx(expected)


def test_report_agrees_with_the_single_measures():
    graph = random_dag(1)
    truth = graph.expand(sparse.csr_matrix(random_sets(1, graph)[0]))
    scores = sparse.csr_matrix(np.random.default_rng(2).random(truth.shape), dtype=np.float32)
    raw = threshold_decode(scores, Thresholds(value=0.8))
    closed = graph.expand(raw)
    report = evaluate(truth, scores, raw, graph)
    assert report["micro_f1"] == micro_f1(truth, closed) == report["hierarchical_f1"]
    assert report["macro_f1"] == macro_f1(truth, closed)
    assert report["macro_f1_supported"] == macro_f1(truth, closed, over="supported")
    assert [report[f"p@{k}"] for k in (1, 3, 5)] == [precision_at_k(truth, scores, k) for k in (1, 3, 5)]
    assert report["r_precision"] == r_precision(truth, scores)
    assert report["violation_rate"] == violation_rate(raw, graph) > 0
    assert report["per_level"] == per_level(truth, closed, graph)
    assert report["predicted_labels_per_document"] == closed.nnz / truth.shape[0]


@pytest.mark.parametrize("documents", [0, 2])
@pytest.mark.parametrize("edges", [[], [("l0", "l1")]])
def test_report_is_finite_json_for_empty_input(documents, edges):
    graph = LabelGraph.from_edges(edges, nodes=["l0", "l1"][: 1 + len(edges)])
    empty = sparse.csr_matrix((documents, graph.num_labels))
    report = evaluate(empty, empty, empty, graph)
    assert set(report) == KEYS
    assert report["documents"] == documents
    parts = [report, *report["per_level"]]
    numbers = [value for part in parts for value in part.values() if not isinstance(value, list)]
    assert all(type(value) in (int, float) and math.isfinite(value) for value in numbers)
    assert json.loads(json.dumps(report)) == report
