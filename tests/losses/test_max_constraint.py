"""Max-constraint module and loss against the matrix of all pairs and loops."""

import definitions
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from label_cases import assert_same, batches, random_graph, random_labels, random_mask, random_scores, shortlist

from hgraph.decoding import close_upward_scores
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import MaxConstraint, MaxConstraintLoss


@settings(deadline=None, max_examples=40)
@given(batches())
def test_maxima_equal_those_over_all_pairs(batch):
    graph, labels, seed = batch
    scores = random_scores(labels.shape, seed)
    value, expected = MaxConstraint(graph)(scores), definitions.max_constraint(scores, definitions.digraph(graph))
    weight = torch.randn_like(scores)
    torch.testing.assert_close(value, expected, rtol=0, atol=0)
    assert_same((value * weight).sum(), (expected * weight).sum(), scores)
    probabilities = scores.detach().sigmoid()
    closed = torch.from_numpy(close_upward_scores(probabilities.numpy(), graph).toarray())
    torch.testing.assert_close(MaxConstraint(graph)(probabilities).float(), closed)


@settings(deadline=None, max_examples=40)
@given(batches(), st.sampled_from(["mean", "sum"]), st.booleans())
def test_loss_equals_the_loop(batch, reduction, masked):
    graph, labels, seed = batch
    scores = random_scores(labels.shape, seed)
    mask = random_mask(labels.shape, seed) if masked else None
    value = MaxConstraintLoss(graph, reduction=reduction)(scores=scores, labels=labels, mask=mask)
    expected = definitions.max_constraint_loss(scores, labels, definitions.digraph(graph), reduction, mask)
    assert_same(value, expected, scores)


@settings(deadline=None, max_examples=40)
@given(batches())
def test_shortlists(batch):
    graph, labels, seed = batch
    candidates, short, mask = shortlist(labels, max(graph.num_labels * 2 // 3, 1), seed)
    scores, nodes = random_scores(short.shape, seed), definitions.digraph(graph)
    value = MaxConstraintLoss(graph)(scores=scores, labels=short, mask=mask, candidates=candidates)
    expected = definitions.max_constraint_loss(scores, short, nodes, "mean", mask, candidates)
    assert_same(value, expected, scores)
    # A shortlist is a matrix with -inf for all other labels.
    wide = torch.full(labels.shape, -torch.inf, dtype=torch.float64)
    for i in range(len(wide)):
        wide[i, candidates[i][mask[i]]] = scores.detach()[i][mask[i]]
    best = definitions.max_constraint(wide, nodes).gather(1, candidates)
    ours = MaxConstraint(graph)(scores.detach(), mask=mask, candidates=candidates)
    torch.testing.assert_close(ours[mask], best[mask], rtol=0, atol=0)


def test_of_equal_maxima_the_first_label_gets_the_gradient():
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("c", "d")], nodes=["d", "c", "b", "a"])
    scores = torch.tensor([[0.5, 0.1, 0.5, 0.5]], requires_grad=True)
    MaxConstraint(graph)(scores)[0, 3].backward()
    assert scores.grad.tolist() == [[1.0, 0.0, 0.0, 0.0]]
    top_first = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("c", "d")])
    equal = torch.full((1, 4), 0.5, requires_grad=True)
    MaxConstraint(top_first)(equal).sum().backward()
    assert equal.grad.tolist() == [[1.0] * 4]  # each label its own, as it comes before those below it
    order = torch.tensor([[2, 3, 1, 0]])
    short = scores.detach().gather(1, order).requires_grad_()
    MaxConstraint(graph)(short, candidates=order)[0, 1].backward()
    assert short.grad.tolist() == [[1.0, 0.0, 0.0, 0.0]]  # the first column


def test_maxima_are_consistent():
    graph = random_graph(30, seed=7)
    best = MaxConstraint(graph)(random_scores((5, 30)))
    parent, child = graph.edge_index
    assert (best[:, parent] >= best[:, child]).all()


def test_a_positive_is_explained_by_positives_alone():
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
    scores = torch.tensor([[-1.0, 0.5, 9.0]], requires_grad=True)
    MaxConstraintLoss(graph)(scores=scores, labels=torch.tensor([[1.0, 1.0, 0.0]])).backward()
    pull = scores.grad[0]
    assert pull[0] == 0 and pull[1] < 0 < pull[2]


def test_each_document_stands_alone():
    graph = random_graph(12, seed=3)
    labels, scores = random_labels(graph, 4, 2), random_scores((4, 12))
    loss = MaxConstraintLoss(graph)
    alone = [loss(scores=scores[i : i + 1], labels=labels[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(loss(scores=scores, labels=labels), sum(alone) / 4)


def test_extremes_are_finite():
    graph = random_graph(6, seed=1)
    loss = MaxConstraintLoss(graph)
    for labels in (torch.zeros(0, 6), torch.zeros(2, 6), torch.ones(2, 6)):
        for mask in (None, torch.zeros_like(labels).bool()):
            scores = (1e4 * torch.randn(len(labels), 6)).requires_grad_()
            value = loss(scores=scores, labels=labels, mask=mask)
            value.backward()
            assert value.isfinite() and scores.grad.isfinite().all()
            assert value == 0 or (len(labels) and mask is None)
    half, labels = torch.randn(3, 6).bfloat16(), random_labels(graph, 3)
    value = loss(scores=half, labels=labels)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), loss(scores=half.double(), labels=labels), rtol=1e-5, atol=1e-6)
    assert MaxConstraint(graph)(torch.zeros(0, 6)).shape == (0, 6)


def test_wrong_input_is_named():
    graph = random_graph(3)
    with pytest.raises(ConfigError, match="'reduction' must be one of mean, sum"):
        MaxConstraintLoss(graph, reduction="max")
    with pytest.raises(ConfigError, match="a column for each of the 3 labels"):
        MaxConstraintLoss(graph)(scores=torch.zeros(1, 2), labels=torch.zeros(1, 2))
    with pytest.raises(ConfigError, match="'candidates' must have the shape of 'scores'"):
        MaxConstraint(graph)(torch.zeros(1, 2), candidates=torch.zeros(1, 3).long())
