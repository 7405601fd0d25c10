"""Recursive regularisation against a loop over edges and coordinates."""

import definitions
import pytest
import torch
from hypothesis import given, settings
from label_cases import assert_same, batches, random_graph, random_scores

from hgraph.errors import ConfigError
from hgraph.losses import ObjectiveList, RecursiveRegularisation
from hgraph.losses import recursive_regularisation as function

# The package exports a function of the same name as its module.
module = __import__("sys").modules["hgraph.losses.recursive_regularisation"]


@settings(deadline=None, max_examples=30)
@given(batches())
def test_equals_the_loop(batch):
    graph, _, seed = batch
    weights = random_scores((graph.num_labels, 3), seed)
    value = RecursiveRegularisation(graph)(label_weights=weights)
    assert_same(value, definitions.recursive_regularisation(weights, definitions.digraph(graph)), weights)


def test_gradient():
    graph = random_graph(8, seed=2)
    weights = random_scores((8, 3))
    assert torch.autograd.gradcheck(lambda w: 3 * function(w, graph.edge_index), weights)


def test_blocks_of_edges_change_nothing_and_are_bounded(monkeypatch):
    graph = random_graph(40, seed=2)
    weights = random_scores((40, 6))
    whole = function(weights, graph.edge_index)
    (gradient,) = torch.autograd.grad(whole, weights)
    monkeypatch.setattr(module, "MAX_ENTRIES", 30)
    sizes = []
    differences = module._differences
    monkeypatch.setattr(module, "_differences", lambda w, e: sizes.append(e.size(1) * 6) or differences(w, e))
    value = function(weights, graph.edge_index)
    torch.testing.assert_close(value, whole)
    torch.testing.assert_close(torch.autograd.grad(value, weights)[0], gradient)
    edges = graph.edge_index.size(1)
    assert max(sizes) == 30 and sum(sizes) == 2 * 6 * edges  # forward and backward


def test_close_weights_keep_their_digits_in_float32():
    weights = torch.full((2, 4), 1000.0)
    weights[1] += 0.01
    difference = (weights[0] - weights[1]).double()
    value = function(weights, torch.tensor([[0], [1]]))
    assert value.item() == pytest.approx(difference.square().sum().item() / 2, rel=1e-5)


def test_half_precision_and_no_edges():
    graph = random_graph(8, seed=2)
    weights = random_scores((8, 3)).detach().bfloat16().requires_grad_()
    value = function(weights, graph.edge_index)
    value.backward()
    assert value.dtype == torch.float32 and weights.grad.dtype == torch.bfloat16
    torch.testing.assert_close(value.double(), function(weights.double(), graph.edge_index), rtol=1e-5, atol=1e-6)
    flat = torch.ones(3, 2, requires_grad=True)
    function(flat, torch.empty(2, 0, dtype=torch.long)).backward()
    assert flat.grad.tolist() == [[0.0, 0.0]] * 3


def test_masks_of_pairs_do_not_concern_it():
    loss = RecursiveRegularisation(random_graph(4))
    weights, mask = torch.randn(4, 2), torch.zeros(1, 4).bool()
    assert ObjectiveList([loss])(label_weights=weights, mask=mask)[0] == loss(label_weights=weights)


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match=r"'label_weights' must have a row for each of the 4 labels .* \[3, 2\]"):
        RecursiveRegularisation(random_graph(4))(label_weights=torch.zeros(3, 2))
