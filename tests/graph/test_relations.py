"""Siblings, common ancestors, distances and shortest paths against networkx, on random trees and DAGs."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError, UnknownLabelError
from hgraph.graph import LabelGraph, distances, relations


@st.composite
def hierarchies(draw, max_labels=12, max_parents=3):
    """Random forests and DAGs whose index order is not topological."""
    size = draw(st.integers(1, max_labels))
    parents = draw(st.sampled_from([1, max_parents]))
    edges = []
    for child in range(1, size):
        above = draw(st.sets(st.integers(0, child - 1), max_size=parents))
        edges += [(f"n{parent}", f"n{child}") for parent in above]
    nodes = draw(st.permutations([f"n{i}" for i in range(size)]))
    return LabelGraph.from_edges(draw(st.permutations(edges)), nodes=nodes)


def indexed(graph):
    """The same hierarchy in networkx, on indices."""
    out = nx.DiGraph()
    out.add_nodes_from(range(graph.num_labels))
    out.add_edges_from(graph.edge_index.t().tolist())
    return out


def all_pairs(graph):
    return np.divmod(np.arange(graph.num_labels**2), graph.num_labels)


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_siblings(graph):
    reference = indexed(graph)
    for label in range(graph.num_labels):
        expected = {other for parent in reference.pred[label] for other in reference.succ[parent]} - {label}
        assert graph.siblings[[label]].indices.tolist() == sorted(expected)


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_lowest_common_ancestors(graph):
    reference, level = indexed(graph), graph.level.numpy()
    above = {n: nx.ancestors(reference, n) | {n} for n in reference}
    left, right = all_pairs(graph)
    one, every = graph.lca(left, right), graph.lowest_common_ancestors(left, right)
    for pair, (a, b) in enumerate(zip(left, right, strict=True)):
        common = above[a] & above[b]
        lowest = {n for n in common if not nx.descendants(reference, n) & common}
        assert every[[pair]].indices.tolist() == sorted(lowest)
        expected = min(lowest, key=lambda n: (-level[n], n)) if lowest else -1
        assert one[pair] == expected
    if graph.is_tree:
        pairs = [(a, b) for a in reference for b in reference]
        known = dict(nx.all_pairs_lowest_common_ancestor(reference, pairs))
        assert one.tolist() == [known.get((a, b), -1) for a, b in zip(left.tolist(), right.tolist(), strict=True)]


@settings(max_examples=60, deadline=None)
@given(hierarchies(), st.integers(1, 4))
def test_distances(graph, max_hops):
    known = dict(nx.all_pairs_shortest_path_length(indexed(graph).to_undirected()))
    left, right = all_pairs(graph)
    expected = np.array([known[a].get(b, -1) for a, b in zip(left.tolist(), right.tolist(), strict=True)])
    np.testing.assert_array_equal(graph.distance(left, right), expected)
    square = expected.reshape(graph.num_labels, -1)
    np.testing.assert_array_equal(graph.distance_matrix(), square)
    np.testing.assert_array_equal(
        graph.hop_distances(max_hops).toarray(), np.where((square > 0) & (square <= max_hops), square, 0)
    )


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_shortest_paths(graph):
    left, right = all_pairs(graph)
    paths, length = graph.shortest_paths(left, right), graph.distance(left, right)
    parent, child = graph.edge_index.numpy()
    np.testing.assert_array_equal(np.diff(paths.indptr), np.maximum(length, 0))
    for pair, (here, goal) in enumerate(zip(left, right, strict=True)):
        part = slice(paths.indptr[pair], paths.indptr[pair + 1])
        for edge, upward in zip(paths.edge[part], paths.upward[part], strict=True):
            start, end = (child[edge], parent[edge]) if upward else (parent[edge], child[edge])
            assert here == start
            here = end
        assert here == goal or length[pair] < 0


@settings(max_examples=60, deadline=None)
@given(hierarchies(), st.randoms(use_true_random=False))
def test_permuted_labels_and_edges_change_nothing(graph, random):
    order = list(range(graph.num_labels))
    random.shuffle(order)
    edges = [(graph.label_id[p], graph.label_id[c]) for p, c in graph.edge_index.t().tolist()]
    random.shuffle(edges)
    other = LabelGraph.from_edges(edges, nodes=[graph.label_id[i] for i in order])
    np.testing.assert_array_equal(other.distance_matrix(), graph.distance_matrix()[np.ix_(order, order)])
    np.testing.assert_array_equal(other.siblings.toarray(), graph.siblings.toarray()[np.ix_(order, order)])
    np.testing.assert_array_equal(other.ancestors.toarray(), graph.ancestors.toarray()[np.ix_(order, order)])
    left, right = all_pairs(graph)
    mine = graph.lowest_common_ancestors(np.array(order)[left], np.array(order)[right])
    assert (other.lowest_common_ancestors(left, right) != mine[:, order]).nnz == 0


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_closures_keep_their_promises(graph):
    reference = indexed(graph)
    for closure, walk in ((graph.ancestors, nx.ancestors), (graph.descendants, nx.descendants)):
        assert closure.dtype == bool and closure.has_sorted_indices
        assert [row.indices.tolist() for row in closure] == [sorted(walk(reference, n)) for n in sorted(reference)]


@settings(max_examples=60, deadline=None)
@given(hierarchies(), st.data())
def test_with_ancestors_is_expand_of_one_document(graph, data):
    labels = data.draw(st.lists(st.integers(0, graph.num_labels - 1)))
    row = np.zeros((1, graph.num_labels), dtype=np.int64)
    row[0, labels] = 1
    assert graph.with_ancestors(labels).tolist() == graph.expand(row).indices.tolist()


def test_many_rounds_of_a_search_agree_with_one(monkeypatch):
    draw = np.random.default_rng(0)
    edges = {(f"{p}", f"{c}") for c in range(1, 60) for p in draw.integers(0, c, size=2)}
    graph = LabelGraph.from_edges(sorted(edges))
    assert not graph.is_tree
    left, right = all_pairs(graph)
    whole, paths, matrix = graph.distance(left, right), graph.shortest_paths(left, right), graph.distance_matrix()
    meet = graph.lca(left, right)
    monkeypatch.setattr(distances, "MAX_CELLS", 7 * graph.num_labels)
    monkeypatch.setattr(relations, "PAIRS_AT_ONCE", 11)
    monkeypatch.setattr(relations, "SEARCHES_AT_ONCE", 13)
    np.testing.assert_array_equal(graph.distance(left, right), whole)
    np.testing.assert_array_equal(graph.distance_matrix(), matrix)
    np.testing.assert_array_equal(graph.lca(left, right), meet)
    for mine, theirs in zip(graph.shortest_paths(left, right), paths, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_long_chain():
    size = 3000
    graph = LabelGraph.from_edges([(str(i), str(i + 1)) for i in range(size - 1)])
    assert graph.distance("0", str(size - 1)).tolist() == [size - 1]
    assert graph.lca(str(size - 1), "7").tolist() == [7]
    assert graph.ancestors.nnz == size * (size - 1) // 2
    assert graph.shortest_paths("5", "9").edge.tolist() == [5, 6, 7, 8]


def test_what_pairs_may_be():
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e")])
    assert graph.distance("b", ["a", "c", "e"]).tolist() == [1, 2, -1]
    assert graph.distance([1], [1]).tolist() == [0]
    assert graph.distance([], []).tolist() == []
    assert graph.lca([], []).tolist() == [] and graph.shortest_paths([], []).indptr.tolist() == [0]
    assert graph.lowest_common_ancestors([], []).shape == (0, 5)
    with pytest.raises(UnknownLabelError, match="'f'"):
        graph.distance("f", "a")
    with pytest.raises(UnknownLabelError, match="There is no label 5: labels are numbered 0 to 4"):
        graph.lca([5], [0])
    with pytest.raises(ConfigError, match="same length, found 2 and 3"):
        graph.lca([0, 1], [0, 1, 2])
    with pytest.raises(ConfigError, match="'right' must hold indices or ids in one dimension, found float64"):
        graph.lca([0], [0.5])


def test_limits_are_named(monkeypatch):
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
    with pytest.raises(ConfigError, match="'max_hops' must be at least 1, found 0"):
        graph.hop_distances(0)
    monkeypatch.setattr(relations, "MAX_DENSE_LABELS", 2)
    with pytest.raises(ConfigError, match="at most 2 labels, found 3"):
        graph.distance_matrix()
    monkeypatch.setattr(relations, "MAX_SIBLING_PAIRS", 1)
    with pytest.raises(ConfigError, match="2 pairs, more than 1: 'a' alone has 2 children"):
        graph.siblings  # noqa: B018
