"""Conditional sigmoid and softmax down a hierarchy against loops over parents, families and paths."""

import math

import definitions
import pytest
import torch
from hypothesis import given, settings
from label_cases import assert_same, batches, random_graph, random_labels, random_mask, random_scores, shortlist

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import ConditionalLoss, conditional_log_probabilities
from hgraph.losses import conditional_probabilities as module


@settings(deadline=None, max_examples=30)
@given(batches())
def test_sigmoid_equals_the_loop(batch):
    graph, labels, seed = batch
    scores, nodes = random_scores(labels.shape, seed), definitions.digraph(graph)
    mask = random_mask(labels.shape, seed)
    for reduction in ("mean", "sum"):
        loss = ConditionalLoss(graph, reduction=reduction)
        for kept in (None, mask):
            expected = definitions.conditional_sigmoid(scores, labels, nodes, reduction, kept)
            assert_same(loss(scores=scores, labels=labels, mask=kept), expected, scores)


@settings(deadline=None, max_examples=30)
@given(batches())
def test_sigmoid_on_a_shortlist_equals_the_loop(batch):
    graph, labels, seed = batch
    width = max(graph.num_labels * 2 // 3, 1)
    candidates, short, mask = shortlist(labels, width, seed)
    scores = random_scores(short.shape, seed)
    value = ConditionalLoss(graph)(scores=scores, labels=short, mask=mask, candidates=candidates)
    nodes = definitions.digraph(graph)
    assert_same(value, definitions.conditional_sigmoid(scores, short, nodes, "mean", mask, candidates), scores)


@settings(deadline=None, max_examples=30)
@given(batches())
def test_softmax_equals_the_loop(batch):
    graph, labels, seed = batch
    scores, nodes = random_scores(labels.shape, seed), definitions.digraph(graph)
    mask = random_mask(labels.shape, seed)
    support = torch.randint(0, 50, (graph.num_labels,), generator=torch.Generator().manual_seed(seed)).double()
    for tau, reduction in ((0.0, "mean"), (0.7, "sum")):
        loss = ConditionalLoss(graph, kind="softmax", tau=tau, support=support, reduction=reduction)
        for kept in (None, mask):
            expected = definitions.conditional_softmax(scores, labels, nodes, reduction, kept, tau, support.tolist())
            value = loss(scores=scores, labels=labels, mask=kept)
            assert_same(value, expected, scores, rtol=1e-6, atol=1e-6)  # the shift is kept in float32


@settings(deadline=None, max_examples=30)
@given(batches(max_labels=9))
def test_probabilities_are_products_and_sums_over_paths(batch):
    graph, labels, seed = batch
    scores, nodes = random_scores(labels.shape, seed), definitions.digraph(graph)
    for kind, define in (
        ("sigmoid", definitions.sigmoid_probabilities),
        ("softmax", definitions.softmax_probabilities),
    ):
        value = conditional_log_probabilities(scores, graph, kind=kind)
        expected = define(scores, nodes)
        torch.testing.assert_close(value.exp(), expected, rtol=1e-9, atol=1e-12)
        weight = torch.randn_like(scores)
        ours, theirs = (torch.autograd.grad((v * weight).sum(), scores)[0] for v in (value, expected.log()))
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-9)


def test_one_softmax_over_leaves_reached_by_one_path_sums_to_one():
    graph = LabelGraph.from_edges([("a", "c"), ("a", "d"), ("b", "e"), ("b", "d"), ("e", "f"), ("e", "g")])
    probabilities = conditional_log_probabilities(random_scores((3, 7), 0), graph, kind="softmax").exp()
    torch.testing.assert_close(probabilities[:, graph.leaves].sum(1), torch.ones(3, dtype=torch.float64))


def test_sigmoid_loss_is_the_likelihood_of_closed_label_sets():
    """Over all closed label sets of a DAG, the exponentials of minus the loss add up to one, and marginals agree."""
    graph = LabelGraph.from_edges([("a", "c"), ("b", "c"), ("c", "d"), ("a", "e")])
    scores = random_scores((1, 5), 3).detach()
    loss = ConditionalLoss(graph, reduction="sum")
    total, marginal = 0.0, torch.zeros(5, dtype=torch.float64)
    for number in range(2**5):
        labels = torch.tensor([[number >> k & 1 for k in range(5)]], dtype=torch.float64)
        if (graph.expand(labels.numpy()).toarray() == labels.numpy()).all():
            chance = torch.exp(-loss(scores=scores, labels=labels))
            total, marginal = total + chance, marginal + chance * labels[0]
    torch.testing.assert_close(total, torch.tensor(1.0, dtype=torch.float64))
    torch.testing.assert_close(loss.log_probabilities(scores)[0].exp(), marginal)


def test_logit_adjustment_is_the_log_share_among_siblings():
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
    loss = ConditionalLoss(graph, kind="softmax", tau=1.0, support=[100, 90, 10], reduction="sum")
    value = loss(scores=torch.zeros(1, 3), labels=torch.tensor([[1.0, 0.0, 1.0]]))
    assert value.item() == pytest.approx(-torch.tensor(0.1).log().item(), rel=1e-5)
    plain = loss.log_probabilities(torch.zeros(1, 3)).exp()
    torch.testing.assert_close(plain, torch.tensor([[1.0, 0.5, 0.5]]))


def test_blocks_of_documents_change_nothing(monkeypatch):
    graph = random_graph(20, seed=1)
    scores = random_scores((7, 20), 0)
    whole = conditional_log_probabilities(scores, graph)
    monkeypatch.setattr(module, "MAX_ENTRIES", 40)
    torch.testing.assert_close(conditional_log_probabilities(scores, graph), whole, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_each_document_stands_alone(kind):
    graph = random_graph(15, seed=2)
    labels, scores = random_labels(graph, 5, 1), random_scores((5, 15), 1)
    loss = ConditionalLoss(graph, kind=kind, reduction="sum")
    alone = [loss(scores=scores[i : i + 1], labels=labels[i : i + 1]) for i in range(5)]
    torch.testing.assert_close(loss(scores=scores, labels=labels), sum(alone) / 5)


@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_extremes(kind):
    graph = random_graph(6, seed=4)
    loss = ConditionalLoss(graph, kind=kind)
    for batch, scale in ((0, 1.0), (3, 1.0), (3, 1e4)):
        labels = random_labels(graph, batch, 1)
        scores = (scale * random_scores((batch, 6), 0)).detach().requires_grad_()
        for mask in (None, torch.zeros_like(labels).bool()):
            value = loss(scores=scores, labels=labels, mask=mask)
            value.backward()
            assert value.isfinite() and scores.grad.isfinite().all()
            assert value == 0 or (batch and mask is None)
    assert conditional_log_probabilities(torch.full((2, 6), -1e4), graph, kind=kind).isfinite().all()
    half = scores.detach().bfloat16()
    assert loss(scores=half, labels=labels).dtype == torch.float32
    torch.testing.assert_close(
        loss(scores=half, labels=labels).double(), loss(scores=half.double(), labels=labels), rtol=1e-5, atol=1e-5
    )


def test_labels_without_edges_are_a_softmax_over_roots():
    graph = LabelGraph(None, ["a", "b", "c"])
    scores = random_scores((2, 3), 0)
    value = conditional_log_probabilities(scores, graph, kind="softmax")
    torch.testing.assert_close(value, scores.log_softmax(1))
    torch.testing.assert_close(conditional_log_probabilities(scores, graph), torch.nn.functional.logsigmoid(scores))


def test_a_group_without_finite_rows_sums_to_zero():
    values = torch.tensor([[-torch.inf], [1.0], [1.0]], requires_grad=True)
    sums = module.group_logsumexp(values, torch.tensor([0, 1, 1]), 3)
    torch.testing.assert_close(sums.detach(), torch.tensor([[0.0], [1 + math.log(2)], [0.0]]))
    sums.sum().backward()
    assert values.grad.tolist() == [[0.0], [0.5], [0.5]]


def test_wrong_input_is_named():
    graph = random_graph(4)
    scores = torch.zeros(2, 4)
    with pytest.raises(ConfigError, match="'kind' must be 'sigmoid' or 'softmax', but got 'both'"):
        ConditionalLoss(graph, kind="both")
    with pytest.raises(ConfigError, match="'tau' must be 0 unless kind is 'softmax'"):
        ConditionalLoss(graph, tau=1.0, support=[1, 2, 3, 4])
    with pytest.raises(ConfigError, match="and no 'support'"):
        ConditionalLoss(graph, kind="softmax", tau=1.0)
    with pytest.raises(ConfigError, match=r"'support' must have one number for each label, \[4\]"):
        ConditionalLoss(graph, kind="softmax", tau=1.0, support=[1, 2])
    with pytest.raises(ConfigError, match="'candidates' must be None"):
        ConditionalLoss(graph, kind="softmax")(scores=scores, labels=scores, candidates=torch.zeros(2, 4).long())
    with pytest.raises(ConfigError, match="a column for each of the 4 labels"):
        ConditionalLoss(graph)(scores=scores[:, :3], labels=scores[:, :3])
    with pytest.raises(ConfigError, match="'candidates' must have the shape of 'scores'"):
        ConditionalLoss(graph)(scores=scores, labels=scores, candidates=torch.zeros(2, 3).long())
