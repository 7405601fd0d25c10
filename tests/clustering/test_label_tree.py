import logging
import sys

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from hgraph.clustering import balanced_groups, label_tree
from hgraph.clustering.faiss_groups import balanced_assignment
from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph, LevelPartition, read_taxonomy


def flat(size):
    return LabelGraph.from_edges([], nodes=[f"l{i}" for i in range(size)], names=[f"Label {i}" for i in range(size)])


def vectors_of(size, channels=12, seed=0):
    vectors = np.random.default_rng(seed).random((size, channels)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def level_sizes(tree):
    return np.bincount(tree.level)[1:].tolist()


@pytest.mark.parametrize(
    ("size", "leaf_size", "branching", "expected"),
    [
        (3956, 16, 16, [16, 256, 3956]),
        (3093, 16, 16, [16, 256, 3093]),
        (141, 100, 16, [2, 141]),
        (103, 100, 16, [2, 103]),
        (1000, 10, 4, [2, 8, 32, 128, 1000]),
        (5, 2, 2, [2, 4, 5]),
        (2, 2, 16, [2]),
    ],
)
def test_levels_are_those_of_pecos(size, leaf_size, branching, expected):
    tree = label_tree(flat(size), vectors_of(size), leaf_size=leaf_size, branching=branching)
    assert level_sizes(tree) == expected


def test_tree_is_the_path_of_the_halving():
    vectors = vectors_of(300)
    tree = label_tree(flat(300), vectors, leaf_size=5, branching=4, seed=2)
    code = balanced_groups(vectors, 64, seed=2)
    for label in range(300):
        path = list(tree.path(label))
        assert len(path) == 4 and path[-1] == label
        for other in (0, 17, 299):
            shared = sum(a == b for a, b in zip(path[:-1], list(tree.path(other))[:-1], strict=True))
            assert shared == next(
                (step for step in (3, 2, 1) if code[label] >> 2 * (3 - step) == code[other] >> 2 * (3 - step)), 0
            )
    sizes = np.diff(tree.children.indptr)[np.unique(tree.parents[:300].indices)]
    assert set(sizes.tolist()) <= {4, 5}


@pytest.mark.parametrize("method", ["two_means", "faiss", "faiss_balanced"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 60])
def test_every_label_is_a_leaf_and_keeps_its_place(method, size):
    graph = LabelGraph.from_edges([("l0", f"l{i}") for i in range(1, size)], nodes=[f"l{i}" for i in range(size)],
                                  descriptions=["d"] * size, title="mine")  # fmt: skip
    tree = label_tree(graph, vectors_of(size), leaf_size=2, branching=2, method=method)
    assert tree.label_id[:size] == graph.label_id and tree.name[:size] == graph.name
    assert tree.description[:size] == graph.description and tree.title == "mine"
    assert tree.kind == ["label"] * size + ["cluster"] * (tree.num_labels - size)
    assert not np.diff(tree.children.indptr)[:size].any()
    assert np.diff(tree.children.indptr)[size:].all()
    assert tree.is_tree
    assert (np.diff(tree.parents.indptr)[:size] == (size > 2)).all()
    fan_out = np.diff(tree.children.indptr)
    assert fan_out.max() <= 2
    if size > 2:
        assert LevelPartition(tree).num_nodes[-1] == size


def test_default_leaf_size_suits_the_number_of_labels():
    assert level_sizes(label_tree(flat(141), vectors_of(141))) == [16, 141]  # 12 labels a cluster
    assert level_sizes(label_tree(flat(12_000), vectors_of(12_000, 4)))[-2:] == [128, 12_000]  # 100 at most


def test_too_few_labels_is_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        tree = label_tree(flat(20), vectors_of(20), leaf_size=20)
    assert tree.num_labels == 20 and set(tree.kind) == {"label"}
    assert "Set leaf_size below 20" in caplog.text


def test_threads_do_not_matter():
    vectors = sp.csr_matrix(vectors_of(200))
    trees = [label_tree(flat(200), vectors, leaf_size=6, threads=threads) for threads in (1, 2, 5)]
    assert len({tree.fingerprint for tree in trees}) == 1


@pytest.mark.parametrize("kind", [sp.csr_matrix, np.asarray])
def test_names_are_those_of_the_two_central_labels(kind):
    vectors = vectors_of(90, seed=4)
    vectors[10] = 0
    tree = label_tree(flat(90), kind(vectors), leaf_size=10, branching=4)
    for cluster in range(90, tree.num_labels):
        below = [label for label in range(90) if cluster in tree.path(label)]
        centre = vectors[below].astype(np.float64).sum(axis=0)
        best = sorted(below, key=lambda label: -float(vectors[label] @ centre))[:2]
        assert tree.name[cluster] == f"Label {best[0]}; Label {best[1]}; ..."


def test_a_name_is_said_once():
    graph = LabelGraph.from_edges([], nodes=["a", "b", "c", "d"], names=["A", "A", "B", "A"])
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.9, 0.1], [1.0, 0.0]])
    tree = label_tree(graph, vectors, leaf_size=3)
    assert sorted(tree.name[4:]) == ["A; ...", "A; B"]


def test_small_clusters_say_all_their_labels():
    tree = label_tree(flat(3), np.eye(3), leaf_size=2)
    assert sorted(name.count("Label") for name in tree.name[3:]) == [1, 2]
    assert not any("..." in name for name in tree.name)


def test_ids_are_paths_that_clash_with_no_label(tmp_path):
    graph = LabelGraph.from_edges([], nodes=["~1", "b", "~~", *(f"c{i}" for i in range(30))])
    tree = label_tree(graph, vectors_of(33), leaf_size=3, branching=2)
    assert len(set(tree.label_id)) == tree.num_labels
    clusters = tree.label_id[33:]
    assert all(label.startswith("~~~") for label in clusters)
    for cluster in range(33, tree.num_labels):
        above = tree.parents[cluster].indices
        if len(above):
            assert tree.label_id[cluster].rsplit("/", 1)[0] == tree.label_id[above[0]]
    tree.save(tmp_path / "tree.json")
    again = read_taxonomy(tmp_path / "tree.json")
    assert again.fingerprint == tree.fingerprint and again.kind == tree.kind


def test_removed_labels_stay_marked():
    graph = flat(9)
    graph.tombstone = torch.arange(9) == 4
    tree = label_tree(graph, vectors_of(9), leaf_size=3)
    assert tree.tombstone.tolist() == [i == 4 for i in range(tree.num_labels)]


def test_faiss_separates_what_is_apart():
    vectors = np.repeat(np.eye(4, dtype=np.float32), [5, 20, 10, 5], axis=0)
    for seed in range(5):
        tree = label_tree(flat(40), vectors, method="faiss", branching=4, leaf_size=20, seed=seed)
        top = [tree.path(label)[0] for label in range(40)]
        if len({(cluster, vector.argmax()) for cluster, vector in zip(top, vectors, strict=True)}) == 4:
            break
    else:
        raise AssertionError("no seed finds four clusters that are orthogonal")


def test_faiss_does_not_depend_on_threads_and_stops_on_equal_vectors():
    trees = [label_tree(flat(80), vectors_of(80), method="faiss", leaf_size=5, threads=n) for n in (1, 2)]
    assert trees[0].fingerprint == trees[1].fingerprint
    tree = label_tree(flat(50), np.ones((50, 3)), method="faiss", leaf_size=5, branching=4)
    assert np.diff(tree.children.indptr).max() <= 5


def test_balanced_faiss_has_equal_sizes():
    tree = label_tree(flat(103), vectors_of(103), method="faiss_balanced", leaf_size=30, branching=4)
    assert sorted(np.diff(tree.children.indptr)[103:].tolist()) == [25, 26, 26, 26]


def test_assignment_equals_a_loop():
    similarity = np.random.default_rng(0).random((23, 4))
    lead = similarity - similarity.mean(axis=1, keepdims=True)
    nearest = np.bincount(similarity.argmax(axis=1), minlength=4)
    room = [5] * 4
    for cluster in sorted(range(4), key=lambda k: (-nearest[k], k))[:3]:
        room[cluster] += 1
    expected = {}
    for row, cluster in sorted(((r, k) for r in range(23) for k in range(4)), key=lambda pair: -lead[pair]):
        if row not in expected and room[cluster]:
            expected[row] = cluster
            room[cluster] -= 1
    assert balanced_assignment(similarity).tolist() == [expected[row] for row in range(23)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"branching": 10}, ConfigError, "power of two .* found 10"),
        ({"branching": 1, "method": "faiss"}, ConfigError, "at least 2, found 1"),
        ({"leaf_size": 1}, ConfigError, "'leaf_size' must be at least 2"),
        ({"method": "kmeans"}, ConfigError, "two_means, faiss, faiss_balanced, found 'kmeans'"),
    ],
)
def test_errors(options, error, message):
    with pytest.raises(error, match=message):
        label_tree(flat(10), vectors_of(10), **options)
    with pytest.raises(DataError, match=r"\[10, channels\].*found \[9, 12\]"):
        label_tree(flat(10), vectors_of(9))
    with pytest.raises(ConfigError, match="sketch"):
        label_tree(flat(10), sp.csr_matrix(vectors_of(10)), method="faiss", leaf_size=2)


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ConfigError, match=r"hgraph-text\[cpu\]"):
        label_tree(flat(10), vectors_of(10), method="faiss", leaf_size=2)
