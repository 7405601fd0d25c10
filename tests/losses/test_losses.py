"""Objectives against loops over documents and labels, and against published values."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from hgraph.errors import ConfigError
from hgraph.losses import (
    BCELoss,
    ObjectiveList,
    TLALoss,
    ZLPRLoss,
    binary_cross_entropy,
    tla_from_similarity,
    zlpr,
)


def value_of(objective, **inputs):
    """The value of one objective, given what a model has: it is passed what it reads."""
    return ObjectiveList([objective])(**inputs)[0]


def random_labels(batch, num_labels, share=0.3):
    return (torch.rand(batch, num_labels) < share).double()


def bce_loop(scores, labels, reduction):
    total = 0.0
    for z, y in zip(scores.flatten().tolist(), labels.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-z))
        total -= y * math.log(p) + (1 - y) * math.log(1 - p)
    return total / (scores.numel() if reduction == "mean" else len(scores))


def zlpr_loop(scores, labels, mask=None):
    total = 0.0
    for i in range(len(scores)):
        kept = [j for j in range(scores.shape[1]) if mask is None or mask[i, j]]
        total += math.log(1 + sum(math.exp(scores[i, j]) for j in kept if labels[i, j] == 0))
        total += math.log(1 + sum(math.exp(-scores[i, j]) for j in kept if labels[i, j] == 1))
    return total / len(scores)


def tla_loop(similarity, labels, temperature, mask=None):
    values = []
    for i in range(len(similarity)):
        kept = [j for j in range(similarity.shape[1]) if mask is None or mask[i, j]]
        positives = [j for j in kept if labels[i, j] == 1]
        negatives = [j for j in kept if labels[i, j] == 0]
        if not positives:
            continue
        negatives = sorted(negatives, key=lambda j: -similarity[i, j].item())[: len(positives)]
        bottom = sum(math.exp(similarity[i, j] / temperature) for j in positives + negatives)
        terms = [-math.log(math.exp(similarity[i, p] / temperature) / bottom) for p in positives]
        values.append(sum(terms) / len(terms))
    return sum(values) / len(values) if values else 0.0


def test_known_values():
    scores, labels = torch.tensor([[1.0, -2.0, 0.5]]).double(), torch.tensor([[1.0, 0.0, 0.0]])
    assert zlpr(scores, labels).item() == pytest.approx(1.337171, abs=1e-6)
    similarity = torch.tensor([[0.9, 0.2, 0.5, -0.1, 0.45]]).double()
    labels = torch.tensor([[1.0, 0.0, 1.0, 0.0, 0.0]])
    assert tla_from_similarity(similarity, labels, temperature=0.07).item() == pytest.approx(2.862089, abs=1e-6)
    assert tla_loop(similarity, labels, 0.07) == pytest.approx(2.862089, abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(6, 9), (1, 1), (4, 1), (1, 12)])
def test_losses_match_loops(shape, share):
    torch.manual_seed(0)
    scores, labels, mask = torch.randn(shape).double(), random_labels(*shape, share), torch.rand(shape) < 0.7
    for reduction in ("mean", "sum"):
        value = binary_cross_entropy(scores, labels, reduction=reduction).item()
        assert value == pytest.approx(bce_loop(scores, labels, reduction), abs=1e-12)
    assert zlpr(scores, labels).item() == pytest.approx(zlpr_loop(scores, labels), abs=1e-12)
    assert zlpr(scores, labels, mask=mask).item() == pytest.approx(zlpr_loop(scores, labels, mask), abs=1e-12)
    value = tla_from_similarity(scores, labels, temperature=0.3).item()
    assert value == pytest.approx(tla_loop(scores, labels, 0.3), abs=1e-12)
    value = tla_from_similarity(scores, labels, temperature=0.3, mask=mask).item()
    assert value == pytest.approx(tla_loop(scores, labels, 0.3, mask), abs=1e-12)


def test_masked_bce_counts_only_what_is_kept():
    scores, labels = torch.randn(4, 5).double(), random_labels(4, 5)
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[1, :3] = True
    assert binary_cross_entropy(scores, labels, mask=mask).item() == pytest.approx(
        bce_loop(scores[1:2, :3], labels[1:2, :3], "mean")
    )
    assert binary_cross_entropy(scores, labels, mask=torch.zeros_like(mask)).item() == 0


def test_tla_loss_takes_cosines_of_vectors():
    torch.manual_seed(0)
    text, vectors, labels = torch.randn(4, 8).double(), torch.randn(6, 8).double(), random_labels(4, 6)
    similarity = cosine_similarity(text.unsqueeze(1), vectors.unsqueeze(0), dim=-1)
    value = TLALoss(temperature=0.1)(labels=labels, text=text, label_vectors=vectors)
    assert value.item() == pytest.approx(tla_loop(similarity, labels, 0.1), abs=1e-10)


@pytest.mark.parametrize("name", ["bce", "zlpr", "tla"])
@pytest.mark.parametrize("case", ["mixed", "no positives", "all positives", "one label"])
def test_gradients_are_those_of_finite_differences(name, case):
    torch.manual_seed(1)
    num_labels = 1 if case == "one label" else 4
    scores = torch.randn(3, num_labels, dtype=torch.float64, requires_grad=True)
    labels = random_labels(3, num_labels, {"no positives": 0.0, "all positives": 1.0}.get(case, 0.5))
    if case == "mixed":
        labels[0] = 0
    function = {"bce": binary_cross_entropy, "zlpr": zlpr, "tla": tla_from_similarity}[name]
    assert torch.autograd.gradcheck(lambda s: function(s, labels), (scores,))


@pytest.mark.parametrize("objective", [BCELoss(), BCELoss(reduction="sum"), ZLPRLoss(), TLALoss()], ids=repr)
def test_empty_batches_and_bare_documents_are_finite(objective):
    for labels in (torch.zeros(0, 4), torch.zeros(2, 4), torch.ones(2, 4), torch.zeros(2, 1)):
        scores = torch.randn(labels.shape).requires_grad_()
        text = torch.randn(len(labels), 3).requires_grad_()
        vectors = torch.randn(labels.shape[1], 3).requires_grad_()
        value = value_of(objective, scores=scores, labels=labels, text=text, label_vectors=vectors)
        assert value.shape == ()
        assert value.isfinite()
        value.backward()
        for tensor in (scores, text, vectors):
            assert tensor.grad is None or tensor.grad.isfinite().all()
        if not len(labels):
            assert value == 0


@pytest.mark.parametrize("objective", [BCELoss(), ZLPRLoss(), TLALoss()], ids=repr)
def test_half_precision_is_computed_in_float32(objective):
    torch.manual_seed(0)
    scores, text, vectors = (torch.randn(*s).bfloat16() for s in ((3, 6), (3, 16), (6, 16)))
    labels = random_labels(3, 6).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = value_of(objective, scores=scores, labels=labels, text=text, label_vectors=vectors)
    inputs = {"scores": scores, "labels": labels, "text": text, "label_vectors": vectors}
    wide = value_of(objective, **{name: value.double() for name, value in inputs.items()})
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(wide.item(), rel=1e-5)


@pytest.mark.parametrize("objective", [BCELoss(), ZLPRLoss(), TLALoss()], ids=repr)
def test_order_of_documents_and_of_labels_does_not_matter(objective):
    torch.manual_seed(0)
    scores, text, vectors = (torch.randn(*s).double() for s in ((3, 6), (3, 4), (6, 4)))
    labels, rows, columns = random_labels(3, 6, 0.5), torch.randperm(3), torch.randperm(6)
    value = value_of(objective, scores=scores, labels=labels, text=text, label_vectors=vectors)
    moved = value_of(
        objective,
        scores=scores[rows][:, columns],
        labels=labels[rows][:, columns],
        text=text[rows],
        label_vectors=vectors[columns],
    )
    torch.testing.assert_close(moved, value, rtol=0, atol=1e-12)


def test_extreme_scores_stay_finite():
    scores = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    labels = torch.tensor([[0.0, 1.0, 1.0]])
    for objective in (BCELoss(), ZLPRLoss()):
        value = objective(scores=scores, labels=labels)
        (gradient,) = torch.autograd.grad(value, scores)
        assert value.isfinite()
        assert gradient.isfinite().all()


def test_objective_list_adds_up_with_weights():
    torch.manual_seed(0)
    scores, labels = torch.randn(3, 6, requires_grad=True), random_labels(3, 6).float()
    states = {"scores": scores, "labels": labels, "text": torch.randn(3, 4), "label_vectors": torch.randn(6, 4)}
    objectives = ObjectiveList([BCELoss(), (0.5, TLALoss()), (2.0, TLALoss(temperature=0.5))])
    total, parts = objectives(**states)
    assert list(parts) == ["bce", "tla", "tla_2"]
    bce, tla, wide = (value_of(objective, **states) for objective in (BCELoss(), TLALoss(), TLALoss(temperature=0.5)))
    expected = bce + 0.5 * tla + 2 * wide
    torch.testing.assert_close(total, expected)
    assert total.requires_grad
    assert not any(value.requires_grad for value in parts.values())
    mask = torch.rand(3, 6) < 0.5
    assert objectives(**states, mask=mask)[1]["bce"] == BCELoss()(scores=scores, labels=labels, mask=mask)


def test_wrong_input_is_named():
    scores = torch.zeros(2, 3)
    with pytest.raises(ConfigError, match="'labels' must have the shape of the scores"):
        zlpr(scores, torch.zeros(2, 4))
    with pytest.raises(ConfigError, match=r"TLALoss needs 'label_vectors' \(label vectors, \[L, D\]\)"):
        value_of(TLALoss(), scores=scores, labels=scores)
    with pytest.raises(ConfigError, match="'temperature' must be above 0"):
        TLALoss(temperature=0.0)
    with pytest.raises(ConfigError, match="'negatives' must be one of all, level"):
        TLALoss(negatives="some")
    with pytest.raises(ConfigError, match="'reduction' must be one of mean, sum"):
        BCELoss(reduction="none")
    with pytest.raises(ConfigError, match="at least one objective"):
        ObjectiveList([])
    with pytest.raises(ConfigError, match="finite number"):
        ObjectiveList([(float("nan"), BCELoss())])
    with pytest.raises(ConfigError, match=r"modules or \(weight, module\) pairs"):
        ObjectiveList(["bce"])
