"""Supervised contrast against its definition as loops."""

import pytest
import torch
from contrast_cases import assert_same, batches, large_batch, value_and_gradients
from definitions_contrast import cosine, label_weight, supcon_loop
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError
from hgraph.losses.supcon import SupConLoss, supcon_from_similarity

KINDS = ["identical", "any", "jaccard"]


def loops(text, views, sets, kind, temperature):
    vectors, owner = list(text), list(range(len(text)))
    if views is not None:
        vectors = [vector for i in range(len(text)) for vector in (text[i], *views[i])]
        owner = [i for i in range(len(text)) for _ in range(1 + views.size(1))]
    similarity = [[cosine(a, b) for b in vectors] for a in vectors]
    weight = [
        [1.0 if i == j and views is not None else label_weight(sets[i], sets[j], kind) for j in owner] for i in owner
    ]
    return supcon_loop(similarity, weight, temperature) + 0 * text.sum()


@settings(max_examples=40, deadline=None)
@given(batches(max_documents=5), st.sampled_from(KINDS), st.sampled_from([0.1, 1.0]), st.booleans(), st.booleans())
def test_equals_the_loops(batch, kind, temperature, with_views, masked):
    check_loops(batch, kind, temperature, with_views, masked)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_loops_on_larger_batches(seed, kind):
    check_loops(large_batch(seed), kind, 0.5, with_views=seed == 0, masked=False)


def check_loops(batch, kind, temperature, with_views, masked):
    mask, loss = batch.mask if masked else None, SupConLoss(temperature=temperature, positives=kind)
    views = batch.views if with_views else None
    ours = value_and_gradients(
        lambda x, v: loss(labels=batch.labels, text=x, views=v if with_views else None, mask=mask),
        batch.text,
        batch.views,
    )
    theirs = value_and_gradients(
        lambda x, v: loops(x, v if with_views else None, batch.sets(mask), kind, temperature), batch.text, batch.views
    )
    assert_same(ours, theirs)
    labels, candidates, short, _ = batch.shortlist()
    expected = loss(labels=batch.labels, text=batch.text, views=views)
    value = loss(labels=labels, candidates=candidates, mask=short, text=batch.text, views=views)
    torch.testing.assert_close(value, expected)


@settings(max_examples=20, deadline=None)
@given(batches(), st.randoms(use_true_random=False), st.sampled_from(KINDS))
def test_does_not_depend_on_the_order_of_the_batch(batch, draw, kind):
    order = list(range(len(batch.labels)))
    draw.shuffle(order)
    loss = SupConLoss(positives=kind)
    value = loss(labels=batch.labels[order], text=batch.text[order], views=batch.views[order])
    torch.testing.assert_close(value, loss(labels=batch.labels, text=batch.text, views=batch.views))


def test_vectors_that_do_not_take_part_change_nothing():
    torch.manual_seed(0)
    similarity, positives = torch.randn(6, 6).double(), torch.rand(6, 6) < 0.5
    kept = torch.tensor([True, False, True, True, False, True])
    value = supcon_from_similarity(similarity, positives, kept=kept)
    torch.testing.assert_close(value, supcon_from_similarity(similarity[kept][:, kept], positives[kept][:, kept]))
    assert supcon_from_similarity(similarity, positives, kept=torch.zeros(6, dtype=torch.bool)) == 0


def test_jaccard_weights_are_shares_of_the_union():
    """One half against one third: documents ab, a and abcd... with a as the anchor."""
    labels = torch.tensor([[1.0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]])
    text = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]], dtype=torch.float64)
    value = supcon_from_similarity(
        text @ text.t(), torch.tensor([[0, 1 / 2, 1 / 3], [0, 0, 0], [0, 0, 0]]), temperature=1.0
    )
    bottom = torch.tensor([0.8, 0.6]).double().logsumexp(0)
    torch.testing.assert_close(value, bottom - (0.8 / 2 + 0.6 / 3) / (5 / 6), rtol=1e-6, atol=1e-6)
    expected = loops(text, None, [{0}, {0, 1}, {0, 1, 2}], "jaccard", 1.0)
    torch.testing.assert_close(SupConLoss(temperature=1.0, positives="jaccard")(labels=labels, text=text), expected)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    text = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 0]])
    assert torch.autograd.gradcheck(lambda x: SupConLoss()(labels=labels, text=x), (text,))


def test_half_precision_is_computed_in_single():
    torch.manual_seed(0)
    text, labels = torch.randn(4, 8).bfloat16(), torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = SupConLoss()(labels=labels, text=text)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(SupConLoss()(labels=labels, text=text.double()).item(), abs=1e-4)


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="'positives' must be one of identical, any, jaccard, but got 'some'"):
        SupConLoss(positives="some")
    with pytest.raises(ConfigError, match="'temperature' must be above 0"):
        SupConLoss(temperature=float("nan"))
    with pytest.raises(ConfigError, match="'mask' must have the shape of the labels"):
        SupConLoss()(labels=torch.zeros(2, 3), text=torch.zeros(2, 4), mask=torch.ones(2, 2))


@pytest.mark.parametrize("labels", [torch.zeros(0, 2), torch.ones(1, 2), torch.zeros(3, 2), torch.eye(3)])
def test_batches_without_positives_give_zero_with_a_gradient(labels):
    text = torch.randn(len(labels), 3, requires_grad=True)
    value = SupConLoss()(labels=labels, text=text)
    value.backward()
    assert value == 0 and (text.grad == 0).all()
