"""Sweeps over a hierarchy against a walk from label to label, and how far a message goes."""

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import gelu, layer_norm
from torch_geometric.data import Data

from hgraph.errors import ConfigError
from hgraph.nn.label_encoders import TreeSweepEncoder


@st.composite
def hierarchies(draw):
    """A random hierarchy of at most ten labels with up to three parents, labels in any order."""
    size = draw(st.integers(1, 10))
    ids = draw(st.permutations(range(size)))
    edges = [
        (ids[parent], ids[child])
        for child in range(1, size)
        for parent in draw(st.sets(st.integers(0, child - 1), max_size=3))
    ]
    return torch.tensor(edges, dtype=torch.long).reshape(-1, 2).t(), size


def hears(sweep, x, sources):
    """What a label hears from some others, head after head."""
    width = len(x) // sweep.heads
    query = sweep.query(sweep.norm(x))
    spoken = [sweep.key_value(sweep.norm(source)) for source in sources]
    out = []
    for head in range(sweep.heads):
        part = slice(head * width, (head + 1) * width)
        logits = torch.stack([query[part] @ said[: len(x)][part] for said in spoken]) / width**0.5
        out.append(sum(w * said[len(x) :][part] for w, said in zip(logits.softmax(0), spoken, strict=True)))
    return sweep.out(torch.cat(out))


def sweep_reference(encoder, features, edge_index):
    """Label by label in topological order; the virtual root is label -1."""
    size = len(features)
    graph = nx.DiGraph(edge_index.t().tolist())
    graph.add_nodes_from(range(size))
    graph.add_edges_from([(-1, label) for label in range(size) if graph.in_degree(label) == 0])
    order = list(nx.topological_sort(graph))
    x = dict(enumerate(features)) | {-1: encoder.virtual_root[0]}
    for layer in encoder.layers:
        for label in reversed(order):
            children = [x[child] for child in graph.successors(label)]
            if children:
                x[label] = x[label] + hears(layer.up, x[label], children)
        for label in order:
            parents = [x[parent] for parent in graph.predecessors(label)]
            if parents:
                x[label] = x[label] + hears(layer.down, x[label], [*parents, x[label]])
        norm, w1, _, _, w2, _ = layer.ffn
        for label in order:
            x[label] = x[label] + w2(gelu(w1(norm(x[label]))))
    out = torch.stack([x[label] for label in range(size)])
    return layer_norm(out, out.shape[1:], encoder.output_norm.weight, encoder.output_norm.bias)


@settings(max_examples=25, deadline=None)
@given(hierarchies())
def test_sweeps_match_a_walk_over_labels(hierarchy):
    edge_index, size = hierarchy
    torch.manual_seed(0)
    encoder = (
        TreeSweepEncoder(Data(edge_index=edge_index, num_nodes=size), channels=4, heads=2, layers=2).double().eval()
    )
    features = torch.randn(size, 4).double()
    torch.testing.assert_close(encoder(features), sweep_reference(encoder, features, edge_index), rtol=0, atol=1e-10)


def test_a_message_reaches_the_farthest_label_in_one_layer():
    # Two chains of six labels below one root, and a label of another tree.
    chain = [(0, 1), *((i, i + 1) for i in range(1, 6)), (0, 7), *((i, i + 1) for i in range(7, 12))]
    encoder = (
        TreeSweepEncoder(Data(edge_index=torch.tensor(chain).t(), num_nodes=14), channels=8, heads=2).double().eval()
    )
    features = torch.randn(14, 8, dtype=torch.float64, requires_grad=True)
    for reader in (12, 13):
        (gradient,) = torch.autograd.grad(encoder(features)[reader].square().sum(), features)
        assert (gradient.abs().sum(1) > 0).all()


def test_gradients_are_those_of_finite_differences():
    graph = Data(edge_index=torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]]), num_nodes=5)
    encoder = TreeSweepEncoder(graph, channels=4, heads=2).double().eval()
    features = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(encoder, (features,), fast_mode=True)


def test_dropout_and_deep_chains_run():
    size = 300
    chain = torch.stack([torch.arange(size - 1), torch.arange(1, size)])
    encoder = TreeSweepEncoder(Data(edge_index=chain, num_nodes=size), channels=4, heads=1, dropout=0.5)
    features = torch.randn(size, 4)
    vectors = encoder(features)
    assert vectors.isfinite().all()
    assert not torch.equal(vectors, encoder(features))


def test_wrong_options_are_named():
    graph = Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2)
    with pytest.raises(ConfigError, match="'layers' must be at least 1, but got 0"):
        TreeSweepEncoder(graph, channels=4, heads=2, layers=0)
    with pytest.raises(ConfigError, match="'channels' must be a multiple of 'heads', but got channels=4, heads=3"):
        TreeSweepEncoder(graph, channels=4, heads=3)
