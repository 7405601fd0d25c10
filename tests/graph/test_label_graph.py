"""Building a `LabelGraph`, what the constructor refuses, and its life as a PyG object."""

import copy
import pickle
import sys
import types

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GATConv
from torch_geometric.transforms import ToUndirected

from hgraph.errors import TaxonomyError
from hgraph.graph import LabelGraph

EDGES = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]  # four labels, four edges: sizes that PyG could mix up


@pytest.fixture
def graph():
    return LabelGraph.from_edges(
        EDGES, names={"a": "Top"}, descriptions={"d": "last"}, title="toy", license="CC0", source="here"
    )


def assert_same(left, right):
    assert type(left) is type(right)
    for key in ("label_id", "name", "description", "title", "license", "source", "num_nodes"):
        assert getattr(left, key) == getattr(right, key), key
    assert torch.equal(left.edge_index, right.edge_index)
    assert torch.equal(left.level, right.level)
    assert (left.ancestors != right.ancestors).nnz == 0
    assert left.fingerprint == right.fingerprint


# Building


def test_from_edges(graph):
    assert graph.label_id == ["a", "b", "c", "d"]
    assert graph.name == ["Top", "b", "c", "d"]
    assert graph.description == ["", "", "", "last"]
    assert graph.edge_index.tolist() == [[0, 0, 1, 2], [1, 2, 3, 3]]
    assert graph.edge_index.dtype == graph.level.dtype == torch.long
    assert graph.level.tolist() == [1, 2, 2, 3]
    assert graph.validate()
    assert repr(graph) == "LabelGraph('toy', labels=4, edges=4, levels=3, roots=1, dag)"


def test_from_edges_with_nodes_and_sequences():
    graph = LabelGraph.from_edges((pair for pair in [["x", "y"]]), nodes=["z", "y", "x"], names=["Z", "Y", "X"])
    assert graph.label_id == ["z", "y", "x"]
    assert graph.name == ["Z", "Y", "X"]
    assert graph.edge_index.tolist() == [[2], [1]]


def test_repeated_edges_are_dropped_with_their_attributes():
    graph = LabelGraph(
        torch.tensor([[0, 0, 0], [1, 1, 2]]), ["a", "b", "c"], edge_attr=torch.tensor([1, 2, 3]), x=torch.ones(3, 2)
    )
    assert graph.edge_index.tolist() == [[0, 0], [1, 2]]
    assert graph.edge_attr.tolist() == [1, 3]
    assert graph.x.shape == (3, 2)
    assert graph.num_dropped_edges == 1


def test_from_paths_keeps_same_names_apart():
    graph = LabelGraph.from_paths(["A > X", ["B", "X"], "A > X > Y"], title="t")
    assert graph.label_id == ["A", "A > X", "B", "B > X", "A > X > Y"]
    assert graph.name == ["A", "X", "B", "X", "Y"]
    assert [graph.path_names(i) for i in range(5)] == graph.label_id
    assert LabelGraph.from_paths(["A/B", "A/C"], separator="/").label_id == ["A", "A/B", "A/C"]


@pytest.mark.parametrize(
    ("paths", "separator", "message"),
    [
        ([], " > ", "'paths' is empty"),
        ("A > B", " > ", "found one string"),
        (["A"], "", "'separator' is empty"),
        (["A", "A >  > B"], " > ", "an empty name at position 1"),
        ([[]], " > ", "an empty name at position 0"),
        ([["A", 3]], " > ", "an empty name at position 0"),
        ([["A > B", "C"]], " > ", "a name that contains ' > ' at position 0"),
    ],
)
def test_bad_paths(paths, separator, message):
    with pytest.raises(TaxonomyError, match=message):
        LabelGraph.from_paths(paths, separator=separator)


def test_networkx_there_and_back(graph):
    assert_same(LabelGraph.from_networkx(graph.to_networkx()), copy_without_licence(graph))
    with pytest.raises(TaxonomyError, match="must be directed"):
        LabelGraph.from_networkx(nx.Graph([("a", "b")]))
    with pytest.raises(TaxonomyError, match=r"must hold .*strings, found 1 \(int\)"):
        LabelGraph.from_networkx(nx.DiGraph([(1, 2)]))


def copy_without_licence(graph):
    out = copy.copy(graph)
    out.license = out.source = ""
    return out


def test_from_name_asks_the_bundled_taxonomies(monkeypatch, graph):
    module = types.ModuleType("hgraph.taxonomies")
    module.load = lambda name: (name, graph)
    monkeypatch.setitem(sys.modules, "hgraph.taxonomies", module)
    assert LabelGraph.from_name("wos") == ("wos", graph)


@pytest.mark.parametrize(
    ("edges", "options", "message"),
    [
        ([("a", "b"), ("b", "a")], {}, r"'edges' contains a cycle: a -> b -> a. Remove one of these edges\."),
        ([("r", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "x")], {}, "cycle: a -> b -> c -> a"),
        ([(str(i), str((i + 1) % 50)) for i in range(50)], {}, r"0 -> 1 -> .*\(40 more\).* -> 49 -> 0\."),
        ([("a", "a")], {}, "'edges' contains a self-loop: a -> a. Remove this edge"),
        ([("a", "b")], {"nodes": ["a"]}, "'edges' has 'a' -> 'b', but 'b' is not in 'nodes'"),
        ([("a", "b")], {"nodes": ["a", "b", "a"]}, "'nodes' has 'a' 2 times. Ids must be unique"),
        ([], {}, "'edges' is empty. A hierarchy needs at least one label"),
        ([], {"nodes": []}, "'nodes' is empty"),
        ([("a", 3)], {}, r"found 3 \(int\) at position 0"),
        ([("a", ["b"])], {}, r"found \['b'\] \(list\) at position 0"),
        ([], {"nodes": ["a", None]}, r"'nodes' must hold strings, found None \(NoneType\) at position 1"),
        ([("a", " ")], {}, "'edges' has an empty id"),
        ([("a", "b", "c")], {}, r"pairs, found \('a', 'b', 'c'\) at position 0"),
        (["ab"], {}, "pairs, found 'ab' at position 0"),
        ([("a", "b")], {"names": ["A"]}, "'names' must be a mapping from id to text or hold 2 texts"),
        ([("a", "b")], {"names": {"a": 7}}, r"'name' must hold strings, found 7 \(int\)"),
    ],
)
def test_bad_edges(edges, options, message):
    with pytest.raises(TaxonomyError, match=message) as caught:
        LabelGraph.from_edges(edges, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.tensor([[0], [2]]), ["a", "b"]), "points at label 2, but labels are numbered 0 to 1"),
        ((torch.tensor([[-1], [1]]), ["a", "b"]), "points at label -1"),
        ((torch.tensor([[0.0], [1.0]]), ["a", "b"]), r"integers of shape \[2, num_edges\], found torch.float32"),
        ((torch.tensor([0, 1]), ["a", "b"]), r"found torch.int64 of shape \[2\]"),
        ((torch.tensor([[0], [1]]),), "'label_id' is missing"),
        ((None, []), "'label_id' is empty"),
        ((None, ["a", ""]), "'label_id' has an empty id at position 1"),
    ],
)
def test_bad_constructor_arguments(arguments, message):
    with pytest.raises(TaxonomyError, match=message):
        LabelGraph(*arguments)


@pytest.mark.parametrize("name", [["A"], "AB"])
def test_names_must_fit(name):
    with pytest.raises(TaxonomyError, match="'name' must hold one string for each of 2 labels"):
        LabelGraph(None, ["a", "b"], name=name)


# Life as a PyG object


@pytest.mark.parametrize(
    "clone",
    [
        copy.copy,
        copy.deepcopy,
        lambda graph: pickle.loads(pickle.dumps(graph)),
        lambda graph: graph.clone(),
        lambda graph: graph.to("cpu"),
        lambda graph: LabelGraph.from_dict(graph.to_dict()),
        lambda graph: Batch.from_data_list([graph, graph]).to_data_list()[1],
        lambda graph: pickle.loads(pickle.dumps(Batch.from_data_list([graph, graph])))[1],
        lambda graph: graph.subgraph(torch.arange(4)),
        lambda graph: graph.subgraph(torch.ones(4, dtype=torch.bool)),
        lambda graph: graph.edge_subgraph(torch.ones(4, dtype=torch.bool)),
    ],
)
def test_survival(graph, clone):
    _ = graph.descendants, graph.id_to_index  # filled caches must not get in the way
    reference = LabelGraph.from_edges(
        EDGES, names={"a": "Top"}, descriptions={"d": "last"}, title="toy", license="CC0", source="here"
    )
    assert_same(clone(graph), reference)


def test_caches_stay_out_of_stores_pickles_and_copies(graph):
    empty = len(pickle.dumps(LabelGraph(graph.edge_index, graph.label_id, name=graph.name)))
    _ = graph.ancestors, graph.id_to_index
    assert len(pickle.dumps(graph)) < empty + 500
    assert not [key for key in graph.to_dict() if "cache" in key]
    assert copy.deepcopy(graph).__dict__["_cached_structure"] is None
    shallow = copy.copy(graph)
    assert shallow.ancestors is graph.ancestors
    shallow.edge_index = shallow.edge_index[:, :2]
    assert (shallow.ancestors.nnz, graph.ancestors.nnz) == (2, 5)


def test_batch(graph):
    small = LabelGraph.from_edges([("p", "q")], title="small")
    batch = Batch.from_data_list([graph, small])
    assert isinstance(batch, LabelGraph)
    assert batch.edge_index.tolist() == [[0, 0, 1, 2, 4], [1, 2, 3, 3, 5]]
    assert batch.batch.tolist() == [0] * 4 + [1] * 2
    assert batch.level.tolist() == [1, 2, 2, 3, 1, 2]
    assert batch.title == ["toy", "small"]
    assert "LabelGraphBatch" in repr(batch)
    assert_same(batch.to_data_list()[1], small)


def test_data_loader(graph):
    small = LabelGraph.from_edges([("p", "q")])
    batches = list(DataLoader([graph, small, graph], batch_size=2))
    assert [batch.num_graphs for batch in batches] == [2, 1]
    assert_same(batches[1].to_data_list()[0], graph)


def test_subgraph_slices_lists_and_levels(graph):
    graph.x = torch.arange(8.0).view(4, 2)
    part = graph.subgraph(torch.tensor([3, 1]))
    assert part.label_id == ["d", "b"]
    assert part.edge_index.tolist() == [[1], [0]]
    assert part.level.tolist() == [2, 1]
    assert part.x.tolist() == [[6, 7], [2, 3]]
    assert part.path_names("d") == "b > d"
    assert graph.num_labels == 4
    fewer = graph.edge_subgraph(torch.tensor([0, 1]))
    assert fewer.label_id == graph.label_id
    assert fewer.level.tolist() == [1, 2, 2, 1]
    for wrong in (torch.tensor([1, 1]), torch.tensor([], dtype=torch.long)):
        with pytest.raises(TaxonomyError, match="'subset' must name at least one label"):
            graph.subgraph(wrong)


def test_transforms_and_layers(graph):
    graph.x = torch.randn(4, 8)
    both = ToUndirected()(graph)
    assert both.edge_index.size(1) == 8
    assert both.label_id == graph.label_id
    assert graph.edge_index.size(1) == 4
    out = GATConv(8, 3, heads=2)(both.x, both.edge_index)
    assert out.shape == (4, 6)
    assert isinstance(graph, Data)
    assert graph.num_node_features == 8


def test_lists_are_node_attributes_with_as_many_edges_as_labels(graph):
    assert not graph.is_edge_attr("name")
    assert set(graph.node_attrs()) >= {"label_id", "name", "description", "level"}
    assert graph.edge_attrs() == ["edge_index"]


def test_empty_shell_for_pyg():
    shell = LabelGraph()
    assert shell.keys() == []
    assert repr(shell) == "LabelGraph()"
    assert np.array_equal(LabelGraph(x=torch.ones(2)).x, [1, 1])
