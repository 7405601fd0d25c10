"""Co-occurrence edges, against loops over documents."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph
from hgraph.graph import cooccurrence as module
from hgraph.graph.cooccurrence import cooccurrence

MEASURES = ["count", "conditional", "jaccard", "pmi", "npmi"]


def reference(documents, measure, *, min_count=1, min_weight=None, top_k=None, related=()):
    """{(from, to): weight}, one pair of sets of documents at a time."""
    having = [{row for row, document in enumerate(documents) if document[label]} for label in range(len(documents[0]))]
    edges = {}
    for i, first in enumerate(having):
        for j, second in enumerate(having):
            both = len(first & second)
            if i == j or both < min_count or (i, j) in related or (j, i) in related:
                continue
            pmi = math.log(both * len(documents) / (len(first) * len(second)))
            surprise = -math.log(both / len(documents))
            edges[i, j] = {
                "count": both,
                "conditional": both / len(first),
                "jaccard": both / len(first | second),
                "pmi": pmi,
                "npmi": pmi / surprise if surprise > 0 else 1.0,
            }[measure]
    if min_weight is not None:
        edges = {pair: weight for pair, weight in edges.items() if weight >= min_weight}
    if top_k is not None:
        kept = {}
        for target in range(len(having)):
            into = sorted((-weight, i) for (i, j), weight in edges.items() if j == target)
            kept.update({(i, target): -weight for weight, i in into[:top_k]})
        edges = kept
    return edges


@st.composite
def label_matrices(draw):
    size = draw(st.integers(1, 6))
    row = st.lists(st.integers(0, 1), min_size=size, max_size=size)
    return np.array(draw(st.lists(row, min_size=1, max_size=8)))


def as_dict(edge_index, weight):
    assert edge_index.dtype == torch.long and edge_index.shape == (2, len(weight))
    assert weight.dtype == torch.float32
    order = [(j, i) for i, j in edge_index.t().tolist()]
    assert order == sorted(set(order))
    return dict(zip(map(tuple, edge_index.t().tolist()), weight.tolist(), strict=True))


@settings(max_examples=150, deadline=None)
@given(
    label_matrices(),
    st.sampled_from(MEASURES),
    st.sampled_from([1, 2]),
    st.sampled_from([None, 0.0, 0.4]),
    st.sampled_from([None, 1, 2]),
)
def test_against_loops(documents, measure, min_count, min_weight, top_k):
    options = {"min_count": min_count, "min_weight": min_weight, "top_k": top_k}
    if measure in ("pmi", "npmi"):
        options["top_k"] = None  # of equal logarithms the last digit would decide
        options["min_weight"] = None if min_weight is None else min_weight + 1e-9
    expected = reference(documents, measure, **options)
    found = as_dict(*cooccurrence(documents, measure=measure, **options))
    assert found.keys() == expected.keys()
    assert list(found.values()) == pytest.approx([expected[pair] for pair in found], abs=1e-6)


@pytest.mark.parametrize(
    "make", [np.asarray, sp.csr_matrix, sp.csc_array, sp.coo_matrix, lambda m: m * 5, lambda m: m > 0]
)
def test_any_kind_of_matrix(make):
    documents = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 1]])
    expected = reference(documents, "conditional")
    assert as_dict(*cooccurrence(make(documents), measure="conditional")) == pytest.approx(expected)


@pytest.mark.parametrize("pairs", [1, 5, 60, 10_000])
def test_small_chunks_give_the_same(monkeypatch, pairs):
    documents = np.random.default_rng(0).random((40, 12)) < 0.3
    expected = cooccurrence(documents, measure="jaccard", top_k=3)
    monkeypatch.setattr(module, "MAX_CHUNK_PAIRS", pairs)
    found = cooccurrence(documents, measure="jaccard", top_k=3)
    assert all(torch.equal(left, right) for left, right in zip(expected, found, strict=True))


def test_ancestors_are_left_out():
    graph = LabelGraph.from_edges([("a", "b"), ("b", "c"), ("a", "d"), ("e", "d")])
    documents = np.random.default_rng(0).random((30, 5)) < 0.4
    closed = graph.expand(documents)
    related = {(above, label) for label in range(5) for above in graph.ancestors[label].indices.tolist()}
    assert len(related) == 5
    found = as_dict(*cooccurrence(closed, graph=graph))
    assert found == reference(closed.toarray(), "count", related=related)
    assert found.keys() & related == set()
    assert as_dict(*cooccurrence(closed, graph=graph, related=True)) == reference(closed.toarray(), "count")


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    "documents", [np.zeros((0, 3)), np.zeros((4, 3)), np.ones((2, 1)), np.eye(3), np.zeros((2, 0))]
)
def test_nothing_stands_together(documents, measure):
    edge_index, weight = cooccurrence(documents, measure=measure, top_k=2, min_weight=0.1)
    assert edge_index.shape == (2, 0) and weight.shape == (0,)
    assert edge_index.dtype == torch.long


@pytest.mark.parametrize(
    ("matrix", "options", "error", "message"),
    [
        (np.eye(2), {"measure": "lift"}, ConfigError, "'measure' must be one of count, .* found 'lift'"),
        (np.eye(2), {"min_count": 0}, ConfigError, "'min_count' must be at least 1, found 0"),
        (np.eye(2), {"top_k": 0}, ConfigError, "'top_k' must be at least 1, found 0"),
        (np.ones(3), {}, DataError, "'label_matrix' must have shape"),
        (np.eye(2), {"graph": LabelGraph.from_edges([], nodes=list("abc"))}, DataError, r"3\], found \[2, 2\]"),
    ],
)
def test_wrong_arguments(matrix, options, error, message):
    with pytest.raises(error, match=message):
        cooccurrence(matrix, **options)
