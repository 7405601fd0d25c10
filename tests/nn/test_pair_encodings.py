"""Hop distances, paths and edge encodings against networkx and loops."""

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import hierarchies

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.nn import (
    DenseEdgeEncoding,
    hierarchy_distance,
    hop_distance,
    path_mean,
    to_dense_graph,
    tree_paths,
)

# Root -> {a -> {b, c}, d}
A, B_, C, D = range(4)
SMALL = torch.tensor([[A, A], [B_, C]])


def networkx_distance(edge_index, size):
    graph = nx.DiGraph(edge_index.t().tolist())
    graph.add_nodes_from(range(size))
    roots = [label for label in range(size) if graph.in_degree(label) == 0]
    graph.add_edges_from((-1, root) for root in roots)
    lengths = dict(nx.all_pairs_shortest_path_length(graph.to_undirected()))
    return torch.tensor([[lengths[i][j] for j in range(size)] for i in range(size)])


def path_loop(edge_index, size, i, j):
    """The labels strictly below the lowest common ancestor, by two ancestor chains of first parents."""
    parent = {}
    for above, below in edge_index.t().tolist():
        parent.setdefault(below, above)
    chains = []
    for label in (i, j):
        chain = [label]
        while chain[-1] in parent:
            chain.append(parent[chain[-1]])
        chains.append(chain)
    return [k for k in chains[0] if k not in chains[1]] + [k for k in chains[1] if k not in chains[0]]


def test_distances_of_the_small_tree():
    distance = hierarchy_distance(SMALL, 4)
    assert (distance[B_, C], distance[A, B_], distance[A, D], distance[B_, D]) == (2, 1, 2, 3)
    assert (distance.diagonal() == 0).all()
    assert set(path_loop(SMALL, 4, B_, D)) == {A, B_, D}
    indicator = path_mean(torch.eye(4), tree_paths(SMALL, 4))[B_, D]
    assert set(indicator.nonzero().squeeze(1).tolist()) == {A, B_, D}


def test_distances_do_not_depend_on_ids():
    order = torch.tensor([3, 0, 2, 1])  # children before parents
    moved = hierarchy_distance(order[SMALL], 4)
    assert torch.equal(moved[order][:, order], hierarchy_distance(SMALL, 4))


@settings(max_examples=40, deadline=None)
@given(hierarchies(max_parents=3), st.integers(1, 12))
def test_distances_match_networkx(hierarchy, max_distance):
    edge_index, size = hierarchy
    expected = networkx_distance(edge_index, size)
    assert torch.equal(hierarchy_distance(edge_index, size, max_distance=50), expected)
    clipped = hierarchy_distance(edge_index, size, max_distance=max_distance)
    assert torch.equal(clipped, expected.clamp(max=max_distance))


@settings(max_examples=40, deadline=None)
@given(hierarchies(max_parents=3))
def test_path_means_match_a_walk_over_ancestors(hierarchy):
    edge_index, size = hierarchy
    paths, weight = tree_paths(edge_index, size), torch.randn(size, 2, dtype=torch.float64)
    means = path_mean(weight, paths)
    for i in range(size):
        for j in range(size):
            path = path_loop(edge_index, size, i, j)
            expected = torch.stack([weight[k] for k in path]).mean(0) if path else torch.zeros(2).double()
            torch.testing.assert_close(means[i, j], expected, rtol=0, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(hierarchies(max_parents=1))
def test_edge_encoding_of_a_tree(hierarchy):
    edge_index, size = hierarchy
    encoding = DenseEdgeEncoding(size, 3, max_distance=4).double()
    distance, paths = hierarchy_distance(edge_index, size, max_distance=9), tree_paths(edge_index, size)
    table, weight = encoding.distance_embedding.weight, encoding.edge_embedding.weight
    state = encoding(distance, paths)
    for i in range(size):
        for j in range(size):
            path = path_loop(edge_index, size, i, j)
            assert distance[i, j] == min(len(path), 9)
            expected = table[min(len(path), 4)] + (sum(weight[k] for k in path) / len(path) if path else 0)
            torch.testing.assert_close(state[i, j], expected, rtol=0, atol=1e-12)
    assert torch.equal(state, state.transpose(0, 1))
    assert (state.diagonal() == 0).all()
    state.square().sum().backward()
    assert (table.grad[0] == 0).all()


def test_encoding_keeps_channels_with_their_pair_where_a_reshape_scrambles_them():
    # Five labels and three channels: a reshape to channels first keeps 4% of the entries in place.
    number = torch.arange(5 * 5 * 3).reshape(5, 5, 3)
    scrambled, moved = number.reshape(3, 5, 5), number.permute(2, 0, 1)
    assert (scrambled == moved).float().mean().item() == pytest.approx(0.04)


def test_gradients_of_path_means():
    edge_index = torch.tensor([[0, 0, 1], [1, 2, 3]])
    weight = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: path_mean(w, tree_paths(edge_index, 5)), (weight,))


def test_one_label_and_no_edges():
    none = torch.zeros(2, 0, dtype=torch.long)
    assert hierarchy_distance(none, 1).tolist() == [[0]]
    assert hierarchy_distance(none, 3).tolist() == [[0, 2, 2], [2, 0, 2], [2, 2, 0]]
    assert path_mean(torch.ones(1, 2), tree_paths(none, 1)).tolist() == [[[0.0, 0.0]]]


def test_a_cycle_is_an_error():
    with pytest.raises(TaxonomyError, match="cycle"):
        tree_paths(torch.tensor([[2, 1, 0], [1, 2, 1]]), 3)
    with pytest.raises(ConfigError, match="max_distance"):
        hop_distance(SMALL, 4, max_distance=0)


def test_ordinary_graphs_are_padded_and_measured_each_on_its_own():
    first, second = nx.gnp_random_graph(7, 0.3, seed=1), nx.gnp_random_graph(4, 0.5, seed=2)
    edges = list(first.edges) + [(i + 7, j + 7) for i, j in second.edges]
    batch = torch.tensor([0] * 7 + [1] * 4)
    graph = to_dense_graph(torch.arange(11.0).unsqueeze(1), torch.tensor(edges).t(), batch, max_distance=9)
    assert graph.x.shape == (2, 7, 1)
    assert graph.mask.sum(1).tolist() == [7, 4]
    for number, source in enumerate((first, second)):
        lengths = dict(nx.all_pairs_shortest_path_length(source))
        for i in source:
            for j in source:
                assert graph.distance[number, i, j] == lengths[i].get(j, 9)
