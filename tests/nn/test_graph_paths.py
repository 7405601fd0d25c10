"""Means over all shortest paths of hierarchies with several parents, against networkx."""

from importlib import import_module

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import hierarchies

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.nn.encodings import (
    DenseEdgeEncoding,
    GraphRows,
    LabelStructure,
    PathSearch,
    TreeRows,
    graph_path_mean,
    graph_paths,
    hierarchy_distance,
    path_mean,
    paths_from,
    tree_paths,
)

NO_EDGES = torch.zeros(2, 0, dtype=torch.long)
DIAMOND = torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]])


def edges_with_roots(edge_index, size):
    """Pairs (parent or virtual root, child)."""
    edges = [tuple(edge) for edge in edge_index.t().tolist()]
    below = {child for _, child in edges}
    return edges + [(size, label) for label in range(size) if label not in below]


def networkx_mean(edge_index, size, vectors, max_distance=99):
    """`vectors` maps (parent, child) to the vector of the edge."""
    graph = nx.Graph(edges_with_roots(edge_index, size))
    out = torch.zeros(size, size, len(next(iter(vectors.values()))), dtype=torch.float64)
    for i in range(size):
        for j in range(size):
            paths = list(nx.all_shortest_paths(graph, i, j))
            if i == j or len(paths[0]) - 1 > max_distance:
                continue
            steps = [vectors.get((a, b), vectors.get((b, a))) for way in paths for a, b in nx.utils.pairwise(way)]
            out[i, j] = torch.stack(steps).mean(0)  # all paths are of the same length
    return out


def random_vectors(edge_index, size, channels=2):
    return {edge: torch.randn(channels, dtype=torch.float64) for edge in edges_with_roots(edge_index, size)}


def as_weight(vectors, paths):
    return torch.stack([vectors[tuple(edge)] for edge in paths.ends.t().tolist()])


@settings(max_examples=60, deadline=None)
@given(hierarchies(max_labels=11), st.sampled_from([None, 1, 2, 3]))
def test_means_match_all_shortest_paths_of_networkx(hierarchy, max_distance):
    edge_index, size = hierarchy
    paths, vectors = graph_paths(edge_index, size, max_distance=max_distance), random_vectors(edge_index, size)
    expected = networkx_mean(edge_index, size, vectors, max_distance or 99)
    torch.testing.assert_close(path_mean(as_weight(vectors, paths), paths), expected, rtol=0, atol=1e-10)
    distance = hierarchy_distance(edge_index, size, max_distance=max_distance or 99)
    assert torch.equal(paths.distance.long(), distance)


@settings(max_examples=40, deadline=None)
@given(hierarchies(max_labels=11), st.randoms())
def test_neither_the_order_of_labels_nor_of_edges_matters(hierarchy, random):
    edge_index, size = hierarchy
    to = torch.tensor(random.sample(range(size), size))
    order = torch.tensor(random.sample(range(edge_index.shape[1]), edge_index.shape[1]), dtype=torch.long)
    paths, moved = graph_paths(edge_index, size), graph_paths(to[edge_index[:, order]], size)
    vectors = random_vectors(edge_index, size)
    name = [*to.tolist(), size]
    renamed = {(name[above], name[below]): vector for (above, below), vector in vectors.items()}
    means, moved_means = path_mean(as_weight(vectors, paths), paths), path_mean(as_weight(renamed, moved), moved)
    torch.testing.assert_close(moved_means[to][:, to], means, rtol=0, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(hierarchies(max_parents=1, max_labels=11))
def test_trees_have_the_paths_they_had(hierarchy):
    edge_index, size = hierarchy
    weight = torch.randn(size, 3, dtype=torch.float64)
    expected = path_mean(weight, tree_paths(edge_index, size))
    torch.testing.assert_close(path_mean(weight, graph_paths(edge_index, size)), expected, rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(hierarchies(max_labels=11))
def test_blocks_of_rows_and_pieces_of_layers_change_nothing(hierarchy):
    edge_index, size = hierarchy
    paths, vectors = graph_paths(edge_index, size), random_vectors(edge_index, size)
    weight = as_weight(vectors, paths).requires_grad_()
    whole = path_mean(weight, paths)
    factor = torch.randn_like(whole)
    (gradient,) = torch.autograd.grad((whole * factor).sum(), weight)
    with pytest.MonkeyPatch.context() as patch:
        module = import_module(graph_paths.__module__)
        patch.setattr(module, "PAIRS_AT_ONCE", 2 * (size + 1))
        patch.setattr(module, "NUMBERS_AT_ONCE", 5)
        parts = path_mean(weight, graph_paths(edge_index, size))
        (parts_gradient,) = torch.autograd.grad((parts * factor).sum(), weight)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(parts_gradient, gradient, rtol=0, atol=1e-12)
    search = PathSearch.of(LabelStructure(edge_index, size))
    rows = graph_path_mean(weight, paths_from(search, size // 2, size))
    torch.testing.assert_close(rows, whole[size // 2 :], rtol=0, atol=1e-12)


def test_the_gradient_is_that_of_the_function():
    edge_index = torch.tensor([[0, 0, 1, 2, 5, 3, 2], [1, 2, 3, 3, 4, 4, 6]])
    paths = graph_paths(edge_index, 7)
    weight = torch.randn(paths.ends.shape[1], 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: path_mean(w, paths), (weight,))
    half = path_mean(weight.bfloat16(), paths)
    torch.testing.assert_close(half.double(), path_mean(weight, paths), rtol=0, atol=0.05)


def test_numbers_of_edges():
    structure = LabelStructure(torch.tensor([[1, 0, 0, 2], [3, 1, 2, 3]]), 5)
    assert structure.edge_number.tolist() == [3, 1, 2, 5]
    assert structure.num_edge_numbers == 6
    assert graph_paths(structure.edge_index, 5).ends.tolist() == [[5, 0, 0, 1, 5, 2], [0, 1, 2, 3, 4, 3]]


def test_many_paths_of_a_chain_of_diamonds():
    # 2**60 shortest paths from end to end, more than float32 or int32 can tell apart.
    edges = [edge for k in range(0, 180, 3) for edge in ((k, k + 1), (k, k + 2), (k + 1, k + 3), (k + 2, k + 3))]
    paths = graph_paths(torch.tensor(edges).t(), 181)
    on_the_left = torch.zeros(paths.ends.shape[1], 1, dtype=torch.float64)
    on_the_left[1:180:3] = 1.0  # one edge of four, on half the paths: a quarter of the steps
    assert path_mean(on_the_left, paths)[0, 180].item() == pytest.approx(0.25, abs=1e-12)


def test_edge_encoding_of_a_graph():
    paths = graph_paths(DIAMOND, 4)
    encoding = DenseEdgeEncoding(4, 3, num_edges=paths.ends.shape[1]).double()
    assert encoding.edge_embedding.weight.shape == (4, 3)
    assert encoding.extra_edge_embedding.shape == (1, 3)
    state = encoding(paths.distance, paths)
    weight = torch.cat([encoding.edge_embedding.weight, encoding.extra_edge_embedding])
    # From 3 to 0 over 1 (edges 3 and 1) or over 2 (edges 4 and 2).
    expected = encoding.distance_embedding.weight[2] + weight[1:].mean(0)
    torch.testing.assert_close(state[3, 0], expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(state, state.transpose(0, 1), rtol=0, atol=1e-12)
    assert (state.diagonal() == 0).all()
    state.square().sum().backward()
    assert (encoding.extra_edge_embedding.grad != 0).all()
    assert "extra_edge_embedding" not in DenseEdgeEncoding(4, 3).state_dict()


@settings(max_examples=40, deadline=None)
@given(hierarchies(max_labels=11), st.integers(1, 5), st.booleans())
def test_rows_are_those_of_the_dense_encoding(hierarchy, max_distance, with_paths):
    edge_index, size = hierarchy
    paths = graph_paths(edge_index, size)
    encoding = DenseEdgeEncoding(size, 3, max_distance=max_distance, num_edges=paths.ends.shape[1]).double()
    table, vectors = encoding.distance_embedding.weight, encoding.edge_vectors()
    expected = encoding(paths.distance, paths) if with_paths else table[paths.distance.long().clamp(max=max_distance)]
    rows = GraphRows(LabelStructure(edge_index, size), table, vectors if with_paths else None)
    assert (rows.num_nodes, rows.channels) == (size, 3)
    torch.testing.assert_close(rows.dense(), expected, rtol=0, atol=1e-12)
    middle = rows.rows(size // 2, size, *rows.tensors())
    torch.testing.assert_close(middle, expected[size // 2 :].movedim(2, 0), rtol=0, atol=1e-12)
    weight, bias = torch.randn(2, 3, dtype=torch.float64), torch.randn(2, dtype=torch.float64)
    projected = rows.project(weight, bias)
    assert projected.channels == 2
    torch.testing.assert_close(projected.dense(), expected @ weight.t() + bias, rtol=0, atol=1e-12)
    factor = torch.randn_like(expected)
    parameters = [parameter for parameter in encoding.parameters() if with_paths or parameter.shape == table.shape]
    wanted = torch.autograd.grad((expected * factor).sum(), parameters, allow_unused=True, retain_graph=True)
    found = torch.autograd.grad((rows.dense() * factor).sum(), parameters, allow_unused=True)
    # Row 0 of the dense table is frozen; rows know nothing of that.
    for name, mine, theirs in zip(parameters, found, wanted, strict=True):
        if mine is None or theirs is None:
            assert mine is theirs
            continue
        first = 1 if name is table else 0
        torch.testing.assert_close(mine[first:], theirs[first:], rtol=0, atol=1e-12)


def test_rows_of_a_tree_are_those_of_tree_rows():
    edge_index = torch.tensor([[0, 0, 1, 4, 2, 2], [1, 2, 3, 5, 6, 7]])
    structure, table = LabelStructure(edge_index, 8), torch.randn(4, 2, dtype=torch.float64)
    weight = torch.randn(8, 2, dtype=torch.float64)
    ways = [structure.ancestors[label][structure.ancestors[label] >= 0].long() for label in range(8)]
    root_sum = torch.stack([*(weight[way].sum(0) for way in ways), torch.zeros(2, dtype=torch.float64)])
    tree = TreeRows(structure.depth, structure.ancestors, table, root_sum)
    torch.testing.assert_close(GraphRows(structure, table, weight).dense(), tree.dense(), rtol=0, atol=1e-6)


def test_no_labels_and_no_edges():
    assert path_mean(torch.zeros(0, 2), graph_paths(NO_EDGES, 0)).shape == (0, 0, 2)
    assert path_mean(torch.ones(1, 2), graph_paths(NO_EDGES, 1)).tolist() == [[[0.0, 0.0]]]
    apart = path_mean(torch.tensor([[1.0], [3.0]]), graph_paths(NO_EDGES, 2))
    assert apart.squeeze(2).tolist() == [[0.0, 2.0], [2.0, 0.0]]


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match=r"'weight' must have a row for each of 5 edges.*but got shape \[4, 2\]"):
        path_mean(torch.zeros(4, 2), graph_paths(DIAMOND, 4))
    with pytest.raises(ConfigError, match="'max_distance' must be at least 1, but got 0"):
        graph_paths(DIAMOND, 4, max_distance=0)
    with pytest.raises(ConfigError, match="'num_edges' must be at least 'num_labels', 4, but got 3"):
        DenseEdgeEncoding(4, 2, num_edges=3)
    with pytest.raises(TaxonomyError, match="cycle"):
        graph_paths(torch.tensor([[0, 1, 2, 3], [1, 2, 1, 2]]), 4)
