import sys

import numpy as np
import pytest
import scipy.sparse as sp

from hgraph.clustering import disentangle, label_tree, leaf_clusters
from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph, LevelPartition


@pytest.fixture
def tree():
    graph = LabelGraph.from_edges([], nodes=[f"l{i}" for i in range(30)])
    return label_tree(graph, np.random.default_rng(0).random((30, 6)), leaf_size=4, branching=4)


def by_loops(tree, labels, clusters, max_copies, size=30):
    leaves = sorted({parent for label in range(size) for parent in tree.parents[label].indices.tolist()})
    edges = set()
    for label in range(size):
        own = set(tree.parents[label].indices.tolist())
        counts = {}
        for document in np.flatnonzero(labels[:, label]):
            for place, cluster in enumerate(leaves):
                counts[cluster] = counts.get(cluster, 0) + clusters[document, place]
        ranked = sorted((c for c in counts if counts[c] > 0 and c not in own), key=lambda c: (-counts[c], c))
        edges |= {(cluster, label) for cluster in [*own, *ranked[: max_copies - len(own)]]}
    return edges


def leaf_edges(tree, size=30):
    return {(p, c) for p, c in tree.edge_index.t().tolist() if c < size}


@pytest.mark.parametrize("max_copies", [1, 2, 3, 50])
@pytest.mark.parametrize("given", [False, True])
def test_equals_the_definition(tree, given, max_copies, monkeypatch):
    generator = np.random.default_rng(max_copies)
    labels = generator.random((25, 30)) < 0.1
    labels[:, 4] = False
    leaves = leaf_clusters(tree)
    selected = generator.random((25, len(leaves))) < 0.3
    inside = tree.parents[:30].toarray()[:, leaves].astype(int)
    expected = by_loops(tree, labels, selected if given else labels.astype(int) @ inside, max_copies)
    for size in (7, 10_000):
        monkeypatch.setattr(sys.modules["hgraph.clustering.disentangle"], "LABELS_AT_ONCE", size)
        out = disentangle(tree, sp.csr_matrix(labels), selected * 3.0 if given else None, max_copies=max_copies)
        assert leaf_edges(out) == expected
    assert out.kind == tree.kind and out.label_id == tree.label_id
    assert out.num_levels == tree.num_levels
    assert leaf_edges(tree) == leaf_edges(disentangle(tree, labels, max_copies=1))


def test_a_partition_draws_the_copies(tree):
    labels = np.random.default_rng(1).random((40, 30)) < 0.2
    dag = disentangle(tree, labels, max_copies=2)
    copies = LevelPartition(dag, extra_parents="copies")
    assert copies.num_nodes[-1] == len(leaf_edges(dag)) > 30
    present = sp.csr_matrix(labels.astype(np.float32))
    wide = sp.csr_matrix((present.data, present.indices, present.indptr), shape=(40, dag.num_labels))
    back = copies.to_labels(copies.to_nodes(wide))[:, :30]
    np.testing.assert_array_equal(back.toarray() > 0, labels)


def test_no_documents_no_copies(tree):
    out = disentangle(tree, sp.csr_matrix((0, 30)))
    assert leaf_edges(out) == leaf_edges(tree)


def test_errors(tree):
    with pytest.raises(ConfigError, match="no clusters"):
        leaf_clusters(LabelGraph.from_edges([("a", "b")]))
    with pytest.raises(ConfigError, match="'max_copies' must be at least 1"):
        disentangle(tree, np.ones((2, 30)), max_copies=0)
    with pytest.raises(DataError, match="'clusters' must have shape"):
        disentangle(tree, np.ones((2, 30)), np.ones((2, 3)))
    with pytest.raises(DataError, match="at most"):
        disentangle(tree, np.ones((2, 300)))
