"""Squared hinge against a loop and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import hinge_loss

from hgraph.errors import ConfigError
from hgraph.losses import SquaredHingeLoss
from hgraph.losses.squared_hinge import squared_hinge


def case(documents=5, labels=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores = 2 * torch.randn(documents, labels, generator=generator)
    return scores, torch.randint(0, 2, scores.shape, generator=generator).float()


def loop(scores, labels, mask=None):
    """Sum of the losses of each document."""
    totals = []
    for i in range(len(scores)):
        total = 0.0
        for j in range(scores.shape[1]):
            if mask is None or mask[i, j]:
                sign = 1.0 if labels[i, j] else -1.0
                total += max(0.0, 1.0 - sign * float(scores[i, j])) ** 2
        totals.append(total)
    return totals


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_loop(seed):
    scores, labels = case(seed=seed)
    expected = loop(scores, labels)
    assert squared_hinge(scores, labels, reduction="sum").item() == pytest.approx(np.mean(expected), rel=1e-5)
    assert squared_hinge(scores, labels).item() == pytest.approx(np.sum(expected) / labels.numel(), rel=1e-5)


def test_mask_leaves_pairs_out():
    scores, labels = case()
    mask = torch.rand(scores.shape, generator=torch.Generator().manual_seed(3)) > 0.4
    expected = loop(scores, labels, mask)
    assert squared_hinge(scores, labels, reduction="sum", mask=mask).item() == pytest.approx(
        np.mean(expected), rel=1e-5
    )
    mean = squared_hinge(scores, labels, mask=mask).item()
    assert mean == pytest.approx(np.sum(expected) / int(mask.sum()), rel=1e-5)


def test_single_pairs_are_the_square_of_sklearns_hinge():
    scores, labels = case()
    for score, label in zip(scores.flatten().tolist(), labels.flatten().tolist(), strict=True):
        # scikit-learn wants both classes; the other one costs nothing.
        hinge = 2 * hinge_loss([label, 1 - label], [score, 9.0 if label == 0 else -9.0])
        value = squared_hinge(torch.tensor([[score]]), torch.tensor([[label]])).item()
        assert value == pytest.approx(hinge**2, rel=1e-5, abs=1e-7)


def test_gradient():
    scores, labels = case()
    scores = scores.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: squared_hinge(z, labels.double(), reduction="sum"), scores)


def test_right_by_the_margin_costs_nothing():
    assert squared_hinge(torch.tensor([[1.0, -1.0, 7.0]]), torch.tensor([[1.0, 0.0, 1.0]])).item() == 0.0


def test_nothing_to_count():
    empty = torch.zeros(0, 3)
    assert squared_hinge(empty, empty, reduction="sum").item() == 0.0
    assert squared_hinge(empty, empty).item() == 0.0
    scores, labels = case()
    nothing = torch.zeros_like(scores, dtype=torch.bool)
    assert squared_hinge(scores, labels, mask=nothing).item() == 0.0


def test_half_precision_is_summed_in_full():
    scores = torch.full((1, 5000), -7.0, dtype=torch.bfloat16)
    value = SquaredHingeLoss(reduction="sum")(scores=scores, labels=torch.ones(1, 5000))
    assert value.item() == 64.0 * 5000


def test_objective():
    scores, labels = case()
    assert SquaredHingeLoss().name == "squared_hinge"
    torch.testing.assert_close(SquaredHingeLoss()(scores=scores, labels=labels), squared_hinge(scores, labels))
    with pytest.raises(ConfigError, match="reduction"):
        SquaredHingeLoss(reduction="median")
