"""The margin per level against a loop over documents, labels and levels."""

import definitions
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from label_cases import assert_same, batches, random_graph, random_labels, random_mask, random_scores, shortlist

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import LevelMarginLoss


@settings(deadline=None, max_examples=50)
@given(batches(), st.booleans(), st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from(["level-mean", "sum"]), st.data())
def test_equals_the_loop(batch, short, margin, reduction, data):
    graph, labels, seed = batch
    text, vectors = random_scores((len(labels), 3), seed), random_scores((graph.num_labels, 3), seed + 1)
    mask, candidates = random_mask(labels.shape, seed), None
    if short:
        candidates, labels, mask = shortlist(labels, max(graph.num_labels * 2 // 3, 1), seed)
    everything = list(range(1, graph.num_levels + 1))
    levels = data.draw(st.sampled_from([None, [1], everything[-1:], everything[::2]]))
    loss = LevelMarginLoss(graph, margin=margin, levels=levels, reduction=reduction)
    value = loss(labels=labels, text=text, label_vectors=vectors, mask=mask, candidates=candidates)
    expected = definitions.level_margin(
        definitions.cosine(text, vectors, candidates),
        labels,
        definitions.levels_of(definitions.digraph(graph)),
        margin,
        everything if levels is None else levels,
        reduction,
        mask,
        candidates,
    )
    assert_same(value, expected, text, vectors)


def test_other_labels_of_the_document_are_never_pushed_away():
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("a", "d")])
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0], [1.0, 0.1]], requires_grad=True)
    labels = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    loss = LevelMarginLoss(graph, margin=3.0)
    loss(labels=labels, text=torch.tensor([[0.0, 1.0]]), label_vectors=vectors).backward()
    toward = vectors.grad[:, 1]
    assert toward[2] < 0 < toward[3]  # a step against the gradient pulls c to the text and pushes d away
    assert toward[0] == 0  # nothing is wrong on the first level


def test_a_label_without_a_wrong_one_on_its_level_makes_no_triplet():
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    text, labels = torch.tensor([[1.0, 0.0]] * 2), torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    # One triplet: b, at cosine 0, against c, at cosine 1.
    assert LevelMarginLoss(graph, margin=0.5)(labels=labels, text=text, label_vectors=vectors) == 1.5
    assert LevelMarginLoss(graph, margin=0.5, levels=[2])(labels=labels, text=text, label_vectors=vectors) == 1.5
    assert LevelMarginLoss(graph, margin=0.5, levels=[1])(labels=labels, text=text, label_vectors=vectors) == 0


def test_each_document_stands_alone_in_a_sum():
    graph = random_graph(12, seed=3)
    labels, text, vectors = random_labels(graph, 4, 2), random_scores((4, 5)), random_scores((12, 5), 1)
    loss = LevelMarginLoss(graph, reduction="sum", margin=1.0)
    alone = [loss(labels=labels[i : i + 1], text=text[i : i + 1], label_vectors=vectors) for i in range(4)]
    torch.testing.assert_close(loss(labels=labels, text=text, label_vectors=vectors), sum(alone) / 4)


@pytest.mark.parametrize("reduction", ["level-mean", "sum"])
def test_extremes_are_finite(reduction):
    graph = random_graph(6, seed=1)
    loss = LevelMarginLoss(graph, reduction=reduction)
    for labels in (torch.zeros(0, 6), torch.zeros(2, 6), torch.ones(2, 6)):
        text, vectors = torch.zeros(len(labels), 3).requires_grad_(), torch.randn(6, 3).requires_grad_()
        value = loss(labels=labels, text=text, label_vectors=vectors)
        value.backward()
        assert value == 0 and text.grad.isfinite().all() and vectors.grad.isfinite().all()
    labels = random_labels(graph, 3)
    text, vectors = torch.randn(3, 8).bfloat16(), torch.randn(6, 8).bfloat16()
    value = loss(labels=labels, text=text, label_vectors=vectors)
    wide = loss(labels=labels, text=text.double(), label_vectors=vectors.double())
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), wide, rtol=1e-5, atol=1e-6)


def test_wrong_options_are_named():
    graph = LabelGraph.from_edges([("a", "b")])
    for options, message in [
        ({"margin": -0.1}, "'margin' must be at least 0, but got -0.1"),
        ({"levels": [0, 1]}, r"'levels' must hold levels from 1 to 2, or be None for all, but got \[0, 1\]"),
        ({"levels": []}, "'levels' must hold levels"),
        ({"reduction": "mean"}, "'reduction' must be one of level-mean, sum"),
    ]:
        with pytest.raises(ConfigError, match=message):
            LevelMarginLoss(graph, **options)
