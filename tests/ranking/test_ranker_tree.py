"""The levels of a ranker's tree."""

import numpy as np
import pytest
import scipy.sparse as sp

from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph, LevelPartition
from hgraph.ranking import RankerTree

DAG = LabelGraph.from_edges([("r", "a"), ("r", "b"), ("a", "c"), ("b", "c"), ("a", "d"), ("s", "e")])


@pytest.mark.parametrize("extra", ["primary", "copies"])
def test_targets_of_a_partition_are_those_of_its_labels_and_nodes_above(extra):
    partition = LevelPartition(DAG, extra_parents=extra)
    tree = RankerTree.of(partition)
    labels = np.eye(DAG.num_labels, dtype=np.float32)
    levels = tree.targets(labels)
    for label in range(DAG.num_labels):
        nodes = {node for node in range(tree.num_nodes[-1]) if partition.levels[-1][node] == label}
        for level in range(tree.num_levels, 0, -1):
            assert set(levels[level - 1][label].indices.tolist()) == nodes
            if level > 1:
                nodes = {int(partition.parent(level)[node]) for node in nodes}


def test_bottom_nodes_as_labels():
    partition = LevelPartition(DAG, extra_parents="copies")
    tree = RankerTree.of(partition, bottom="nodes")
    nodes = partition.to_nodes(sp.eye(DAG.num_labels, format="csr"))
    assert tree.num_labels == partition.num_nodes[-1]
    for level, found in enumerate(tree.targets(nodes), start=1):
        if level == tree.num_levels:
            np.testing.assert_array_equal(found.toarray(), nodes.toarray())
        else:
            assert (found.toarray().sum(1) > 0).all()


@pytest.mark.parametrize(("least", "room", "share"), [(1, 1.0, 1.0), (1, 2.0, 0.95), (3, 1.5, 0.5), (10, 2.0, 0.95)])
def test_room_of_a_search_against_a_loop(least, room, share):
    rng = np.random.default_rng(0)
    parents = [np.sort(rng.integers(0, 12, 40)), np.sort(rng.integers(0, 40, 120))]
    tree = RankerTree(parents, num_top=12, labels=rng.permutation(120), num_labels=120)
    labels = rng.random((50, 120)) < rng.random((50, 1)) * 0.2
    expected, node_of = [], np.arange(120)
    for above, size in ((parents[1], 40), (parents[0], 12)):
        node_of = above[node_of]
        right = sorted(len({int(node_of[n]) for n in range(120) if row[tree.labels[n]]}) for row in labels)
        needed = int(np.ceil(room * right[int(np.ceil(share * (len(right) - 1)))]))
        expected.insert(0, min(max(least, needed), size))
    assert tree.beam(labels, least=least, room=room, share=share) == expected


def test_room_without_documents_and_without_levels():
    assert RankerTree([np.zeros(3, np.int64)], 1, np.arange(3), 3).beam(np.zeros((0, 3))) == [1]
    assert RankerTree.flat(3).beam(np.ones((2, 3))) == []


def test_children_are_ranges():
    tree = RankerTree([np.array([0, 2, 2])], num_top=3, labels=np.array([2, 1, 0]), num_labels=3)
    assert [pointer.tolist() for pointer in tree.child_ptr] == [[0, 3], [0, 1, 1, 3]]


def test_stored_zeros_are_no_labels():
    matrix = sp.csr_matrix(([0.0, 2.0], ([0, 0], [0, 1])), shape=(1, 2))
    assert RankerTree.flat(2).targets(matrix)[0].toarray().tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([np.array([1, 0])], 2, np.arange(2), 2), "ascending"),
        (([np.array([0, 2])], 2, np.arange(2), 2), "from 0 to 1, found 0 to 2"),
        (([np.zeros(0, dtype=int)], 1, np.zeros(0, dtype=int), 1), "no nodes"),
        (([], 0, np.zeros(0, dtype=int), 0), "num_top"),
        (([], 2, np.array([0]), 2), "one label for each of the 2 nodes"),
        (([], 2, np.array([0, 2]), 2), "from 0 to 1"),
        (([], 2, np.array([0.0, 1.0]), 2), "integers"),
    ],
)
def test_wrong_trees(arguments, message):
    with pytest.raises(ConfigError, match=message):
        RankerTree(*arguments)


def test_wrong_partitions_and_matrices():
    with pytest.raises(ConfigError, match="native"):
        RankerTree.of(LevelPartition(DAG, extra_parents="native"))
    with pytest.raises(ConfigError, match="bottom"):
        RankerTree.of(LevelPartition(DAG), bottom="top")
    with pytest.raises(DataError, match="must have 3 columns, found 2"):
        RankerTree.flat(3).targets(np.eye(2))
