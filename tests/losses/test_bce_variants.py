"""Class-balanced, focal and asymmetric binary cross-entropy against loops and torch."""

import definitions
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from label_cases import assert_same

from hgraph.errors import ConfigError
from hgraph.losses import (
    AsymmetricLoss,
    BCELoss,
    ClassBalancedBCELoss,
    FocalLoss,
    asymmetric,
    binary_cross_entropy,
    class_balanced_weights,
)

LOSSES = [BCELoss(pos_weight=3.0), ClassBalancedBCELoss([1, 40, 0, 7, 9]), FocalLoss(alpha=0.25), AsymmetricLoss()]


def case(batch=4, num_labels=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores = 2 * torch.randn(batch, num_labels, generator=generator, dtype=torch.float64)
    labels = (torch.rand(batch, num_labels, generator=generator) < 0.4).double()
    return scores.requires_grad_(), labels, torch.rand(batch, num_labels, generator=generator) < 0.7


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("masked", [False, True])
def test_bce_with_weights_equals_the_loop(reduction, masked):
    scores, labels, mask = case()
    mask = mask if masked else None
    weight = torch.rand(5, dtype=torch.float64)
    value = binary_cross_entropy(
        scores, labels, reduction=reduction, mask=mask, weight=weight, pos_weight=torch.tensor(2.5)
    )
    expected = definitions.bce(scores, labels, reduction, mask, weight=weight, pos_weight=2.5)
    assert_same(value, expected, scores)
    module = BCELoss(reduction=reduction, pos_weight=2.5)(scores=scores, labels=labels, mask=mask)
    assert_same(module, definitions.bce(scores, labels, reduction, mask, pos_weight=2.5), scores)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=8), st.sampled_from([0.0, 0.5, 0.99, 0.9999, 1 - 1e-9]))
def test_class_balanced_weights_equal_the_formula(support, beta):
    weights = class_balanced_weights(torch.tensor(support), beta=beta)
    torch.testing.assert_close(weights.tolist(), definitions.class_balance(support, beta), rtol=1e-6, atol=0)
    assert weights.mean().item() == pytest.approx(1)


def test_class_balancing_dense_and_on_a_shortlist():
    scores, labels, mask = case()
    support = [1, 40, 0, 7, 9000]
    loss = ClassBalancedBCELoss(support, beta=0.99, reduction="sum", pos_weight=2.0)
    weight = definitions.class_balance(support, 0.99)
    assert weight[2] == weight[0] > weight[3] > weight[4]
    expected = definitions.bce(scores, labels, "sum", mask, weight=weight, pos_weight=2.0)
    torch.testing.assert_close(loss(scores=scores, labels=labels, mask=mask), expected, rtol=1e-6, atol=0)
    candidates = torch.tensor([[4, 0, 2], [1, 2, 3], [0, 1, 4], [3, 2, 1]])
    short = [value.gather(1, candidates) for value in (scores, labels, mask)]
    expected = definitions.bce(*short[:2], "sum", short[2], weight=weight, pos_weight=2.0, columns=candidates)
    value = loss(scores=short[0], labels=short[1], mask=short[2], candidates=candidates)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("gammas", [(0.0, 4.0), (1.0, 2.0), (0.5, 0.5), (0.0, 0.0)])
@pytest.mark.parametrize("clip", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_asymmetric_equals_the_loop(gammas, clip, reduction):
    scores, labels, mask = case()
    options = {"gamma_pos": gammas[0], "gamma_neg": gammas[1], "clip": clip, "reduction": reduction, "mask": mask}
    assert_same(asymmetric(scores, labels, **options), definitions.asymmetric(scores, labels, **options), scores)
    options.pop("mask")
    module = AsymmetricLoss(**options)(scores=scores, labels=labels, mask=mask)
    assert_same(module, definitions.asymmetric(scores, labels, mask=mask, **options), scores)


@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_equals_the_loop_and_without_gamma_bce(alpha):
    scores, labels, mask = case()
    value = FocalLoss(gamma=2.0, alpha=alpha)(scores=scores, labels=labels, mask=mask)
    assert_same(value, definitions.asymmetric(scores, labels, 2.0, 2.0, 0.0, mask=mask, alpha=alpha), scores)
    flat = FocalLoss(gamma=0.0)(scores=scores, labels=labels)
    torch.testing.assert_close(flat, F.binary_cross_entropy_with_logits(scores, labels))


def test_negatives_below_the_clip_cost_nothing():
    scores = torch.tensor([[-4.0, -2.9, -2.0]], requires_grad=True)
    value = AsymmetricLoss(clip=0.06, gamma_neg=0.5, reduction="sum")(scores=scores, labels=torch.zeros(1, 3))
    value.backward()
    assert (scores.grad[0] > 0).tolist() == [False, False, True]


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("size", [(0, 5), (3, 5)])
def test_extremes_are_finite(loss, size):
    for fill in (0.0, 1.0):
        scores = torch.linspace(-1e4, 1e4, 15)[: size[0] * size[1]].reshape(size).requires_grad_()
        value = loss(scores=scores, labels=torch.full(size, fill), mask=torch.ones(size).bool())
        value.backward()
        assert value.isfinite() and scores.grad.isfinite().all()
        assert size[0] or value == 0


@pytest.mark.parametrize("gamma", [0.5, 1.0])
@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_powers_below_one_have_finite_slopes_at_zero(gamma, clip):
    scores = torch.tensor([[-200.0, 0.0, 200.0]], requires_grad=True)
    value = asymmetric(scores, torch.tensor([[0.0, 0.0, 1.0]]), gamma_pos=gamma, gamma_neg=gamma, clip=clip)
    value.backward()
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_half_precision_is_computed_in_float32(loss):
    scores, labels, mask = case()
    half = scores.detach().bfloat16()
    value = loss(scores=half, labels=labels.bfloat16(), mask=mask)
    assert value.dtype == torch.float32
    wide = loss(scores=half.double(), labels=labels, mask=mask)
    torch.testing.assert_close(value.double(), wide.double(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_a_mask_is_the_same_as_leaving_pairs_out(loss):
    scores, labels, _ = case()
    mask = torch.ones_like(labels).bool()
    mask[1:] = False
    one = loss(scores=scores[:1], labels=labels[:1])
    torch.testing.assert_close(loss(scores=scores, labels=labels, mask=mask), one)


def test_wrong_options_are_named():
    for make, message in [
        (lambda: BCELoss(pos_weight=0.0), "'pos_weight' must be a finite number above 0, but got 0.0"),
        (lambda: ClassBalancedBCELoss([]), "'support' must be the number of documents"),
        (lambda: ClassBalancedBCELoss([1, -2]), "with -2"),
        (lambda: ClassBalancedBCELoss([1], beta=1.0), "'beta' must be at least 0 and below 1"),
        (lambda: FocalLoss(gamma=-1), "'gamma' must be at least 0"),
        (lambda: FocalLoss(alpha=1.5), "'alpha' must be between 0 and 1"),
        (lambda: AsymmetricLoss(gamma_neg=-1), "'gamma_neg' must be at least 0"),
        (lambda: AsymmetricLoss(clip=1.0), "'clip' must be at least 0 and below 1"),
        (lambda: AsymmetricLoss(reduction="max"), "'reduction' must be one of mean, sum"),
    ]:
        with pytest.raises(ConfigError, match=message):
            make()
    scores = torch.zeros(2, 3)
    with pytest.raises(ConfigError, match="a column for each of the 2 labels"):
        ClassBalancedBCELoss([1, 2])(scores=scores, labels=scores)
