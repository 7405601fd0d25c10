"""From label strings to a matrix that is closed upward."""

import json
import logging

import networkx as nx
import numpy as np
import pytest

from hgraph.data import LabelResolver, label_matrix, read_corpus
from hgraph.data.label_documents import label_rows, label_texts
from hgraph.errors import UnknownLabelError
from hgraph.graph import LabelGraph

# x has two parents, both named "B" below the root "A": one label, two walks.
EDGES = [("r", "a"), ("r", "b"), ("s", "c"), ("a", "x"), ("b", "x"), ("c", "y"), ("r", "q"), ("q", "z")]
NAMES = {"r": "A", "s": "A", "a": "B", "b": "B", "c": "B", "x": "X", "y": "Y", "q": "Q", "z": "a"}


@pytest.fixture
def graph():
    return LabelGraph.from_edges(EDGES, names=NAMES)


def random_dag(num_labels=40, seed=0):
    rng = np.random.default_rng(seed)
    edges = [(f"n{int(p)}", f"n{c}") for c in range(1, num_labels) for p in {rng.integers(c), rng.integers(c)}]
    return LabelGraph.from_edges(edges, nodes=[f"n{i}" for i in rng.permutation(num_labels)])


def test_ids_names_and_paths(graph):
    resolve = LabelResolver(graph)
    for label, expected in [
        ("x", "x"),
        ("X", "x"),
        ("a", "a"),  # an id wins over the name of another label
        ("A > B > X", "x"),  # two walks, one label
        ("A > B > Y", "y"),
        ("A > Q > a", "z"),
        ("Q", "q"),
    ]:
        assert graph.label_id[resolve(label)] == expected


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("A", "the name 'A' belongs to 2 labels ('r', 's'); use the id"),
        ("A > B", "the path 'A > B' leads to 3 labels ('a', 'b', 'c'); use the id"),
        ("A > Y", "Unknown label 'A > Y'"),
        ("Q > a", "Unknown label 'Q > a'"),  # a path starts at a root
        ("xx", "Did you mean 'x'?"),
        ("", "Unknown label ''"),
    ],
)
def test_labels_that_cannot_be_resolved(graph, label, message):
    with pytest.raises(UnknownLabelError) as caught:
        LabelResolver(graph)(label)
    assert message in str(caught.value)


def test_a_name_may_hold_the_path_separator():
    graph = LabelGraph.from_edges([("r", "a")], names={"r": "R > S", "a": "A"})
    assert LabelResolver(graph)("R > S") == 0


def test_every_path_resolves_to_its_label():
    graph = LabelGraph.from_paths([f"{i} > {i}{j} > {k}" for i in range(3) for j in range(3) for k in range(3)])
    resolver = LabelResolver(graph)
    assert [resolver(graph.path_names(i)) for i in range(graph.num_labels)] == list(range(graph.num_labels))


@pytest.mark.parametrize("expand", [True, False])
def test_matrix_against_a_loop(expand):
    graph = random_dag()
    rng = np.random.default_rng(1)
    labels = [[graph.label_id[i] for i in rng.choice(graph.num_labels, size=rng.integers(5))] for _ in range(30)]
    matrix = label_matrix([document * 2 for document in labels], graph, expand=expand)
    expected = np.zeros((30, graph.num_labels), dtype=np.float32)
    for row, document in enumerate(labels):
        for label in document:
            above = nx.ancestors(graph.to_networkx(), label) if expand else set()
            for other in {label, *above}:
                expected[row, graph.index(other)] = 1
    np.testing.assert_array_equal(matrix.toarray(), expected)
    assert matrix.dtype == np.float32
    assert matrix.has_canonical_format
    assert set(np.unique(matrix.data)) <= {1.0}


@pytest.mark.parametrize("labels", [[], [[]], [[], []]])
def test_matrix_without_labels(graph, labels):
    matrix = label_matrix(labels, graph)
    assert matrix.shape == (len(labels), graph.num_labels)
    assert matrix.nnz == 0


def test_matrix_of_one_label():
    graph = LabelGraph.from_edges([], nodes=["only"])
    assert label_matrix([["only"], []], graph).toarray().tolist() == [[1.0], [0.0]]


def test_dropped_labels_are_counted(graph, caplog):
    with caplog.at_level(logging.WARNING):
        matrix = label_matrix([["x", "no"], ["no", "nay"], ["y"]], graph, unknown="drop")
    assert "dropped 2 unknown labels 3 times: 'no', 'nay'" in caplog.text
    np.testing.assert_array_equal(matrix.toarray(), label_matrix([["x"], [], ["y"]], graph).toarray())


def test_read_corpus_names_file_and_line(tmp_path, graph):
    path = tmp_path / "d.jsonl"
    rows = [{"text": {"t": "one", "b": "two"}, "labels": ["x"]}, {"text": "three", "labels": ["A > B > Yy"]}]
    path.write_text(json.dumps(rows[0]) + "\n\n" + json.dumps(rows[1]))
    with pytest.raises(UnknownLabelError) as caught:
        read_corpus(path, graph)
    message = str(caught.value)
    assert message.startswith(f"{path}:3: Unknown label 'A > B > Yy'")
    assert "\n" not in message
    corpus = read_corpus(path, graph, unknown="drop")
    assert len(corpus) == 2
    assert corpus.texts == ["one\ntwo", "three"]
    picked = corpus.select(np.array([1, 0]))
    assert picked.texts == ["three", "one\ntwo"]
    np.testing.assert_array_equal(picked.labels.toarray(), corpus.labels.toarray()[[1, 0]])


def test_label_documents(graph):
    described = LabelGraph.from_edges([("a", "b")], names={"a": "A", "b": "B"}, descriptions={"b": "About b."})
    assert label_texts(described) == ["A", "B"]
    assert label_texts(described, "name+description") == ["A", "B. About b."]
    assert label_texts(described, "path") == ["A", "A > B"]
    rows = label_rows(graph)
    np.testing.assert_array_equal(rows.toarray(), label_matrix([[i] for i in graph.label_id], graph).toarray())
