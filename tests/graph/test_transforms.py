"""Every transform against networkx, PyG or a loop; what they share; typed edges."""

import inspect
import itertools
import pickle

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
import torch_geometric.transforms as T
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import to_undirected

from hgraph.errors import ConfigError, DataError, TaxonomyError
from hgraph.graph import LabelGraph, transforms
from hgraph.graph.transforms import (
    AddAncestorEdges,
    AddCooccurrenceEdges,
    AddDegree,
    AddDistancePairs,
    AddLaplacianEncoding,
    AddLevel,
    AddRandomWalkEncoding,
    AddReverseEdges,
    AddShortestPathDistance,
    AddSiblingEdges,
    AddSupport,
    AddTextFeatures,
    AddVirtualRoot,
    EdgeType,
    put_edges,
    to_hetero_data,
    to_typed,
    typed_edges,
)

EDGES = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("c", "e")]
DOCUMENTS = np.array([[0, 0, 0, 1, 1], [0, 1, 0, 0, 1], [0, 0, 0, 1, 0]])


def encode(texts):
    return torch.tensor([[len(text), text.count("b")] for text in texts], dtype=torch.float)


# One of each; the suite below runs over all and checks that none is missing.
ALL = {
    AddAncestorEdges: AddAncestorEdges(),
    AddCooccurrenceEdges: AddCooccurrenceEdges(DOCUMENTS),
    AddDegree: AddDegree(),
    AddDistancePairs: AddDistancePairs(2),
    AddLaplacianEncoding: AddLaplacianEncoding(2),
    AddLevel: AddLevel(),
    AddRandomWalkEncoding: AddRandomWalkEncoding(4),
    AddReverseEdges: AddReverseEdges(),
    AddShortestPathDistance: AddShortestPathDistance(),
    AddSiblingEdges: AddSiblingEdges(),
    AddSupport: AddSupport(DOCUMENTS),
    AddTextFeatures: AddTextFeatures(encode),
    AddVirtualRoot: AddVirtualRoot(),
}
ON_ANY_DATA = [kind for kind in ALL if kind is not AddTextFeatures]


@pytest.fixture
def graph():
    return LabelGraph.from_edges(EDGES, names={"a": "Top"}, descriptions={"d": "last"}, title="toy")


@st.composite
def dags(draw, max_labels=9):
    size = draw(st.integers(1, max_labels))
    pairs = [(a, b) for a in range(size) for b in range(a + 1, size)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=14)) if pairs else []
    names = draw(st.permutations(range(size)))
    nodes = [str(number) for number in range(size)]
    return LabelGraph.from_edges([(str(names[a]), str(names[b])) for a, b in chosen], nodes=nodes)


def edges_of(data, edge_type):
    found = typed_edges(data)
    pairs = found["edge_index"][:, found["edge_type"] == int(edge_type)].t().tolist()
    assert len(pairs) == len(set(map(tuple, pairs)))
    return {tuple(pair) for pair in pairs}


# What all share


def test_every_transform_is_exported_and_tested():
    public = [getattr(transforms, name) for name in transforms.__all__]
    kinds = {kind for kind in public if inspect.isclass(kind) and issubclass(kind, BaseTransform)}
    assert kinds == set(ALL)
    assert all(name.startswith("Add") for name in (kind.__name__ for kind in kinds))


@pytest.mark.parametrize("kind", ALL)
def test_the_given_graph_stays_as_it_is(graph, kind):
    before = {
        key: value.clone() if isinstance(value, torch.Tensor) else value for key, value in graph.to_dict().items()
    }
    out = ALL[kind](AddReverseEdges()(graph) if kind not in (AddVirtualRoot,) else graph)
    assert isinstance(out, LabelGraph)
    assert out.to_dict().keys() > before.keys() or kind is AddVirtualRoot
    assert graph.to_dict().keys() == before.keys()
    for key, value in before.items():
        assert torch.equal(graph[key], value) if isinstance(value, torch.Tensor) else graph[key] == value
    assert repr(out).startswith("LabelGraph('toy', ")


@pytest.mark.parametrize("kind", ALL)
def test_repr_names_the_options(kind):
    options = inspect.signature(kind.__init__).parameters if "__init__" in vars(kind) else ()
    text = repr(ALL[kind])
    assert text.startswith(kind.__name__ + "(")
    assert all(f"{name}=" in text for name in options if name != "self")
    assert len(text) < 200


@pytest.mark.parametrize("kind", ALL)
def test_pickled_and_batched(graph, kind):
    out = ALL[kind](graph)
    small = LabelGraph.from_edges([("p", "q"), ("p", "r"), ("q", "s"), ("r", "s"), ("r", "t")])  # dense [L, L] must fit
    other = ALL[kind](small)
    for again in (pickle.loads(pickle.dumps(out)), Batch.from_data_list([other, out]).to_data_list()[1]):
        assert again.to_dict().keys() == out.to_dict().keys()
        for key, value in out.to_dict().items():
            if isinstance(value, dict):
                assert all(torch.equal(again[key][name], tensor) for name, tensor in value.items())
            else:
                assert torch.equal(again[key], value) if isinstance(value, torch.Tensor) else again[key] == value


@pytest.mark.parametrize("kind", ON_ANY_DATA)
def test_the_same_on_plain_data(graph, kind):
    plain = Data(edge_index=graph.edge_index, num_nodes=graph.num_labels)
    ours, theirs = ALL[kind](graph), ALL[kind](plain)
    for key, value in theirs.to_dict().items():
        found = ours[key]
        if isinstance(value, dict):
            assert all(torch.equal(found[name], tensor) for name, tensor in value.items())
        else:
            assert torch.equal(found, value) if isinstance(value, torch.Tensor) else found == value


@pytest.mark.parametrize("kind", ALL)
def test_one_label(kind):
    alone = LabelGraph.from_edges([], nodes=["a"])
    transform = {AddCooccurrenceEdges: AddCooccurrenceEdges(np.ones((2, 1))), AddSupport: AddSupport(np.ones((2, 1)))}
    out = transform.get(kind, ALL[kind])(alone)
    assert out.num_labels == 1 + (kind is AddVirtualRoot)


@pytest.mark.parametrize("kind", ALL)
def test_refuses_cycles_and_other_objects(graph, kind):
    with pytest.raises(TaxonomyError, match="contains a cycle"):
        ALL[kind](T.ToUndirected()(graph))
    for wrong in (HeteroData(), Data(), Data(x=torch.ones(2, 1))):
        with pytest.raises(ConfigError, match=r"Expected a LabelGraph or a PyG Data|reads names from one LabelGraph"):
            ALL[kind](wrong)
    if kind in ON_ANY_DATA:
        with pytest.raises(TaxonomyError, match="points at label 7"):
            ALL[kind](Data(edge_index=torch.tensor([[0], [7]]), num_nodes=3))


@pytest.mark.parametrize("kind", [kind for kind in ALL if "attr_name" in inspect.signature(kind.__init__).parameters])
def test_attribute_names(graph, kind):
    required = {AddDistancePairs: (2,), AddLaplacianEncoding: (2,), AddRandomWalkEncoding: (2,)}
    required |= {AddSupport: (DOCUMENTS,), AddTextFeatures: (encode,)}
    arguments = required.get(kind, ())
    assert "mine" in kind(*arguments, attr_name="mine")(graph)
    default = inspect.signature(kind.__init__).parameters["attr_name"].default
    assert default == "x" or not hasattr(LabelGraph, default)
    for name in ("edge_index", "level", "label_id", "distance", "parents", "typed_edges"):
        with pytest.raises(ConfigError, match=f"'attr_name' must not be '{name}'"):
            kind(*arguments, attr_name=name)


def test_compose_and_features_side_by_side(graph):
    steps = [AddVirtualRoot(), AddTextFeatures(encode), AddLevel(attr_name=None), AddDegree(attr_name=None)]
    steps += [AddSupport(np.zeros((1, 6)), attr_name=None), AddLaplacianEncoding(2, attr_name=None), AddReverseEdges()]
    out = T.Compose([*steps, AddSiblingEdges(), AddAncestorEdges()])(graph)
    assert out.x.shape == (6, 2 + 4 + 2 + 1 + 2)
    assert out.x.dtype == torch.float
    assert set(typed_edges(out)["edge_type"].tolist()) == {1, 2, 3, 4}


# One by one


@settings(max_examples=50, deadline=None)
@given(dags())
def test_levels_and_degrees(graph):
    tree = graph.to_networkx()
    level = {}
    for label in nx.topological_sort(tree):
        level[label] = 1 + max((level[parent] for parent in tree.predecessors(label)), default=0)
    expected = [level[label] for label in graph.label_id]
    out = AddLevel()(graph).level_encoding
    assert out.shape == (graph.num_labels, max(expected))
    assert (out.argmax(1) + 1).tolist() == expected and (out.sum(1) == 1).all()
    assert AddLevel(encoding="index", attr_name="depth")(graph).depth.tolist() == expected
    capped = AddLevel(num_levels=2)(graph).level_encoding
    assert (capped.argmax(1) + 1).tolist() == [min(number, 2) for number in expected] and capped.shape[1] == 2
    scaled = AddLevel(encoding="scaled", num_levels=4)(graph).level_encoding
    assert scaled.view(-1).tolist() == pytest.approx([min(number, 4) / 4 for number in expected])
    degrees = [[tree.in_degree(label), tree.out_degree(label)] for label in graph.label_id]
    assert AddDegree()(graph).degree.tolist() == degrees
    logs = AddDegree(direction="out", scale="log")(graph).degree
    assert logs.tolist() == [[pytest.approx(np.log1p(children))] for _, children in degrees]
    assert AddDegree(direction="in")(graph).degree.tolist() == [[parents] for parents, _ in degrees]


@settings(max_examples=50, deadline=None)
@given(dags(), st.integers(1, 4))
def test_distances(graph, hops):
    lengths = dict(nx.all_pairs_shortest_path_length(graph.to_networkx().to_undirected()))
    expected = [[lengths[a].get(b, -1) for b in graph.label_id] for a in graph.label_id]
    assert AddShortestPathDistance()(graph).shortest_path_distance.tolist() == expected
    capped = AddShortestPathDistance(max_distance=hops)(graph).shortest_path_distance
    assert capped.tolist() == np.minimum(expected, hops).tolist()
    pairs = AddDistancePairs(hops)(graph).distance_pairs
    found = dict(zip(map(tuple, pairs["edge_index"].t().tolist()), pairs["hops"].tolist(), strict=True))
    indices = range(graph.num_labels)
    assert found == {(a, b): expected[a][b] for a in indices for b in indices if 0 < expected[a][b] <= hops}


def test_dense_distances_have_a_limit(monkeypatch, graph):
    monkeypatch.setattr("hgraph.graph.transforms.add_shortest_path_distance.MAX_DENSE_LABELS", 4)
    with pytest.raises(ConfigError, match=r"at most 4 labels, found 5. Use AddDistancePairs"):
        AddShortestPathDistance()(graph)


@settings(max_examples=50, deadline=None)
@given(dags(), st.data())
def test_support(graph, data):
    row = st.lists(st.booleans(), min_size=graph.num_labels, max_size=graph.num_labels)
    documents = np.array(data.draw(st.lists(row, min_size=1, max_size=5)))
    tree = graph.to_networkx()
    closed = []
    for label in graph.label_id:
        below = [graph.index(other) for other in nx.descendants(tree, label) | {label}]
        closed.append(sum(any(document[other] for other in below) for document in documents))
    assert AddSupport(documents)(graph).support.tolist() == closed
    assert AddSupport(sp.coo_array(documents), closed=False)(graph).support.tolist() == documents.sum(0).tolist()
    assert AddSupport(documents.sum(0))(graph).support.tolist() == documents.sum(0).tolist()


def test_support_must_fit(graph):
    for wrong in (np.ones(4), np.ones((2, 4))):
        with pytest.raises(DataError, match="'label_matrix' must"):
            AddSupport(wrong)(graph)


def test_text_features(graph):
    seen = []

    def record(texts):
        seen.append(list(texts))
        return encode(texts).numpy()  # sentence-transformers returns arrays by default

    assert AddTextFeatures(record, batch_size=2)(graph).x.shape == (5, 2)
    assert seen == [["Top", "b"], ["c", "d"], ["e"]]
    assert AddTextFeatures(encode, text="path")(graph).x[:, 0].tolist() == [3, 7, 7, 11, 11]
    seen.clear()
    AddTextFeatures(record, text="name+description")(graph)
    assert seen == [["Top", "b", "c", "d. last", "e"]]
    layer = torch.nn.Linear(2, 3)
    assert not AddTextFeatures(lambda texts: layer(encode(texts)))(graph).x.requires_grad
    for broken in (lambda texts: torch.ones(len(texts)), lambda texts: torch.ones(2, 3)):
        with pytest.raises(ConfigError, match=r"'encode' must return one vector a text, \[5, F\], found"):
            AddTextFeatures(broken)(graph)
    with pytest.raises(ConfigError, match="Apply it before batching"):
        AddTextFeatures(encode)(Batch.from_data_list([graph, graph]))


# Positions


def same_up_to_sign(left, right):
    return all(
        torch.allclose(a, b, atol=1e-4) or torch.allclose(a, -b, atol=1e-4)
        for a, b in zip(left.T, right.T, strict=True)
    )


def random_tree(size, seed=0):
    draw = np.random.default_rng(seed)
    return LabelGraph.from_edges(
        [(str(draw.integers(child)), str(child)) for child in range(1, size)], nodes=map(str, range(size))
    )


@pytest.mark.parametrize("size", [12, 40])
def test_laplacian_encoding_agrees_with_pyg(size):
    graph = LabelGraph.from_edges([(str(i // 2), str(i)) for i in range(1, size)] + [("1", str(size - 1)), ("2", "8")])
    plain = Data(edge_index=to_undirected(graph.edge_index), num_nodes=size)
    theirs = T.AddLaplacianEigenvectorPE(5, is_undirected=True)(plain).laplacian_eigenvector_pe
    values = np.linalg.eigvalsh(laplacian(graph))
    simple = [i for i in range(5) if min(values[i + 1] - values[i], values[i + 2] - values[i + 1]) > 1e-3]
    assert len(simple) >= 2
    ours = AddLaplacianEncoding(5)(graph).laplacian_encoding
    assert same_up_to_sign(ours[:, simple], theirs[:, simple])


def laplacian(graph, roots=()):
    """Dense normalised Laplacian, by definition."""
    size = graph.num_labels + bool(len(roots))
    adjacency = np.zeros((size, size))
    for parent, child in graph.edge_index.t().tolist() + [[size - 1, root] for root in roots]:
        adjacency[parent, child] = adjacency[child, parent] = 1
    scale = 1 / np.sqrt(np.maximum(adjacency.sum(0), 1))
    return np.diag((adjacency.sum(0) > 0).astype(float)) - scale[:, None] * adjacency * scale


@pytest.mark.parametrize("size", [30, 600])
def test_laplacian_encoding_holds_eigenvectors(size, monkeypatch):
    monkeypatch.setattr("hgraph.graph.transforms.add_laplacian_encoding.MAX_DENSE_LABELS", 100)
    graph = random_tree(size)
    matrix, vectors = laplacian(graph), AddLaplacianEncoding(6)(graph).laplacian_encoding.double().numpy()
    expected = np.linalg.eigvalsh(matrix)[1:7]
    quotients = np.einsum("ik,ij,jk->k", vectors, matrix, vectors)
    assert quotients == pytest.approx(expected, abs=1e-5)
    assert vectors.T @ vectors == pytest.approx(np.eye(6), abs=1e-4)
    assert matrix @ vectors == pytest.approx(vectors * expected, abs=1e-4)
    again = AddLaplacianEncoding(6)(random_tree(size)).laplacian_encoding
    assert np.array_equal(again.double().numpy(), vectors)
    largest = vectors[np.abs(vectors).argmax(0), np.arange(6)]
    assert (largest > 0).all()


@pytest.mark.parametrize("size", [20, 400])
def test_several_roots_hang_together(size):
    """Without a virtual root the first columns would tell components apart and nothing else."""
    trees = [(f"{tree}-{(i - 1) // 2}", f"{tree}-{i}") for tree in range(3) for i in range(1, size // 3)]
    graph = LabelGraph.from_edges(trees)
    vectors = AddLaplacianEncoding(4)(graph).laplacian_encoding.double().numpy()
    matrix = laplacian(graph, graph.roots)
    joined = LabelGraph.from_edges([*trees, *[("r", f"{tree}-0") for tree in range(3)]], nodes=[*graph.label_id, "r"])
    assert matrix == pytest.approx(laplacian(joined))
    values = np.linalg.eigvalsh(matrix)
    assert values[1] > 1e-6
    whole = AddLaplacianEncoding(4)(joined).laplacian_encoding.double().numpy()
    quotients = np.einsum("ik,ij,jk->k", whole, matrix, whole)
    assert quotients == pytest.approx(values[1:5], abs=1e-5)
    # the same space, whichever basis a repeated eigenvalue got
    span = whole[:-1, :2] @ whole[:-1, :2].T
    assert vectors[:, :2] @ vectors[:, :2].T == pytest.approx(span, abs=1e-3)


def test_graphs_of_a_batch_are_not_joined(graph):
    with pytest.raises(ConfigError, match="Apply it before batching"):
        AddLaplacianEncoding(2)(Batch.from_data_list([graph, graph]))


def test_few_labels_are_padded():
    chain = LabelGraph.from_edges([("a", "b"), ("b", "c")])
    out = AddLaplacianEncoding(5)(chain).laplacian_encoding
    assert out.shape == (3, 5)
    assert (out[:, 2:] == 0).all() and (out[:, :2].norm(dim=0) > 0.9).all()
    assert AddLaplacianEncoding(3)(LabelGraph.from_edges([], nodes=["a"])).laplacian_encoding.tolist() == [[0, 0, 0]]


@settings(max_examples=50, deadline=None)
@given(dags(), st.integers(1, 7))
def test_random_walk_encoding_agrees_with_pyg(graph, length):
    plain = Data(edge_index=to_undirected(graph.edge_index, num_nodes=graph.num_labels), num_nodes=graph.num_labels)
    theirs = T.AddRandomWalkPE(length)(plain).random_walk_pe
    ours = AddRandomWalkEncoding(length)(graph).random_walk_encoding
    assert ours.dtype == torch.float
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_random_walks_in_small_blocks(monkeypatch):
    graph = random_tree(50)
    whole = AddRandomWalkEncoding(6)(graph).random_walk_encoding
    assert (whole[:, ::2] == 0).all() and (whole[:, 1] > 0).all()
    monkeypatch.setattr("hgraph.graph.transforms.add_random_walk_encoding.MAX_CELLS", 350)
    assert torch.allclose(AddRandomWalkEncoding(6)(graph).random_walk_encoding, whole)
    monkeypatch.setattr("hgraph.graph.transforms.add_random_walk_encoding.MAX_LABELS", 49)
    with pytest.raises(ConfigError, match="at most 49 labels, found 50"):
        AddRandomWalkEncoding(6)(graph)


# The virtual root


def test_virtual_root(graph):
    graph.x, graph.edge_attr, graph.tags = torch.ones(5, 2), torch.ones(5, 3), [1, 2, 3, 4, 5]
    two = LabelGraph(
        graph.edge_index[:, 1:], graph.label_id, name=graph.name, x=graph.x, tags=graph.tags, license="CC0"
    )
    two.edge_attr = graph.edge_attr[1:]
    out = AddVirtualRoot(label_id="R", name="All")(two)
    assert out.label_id == ["a", "b", "c", "d", "e", "R"] and out.name[-1] == "All" and out.description[-1] == ""
    assert out.roots.tolist() == [5] and out.num_labels == out.num_nodes == 6 and out.license == "CC0"
    assert out.level.tolist() == [number + 1 for number in two.level.tolist()] + [1]
    assert sorted(out.edge_index[:, 4:].t().tolist()) == [[5, 0], [5, 1]]
    assert out.x[-1].tolist() == [0, 0] and out.x[:-1].eq(1).all()
    assert out.edge_attr.shape == (6, 3) and out.edge_attr[4:].eq(0).all()
    assert out.tags == [1, 2, 3, 4, 5, None]
    assert two.num_labels == 5


def test_virtual_root_refusals(graph):
    with pytest.raises(TaxonomyError, match="'label_id' is 'a', which the hierarchy has already"):
        AddVirtualRoot(label_id="a")(graph)
    with pytest.raises(ConfigError, match="before batching"):
        AddVirtualRoot()(Batch.from_data_list([graph]))
    with pytest.raises(ConfigError, match="must come before the transforms that add edges"):
        AddVirtualRoot()(AddReverseEdges()(graph))


# Typed edges


@settings(max_examples=60, deadline=None)
@given(dags())
def test_edges_of_every_type(graph):
    tree, index = graph.to_networkx(), graph.index
    hierarchy = {tuple(pair) for pair in graph.edge_index.t().tolist()}
    out = T.Compose([AddReverseEdges(), AddSiblingEdges(), AddAncestorEdges(parents=True)])(graph)
    assert edges_of(out, EdgeType.CHILD_OF) == {(child, parent) for parent, child in hierarchy}
    siblings = {(index(a), index(b)) for parent in tree for a, b in itertools.permutations(tree.successors(parent), 2)}
    assert edges_of(out, EdgeType.SIBLING_OF) == siblings
    above = {(index(a), index(label)) for label in tree for a in nx.ancestors(tree, label)}
    assert edges_of(out, EdgeType.ANCESTOR_OF) == above
    assert edges_of(out, EdgeType.DESCENDANT_OF) == {(b, a) for a, b in above}
    down = AddAncestorEdges(direction="down")(graph)
    assert edges_of(down, EdgeType.ANCESTOR_OF) == above - hierarchy
    assert not edges_of(down, EdgeType.DESCENDANT_OF)
    for window in (1, 2):
        near = set()
        for parent in tree:
            children = sorted(index(child) for child in tree.successors(parent))
            for i, j in itertools.combinations(range(len(children)), 2):
                if j - i <= window:
                    near |= {(children[i], children[j]), (children[j], children[i])}
        assert edges_of(AddSiblingEdges(window=window)(graph), EdgeType.SIBLING_OF) == near


def test_too_many_siblings(monkeypatch, graph):
    monkeypatch.setattr("hgraph.graph.transforms.add_sibling_edges.MAX_EDGES", 3)
    with pytest.raises(ConfigError, match=r"would add 4 edges, more than 3: one label has 2 children.*window=5"):
        AddSiblingEdges()(graph)
    broad = LabelGraph.from_edges([("r", str(i)) for i in range(5)])
    monkeypatch.setattr("hgraph.graph.transforms.add_sibling_edges.MAX_EDGES", 14)
    assert len(edges_of(AddSiblingEdges(window=2)(broad), EdgeType.SIBLING_OF)) == 14  # 2 (4 + 3)
    with pytest.raises(ConfigError, match="20 edges"):
        AddSiblingEdges(window=9)(broad)


def test_cooccurrence_edges(graph):
    documents = graph.expand(DOCUMENTS)
    out = AddCooccurrenceEdges(documents, measure="count")(graph)
    # d and e; b and e (twice); c is above d and e, b above d, a above all.
    assert edges_of(out, EdgeType.COOCCURS_WITH) == {(3, 4), (4, 3), (1, 4), (4, 1), (1, 2), (2, 1)}
    weights = dict(
        zip(
            map(tuple, out.typed_edges["edge_index"].t().tolist()), out.typed_edges["edge_weight"].tolist(), strict=True
        )
    )
    assert weights[1, 4] == 2 and weights[3, 4] == 1
    assert (0, 4) in edges_of(AddCooccurrenceEdges(documents, related=True)(graph), EdgeType.COOCCURS_WITH)
    only = AddCooccurrenceEdges(documents, top_k=1, min_count=2, measure="jaccard")(graph)
    assert edges_of(only, EdgeType.COOCCURS_WITH) <= edges_of(out, EdgeType.COOCCURS_WITH)
    with pytest.raises(DataError, match="'label_matrix' must have shape"):
        AddCooccurrenceEdges(np.ones((2, 3)))(graph)


def test_edges_of_a_type_are_replaced_and_copies_do_not_share(graph):
    first = AddReverseEdges()(graph)
    second = AddSiblingEdges()(first)
    assert len(first.typed_edges["edge_type"]) == 5
    assert len(AddReverseEdges()(second).typed_edges["edge_type"]) == len(second.typed_edges["edge_type"]) == 9
    narrow = put_edges(second, EdgeType.SIBLING_OF, torch.tensor([[1], [2]]), torch.tensor([0.5]))
    assert edges_of(narrow, EdgeType.SIBLING_OF) == {(1, 2)}
    assert narrow.typed_edges["edge_weight"].tolist() == [1] * 5 + [0.5]
    assert graph.fingerprint == narrow.fingerprint and graph.is_tree == narrow.is_tree
    with pytest.raises(ConfigError, match="these edges are 'edge_index' itself"):
        put_edges(graph, EdgeType.PARENT_OF, graph.edge_index)
    with pytest.raises(ConfigError, match="'weight' must hold 1 numbers"):
        put_edges(graph, EdgeType.SIBLING_OF, torch.tensor([[1], [2]]), torch.ones(2))


def test_as_many_typed_edges_as_labels_and_edges(graph):
    """Five labels, five edges, five typed edges: PyG tells attributes apart by their length."""
    out = AddReverseEdges()(graph)
    assert out.num_labels == out.num_edges == len(out.typed_edges["edge_type"]) == 5
    assert not out.is_node_attr("typed_edges") and not out.is_edge_attr("typed_edges")
    batch = Batch.from_data_list([out, out])
    assert (
        batch.typed_edges["edge_index"].tolist()
        == torch.cat([graph.edge_index.flip(0), graph.edge_index.flip(0) + 5], 1).tolist()
    )
    typed = to_typed(batch)
    assert typed.num_nodes == 10 and typed.edge_index.shape == (2, 20) and typed.batch.tolist() == [0] * 5 + [1] * 5


def test_stale_typed_edges_are_refused(graph):
    out = AddSiblingEdges()(graph)
    changed = [
        out.subgraph(torch.tensor([4, 3, 2, 1, 0])),
        out.subgraph(torch.tensor([0, 1, 2])),
        T.ToUndirected()(out),
    ]
    changed.append(out.edge_subgraph(torch.tensor([0, 1])))
    for stale in changed:
        with pytest.raises(TaxonomyError, match=r"made before the hierarchy changed|contains a cycle"):
            to_typed(stale)
        with pytest.raises(TaxonomyError, match=r"made before the hierarchy changed|contains a cycle"):
            AddReverseEdges()(stale)
    del changed[0].typed_edges
    assert edges_of(AddSiblingEdges()(changed[0]), EdgeType.SIBLING_OF) == {(3, 2), (2, 3), (1, 0), (0, 1)}
    flat = put_edges(LabelGraph.from_edges([], nodes=["a", "b"]), EdgeType.COOCCURS_WITH, torch.tensor([[0], [1]]))
    assert to_typed(flat).edge_type.tolist() == [int(EdgeType.COOCCURS_WITH)]
    with pytest.raises(TaxonomyError, match="made before"):
        typed_edges(flat.subgraph(torch.tensor([0])))


def test_to_typed_and_to_hetero_data(graph):
    graph.x = torch.randn(5, 3)
    weighted = T.Compose([AddReverseEdges(), AddCooccurrenceEdges(graph.expand(DOCUMENTS), measure="count")])(graph)
    typed, hetero = to_typed(weighted), to_hetero_data(weighted)
    assert type(typed) is Data and typed.num_nodes == 5 and "name" not in typed and torch.equal(typed.x, graph.x)
    assert "title" not in typed and typed.validate() and hetero.validate()
    assert hetero.node_types == ["label"] and torch.equal(hetero["label"].level, graph.level)
    assert hetero.edge_types == [
        kind.relation for kind in (EdgeType.PARENT_OF, EdgeType.CHILD_OF, EdgeType.COOCCURS_WITH)
    ]
    for kind in EdgeType:
        chosen = typed.edge_type == int(kind)
        if kind.relation in hetero.edge_types:
            assert torch.equal(hetero[kind.relation].edge_index, typed.edge_index[:, chosen])
            assert torch.equal(hetero[kind.relation].edge_weight, typed.edge_weight[chosen])
        else:
            assert not chosen.any()
    assert torch.equal(typed.edge_index[:, typed.edge_type == 0], graph.edge_index)
    assert typed.edge_weight[typed.edge_type == 5].max() == 3
    assert to_typed(graph).edge_type.tolist() == [0] * 5
    flat = to_hetero_data(LabelGraph.from_edges([], nodes=["a", "b"]))
    assert flat.edge_types == [] and flat["label"].num_nodes == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AddLevel(encoding="sine"), "'encoding' must be one of one_hot, scaled, index, found 'sine'"),
        (lambda: AddLevel(num_levels=0), "'num_levels' must be at least 1"),
        (lambda: AddDegree(direction="up"), "'direction' must be one of in, out, both, found 'up'"),
        (lambda: AddDegree(scale="ln"), "'scale' must be one of count, log"),
        (lambda: AddShortestPathDistance(max_distance=0), "'max_distance' must be at least 1"),
        (lambda: AddDistancePairs(0), "'max_hops' must be at least 1"),
        (lambda: AddLaplacianEncoding(0), "'k' must be at least 1"),
        (lambda: AddRandomWalkEncoding(0), "'walk_length' must be at least 1"),
        (lambda: AddSiblingEdges(window=0), "'window' must be at least 1"),
        (lambda: AddAncestorEdges(direction="in"), "'direction' must be one of down, up, both"),
        (lambda: AddTextFeatures(encode, text="id"), r"'text' must be one of name, name\+description, path"),
        (lambda: AddTextFeatures(encode, batch_size=0), "'batch_size' must be at least 1"),
    ],
)
def test_wrong_options(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
