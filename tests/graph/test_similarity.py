"""Information content and similarity of labels, against loops over networkx graphs."""

import math

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError, DataError, UnknownLabelError
from hgraph.graph import LabelGraph
from hgraph.graph import similarity as module
from hgraph.graph.similarity import information_content, similarity, similarity_matrix

MEASURES = ["lin", "resnik", "jiang_conrath", "wu_palmer"]


@st.composite
def dags(draw, max_labels=9):
    size = draw(st.integers(1, max_labels))
    pairs = [(a, b) for a in range(size) for b in range(a + 1, size)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=14)) if pairs else []
    names = draw(st.permutations(range(size)))  # so that the order of indices says nothing about the hierarchy
    return LabelGraph.from_edges(
        [(str(names[a]), str(names[b])) for a, b in chosen], nodes=[str(number) for number in range(size)]
    )


def closed_ancestors(graph):
    tree = graph.to_networkx()
    return [nx.ancestors(tree, label) | {label} for label in graph.label_id]


def reference(graph, measure, left, right, content):
    """One pair at a time, over sets of ids."""
    above = closed_ancestors(graph)
    level = dict.fromkeys(graph.label_id, 1)
    for label in nx.topological_sort(graph.to_networkx()):
        for child in graph.to_networkx().successors(label):
            level[child] = max(level[child], level[label] + 1)
    out = []
    for a, b in zip(left, right, strict=True):
        shared = above[a] & above[b]
        if not shared:
            out.append(0.0)
            continue
        ia, ib = content[a], content[b]
        best = max(content[graph.index(label)] for label in shared)
        if measure == "resnik":
            out.append(best)
        elif measure == "jiang_conrath":
            out.append(1 / (1 + ia + ib - 2 * best))
        elif measure == "lin":
            out.append(1.0 if a == b else 2 * best / (ia + ib) if ia + ib > 0 else 0.0)
        else:
            deepest = max(level[label] for label in shared)
            out.append(2 * deepest / (level[graph.label_id[a]] + level[graph.label_id[b]]))
    return out


@settings(deadline=None)
@given(dags())
def test_intrinsic_content(graph):
    tree, size = graph.to_networkx(), graph.num_labels
    expected = [
        1 - math.log(len(nx.descendants(tree, label)) + 1) / math.log(size) if size > 1 else 0.0
        for label in graph.label_id
    ]
    assert information_content(graph) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(dags(), st.data())
def test_content_of_a_corpus(graph, data):
    size = graph.num_labels
    row = st.lists(st.booleans(), min_size=size, max_size=size)
    documents = np.array(data.draw(st.lists(row, min_size=1, max_size=6)), dtype=np.int64)
    tree = graph.to_networkx()
    below = [[graph.index(label)] + [graph.index(d) for d in nx.descendants(tree, label)] for label in graph.label_id]
    having = [sum(any(document[d] for d in labels) for document in documents) for labels in below]
    expected = [-math.log((count + 0.5) / (len(documents) + 0.5)) for count in having]
    found = information_content(graph, documents, smoothing=0.5)
    assert found == pytest.approx(expected, abs=1e-12)
    assert information_content(graph, sp.csr_array(documents), smoothing=0.5) == pytest.approx(found)
    # counts: each occurrence goes up once
    counts = documents.sum(0)
    total = counts.sum()
    summed = [-math.log((sum(counts[d] for d in labels) + 2) / (total + 2)) for labels in below]
    assert information_content(graph, counts, smoothing=2) == pytest.approx(summed, abs=1e-12)
    for content in (found, information_content(graph), information_content(graph, counts)):
        assert (content >= 0).all() and np.isfinite(content).all() and not np.signbit(content).any()
        parent, child = graph.edge_index.numpy()
        assert (content[parent] <= content[child] + 1e-12).all()


@settings(max_examples=60, deadline=None)
@given(dags(), st.data())
def test_every_measure_against_loops(graph, data):
    size = graph.num_labels
    left, right = map(np.ravel, np.indices((size, size)))
    documents = data.draw(st.lists(st.lists(st.booleans(), min_size=size, max_size=size), min_size=1, max_size=4))
    for content in (None, information_content(graph, np.array(documents))):
        for measure in MEASURES:
            if measure == "wu_palmer" and content is not None:
                continue
            used = information_content(graph) if content is None else content
            expected = reference(graph, measure, left, right, used)
            found = similarity(graph, left, right, measure=measure, content=content)
            assert found.dtype == np.float64
            assert found == pytest.approx(expected, abs=1e-12), measure
            matrix = similarity_matrix(graph, measure=measure, content=content)
            assert matrix == pytest.approx(np.reshape(expected, (size, size)), abs=1e-12), measure
            assert matrix == pytest.approx(matrix.T)
            if measure != "resnik":
                assert matrix.min() >= 0 and matrix.max() <= 1 + 1e-12
                assert np.diag(matrix) == pytest.approx(1.0)


def test_the_most_informative_ancestor_is_not_the_deepest():
    # x and y share `deep`, on level 3 with many descendants, and `rare`, a root of two.
    edges = [("top", "mid"), ("mid", "deep"), ("deep", "x"), ("deep", "y"), ("rare", "x"), ("rare", "y")]
    graph = LabelGraph.from_edges([*edges, *[("deep", f"z{i}") for i in range(20)]])
    content = information_content(graph)
    assert content[graph.index("rare")] > content[graph.index("deep")]
    assert similarity(graph, "x", "y", measure="resnik") == pytest.approx(content[graph.index("rare")])
    assert similarity(graph, "x", "y", measure="wu_palmer") == pytest.approx(2 * 3 / 8)


def test_published_values_of_wu_palmer_and_lin():
    # A chain root > animal > {dog, cat}: 2 * 2 / (3 + 3); Lin by hand from the contents.
    graph = LabelGraph.from_edges([("root", "animal"), ("animal", "dog"), ("animal", "cat"), ("root", "rock")])
    assert similarity(graph, ["dog"], ["cat"], measure="wu_palmer").tolist() == [pytest.approx(2 / 3)]
    animal = 1 - math.log(3) / math.log(5)
    assert similarity(graph, ["dog", "dog"], ["cat", "rock"]) == pytest.approx([animal, 0])


def test_ids_indices_and_one_against_many():
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("c", "d")])
    by_index = similarity(graph, [3, 3, 3, 3], [0, 1, 2, 3])
    assert similarity(graph, "d", graph.label_id) == pytest.approx(by_index)
    assert similarity(graph, 3, np.arange(4, dtype=np.int32)) == pytest.approx(by_index)
    assert similarity(graph, np.array(["d"]), ["b"]).shape == (1,)
    assert similarity(graph, [], []).shape == (0,)


def test_small_chunks_give_the_same(monkeypatch):
    draw = np.random.default_rng(0)
    edges = [(str(draw.integers(child)), str(child)) for child in range(1, 60) for _ in range(2)]
    graph = LabelGraph.from_edges(edges)
    left, right = draw.integers(60, size=(2, 500))
    whole = similarity(graph, left, right, measure="resnik")
    for entries in (1, 7, 100):
        monkeypatch.setattr(module, "MAX_CHUNK_ENTRIES", entries)
        assert similarity(graph, left, right, measure="resnik") == pytest.approx(whole)


def test_one_label_and_labels_apart():
    alone = LabelGraph.from_edges([], nodes=["a"])
    assert information_content(alone).tolist() == [0.0]
    assert [similarity_matrix(alone, measure=measure).item() for measure in MEASURES] == [1, 0, 1, 1]
    flat = LabelGraph.from_edges([], nodes=["a", "b"])
    assert [similarity(flat, "a", "b", measure=measure).item() for measure in MEASURES] == [0, 0, 0, 0]


def test_no_documents():
    graph = LabelGraph.from_edges([("a", "b")])
    assert information_content(graph, np.zeros((0, 2))).tolist() == [0, 0]
    assert information_content(graph, [0, 0]).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda g: similarity(g, "a", "nope"), UnknownLabelError, "Unknown label 'nope'"),
        (lambda g: similarity(g, [0], [9]), UnknownLabelError, "There is no label 9"),
        (lambda g: similarity(g, [0, 1], [0, 1, 1]), ConfigError, "same length, found 2 and 3"),
        (
            lambda g: similarity(g, 0, 1, measure="cosine"),
            ConfigError,
            "'measure' must be one of lin, .*found 'cosine'",
        ),
        (lambda g: similarity(g, 0, 1, measure="wu_palmer", content=[1, 1]), ConfigError, "'content' has no place"),
        (lambda g: similarity(g, 0, 1, content=[1, 1, 1]), ConfigError, r"each of 2 labels, found \(3,\)"),
        (lambda g: similarity(g, 0, 1, content=[1, float("nan")]), ConfigError, "found nan for label 1"),
        (lambda g: information_content(g, [1, -1]), ConfigError, "at least 0, found -1.0 for label 1"),
        (lambda g: information_content(g, [1, 1], smoothing=0), ConfigError, "'smoothing' must be above 0"),
        (lambda g: information_content(g, np.ones((2, 3))), DataError, r"\[num_documents, 2\], found \[2, 3\]"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call(LabelGraph.from_edges([("a", "b")]))
    assert "\n" not in str(caught.value)


def test_the_matrix_has_a_limit():
    graph = LabelGraph.from_edges([], nodes=[str(i) for i in range(module.MAX_MATRIX_LABELS + 1)])
    with pytest.raises(ConfigError, match="limited to 5,000"):
        similarity_matrix(graph)
