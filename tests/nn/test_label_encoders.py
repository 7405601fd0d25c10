"""What holds for every label encoder, and the forms and limits of those over pairs of labels."""

import copy
import logging
import subprocess
import sys

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.nn import GATConv, GCNConv, SAGEConv, TransformerConv

from hgraph.errors import ConfigError
from hgraph.nn import label_encoders
from hgraph.nn.encodings import DenseEdgeEncoding, LabelEdges, LabelStructure, hierarchy_distance, tree_paths
from hgraph.nn.label_encoders import (
    CachedLabelEncoder,
    FeatureLabelEncoder,
    GATLabelEncoder,
    GPTransLabelEncoder,
    GraphormerLabelEncoder,
    LabelEncoder,
    LearnedLabelEncoder,
    NameLabelEncoder,
    TreeSweepEncoder,
    memory,
)

CHANNELS = 8
TREE = torch.tensor([[0, 0, 1, 4], [1, 2, 3, 5]])
DAG = torch.cat([TREE, torch.tensor([[2, 4], [3, 3]])], dim=1)
NO_EDGES = torch.zeros(2, 0, dtype=torch.long)
GRAPH = Data(edge_index=TREE, num_nodes=7)
SMALL = {"channels": CHANNELS, "heads": 2}


def cached(graph):
    return CachedLabelEncoder(
        GPTransLabelEncoder(graph, **SMALL, layers=2, form="edges"), refresh=3, dtype=torch.float64
    )


# With the hierarchy: its structure matters to the result.
GRAPH_ENCODERS = {
    "features of a structure": lambda g: FeatureLabelEncoder(
        g.num_labels, CHANNELS, text_channels=CHANNELS, structure=g, id_channels=3
    ),
    "gat": lambda g: GATLabelEncoder(g, **SMALL),
    "gat, pre": lambda g: GATLabelEncoder(g, **SMALL, norm="pre", in_channels=CHANNELS),
    "gat, HJCL": lambda g: GATLabelEncoder(g, channels=CHANNELS, layers=2, faithful=True),
    "sage": lambda g: GATLabelEncoder(g, channels=CHANNELS, conv=SAGEConv(CHANNELS, CHANNELS), residual=False),
    "gcn": lambda g: GATLabelEncoder(g, channels=CHANNELS, conv=GCNConv(CHANNELS, CHANNELS)),
    "sweep": lambda g: TreeSweepEncoder(g, **SMALL, layers=2),
    "graphormer, all pairs": lambda g: GraphormerLabelEncoder(g, **SMALL, layers=2, form="all_pairs"),
    "graphormer, dense": lambda g: GraphormerLabelEncoder(g, **SMALL, layers=2, form="dense", norm="post"),
    "graphormer, no paths": lambda g: GraphormerLabelEncoder(g, **SMALL, path=False),
    "graphormer, edges": lambda g: GraphormerLabelEncoder(g, **SMALL, layers=2, form="edges"),
    "graphormer, HGCLR": lambda g: GraphormerLabelEncoder(g, **SMALL, layers=2, faithful=True),
    "gptrans": lambda g: GPTransLabelEncoder(g, **SMALL, edge_channels=3),
    "gptrans, dense": lambda g: GPTransLabelEncoder(g, **SMALL, edge_channels=3, layers=2),
    "gptrans, all pairs": lambda g: GPTransLabelEncoder(g, **SMALL, edge_channels=3, form="all_pairs"),
    "gptrans, edges": lambda g: GPTransLabelEncoder(g, **SMALL, edge_channels=3, layers=2, form="edges", norm="post"),
    "gptrans, ids": lambda g: GPTransLabelEncoder(
        g, **SMALL, max_degree=None, node_encoder=NameLabelEncoder(CHANNELS, CHANNELS, num_labels=g.num_labels)
    ),
    "gptrans, cached": cached,
}
# HTLA's mistake makes the result depend on the numbers of the labels.
SCRAMBLED = {"gptrans, HTLA": lambda g: GPTransLabelEncoder(g, **SMALL, edge_channels=3, layers=2, faithful=True)}
FREE_ENCODERS = {
    "learned": lambda g: LearnedLabelEncoder(g.num_labels, CHANNELS),
    "names": lambda g: NameLabelEncoder(CHANNELS, CHANNELS, num_labels=g.num_labels),
    "features": lambda g: FeatureLabelEncoder(g.num_labels, CHANNELS, text_channels=CHANNELS, id_channels=3),
}
ENCODERS = {**GRAPH_ENCODERS, **SCRAMBLED, **FREE_ENCODERS}


def build(name, edges=TREE, num_labels=7):
    torch.manual_seed(0)
    return ENCODERS[name](LabelStructure(edges, num_labels)).eval()


def features_for(num_labels=7):
    return torch.randn(num_labels, CHANNELS, generator=torch.Generator().manual_seed(1))


def label_parameters(module):
    """Names of all parameters that have one row a label."""
    return {
        f"{prefix}.{name}".lstrip(".")
        for prefix, part in module.named_modules()
        for name in getattr(part, "label_parameters", ())
    }


def test_every_encoder_has_a_case():
    abstract = {"EdgeLabelEncoder", "LabelEncoder"}
    public = {getattr(label_encoders, name) for name in label_encoders.__all__ if name not in abstract}
    members = {kind for kind in public if isinstance(kind, type) and issubclass(kind, LabelEncoder)}
    assert members == {type(build(name)) for name in ENCODERS}


@pytest.mark.parametrize("edges", [TREE, DAG], ids=["tree", "dag"])
@pytest.mark.parametrize("name", [*GRAPH_ENCODERS, *FREE_ENCODERS])
def test_permuting_labels_permutes_the_vectors(name, edges):
    encoder, features = build(name, edges).double(), features_for().double()
    to = torch.tensor([6, 2, 0, 5, 1, 3, 4])  # label i is called to[i]
    moved = build(name, to[edges]).double()
    rows = label_parameters(encoder)
    state = {
        key: torch.empty_like(value).index_copy(0, to, value) if key in rows else value
        for key, value in encoder.state_dict().items()
    }
    moved.load_state_dict(state)
    moved_features = torch.empty_like(features).index_copy(0, to, features)
    torch.testing.assert_close(moved(moved_features)[to], encoder(features), rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", GRAPH_ENCODERS)
def test_the_hierarchy_matters(name):
    encoder, other = build(name), build(name, torch.tensor([[6, 5, 2, 2], [1, 2, 3, 0]]))
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += 0.3 * torch.randn_like(parameter)  # some start at zero, or so small that little is seen
    other.load_state_dict(encoder.state_dict())
    assert (encoder(features_for()) - other(features_for())).abs().max() > 1e-3


@pytest.mark.parametrize("edges", [TREE, DAG], ids=["tree", "dag"])
@pytest.mark.parametrize("name", ENCODERS)
def test_every_parameter_gets_a_finite_gradient(name, edges):
    encoder = build(name, edges).train()
    (encoder(features_for()) * torch.randn(7, CHANNELS)).sum().backward()
    for key, parameter in encoder.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@pytest.mark.parametrize(("edges", "num_labels"), [(NO_EDGES, 1), (NO_EDGES, 4), (TREE[:, :1], 2)])
@pytest.mark.parametrize("name", ENCODERS)
def test_smallest_hierarchies(name, edges, num_labels):
    encoder = build(name, edges, num_labels).train()
    features = features_for(num_labels).requires_grad_()
    vectors = encoder(features)
    assert vectors.shape == (num_labels, CHANNELS)
    (vectors * torch.randn(num_labels, CHANNELS)).sum().backward()
    assert vectors.isfinite().all()
    assert features.grad is None or features.grad.isfinite().all()


@pytest.mark.parametrize("edges", [TREE, DAG], ids=["tree", "dag"])
# The cached encoder returns all labels whatever was asked for; GCN reads the degrees of sources, which a part lacks.
@pytest.mark.parametrize("name", [name for name in ENCODERS if name not in ("gptrans, cached", "gcn")])
def test_some_labels_have_the_vectors_they_have_among_all(name, edges):
    encoder, features = build(name, edges).double(), features_for().double()
    full = encoder(features)
    for labels in ([3], [5, 0, 3], [6, 5, 4, 3, 2, 1, 0], []):
        labels = torch.tensor(labels, dtype=torch.long)
        torch.testing.assert_close(encoder(features, labels=labels), full[labels], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ENCODERS)
def test_half_precision_is_close(name):
    encoder = build(name)
    expected = encoder(features_for())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors = encoder(features_for())
        (encoder.train()(features_for()).float() * torch.randn(7, CHANNELS)).sum().backward()
    torch.testing.assert_close(vectors.float(), expected, rtol=0.05, atol=0.1)
    assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())


@pytest.mark.parametrize("name", ENCODERS)
def test_saved_and_copied_encoders_are_the_same(name):
    encoder, again = build(name), build(name)
    expected = encoder(features_for())
    state = {key: value + 0.25 if value.is_floating_point() else value for key, value in encoder.state_dict().items()}
    again.load_state_dict(state)
    assert not torch.equal(again(features_for()), expected)
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(again(features_for()), expected)
    torch.testing.assert_close(copy.deepcopy(encoder)(features_for()), expected)
    # What follows from the hierarchy is not in checkpoints: only parameters are, and vectors that were passed in.
    assert set(state) == {key for key, _ in encoder.named_parameters()}


@pytest.mark.parametrize(
    "name", ["gptrans", *(pytest.param(name, marks=pytest.mark.slow) for name in ENCODERS if name != "gptrans")]
)
def test_compiled_encoders_are_the_same(name):
    encoder = build(name)
    compiled = torch.compile(encoder, backend="eager")
    torch.testing.assert_close(compiled(features_for()), encoder(features_for()), rtol=0, atol=1e-6)
    torch._dynamo.reset()


def test_learned_and_name_encoders():
    learned = LearnedLabelEncoder(5, 4)
    assert torch.equal(learned(), learned.weight)
    names = torch.randn(5, 6)
    encoder = NameLabelEncoder(6, 4)
    expected = encoder.norm(names @ encoder.projection.weight.t() + encoder.projection.bias)
    torch.testing.assert_close(encoder(names), expected)
    assert encoder(torch.randn(9, 6)).shape == (9, 4)
    named = NameLabelEncoder(6, 4, num_labels=5)
    twins = named(torch.ones(5, 6))
    assert not torch.allclose(twins[0], twins[1], atol=1e-4)


def test_sparse_gradients_touch_the_labels_that_were_asked_for():
    sparse, dense = LearnedLabelEncoder(6, 4, sparse=True), LearnedLabelEncoder(6, 4)
    dense.load_state_dict(sparse.state_dict())
    labels = torch.tensor([4, 1])
    for encoder in (sparse, dense):
        encoder(labels=labels).square().sum().backward()
    assert sparse.weight.grad.is_sparse and not dense.weight.grad.is_sparse
    assert sparse.weight.grad.coalesce().indices().tolist() == [[1, 4]]
    torch.testing.assert_close(sparse.weight.grad.to_dense(), dense.weight.grad)
    assert torch.equal(sparse(), sparse.weight)
    torch.optim.SparseAdam(sparse.parameters()).step()


def pair_states(encoder):
    states = encoder.edge_states()
    return states if isinstance(states, torch.Tensor) else states.dense()


@pytest.mark.parametrize("kind", [GraphormerLabelEncoder, GPTransLabelEncoder])
@pytest.mark.parametrize("edges", [TREE, DAG], ids=["tree", "dag"])
def test_forms_over_all_pairs_agree(kind, edges):
    structure, features = LabelStructure(edges, 7), features_for().double()
    dense = kind(structure, **SMALL, form="dense", max_distance=2).double().eval()
    rows = kind(structure, **SMALL, form="all_pairs", max_distance=2).double().eval()
    rows.load_state_dict(dense.state_dict())
    gradients = []
    for encoder in (dense, rows):
        (encoder(features) * features).sum().backward()
        gradients.append([parameter.grad for parameter in encoder.parameters()])
    torch.testing.assert_close(rows(features), dense(features), rtol=0, atol=1e-12)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", ["dense", "all_pairs"])
@pytest.mark.parametrize("edges", [TREE, DAG], ids=["tree", "dag"])
def test_the_state_of_a_label_with_itself_stays_zero(edges, form):
    encoder = GraphormerLabelEncoder(LabelStructure(edges, 7), **SMALL, form=form).eval()
    (encoder(features_for()) * features_for()).sum().backward()
    table = encoder.edge_encoding.distance_embedding.weight
    assert (table[0] == 0).all() and (table.grad[0] == 0).all()
    assert (table.grad[1:4] != 0).any()


def test_pairs_start_from_the_encoding_of_the_layer():
    encoder = GPTransLabelEncoder(GRAPH, **SMALL, edge_channels=3, max_distance=3)
    encoding = DenseEdgeEncoding(7, 3, max_distance=3)
    encoding.load_state_dict(encoder.edge_encoding.state_dict())
    expected = encoding(hierarchy_distance(TREE, 7), tree_paths(TREE, 7))
    torch.testing.assert_close(pair_states(encoder), expected)


def every_pair(count):
    """Edges between all labels: of one kind to themselves, of another to others."""
    source, target = (part.flatten() for part in torch.meshgrid(*2 * [torch.arange(count)], indexing="ij"))
    kind = torch.where(source == target, 0, 7).to(torch.int8)
    return LabelEdges(torch.stack([source, target]), kind, torch.zeros(count**2, dtype=torch.int32))


EVERY = every_pair(7)


@pytest.mark.parametrize("kind", [GraphormerLabelEncoder, GPTransLabelEncoder])
def test_edges_between_all_labels_are_all_pairs(kind):
    # Labels without a hierarchy are all equally far apart, so two kinds of edges say what distances say.
    count, features = 5, features_for(5).double()
    structure = LabelStructure(NO_EDGES, count)
    over_pairs = kind(structure, **SMALL, layers=2, form="dense").double().eval()
    over_edges = kind(structure, **SMALL, layers=2, edges=every_pair(count)).double().eval()
    assert over_edges.form == "edges"
    with torch.no_grad():
        over_pairs.edge_encoding.edge_embedding.weight.zero_()
        over_edges.edge_encoding.level_embedding.weight.zero_()
        state = {key: value for key, value in over_pairs.state_dict().items() if not key.startswith("edge_encoding")}
        over_edges.load_state_dict(state, strict=False)
        by_distance = over_pairs.edge_encoding.distance_embedding.weight
        over_edges.edge_encoding.kind_embedding.weight[[0, 7]] = by_distance[[0, 2]]
    torch.testing.assert_close(over_edges(features), over_pairs(features), rtol=0, atol=1e-12)


def test_the_number_of_labels_chooses_the_form():
    def forms(kind, edges, **options):
        return kind(LabelStructure(edges, 7), **SMALL, **options).form

    assert forms(GraphormerLabelEncoder, TREE) == "all_pairs"
    assert forms(GraphormerLabelEncoder, DAG) == "dense"
    assert forms(GraphormerLabelEncoder, DAG, dense_limit=6) == "all_pairs"
    assert forms(GraphormerLabelEncoder, TREE, all_pairs_limit=6) == "edges"
    assert forms(GPTransLabelEncoder, TREE) == "all_pairs"
    assert forms(GPTransLabelEncoder, DAG) == "dense"
    assert forms(GPTransLabelEncoder, TREE, layers=2) == "dense"
    assert forms(GPTransLabelEncoder, TREE, dense_limit=6) == "edges"


def test_co_occurrence_edges_of_the_graph_are_followed():
    graph = Data(edge_index=TREE, num_nodes=7)
    graph.typed_edges = {"edge_index": torch.tensor([[6, 2], [0, 5]]), "edge_type": torch.tensor([5, 1])}
    encoder = GPTransLabelEncoder(graph, **SMALL, form="edges")
    assert encoder.edge_index[:, encoder.kind == 6].tolist() == [[6], [0]]


def test_the_last_layer_keeps_no_pairs():
    encoder = GPTransLabelEncoder(GRAPH, **SMALL, layers=3)
    assert [block.attention.update_edges for block in encoder.blocks] == [True, True, False]


def test_start_vectors_come_from_another_encoder():
    encoder = GPTransLabelEncoder(GRAPH, **SMALL, node_encoder=LearnedLabelEncoder(7, CHANNELS))
    assert encoder().shape == (7, CHANNELS)
    encoder = GraphormerLabelEncoder(GRAPH, **SMALL, form="edges", node_encoder=torch.nn.Linear(5, CHANNELS)).eval()
    features = torch.randn(7, 5)
    some = torch.tensor([4, 2])
    torch.testing.assert_close(encoder(features, labels=some), encoder(features)[some])


def test_degrees_are_cut_off():
    star = Data(edge_index=torch.tensor([[0] * 6, list(range(1, 7))]), num_nodes=7)
    encoder = GPTransLabelEncoder(star, **SMALL, max_degree=2)
    assert encoder.degrees.tolist() == [[0, 1, 1, 1, 1, 1, 1], [5, 3, 3, 3, 3, 3, 3]]
    assert encoder(torch.randn(7, CHANNELS)).isfinite().all()


def test_too_little_memory_is_said_beforehand(monkeypatch, caplog):
    monkeypatch.setattr(memory, "available_memory", lambda: 2**30)
    with caplog.at_level(logging.WARNING):
        GPTransLabelEncoder(GRAPH, **SMALL)
        assert not caplog.records
        monkeypatch.setattr(memory, "available_memory", lambda: 1000)
        GPTransLabelEncoder(GRAPH, **SMALL, form="edges")
    assert "GPTransLabelEncoder with form='edges' on 7 labels takes about 0.0 GiB" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "dense", "dense_limit": 5}, r"7 labels.*form='dense'.*dense_limit=5.*GiB.*form='edges'"),
        ({"form": "all_pairs", "all_pairs_limit": 5}, "takes at most all_pairs_limit=5"),
        ({"faithful": True, "dense_limit": 5}, "dense_limit=5"),
        ({"faithful": True, "form": "edges"}, "'form' must be 'dense' with faithful=True, but got 'edges'"),
        ({"form": "dense", "edges": EVERY}, "'edges' must be None with form='dense'"),
        ({"form": "sparse"}, "'form' must be one of auto, dense, all_pairs, edges, but got 'sparse'"),
        ({"layers": 0}, "'layers' must be at least 1, but got 0"),
        ({"norm": "none"}, "'norm' must be"),
        ({"max_distance": 0}, "'max_distance' must be at least 1, but got 0"),
        ({"heads": 3}, "multiple of 'heads'"),
        ({"in_channels": 8, "node_encoder": LearnedLabelEncoder(7, 8)}, "exclude each other"),
        ({"node_encoder": LearnedLabelEncoder(7, 4)}, "'node_encoder' must have channels=8"),
    ],
)
@pytest.mark.parametrize("kind", [GraphormerLabelEncoder, GPTransLabelEncoder])
def test_wrong_options_are_named(kind, options, message):
    with pytest.raises(ConfigError, match=message):
        kind(GRAPH, **{**SMALL, **options})


def test_wrong_input_is_named():
    encoder = GPTransLabelEncoder(GRAPH, **SMALL)
    with pytest.raises(ConfigError, match=r"'features' must have shape \[7, 8\], but got \[6, 8\]"):
        encoder(torch.randn(6, 8))
    with pytest.raises(ConfigError, match="needs a feature vector a label"):
        encoder()
    with pytest.raises(ConfigError, match="'num_labels' must be at least 1"):
        LearnedLabelEncoder(0, 4)
    with pytest.raises(ConfigError, match="'graph' must be"):
        GPTransLabelEncoder("graph", **SMALL)
    with pytest.raises(ConfigError, match="'form' must not be 'all_pairs' with layers=2"):
        GPTransLabelEncoder(GRAPH, **SMALL, layers=2, form="all_pairs")


@pytest.mark.parametrize("conv", [GATConv(8, 4, heads=2), TransformerConv(8, 8), GATConv(8, 8, add_self_loops=False)])
def test_any_graph_layer_will_do(conv):
    encoder = GATLabelEncoder(GRAPH, channels=8, conv=conv, layers=2).eval()
    assert encoder(torch.randn(7, 8)).shape == (7, 8)


def test_nn_imports_torch_and_pyg_alone():
    # PyG itself imports some of these if they are there. Out of reach, whoever needs one of them fails.
    code = (
        "import sys\n"
        "for name in ('transformers', 'faiss', 'click', 'sklearn', 'datasets'): sys.modules[name] = None\n"
        "import hgraph.nn\n"
        "inner = {name.split('.')[1] for name in sys.modules if name.startswith('hgraph.')}\n"
        "assert inner == {'nn', 'errors', 'version'}, inner\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # With all of them there: none beyond what PyG, which imports transformers where it finds it, has loaded itself.
    code = (
        "import sys, torch_geometric\n"
        "before = {name for name in ('transformers', 'faiss', 'click', 'sklearn', 'datasets') if name in sys.modules}\n"
        "import hgraph.nn\n"
        "now = {name for name in ('transformers', 'faiss', 'click', 'sklearn', 'datasets') if name in sys.modules}\n"
        "assert now == before and not now - {'transformers'}, now\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
