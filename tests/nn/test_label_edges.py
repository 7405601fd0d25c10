"""Typed edges between labels against sets from networkx."""

from importlib import import_module

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.nn.encodings import EdgeEncoding, EdgeKind, LabelStructure
from hgraph.nn.encodings import label_edges as typed

ALL = {"max_children": None, "max_siblings": None}
NO_EDGES = torch.zeros(2, 0, dtype=torch.long)
SMALL = LabelStructure(torch.tensor([[0, 0, 1, 4], [1, 2, 3, 5]]), 7)


@st.composite
def hierarchies(draw, max_parents=3):
    """Edges of a random DAG (or forest), labels in random order, edges in random order; further pairs of labels."""
    size = draw(st.integers(1, 12))
    ids = draw(st.permutations(range(size)))
    edges = []
    for child in range(1, size):
        parents = draw(st.sets(st.integers(0, child - 1), max_size=max_parents))
        edges += [(ids[parent], ids[child]) for parent in parents]
    label = st.integers(0, size - 1)
    pairs = st.lists(st.tuples(label, label), max_size=6)
    return as_tensor(draw(st.permutations(edges))), size, as_tensor(draw(pairs)), as_tensor(draw(pairs))


def as_tensor(edges):
    return torch.tensor(edges, dtype=torch.long).reshape(-1, 2).t().contiguous()


def as_graph(edge_index, size):
    graph = nx.DiGraph(edge_index.t().tolist())
    graph.add_nodes_from(range(size))
    return graph


def naive_kinds(graph, cooccurrence=NO_EDGES, neighbours=NO_EDGES, ancestors=True, root=True):
    """{(source, target): kind}, written down from the last kind to the first."""
    roots = {label for label in graph if graph.in_degree(label) == 0}
    above = [(up, label) for label in graph for up in nx.ancestors(graph, label)]
    kinds = {tuple(pair): EdgeKind.NEIGHBOUR for pair in neighbours.t().tolist()}
    kinds |= {tuple(pair): EdgeKind.COOCCURRENCE for pair in cooccurrence.t().tolist()}
    kinds |= {(up, label): EdgeKind.ROOT for up, label in above if root and up in roots}
    kinds |= {(up, label): EdgeKind.ANCESTOR for up, label in above if ancestors and not (root and up in roots)}
    for children in (list(graph.successors(label)) for label in graph):
        kinds |= {(i, j): EdgeKind.SIBLING for i in children for j in children}
    kinds |= {(child, parent): EdgeKind.CHILD for parent, child in graph.edges}
    kinds |= dict.fromkeys(graph.edges, EdgeKind.PARENT)
    return kinds | {(label, label): EdgeKind.SELF for label in graph}


def as_kinds(edges):
    pairs = [tuple(pair) for pair in edges.edge_index.t().tolist()]
    assert len(set(pairs)) == len(pairs)
    return dict(zip(pairs, edges.kind.tolist(), strict=True))


@settings(max_examples=80, deadline=None)
@given(hierarchies(), st.booleans(), st.booleans())
def test_edges_are_those_of_naive_sets(hierarchy, ancestors, root):
    edge_index, size, cooccurrence, neighbours = hierarchy
    further = {"cooccurrence": cooccurrence, "neighbours": neighbours}
    structure = LabelStructure(edge_index, size)
    edges = typed(structure, **ALL, **further, ancestors=ancestors, root=root)
    assert as_kinds(edges) == naive_kinds(as_graph(edge_index, size), **further, ancestors=ancestors, root=root)
    source, target = edges.edge_index
    assert torch.equal((target * size + source).sort().values, target * size + source)
    assert torch.equal(edges.level_difference.long(), structure.level[source] - structure.level[target])


@settings(max_examples=40, deadline=None)
@given(hierarchies(), st.randoms())
def test_permuting_labels_permutes_the_edges(hierarchy, random):
    edge_index, size, *further = hierarchy
    to = torch.tensor(random.sample(range(size), size))
    edges = typed(LabelStructure(edge_index, size), **ALL, cooccurrence=further[0], neighbours=further[1])
    moved = typed(LabelStructure(to[edge_index], size), **ALL, cooccurrence=to[further[0]], neighbours=to[further[1]])
    expected = {(int(to[i]), int(to[j])): kind for (i, j), kind in as_kinds(edges).items()}
    assert as_kinds(moved) == expected


@settings(max_examples=60, deadline=None)
@given(hierarchies(), st.integers(0, 3), st.integers(0, 4))
def test_limits_choose_among_the_edges(hierarchy, limit, seed):
    edge_index, size, _, _ = hierarchy
    graph, structure = as_graph(edge_index, size), LabelStructure(edge_index, size)
    options = {"max_children": limit, "max_siblings": limit, "ancestors": False, "root": False, "seed": seed}
    kinds = as_kinds(typed(structure, **options))
    assert kinds == as_kinds(typed(structure, **options))
    everything = naive_kinds(graph, ancestors=False, root=False)
    assert kinds.keys() <= everything.keys()
    for label in graph:
        mine = {i: kind for (i, j), kind in kinds.items() if j == label}
        assert mine.pop(label) == EdgeKind.SELF
        children = [i for i, kind in mine.items() if kind == EdgeKind.CHILD]
        if structure.is_tree:
            parents = list(graph.predecessors(label))
            siblings = set(graph.successors(parents[0])) - {label} if parents else set()
            assert len(children) == min(limit, graph.out_degree(label))
            assert sum(kind == EdgeKind.SIBLING for kind in mine.values()) == min(limit, len(siblings))
        assert len(children) <= limit
        assert sum(kind == EdgeKind.SIBLING for kind in mine.values()) <= limit
        assert {i for i, kind in mine.items() if kind == EdgeKind.PARENT} == set(graph.predecessors(label))


@settings(max_examples=60, deadline=None)
@given(hierarchies(), st.integers(0, 3), st.booleans())
def test_the_nearest_ancestors_are_kept(hierarchy, limit, root):
    edge_index, size, _, _ = hierarchy
    graph = as_graph(edge_index, size)
    edges = typed(LabelStructure(edge_index, size), max_children=0, max_siblings=0, max_ancestors=limit, root=root)
    kinds = as_kinds(edges)
    everything = naive_kinds(graph, root=root)
    for label in graph:
        hops = nx.single_target_shortest_path_length(graph, label)
        far = sorted((hop, i) for i, hop in dict(hops).items() if hop > 1)
        far = [i for _, i in far if not (root and graph.in_degree(i) == 0)]
        assert {i for (i, j), kind in kinds.items() if j == label and kind == EdgeKind.ANCESTOR} == set(far[:limit])
        roots = {i for (i, j), kind in kinds.items() if j == label and kind == EdgeKind.ROOT}
        assert roots == {i for (i, j), kind in everything.items() if j == label and kind == EdgeKind.ROOT}


def test_broad_families_are_sampled_evenly():
    children = torch.arange(1, 20_001)
    star = LabelStructure(torch.stack([torch.zeros_like(children), children]), 20_001)
    edges = typed(star, max_children=50, max_siblings=6)
    source, target = edges.edge_index[:, edges.kind == EdgeKind.SIBLING]
    assert set(torch.bincount(target, minlength=20_001)[1:].tolist()) == {6}
    assert set(torch.bincount(source, minlength=20_001)[1:].tolist()) == {6}
    assert int((edges.kind == EdgeKind.CHILD).sum()) == 50
    other = typed(star, max_children=50, max_siblings=6, seed=1)
    assert not torch.equal(edges.edge_index, other.edge_index)


def test_samples_are_unbiased():
    # Each of 5 siblings is heard with probability 2/5: over 800 seeds and 6 listeners, 320 +- 14 times a pair.
    star, heard = LabelStructure(torch.tensor([[0] * 6, [1, 2, 3, 4, 5, 6]]), 7), torch.zeros(7, 7)
    for seed in range(800):
        edges = typed(star, max_siblings=2, seed=seed)
        source, target = edges.edge_index[:, edges.kind == EdgeKind.SIBLING]
        heard[target, source] += 1
    off_diagonal = heard[1:, 1:][~torch.eye(6, dtype=torch.bool)]
    assert (off_diagonal - 320).abs().max() < 5 * 14


def test_kinds_can_be_left_out():
    options = {"max_children": 0, "max_siblings": 0, "ancestors": False, "root": False}
    assert set(typed(SMALL, **options).kind.tolist()) == {EdgeKind.SELF, EdgeKind.PARENT}
    assert typed(SMALL, **options, parents=False, self_loops=False).edge_index.shape == (2, 0)
    # A parent that is not listened to as such is no ancestor either.
    assert as_kinds(typed(SMALL, parents=False, self_loops=False, max_children=0, max_siblings=0, root=False)) == {
        (0, 3): EdgeKind.ANCESTOR
    }


def test_cooccurrence_edges_of_a_graph_are_found():
    edge_index = torch.tensor([[0, 0], [1, 2]])
    of_graph = {
        "edge_index": torch.tensor([[1, 2], [3, 1]]),
        "edge_type": torch.tensor([5, 2]),
        "made_for_edge_index": edge_index,
    }
    graph = Data(edge_index=edge_index, num_nodes=4, typed_edges=of_graph)
    assert as_kinds(typed(graph))[1, 3] == EdgeKind.COOCCURRENCE
    assert (1, 3) not in as_kinds(typed(graph, cooccurrence=NO_EDGES))
    graph.edge_index = edge_index[:, :1]
    with pytest.raises(TaxonomyError, match="'typed_edges' was made before the hierarchy changed"):
        typed(graph)


def test_no_labels_and_no_edges():
    assert typed(LabelStructure(NO_EDGES, 0)).edge_index.shape == (2, 0)
    assert as_kinds(typed(LabelStructure(NO_EDGES, 2))) == {(0, 0): EdgeKind.SELF, (1, 1): EdgeKind.SELF}


def test_encoding_of_edges():
    encoding = EdgeEncoding(3, max_level=2).double()
    kind = torch.tensor([0, 4, 7, 1], dtype=torch.int8)
    difference = torch.tensor([0, -5, 2, -1], dtype=torch.int32)
    state = encoding(kind, difference)
    for row, of_kind, of_level in zip(state, [0, 4, 7, 1], [0, -2, 2, -1], strict=True):
        expected = encoding.kind_embedding.weight[of_kind] + encoding.level_embedding.weight[of_level + 2]
        torch.testing.assert_close(row, expected, rtol=0, atol=0)
    state.sum().backward()
    assert encoding.kind_embedding.weight.grad[:, 0].tolist() == [1, 1, 0, 0, 1, 0, 0, 1]
    assert encoding.level_embedding.weight.grad[:, 0].tolist() == [1, 1, 1, 0, 1]
    assert encoding(kind[:0], difference[:0]).shape == (0, 3)


def test_wrong_input_is_named(monkeypatch):
    with pytest.raises(ConfigError, match="'max_siblings' must be at least 0, or None for all, but got -1"):
        typed(SMALL, max_siblings=-1)
    with pytest.raises(ConfigError, match="'neighbours' must hold labels from 0 to 6, but got 2 to 7"):
        typed(SMALL, neighbours=torch.tensor([[2], [7]]))
    with pytest.raises(ConfigError, match=r"'cooccurrence' must be integers of shape \[2, E\]"):
        typed(SMALL, cooccurrence=torch.zeros(3, 2))
    with pytest.raises(TaxonomyError, match="cycle"):
        typed(LabelStructure(torch.tensor([[0, 1], [1, 0]]), 2))
    with pytest.raises(ConfigError, match="'max_level' must be at least 1, but got 0"):
        EdgeEncoding(4, max_level=0)
    monkeypatch.setattr(import_module(typed.__module__), "MAX_EDGES", 1)
    with pytest.raises(ConfigError, match="'max_siblings' must be given: edges from all siblings are at least 2"):
        typed(SMALL, max_siblings=None)
    chain = LabelStructure(torch.tensor([[0, 1, 2], [1, 2, 3]]), 4)
    with pytest.raises(ConfigError, match="'max_ancestors' must be given: edges from all ancestors are at least 2"):
        typed(chain, root=False)
