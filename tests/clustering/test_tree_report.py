import itertools
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from hgraph.clustering import disentangle, hybrid_tree, label_tree, tree_report
from hgraph.clustering.purity import chance_purity, purity
from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph, LevelPartition


def real(kind, size=40, seed=0):
    """A random tree or DAG."""
    generator = np.random.default_rng(seed)
    edges = []
    for child in range(4, size):
        parents = {int(generator.integers(0, child // 3 + 1))}
        if kind == "dag" and generator.random() < 0.4:
            parents.add(int(generator.integers(0, child // 3 + 1)))
        edges += [(f"l{parent}", f"l{child}") for parent in sorted(parents)]
    return LabelGraph.from_edges(edges, nodes=[f"l{i}" for i in range(size)])


def tree_of(graph, **options):
    vectors = np.random.default_rng(1).random((graph.num_labels, 6)).astype(np.float32)
    return label_tree(graph, vectors, **{"leaf_size": 6, "branching": 4, **options})


def documents(graph, count=50, seed=2):
    labels = sp.csr_matrix((np.random.default_rng(seed).random((count, graph.num_labels)) < 0.05).astype(np.float32))
    return graph.expand(labels)


@pytest.mark.parametrize("kind", ["tree", "dag"])
@pytest.mark.parametrize("chunk", [1, 10**9])
def test_purity_equals_a_loop(kind, chunk, monkeypatch):
    monkeypatch.setattr(sys.modules["hgraph.clustering.purity"], "ENTRIES_AT_ONCE", chunk)
    graph = real(kind)
    parents = graph.parents.toarray()
    for tree in (tree_of(graph), disentangle(tree_of(graph), documents(graph), max_copies=3)):
        pairs = linked = 0
        for cluster in range(graph.num_labels, tree.num_labels):
            members = [label for label in tree.children[cluster].indices if label < graph.num_labels]
            for one, other in itertools.combinations(members, 2):
                pairs += 1
                linked += bool((parents[one] & parents[other]).any())
        assert purity(tree, graph) == pytest.approx(linked / pairs)
        assert tree_report(tree, hierarchy=graph).purity == pytest.approx(linked / pairs)


def test_purity_of_the_hierarchy_itself_is_one():
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e"), ("d", "f"), ("d", "g")])
    assert purity(graph, graph) == 1
    assert chance_purity(graph, graph) == pytest.approx(4 / 10)


def test_chance_is_that_of_all_pairs():
    graph = real("tree")
    parents = graph.parents.toarray()
    pairs = list(itertools.combinations(range(graph.num_labels), 2))
    expected = sum(bool((parents[a] & parents[b]).any()) for a, b in pairs) / len(pairs)
    assert chance_purity(tree_of(graph), graph) == pytest.approx(expected)
    dag = real("dag")
    parents = dag.parents.toarray()
    expected = sum(bool((parents[a] & parents[b]).any()) for a, b in pairs) / len(pairs)
    assert chance_purity(tree_of(dag), dag) >= expected


def recall_by_loops(tree, labels, beam):
    """Beam search, document by document, over the nodes of the partition."""
    partition = LevelPartition(tree, extra_parents="native")
    depth = partition.num_levels
    children = {level: partition.children(level) for level in range(1, depth)}
    wide = np.zeros((labels.shape[0], tree.num_labels))
    wide[:, : labels.shape[1]] = labels.toarray()
    bottom = partition.to_nodes(wide)

    def below(level, node, true):
        if level == depth:
            return int(node in true)
        return sum(below(level + 1, child, true) for child in children[level][node].indices)

    found = total = 0
    for row in bottom:
        true = set(np.flatnonzero(np.asarray(row.todense() if sp.issparse(row) else row).reshape(-1)).tolist())
        total += len(true)
        kept = list(range(partition.num_nodes[0]))
        for level in range(1, depth):
            kept = [node for node in kept if below(level, node, true)]
            kept = sorted(kept, key=lambda node: (-below(level, node, true), node))[:beam]
            kept = sorted({int(child) for node in kept for child in children[level][node].indices})
        found += len(true & set(kept))
    return found / total


@pytest.mark.parametrize("kind", ["tree", "dag"])
@pytest.mark.parametrize("make", ["pifa", "hybrid", "copies", "real"])
@pytest.mark.parametrize("chunk", [7, 10_000])
def test_oracle_recall_equals_a_beam_search(kind, make, chunk, monkeypatch):
    monkeypatch.setattr(sys.modules["hgraph.clustering.oracle"], "DOCUMENTS_AT_ONCE", chunk)
    graph = real(kind)
    labels = documents(graph, 20)
    vectors = np.random.default_rng(1).random((40, 6))
    tree = {
        "pifa": lambda: tree_of(graph),
        "hybrid": lambda: hybrid_tree(graph, vectors, max_children=3),
        "copies": lambda: disentangle(tree_of(graph), labels),
        "real": lambda: graph,
    }[make]()
    report = tree_report(tree, labels, beams=(1, 2, 3, 100))
    for beam in (1, 2, 3):
        assert report.oracle_recall[beam] == pytest.approx(recall_by_loops(tree, labels, beam))
    assert report.oracle_recall[100] == 1
    assert report.oracle_recall[1] < 1
    assert report.empty_labels == int((labels.getnnz(axis=0) == 0).sum())


def test_sizes_and_histogram():
    graph = real("tree")
    tree = tree_of(graph)
    report = tree_report(tree)
    fan_outs = [len(tree.children[node].indices) for node in range(tree.num_labels)]
    assert sorted(report.fan_outs.tolist()) == sorted(size for size in fan_outs if size)
    assert report.leaf_sizes.tolist() == [5] * 8
    assert report.num_labels == 40 and report.num_clusters == tree.num_labels - 40
    assert report.level_sizes == [2, 8, 40]
    assert report.histogram() == [(5, 5, 8)]
    hybrid = hybrid_tree(graph, np.ones((40, 2)), max_children=4)
    histogram = tree_report(hybrid).histogram()
    sizes = tree_report(hybrid).leaf_sizes
    assert sum(count for _, _, count in histogram) == len(sizes)
    assert all(((sizes >= first) & (sizes <= last)).sum() == count for first, last, count in histogram)
    assert "nodes by level" in str(tree_report(hybrid))


def test_small_and_empty_inputs():
    one = LabelGraph.from_edges([], nodes=["a"])
    report = tree_report(one, sp.csr_matrix((0, 1)), one)
    assert report.purity is None and report.chance_purity is None
    assert report.oracle_recall == {5: 1.0, 10: 1.0, 20: 1.0}
    assert report.histogram() == [] and "labels" in str(report)
    flat = LabelGraph.from_edges([], nodes=["a", "b", "c"])
    assert tree_report(flat, np.ones((1, 3)), beams=(1,)).oracle_recall == {1: 1.0}


def test_errors():
    graph = real("tree")
    with pytest.raises(ConfigError, match="'beams' must be at least 1, found 0"):
        tree_report(graph, np.ones((1, 40)), beams=(0,))
    with pytest.raises(DataError, match="at most 40 columns"):
        tree_report(graph, np.ones((1, 41)))
    with pytest.raises(DataError, match="40 labels, but 'tree' has 2"):
        purity(LabelGraph.from_edges([("a", "b")]), graph)
