import sys

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from hgraph.clustering import affinity_by_vectors, balanced_groups, grouping_by_vectors, hybrid_tree
from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph, LevelPartition


def hierarchy():
    """Two roots; "wide" has 20 children, one of them also below the other root."""
    edges = [("wide", f"w{i}") for i in range(20)] + [("narrow", "n0"), ("narrow", "n1"), ("narrow", "w3")]
    return LabelGraph.from_edges(edges)


def vectors_of(graph, kind=np.asarray, seed=0):
    return kind(np.random.default_rng(seed).random((graph.num_labels, 8)).astype(np.float32))


def real_ancestors(tree, size):
    closure = tree.ancestors.toarray()[:size, :size]
    return closure


@pytest.mark.parametrize("kind", [sp.csr_matrix, np.asarray])
def test_wide_nodes_are_cut_and_the_rest_stays(kind):
    graph = hierarchy()
    size, vectors = graph.num_labels, vectors_of(graph, kind)
    tree = hybrid_tree(graph, vectors, max_children=5)
    assert tree.label_id[:size] == graph.label_id and tree.name[:size] == graph.name
    assert np.diff(tree.children.indptr).max() <= 5
    assert tree.kind == ["label"] * size + ["cluster"] * (tree.num_labels - size)
    np.testing.assert_array_equal(real_ancestors(tree, size), graph.ancestors.toarray())
    children = graph.children[graph.index("wide")].indices
    order = graph.edge_index[1][graph.edge_index[0] == graph.index("wide")].numpy()
    group = balanced_groups(kind(np.asarray(vectors.todense() if sp.issparse(vectors) else vectors)[order]), 4)
    for place, label in enumerate(order.tolist()):
        cluster = [p for p in tree.parents[label].indices if p >= size]
        same = [other for other in order.tolist() if set(cluster) & set(tree.parents[other].indices)]
        assert same == [other for other, number in zip(order.tolist(), group, strict=True) if number == group[place]]
    assert len(children) == 20


def test_two_means_keeps_similar_children_together():
    graph = LabelGraph.from_edges([("a", f"x{i}") for i in range(8)])
    vectors = np.zeros((9, 2))
    vectors[graph.index("a")] = 1
    for i in range(8):
        vectors[graph.index(f"x{i}"), i % 2] = 1
    tree = hybrid_tree(graph, vectors, max_children=4, seed=1)
    groups = {frozenset(tree.name[c] for c in tree.children[k].indices) for k in range(9, tree.num_labels)}
    assert groups == {frozenset(f"x{i}" for i in range(0, 8, 2)), frozenset(f"x{i}" for i in range(1, 8, 2))}


def test_many_roots_are_cut_too():
    graph = LabelGraph.from_edges([], nodes=[f"r{i}" for i in range(40)], title="flat")
    graph.tombstone = torch.arange(40) == 2
    tree = hybrid_tree(graph, vectors_of(graph), max_children=6)
    assert len(tree.roots) <= 6 and np.diff(tree.children.indptr).max() <= 6
    assert tree.label_id[:40] == graph.label_id and tree.title == "flat"
    assert all(label.startswith("~") for label in tree.label_id[40:])
    assert [tree.index(label) for label in tree.label_id] == list(range(tree.num_labels))
    assert tree.tombstone.tolist() == [i == 2 for i in range(tree.num_labels)]


def test_names_of_nested_clusters_are_central_labels():
    graph = LabelGraph.from_edges([("a", f"x{i}") for i in range(30)])
    vectors = vectors_of(graph)
    tree = hybrid_tree(graph, vectors, max_children=4)
    nested = 0
    for cluster in range(31, tree.num_labels):
        below = [label for label in range(31) if tree.ancestors[label, cluster]]
        centre = vectors[below].astype(np.float64).sum(axis=0)
        best = sorted(below, key=lambda label: -float(vectors[label] @ centre))[:2]
        assert tree.name[cluster] == "; ".join([tree.name[b] for b in best] + ["..."] * (len(below) > 2))
        nested += any(child >= 31 for child in tree.children[cluster].indices)
    assert nested


def test_nothing_to_cut():
    graph = hierarchy()
    tree = hybrid_tree(graph, vectors_of(graph), max_children=20)
    assert tree.fingerprint == graph.fingerprint
    one = LabelGraph.from_edges([], nodes=["a"])
    assert hybrid_tree(one, np.ones((1, 2)), max_children=2).label_id == ["a"]


def test_a_partition_may_use_the_grouping_and_the_affinity():
    graph = hierarchy()
    vectors = vectors_of(graph)
    vectors[graph.index("w3")] = vectors[graph.index("narrow")] * 2
    partition = LevelPartition(
        graph, affinity=affinity_by_vectors(vectors), max_children=6, grouping=grouping_by_vectors(vectors)
    )
    assert partition.to_graph().parents.getnnz(axis=1).max() <= 1
    bottom, level = partition.levels[-1].tolist(), partition.num_levels
    node = bottom.index(graph.index("w3"))
    while level > 1:
        node, level = partition.parent(level)[node], level - 1
    assert graph.label_id[partition.levels[0][node]] == "narrow"


@pytest.mark.parametrize("kind", [sp.csr_matrix, np.asarray])
def test_affinity_is_the_cosine(kind, monkeypatch):
    vectors = np.random.default_rng(0).random((10, 4)) - 0.5
    vectors[9] = 0
    left, right = np.arange(10), np.arange(10)[::-1]
    monkeypatch.setattr(sys.modules["hgraph.clustering.hybrid_tree"], "PAIRS_AT_ONCE", 3)
    found = affinity_by_vectors(kind(vectors))(left, right)
    for value, i, j in zip(found, left, right, strict=True):
        lengths = np.linalg.norm(vectors[i]) * np.linalg.norm(vectors[j])
        assert value == pytest.approx(vectors[i] @ vectors[j] / lengths if lengths else 0, abs=1e-6)


def test_errors():
    graph = hierarchy()
    with pytest.raises(ConfigError, match="'max_children' must be an integer of at least 2"):
        hybrid_tree(graph, vectors_of(graph), max_children=1)
    with pytest.raises(DataError, match="one row a label"):
        hybrid_tree(graph, np.ones((2, 3)))
