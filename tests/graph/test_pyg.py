"""A `LabelGraph` and its typed edges in PyG: loaders, transforms, data sets, layers, conversion."""

import copy
import pickle
import warnings

import networkx as nx
import pytest
import torch
import torch_geometric.transforms as T
import torch_geometric.typing
from torch import nn
from torch_geometric.data import Batch, Data, InMemoryDataset
from torch_geometric.loader import DataLoader, NeighborLoader, RandomNodeLoader
from torch_geometric.loader.utils import filter_data
from torch_geometric.nn import GATConv, GATv2Conv, GCNConv, HeteroConv, RGCNConv, SAGEConv, to_hetero
from torch_geometric.utils import k_hop_subgraph, one_hot, to_networkx

from hgraph.graph import LabelGraph
from hgraph.graph.transforms import (
    AddAncestorEdges,
    AddDistancePairs,
    AddLevel,
    AddReverseEdges,
    AddSiblingEdges,
    AddVirtualRoot,
    EdgeType,
    to_hetero_data,
    to_typed,
    typed_edges,
)

TREE = [("r", "a"), ("r", "b"), ("a", "c"), ("a", "d"), ("b", "e"), ("b", "f")]
DAG = [("p", "q"), ("p", "s"), ("q", "t"), ("s", "t"), ("s", "u")]
ALL_EDGES = T.Compose([AddReverseEdges(), AddSiblingEdges(), AddAncestorEdges()])
CAN_SAMPLE = torch_geometric.typing.WITH_PYG_LIB or torch_geometric.typing.WITH_TORCH_SPARSE
needs_sampler = pytest.mark.skipif(
    not CAN_SAMPLE, reason="NeighborLoader samples with pyg-lib or torch-sparse, neither of which is installed"
)


def make(edges, channels=6):
    graph = LabelGraph.from_edges(edges, title=edges[0][0])
    graph.x = torch.randn(graph.num_labels, channels, generator=torch.Generator().manual_seed(len(edges)))
    return graph


@pytest.fixture
def tree():
    return make(TREE)


@pytest.fixture
def dag():
    return make(DAG)


def assert_same(left, right):
    assert type(left) is type(right)
    assert left.label_id == right.label_id and left.name == right.name and left.title == right.title
    assert left.fingerprint == right.fingerprint
    assert torch.equal(left.x, right.x) and torch.equal(left.level, right.level)
    for key, value in typed_edges(left).items():
        assert torch.equal(value, typed_edges(right)[key])


# Objects


@pytest.mark.parametrize("edges", [TREE, DAG])
@pytest.mark.parametrize(
    "clone",
    [
        copy.copy,
        copy.deepcopy,
        lambda graph: pickle.loads(pickle.dumps(graph)),
        lambda graph: graph.clone(),
        lambda graph: graph.to("cpu"),
        lambda graph: graph.contiguous(),
        lambda graph: LabelGraph.from_dict(graph.to_dict()),
        lambda graph: Batch.from_data_list([graph, graph])[1],
    ],
)
def test_a_transformed_graph_survives(edges, clone):
    graph = ALL_EDGES(make(edges))
    assert_same(clone(graph), graph)


def test_written_by_torch_save(dag, tmp_path):
    graph = ALL_EDGES(dag)
    torch.save(graph, tmp_path / "graph.pt")
    assert_same(torch.load(tmp_path / "graph.pt", weights_only=False), graph)


def test_typed_edges_move_with_the_graph(dag):
    there = AddDistancePairs(2)(ALL_EDGES(dag)).to("meta")
    assert there.edge_index.is_meta and there.level.is_meta
    for store in (there.typed_edges, there.distance_pairs):
        assert all(tensor.is_meta for tensor in store.values())


def test_a_graph_validates_and_describes_itself(dag):
    assert dag.validate() and ALL_EDGES(dag).validate()
    assert not dag.is_undirected() and not dag.has_isolated_nodes() and not dag.has_self_loops()
    assert dag.num_nodes == dag.num_labels == 5 and dag.num_node_features == 6


def test_to_networkx_of_pyg(dag):
    found = nx.relabel_nodes(to_networkx(dag, node_attrs=["label_id"]), dict(enumerate(dag.label_id)))
    assert set(found.edges) == set(dag.to_networkx().edges) == set(DAG)
    assert nx.is_directed_acyclic_graph(found)


# Batches


def test_batches_of_trees_and_dags(tree, dag):
    graphs = [ALL_EDGES(graph) for graph in (tree, dag, tree)]
    batch = Batch.from_data_list(graphs)
    assert isinstance(batch, LabelGraph) and batch.num_graphs == 3
    shift = 0
    places = batch.typed_edges["edge_index"], batch.typed_edges["edge_type"]
    for position, graph in enumerate(graphs):
        width = len(graph.typed_edges["edge_type"])
        assert torch.equal(places[0][:, :width], graph.typed_edges["edge_index"] + shift)
        assert torch.equal(places[1][:width], graph.typed_edges["edge_type"])
        places, shift = (places[0][:, width:], places[1][width:]), shift + graph.num_labels
        assert_same(batch[position], graph)
    assert torch.equal(to_typed(batch).edge_index, torch.cat([batch.edge_index, batch.typed_edges["edge_index"]], 1))


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_data_loader(tree, dag, workers):
    loader = DataLoader([ALL_EDGES(graph) for graph in (tree, dag, dag)], batch_size=2, num_workers=workers)
    batches = list(loader)
    assert [batch.num_graphs for batch in batches] == [2, 1]
    assert_same(batches[0][1], ALL_EDGES(dag))
    assert batches[0].x.shape == (12, 6)


def test_data_loader_of_typed_and_hetero_data(tree, dag):
    typed = next(iter(DataLoader([to_typed(ALL_EDGES(graph)) for graph in (tree, dag)], batch_size=2)))
    hetero = next(iter(DataLoader([to_hetero_data(ALL_EDGES(graph)) for graph in (tree, dag)], batch_size=2)))
    assert typed.num_nodes == hetero["label"].num_nodes == 12
    for kind in EdgeType:
        if kind.relation in hetero.edge_types:
            expected = typed.edge_index[:, typed.edge_type == int(kind)]
            assert torch.equal(hetero[kind.relation].edge_index, expected)


class Hierarchies(InMemoryDataset):
    def __init__(self, graphs, transform=None):
        super().__init__(transform=transform)
        self.data, self.slices = self.collate(graphs)


def test_data_set_with_a_transform(tree, dag):
    data_set = Hierarchies(
        [tree, dag], transform=T.Compose([AddVirtualRoot(), AddLevel(num_levels=4), AddReverseEdges()])
    )
    assert len(data_set) == 2
    first, second = data_set[0], data_set[1]
    assert second.label_id == [*dag.label_id, "<root>"] and second.title == "p"
    assert first.level_encoding.shape == (8, 4)
    batch = next(iter(DataLoader(data_set, batch_size=2)))
    assert batch.num_nodes == 14 and len(typed_edges(batch)["edge_type"]) == batch.num_edges == 13


# PyG's own transforms


@pytest.mark.parametrize(
    "transform",
    [
        T.ToUndirected(),
        T.AddSelfLoops(),
        T.Constant(),
        T.NormalizeFeatures(),
        T.LocalDegreeProfile(),
        T.OneHotDegree(4),
        T.AddRandomWalkPE(3),
        T.RandomNodeSplit(num_val=1, num_test=1),
        T.GCNNorm(),
        T.ToSparseTensor(layout=torch.sparse_csr, remove_edge_index=False),
        T.ToDevice("cpu"),
    ],
    ids=repr,
)
def test_transforms_of_pyg(dag, transform):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the sparse layout is in beta, torch says
        out = transform(ALL_EDGES(dag))
    assert isinstance(out, LabelGraph) and out.label_id == dag.label_id
    assert out.keys() != [] and repr(out).startswith("LabelGraph('p', labels=5")
    assert "typed_edges" in out
    assert dag.edge_index.tolist() == make(DAG).edge_index.tolist()


def test_to_undirected_makes_a_graph_that_says_so(dag):
    both = T.ToUndirected()(dag)
    assert both.is_undirected() and "cyclic" in repr(both)
    typed = T.ToUndirected()(to_typed(dag))
    assert typed.is_undirected() and typed.edge_type.shape == (10,)


def test_compose_of_both(dag):
    steps = [AddVirtualRoot(), T.Constant(), AddLevel(attr_name=None), AddReverseEdges(), T.NormalizeFeatures()]
    out = T.Compose(steps)(dag)
    assert out.x.shape == (6, 6 + 1 + 4) and len(typed_edges(out)["edge_type"]) == 6


# Parts of a graph


def test_random_node_loader(tree):
    parts = list(RandomNodeLoader(tree, num_parts=3))
    assert sum(part.num_nodes for part in parts) == 7
    for part in parts:
        assert part.x.size(0) == part.num_nodes == len(part.level)


def test_neighbourhood_without_a_sampler(tree):
    """`k_hop_subgraph` and `subgraph` do without pyg-lib what NeighborLoader does, for all neighbours."""
    wanted = tree.indices(["c", "e"])
    both = T.ToUndirected()(tree)
    nodes, _, position, _ = k_hop_subgraph(torch.from_numpy(wanted), 1, both.edge_index, num_nodes=tree.num_labels)
    part = tree.subgraph(nodes)
    assert sorted(part.label_id) == ["a", "b", "c", "e"]
    assert [part.label_id[place] for place in position] == ["c", "e"]
    assert part.levels[1].tolist() == part.indices(["c", "e"]).tolist()


def sampled(graph, nodes):
    """What PyG's NeighborLoader makes of the nodes that its sampler chose."""
    part = filter_data(graph, nodes, *(torch.empty(0, dtype=torch.long) for _ in range(3)))
    if "n_id" not in part:
        part.n_id = nodes
    return part


@pytest.mark.parametrize("nodes", [[4, 0], [1], [6, 5, 4, 3, 2, 1, 0]])
def test_texts_follow_sampled_nodes(tree, nodes):
    """Also where all nodes are sampled, in another order."""
    part = sampled(tree, torch.tensor(nodes))
    for name in ("label_id", "name", "description"):
        assert part[name] == [tree[name][node] for node in nodes]
    assert torch.equal(part.x, tree.x[nodes]) and torch.equal(part.level, tree.level[nodes])
    again = sampled(part, torch.tensor([len(nodes) - 1]))
    assert again.label_id == part.label_id[-1:] and again.n_id.tolist() == nodes[-1:]
    assert Batch.from_data_list([part, again]).to_data_list()[0].label_id == part.label_id


def test_node_ids_of_other_origin_leave_texts_alone(tree):
    part = tree.subgraph(torch.tensor([4, 1]))
    part.n_id = torch.tensor([4, 1])
    assert part.label_id == [tree.label_id[4], tree.label_id[1]]
    other = copy.copy(tree)
    other.n_id = torch.arange(7).flip(0)
    assert other.label_id == tree.label_id
    assert copy.deepcopy(other).label_id == pickle.loads(pickle.dumps(other)).label_id == tree.label_id


@needs_sampler
@pytest.mark.parametrize("edges", [TREE, DAG])
def test_neighbour_loader_of_a_label_graph(edges):
    graph = make(edges)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batches = list(NeighborLoader(graph, num_neighbors=[-1, -1], batch_size=2, shuffle=True))
    for batch in batches:
        assert isinstance(batch, LabelGraph)
        assert batch.label_id == [graph.label_id[node] for node in batch.n_id.tolist()]
        edges = {(batch.label_id[p], batch.label_id[c]) for p, c in batch.edge_index.t().tolist()}
        assert edges and edges <= set(graph.to_networkx().edges)


@needs_sampler
@pytest.mark.parametrize("edges", [TREE, DAG])
def test_neighbour_loader(edges):
    """Of the tensors of a graph; `subgraph` then gives the hierarchy of what was sampled."""
    graph = make(edges)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch-sparse is the older way
        leaves = torch.from_numpy(graph.leaves)
        batches = list(NeighborLoader(to_typed(graph), num_neighbors=[-1, -1], batch_size=2, input_nodes=leaves))
    assert sum(batch.batch_size for batch in batches) == len(graph.leaves)
    tree = graph.to_networkx()
    for batch in batches:
        assert torch.equal(batch.x, graph.x[batch.n_id]) and torch.equal(batch.level, graph.level[batch.n_id])
        part = graph.subgraph(batch.n_id)
        expected = set(part.label_id[: batch.batch_size])
        for label in part.label_id[: batch.batch_size]:
            for parent in tree.predecessors(label):
                expected |= {parent, *tree.predecessors(parent)}
        assert set(part.label_id) == expected
        sampled = set(map(tuple, batch.edge_index.t().tolist()))
        assert sampled and sampled <= set(map(tuple, part.edge_index.t().tolist()))


@needs_sampler
def test_neighbour_loader_of_typed_and_hetero_data(tree):
    graph = ALL_EDGES(tree)
    typed, hetero = to_typed(graph), to_hetero_data(graph)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = next(iter(NeighborLoader(typed, num_neighbors=[-1], batch_size=1, input_nodes=torch.tensor([3]))))
        parts = NeighborLoader(hetero, num_neighbors=[-1], batch_size=1, input_nodes=("label", torch.tensor([3])))
        part = next(iter(parts))
    assert set(batch.n_id.tolist()) == {3, *typed.edge_index[0][typed.edge_index[1] == 3].tolist()}
    original = typed.edge_type[batch.e_id]
    assert torch.equal(batch.edge_type, original)
    assert set(part["label"].n_id.tolist()) == set(batch.n_id.tolist())


# Layers


class Typed(nn.Module):
    """One of PyG's layers that reads types or weights of edges."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.kind, types = kind, len(EdgeType)
        self.layer = {
            "gat": lambda: GATConv(6, 4, heads=2),
            "gatv2": lambda: GATv2Conv(6, 4, heads=2, edge_dim=types),
            "rgcn": lambda: RGCNConv(6, 8, num_relations=types),
            "gcn": lambda: GCNConv(6, 8),
        }[kind]()
        self.head = nn.Linear(8, 1)

    def forward(self, data):
        more = {
            "gat": (),
            "gatv2": (one_hot(data.edge_type, len(EdgeType)),),
            "rgcn": (data.edge_type,),
            "gcn": (data.edge_weight,),
        }[self.kind]
        return self.head(self.layer(data.x, data.edge_index, *more).relu()).squeeze(-1)


@pytest.mark.parametrize("kind", ["gat", "gatv2", "rgcn", "gcn"])
def test_layers_train_on_typed_edges_and_do_not_mix_graphs(tree, dag, kind):
    graphs = [to_typed(ALL_EDGES(graph)) for graph in (tree, dag)]
    model, batch = Typed(kind), Batch.from_data_list(graphs)
    together = model(batch)
    assert torch.allclose(together, torch.cat([model(graph) for graph in graphs]), atol=1e-6)
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=0.02), []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(batch), batch.level.float())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert losses[-1] < 0.5 * losses[0]


def test_a_gat_reads_the_hierarchy_itself(dag):
    """Information flows from parents to children, as `edge_index` points."""
    layer = GATConv(6, 4, add_self_loops=False)
    before = layer(dag.x, dag.edge_index)
    changed = dag.x.clone()
    changed[dag.index("s")] += 1
    moved = (layer(changed, dag.edge_index) - before).abs().sum(1) > 1e-7
    assert {dag.label_id[i] for i in moved.nonzero().view(-1)} == {"u", "t"}


def test_relations_see_their_own_edges(dag):
    """With one relation zeroed, a relational layer is the same as without its edges."""
    whole, less = to_typed(ALL_EDGES(dag)), to_typed(T.Compose([AddReverseEdges(), AddAncestorEdges()])(dag))
    layer = RGCNConv(6, 3, num_relations=len(EdgeType))
    assert not torch.allclose(
        layer(whole.x, whole.edge_index, whole.edge_type), layer(less.x, less.edge_index, less.edge_type)
    )
    with torch.no_grad():
        layer.weight[int(EdgeType.SIBLING_OF)] = 0
    left = layer(whole.x, whole.edge_index, whole.edge_type)
    assert torch.allclose(left, layer(less.x, less.edge_index, less.edge_type), atol=1e-6)


class Homogeneous(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = SAGEConv(6, 5), SAGEConv(5, 2)

    def forward(self, x, edge_index):
        return self.second(self.first(x, edge_index).relu(), edge_index)


def test_to_hetero_of_pyg(dag):
    data = to_hetero_data(ALL_EDGES(dag))
    torch.manual_seed(0)
    model = to_hetero(Homogeneous(), data.metadata(), aggr="sum")
    out = model(data.x_dict, data.edge_index_dict)["label"]
    assert out.shape == (5, 2)
    out.sum().backward()
    assert sum(parameter.grad is not None for parameter in model.parameters()) == len(list(model.parameters()))
    assert len(data.edge_types) == 5


def test_hetero_conv(dag):
    data = to_hetero_data(ALL_EDGES(dag))
    layer = HeteroConv({kind: GCNConv(6, 3, add_self_loops=False) for kind in data.edge_types}, aggr="mean")
    out = layer(data.x_dict, data.edge_index_dict, data.edge_weight_dict)["label"]
    assert out.shape == (5, 3)


def test_hetero_goes_back_to_typed(dag):
    """PyG's own way back has the same edges and counts types in the same order, without gaps."""
    typed, back = to_typed(ALL_EDGES(dag)), to_hetero_data(ALL_EDGES(dag)).to_homogeneous(add_node_type=False)
    assert isinstance(back, Data)
    assert back.edge_index.tolist() == typed.edge_index.tolist()
    assert back.edge_type.tolist() == typed.edge_type.tolist()
