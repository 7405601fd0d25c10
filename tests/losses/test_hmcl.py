"""HMCL against its definition as loops."""

import pytest
import torch
from contrast_cases import assert_same, batches, large_batch, value_and_gradients
from definitions_contrast import hmcl_loop
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses.hmcl import HMCLLoss, hmcl_from_similarity
from hgraph.sampling import TEXT_NEGATIVES, SupportWeights, TextNegatives

TREE = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e")])


@settings(max_examples=50, deadline=None)
@given(batches(), st.sampled_from(TEXT_NEGATIVES), st.sampled_from([0.07, 1.0]), st.booleans(), st.booleans())
def test_equals_the_loops(batch, kind, temperature, weighted, masked):
    check_loops(batch, kind, temperature, weighted, masked)


@pytest.mark.parametrize("kind", TEXT_NEGATIVES)
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_loops_on_larger_batches(seed, kind):
    check_loops(large_batch(seed), kind, 0.5, weighted=seed == 0, masked=False)


def check_loops(batch, kind, temperature, weighted, masked):
    mask = batch.mask if masked else None
    options, reference = {}, {}
    if weighted:
        levels = [0.5 + depth for depth in range(batch.graph.num_levels)]
        support = [1 + 3 * label for label in range(batch.graph.num_labels)]
        weights = SupportWeights(batch.graph, support)
        weights.set_progress(0.8)
        options = {"level_weights": levels, "negative_weights": weights}
        reference = {"level_weights": levels, "negative_weights": document_weights(batch, weights, mask)}
    loss = HMCLLoss(batch.graph, negatives=kind, temperature=temperature, **options)
    ours = value_and_gradients(lambda x: loss(labels=batch.labels, text=x, mask=mask), batch.text)
    theirs = value_and_gradients(
        lambda x: (
            hmcl_loop(x, batch.sets(mask), batch.level, batch.parents, kind=kind, temperature=temperature, **reference)
            + 0 * x.sum()
        ),
        batch.text,
    )
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-6, atol=1e-7)  # the weights are float32
    if not weighted:
        assert_same(ours, theirs)


def document_weights(batch, weights, mask):
    """What each document weighs on each level, from the weights of labels."""
    out = []
    for depth in range(1, batch.graph.num_levels + 1):
        row = []
        for labels in batch.sets(mask):
            own = [label for label in labels if batch.level[label] == depth] or labels
            values = [weights.label_weights[label].item() for label in own]
            row.append(sum(values) / len(values) if values else 1.0)
        out.append(row)
    return out


@settings(max_examples=30, deadline=None)
@given(batches(), st.randoms(use_true_random=False), st.sampled_from(TEXT_NEGATIVES))
def test_does_not_depend_on_the_order_of_the_batch_or_of_a_shortlist(batch, draw, kind):
    order = list(range(len(batch.labels)))
    draw.shuffle(order)
    loss = HMCLLoss(batch.graph, negatives=kind)
    expected = loss(labels=batch.labels, text=batch.text)
    torch.testing.assert_close(loss(labels=batch.labels[order], text=batch.text[order]), expected)
    labels, candidates, mask, _ = batch.shortlist()
    torch.testing.assert_close(loss(labels=labels, candidates=candidates, mask=mask, text=batch.text), expected)


def test_weights_of_negatives_are_their_numbers_of_copies():
    """A negative that weighs 3 is three negatives that weigh 1."""
    torch.manual_seed(0)
    text = torch.randn(3, 4).double()
    copies = torch.cat([text, text[2:], text[2:]])
    positives = torch.zeros(1, 5, 5, dtype=torch.bool)
    positives[0, 0, 1] = True
    negatives = torch.zeros(1, 5, 5, dtype=torch.bool)
    negatives[0, 0, 2:] = True
    many = hmcl_from_similarity(copies @ copies.t(), positives, negatives)
    weights = torch.tensor([[1.0, 1.0, 3.0]])
    few = hmcl_from_similarity(text @ text.t(), positives[:, :3, :3], negatives[:, :3, :3], negative_weights=weights)
    torch.testing.assert_close(few, many)


def test_progress_reaches_the_weights():
    weights = SupportWeights(TREE, [9, 8, 1, 2, 2])
    loss = HMCLLoss(TREE, negative_weights=weights)
    labels = torch.tensor([[1.0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 1]])
    torch.manual_seed(0)
    text = torch.randn(4, 3)
    early = loss(labels=labels, text=text)
    loss.set_progress(1.0)
    assert weights.progress == 1.0
    assert loss(labels=labels, text=text) != early
    HMCLLoss(TREE).set_progress(0.5)  # nothing to change


def test_negatives_can_be_given_as_an_object():
    labels, text = torch.tensor([[1.0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 1, 1]]), torch.randn(3, 4)
    one = HMCLLoss(TREE, negatives=TextNegatives(TREE, "sibling"))(labels=labels, text=text)
    assert one == HMCLLoss(TREE, negatives="sibling")(labels=labels, text=text)
    assert one != HMCLLoss(TREE)(labels=labels, text=text)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    text = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[1.0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0]])
    loss = HMCLLoss(TREE, temperature=0.5)
    assert torch.autograd.gradcheck(lambda x: loss(labels=labels, text=x), (text,))


def test_half_precision_is_computed_in_single():
    torch.manual_seed(0)
    text = torch.randn(4, 8).bfloat16()
    labels = torch.tensor([[1.0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 1]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = HMCLLoss(TREE)(labels=labels, text=text)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(HMCLLoss(TREE)(labels=labels, text=text.double()).item(), abs=1e-4)


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="'kind' must be one of all, level, sibling, parent, but got 'near'"):
        HMCLLoss(TREE, negatives="near")
    with pytest.raises(ConfigError, match=r"'level_weights' must be 2 numbers of 0 or more, one a level, but got \[1"):
        HMCLLoss(TREE, level_weights=[1])
    with pytest.raises(ConfigError, match="'labels' must have 5 columns"):
        HMCLLoss(TREE)(labels=torch.zeros(2, 4), text=torch.zeros(2, 3))


@pytest.mark.parametrize("labels", [torch.zeros(0, 5), torch.ones(1, 5), torch.zeros(3, 5)])
def test_batches_without_positives_give_zero_with_a_gradient(labels):
    text = torch.randn(len(labels), 3, requires_grad=True)
    value = HMCLLoss(TREE)(labels=labels, text=text)
    value.backward()
    assert value == 0 and (text.grad == 0).all()
