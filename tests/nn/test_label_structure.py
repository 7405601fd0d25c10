"""Levels, depths, ancestors and orders of label hierarchies against networkx and loops."""

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from strategies import hierarchies
from torch_geometric.data import Data

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.nn.encodings import LabelStructure, hierarchy_distance, label_structure, structural_features

NO_EDGES = torch.zeros(2, 0, dtype=torch.long)


def first_parents(edge_index):
    parent = {}
    for above, below in edge_index.t().tolist():
        parent.setdefault(below, above)
    return parent


def way_from_root(parent, label):
    way = [label]
    while way[-1] in parent:
        way.append(parent[way[-1]])
    return way[::-1]


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_levels_and_degrees_match_networkx(hierarchy):
    edge_index, size = hierarchy
    structure = LabelStructure(edge_index, size)
    graph = nx.DiGraph(edge_index.t().tolist())
    graph.add_nodes_from(range(size))
    longest = dict.fromkeys(graph, 1)
    for label in nx.topological_sort(graph):
        for child in graph.successors(label):
            longest[child] = max(longest[child], longest[label] + 1)
    assert structure.level.tolist() == [longest[label] for label in range(size)]
    assert structure.in_degree.tolist() == [graph.in_degree(label) for label in range(size)]
    assert structure.out_degree.tolist() == [graph.out_degree(label) for label in range(size)]
    assert structure.roots.tolist() == [label for label in range(size) if graph.in_degree(label) == 0]
    assert structure.is_tree == nx.is_branching(graph)
    assert torch.equal(structure.distance(4), hierarchy_distance(edge_index, size, max_distance=4))


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_ways_up_over_first_parents_match_a_loop(hierarchy):
    edge_index, size = hierarchy
    structure, parent = LabelStructure(edge_index, size), first_parents(edge_index)
    ways = [way_from_root(parent, label) for label in range(size)]
    assert structure.parent.tolist() == [parent.get(label, size) for label in range(size)] + [size]
    assert structure.depth.tolist() == [len(way) for way in ways]
    deepest = max(map(len, ways))
    assert structure.ancestors.tolist() == [way + [-1] * (deepest - len(way)) for way in ways]
    assert structure.ancestors.dtype == torch.int32


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_the_order_is_a_depth_first_walk(hierarchy):
    edge_index, size = hierarchy
    structure, parent = LabelStructure(edge_index, size), first_parents(edge_index)
    forest = nx.DiGraph((above, below) for below, above in parent.items())
    forest.add_nodes_from(range(size))
    walk = []
    waiting = [label for label in range(size) if label not in parent][::-1]
    while waiting:
        walk.append(waiting.pop())
        waiting += sorted(forest.successors(walk[-1]), reverse=True)
    assert structure.order.tolist() == walk
    for label in range(size):
        subtree = structure.order[structure.position[label] : structure.subtree_end[label]].tolist()
        assert set(subtree) == nx.descendants(forest, label) | {label}
        assert len(subtree) == structure.subtree_size[label]


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_structural_features_match_networkx(hierarchy):
    edge_index, size = hierarchy
    graph = nx.DiGraph(edge_index.t().tolist())
    graph.add_nodes_from(range(size))
    parent = first_parents(edge_index)
    forest = nx.DiGraph((above, below) for below, above in parent.items())
    forest.add_nodes_from(range(size))
    rows = []
    for label in range(size):
        above = nx.ancestors(graph, label) | {label}
        siblings = sum(graph.out_degree(up) - 1 for up in graph.predecessors(label))
        counts = (graph.in_degree(label), graph.out_degree(label), len(nx.descendants(forest, label)), siblings)
        rows.append([nx.dag_longest_path_length(graph.subgraph(above)) + 1, *np.log1p(counts)])
    expected = np.array(rows, dtype=np.float64)
    expected -= expected.mean(0)
    expected /= np.where(expected.std(0) > 1e-9, expected.std(0), 1.0)
    features = structural_features(LabelStructure(edge_index, size))
    torch.testing.assert_close(features.double(), torch.from_numpy(expected), rtol=0, atol=1e-5)


def test_a_deep_chain_and_many_labels():
    chain = torch.stack([torch.arange(2999), torch.arange(1, 3000)])
    structure = LabelStructure(chain, 3000)
    assert torch.equal(structure.level, torch.arange(1, 3001))
    assert torch.equal(structure.order, torch.arange(3000))
    assert torch.equal(structure.ancestors[-1].long(), torch.arange(3000))
    shortcut = LabelStructure(torch.cat([torch.tensor([[0], [2]]), chain], dim=1), 3000)
    assert torch.equal(shortcut.level, torch.arange(1, 3001))
    assert int(shortcut.depth[-1]) == 2999  # the shortcut comes first, so it is the first parent of label 2

    many = torch.arange(1, 300_000)
    wide = LabelStructure(torch.stack([(many - 1) // 7, many]), 300_000)
    assert int(wide.subtree_size[0]) == 300_000
    assert torch.equal(wide.subtree_size[0] - 1, wide.subtree_size[1:8].sum())
    assert torch.equal(wide.order.sort().values, torch.arange(300_000))


def test_ancestors_of_very_deep_hierarchies_are_refused(monkeypatch):
    monkeypatch.setattr(label_structure, "MAX_ANCESTOR_ENTRIES", 8)
    chain = LabelStructure(torch.tensor([[0, 1], [1, 2]]), 3)
    with pytest.raises(ConfigError, match=r"'ancestors' must have at most 8 entries, but got 3 labels x 3 levels"):
        _ = chain.ancestors


def test_one_structure_is_shared():
    graph = Data(edge_index=torch.tensor([[0, 0], [1, 2]]), num_nodes=4)
    structure = LabelStructure.of(graph)
    assert LabelStructure.of(structure) is structure
    assert structure.level is structure.level
    assert structure.num_labels == 4


def test_no_labels_and_no_edges():
    nothing = LabelStructure(NO_EDGES, 0)
    assert nothing.level.shape == nothing.order.shape == nothing.subtree_end.shape == (0,)
    assert nothing.ancestors.shape == (0, 0)
    assert nothing.parent.tolist() == [0]
    assert structural_features(nothing).shape == (0, 5)
    apart = LabelStructure(NO_EDGES, 3)
    assert apart.level.tolist() == [1, 1, 1]
    assert apart.order.tolist() == [0, 1, 2]
    assert apart.ancestors.tolist() == [[0], [1], [2]]
    assert structural_features(apart).tolist() == [[0.0] * 5] * 3


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([[1], [1]], "cycle of labels: 1 -> 1"),
        ([[2, 1], [1, 2]], "cycle of labels: (1 -> 2 -> 1|2 -> 1 -> 2)"),
        ([[0, 2, 1, 3], [1, 1, 2, 0]], "cycle of labels: (1 -> 2 -> 1|2 -> 1 -> 2)"),
        ([[*range(9), 9], [*range(1, 10), 0]], r"\d -> \d -> \d -> \d -> \d -> \.\.\. -> \d\."),
        ([[0, 0], [1, 1]], "each edge once, but got 0 -> 1 twice"),
        ([[0], [10]], "labels from 0 to 9, but got 10"),
        ([[-1], [0]], "labels from 0 to 9, but got -1"),
    ],
)
def test_wrong_edges_are_named(edges, message):
    with pytest.raises(TaxonomyError, match=message):
        _ = LabelStructure(torch.tensor(edges), 10).level


def test_wrong_arguments_are_named():
    with pytest.raises(ConfigError, match=r"integers of shape \[2, E\], but got torch.float32 of shape \[2, 0\]"):
        LabelStructure(torch.zeros(2, 0), 1)
    with pytest.raises(ConfigError, match="'num_labels' must be at least 0, but got -1"):
        LabelStructure(NO_EDGES, -1)
    with pytest.raises(ConfigError, match="but got list without them"):
        LabelStructure.of([])
