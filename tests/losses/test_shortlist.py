"""Objectives on a shortlist that all documents share: expectations by enumeration of all draws."""

import itertools
import math

import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import (
    AsymmetricLoss,
    BCELoss,
    ClassBalancedBCELoss,
    FocalLoss,
    HMCLLoss,
    MaxConstraintLoss,
    ObjectiveList,
    SquaredHingeLoss,
    TLALoss,
    ZLPRLoss,
)
from hgraph.losses.relations import places
from hgraph.sampling import LABEL_NEGATIVES

GRAPH = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("e", "f"), ("e", "g")])
L, B, D = GRAPH.num_labels, 3, 4
LABELS = torch.zeros(B, L, dtype=torch.float64)
LABELS[0, [0, 1]] = 1
LABELS[1, [0, 2]] = 1  # the last document has none
KNOWN = [0, 1, 2]
REST = [label for label in range(L) if label not in KNOWN]

SUMS = {
    "bce-sum": lambda: BCELoss(reduction="sum"),
    "bce-mean": lambda: BCELoss(reduction="mean", pos_weight=3.0),
    "class-balanced": lambda: ClassBalancedBCELoss(list(range(1, L + 1)), beta=0.9, reduction="sum"),
    "asymmetric": lambda: AsymmetricLoss(reduction="sum"),
    "focal": lambda: FocalLoss(alpha=0.25),
    "squared-hinge": lambda: SquaredHingeLoss(reduction="sum"),
}


def draws(count):
    """Every shortlist with `count` labels of the rest: columns and what they stand for."""
    for drawn in itertools.combinations(REST, count):
        columns = torch.tensor(sorted([*KNOWN, *drawn]))
        importance = torch.tensor([len(REST) / count if int(label) in drawn else 1.0 for label in columns])
        yield columns, importance


def scores():
    torch.manual_seed(0)
    return torch.randn(B, L, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("count", [1, 2, len(REST)])
@pytest.mark.parametrize("name", SUMS)
def test_values_and_gradients_are_unbiased(name, count):
    objective, z = SUMS[name](), scores()
    whole = objective(scores=z, labels=LABELS)
    (expected,) = torch.autograd.grad(whole, z)
    values = []
    for columns, importance in draws(count):
        given = {"scores": z[:, columns], "labels": LABELS[:, columns], "columns": columns, "importance": importance}
        value, _ = ObjectiveList([objective])(**given)
        values.append(value)
    average = torch.stack(values).mean()
    torch.testing.assert_close(average, whole)
    torch.testing.assert_close(torch.autograd.grad(average, z)[0], expected)
    assert count == len(REST) or max(values) > min(values) + 1e-3


def test_masks_leave_pairs_out_of_both_sums():
    z, kept = scores(), torch.rand(B, L, generator=torch.Generator().manual_seed(0)) < 0.6
    whole = BCELoss(reduction="sum")(scores=z, labels=LABELS, mask=kept)
    values = [
        BCELoss(reduction="sum")(scores=z[:, c], labels=LABELS[:, c], mask=kept[:, c], importance=w)
        for c, w in draws(2)
    ]
    torch.testing.assert_close(torch.stack(values).mean(), whole)


def negative_sums(z, columns, importance, temperature=1.0):
    """`1 + sum of exp(z)` over negatives, each counted as often as it stands for, document by document."""
    out = []
    for i in range(B):
        total = 1.0
        for place, label in enumerate(columns.tolist()):
            if not LABELS[i, label]:
                total += float(importance[place]) * math.exp(float(z[i, label]) / temperature)
        out.append(total)
    return out


def test_zlpr_weighs_its_sum_over_negatives():
    z = scores().detach()
    everything = (torch.arange(L), torch.ones(L))
    full = negative_sums(z, *everything)
    sums = [negative_sums(z, *draw) for draw in draws(2)]
    assert torch.tensor(sums).mean(0).tolist() == pytest.approx(full)  # the sum is unbiased, its logarithm is not
    for (columns, importance), negatives in zip(draws(2), sums, strict=True):
        positives = [1 + sum(math.exp(-float(z[i, one])) for one in range(L) if LABELS[i, one]) for i in range(B)]
        expected = sum(math.log(n) + math.log(p) for n, p in zip(negatives, positives, strict=True)) / B
        loss = ZLPRLoss()(scores=z[:, columns], labels=LABELS[:, columns], importance=importance)
        assert float(loss) == pytest.approx(expected)
    average = sum(float(ZLPRLoss()(scores=z[:, c], labels=LABELS[:, c], importance=w)) for c, w in draws(2)) / len(sums)
    assert average < float(ZLPRLoss()(scores=z, labels=LABELS))


def test_tla_with_all_negatives_weighs_them_likewise():
    torch.manual_seed(0)
    text, vectors = torch.randn(B, D, dtype=torch.float64), torch.randn(L, D, dtype=torch.float64)
    loss = TLALoss(choice="all", temperature=0.5)
    cosine = torch.nn.functional.normalize(text) @ torch.nn.functional.normalize(vectors).t()
    for columns, importance in draws(2):
        expected = []
        for i in range(B - 1):  # the last document has no labels
            own = [float(cosine[i, one]) / 0.5 for one in columns.tolist() if LABELS[i, one]]
            negatives = negative_sums(cosine, columns, importance, 0.5)[i] - 1
            expected.append(math.log(negatives + sum(map(math.exp, own))) - sum(own) / len(own))
        found = loss(
            labels=LABELS[:, columns], text=text, label_vectors=vectors[columns], columns=columns, importance=importance
        )
        assert float(found) == pytest.approx(sum(expected) / len(expected))


@pytest.mark.parametrize("choice", ["hardest", "semi_hard", "all"])
@pytest.mark.parametrize("negatives", [*LABEL_NEGATIVES, "mined"])
def test_tla_on_a_shared_shortlist_is_that_on_equal_candidates(negatives, choice):
    torch.manual_seed(0)
    text = torch.randn(B, D, dtype=torch.float64, requires_grad=True)
    vectors = torch.randn(L, D, dtype=torch.float64, requires_grad=True)
    columns = torch.tensor([0, 1, 2, 3, 5])
    mined = {"mined": torch.tensor([[3, -1], [5, 3], [3, 5]])} if negatives == "mined" else {}
    loss = TLALoss(negatives=negatives, graph=GRAPH, choice=choice)
    expected = loss(
        labels=LABELS[:, columns], text=text, label_vectors=vectors, candidates=columns.expand(B, -1), **mined
    )
    found = loss(labels=LABELS[:, columns], text=text, label_vectors=vectors[columns], columns=columns, **mined)
    torch.testing.assert_close(found, expected)
    for one, other in zip(*(torch.autograd.grad(value, [text, vectors]) for value in (found, expected)), strict=True):
        torch.testing.assert_close(one, other)


def test_a_mined_label_stands_for_itself():
    torch.manual_seed(0)
    text, vectors = torch.randn(B, D), torch.randn(L, D)
    columns, mined = torch.tensor([0, 1, 2, 5]), torch.tensor([[5], [-1], [5]])
    loss = TLALoss(negatives="mined", choice="all", temperature=1.0)
    given = {"labels": LABELS[:, columns].float(), "text": text, "label_vectors": vectors[columns], "mined": mined}
    plain = loss(**given, columns=columns)
    torch.testing.assert_close(loss(**given, columns=columns, importance=torch.tensor([1.0, 1.0, 1.0, 4.0])), plain)


def test_places_against_a_loop():
    columns = [1, 4, 6]
    given = torch.arange(-1, 9).view(2, 5)
    expected = [[columns.index(label) if label in columns else -1 for label in row] for row in given.tolist()]
    assert places(given, torch.tensor(columns)).tolist() == expected
    assert places(given, torch.empty(0, dtype=torch.long)).tolist() == [[-1] * 5] * 2


@pytest.mark.parametrize("objective", [MaxConstraintLoss(GRAPH), HMCLLoss(GRAPH)])
def test_objectives_on_all_labels_are_refused(objective):
    objectives = ObjectiveList([BCELoss(), objective])
    message = f"{type(objective).__name__} judges all labels at once, but the model trains on a 'shortlist'"
    with pytest.raises(ConfigError, match=message):
        objectives.check_shortlist()
    with pytest.raises(ConfigError, match=message):
        objectives(
            scores=torch.zeros(1, 2), labels=torch.zeros(1, 2), text=torch.zeros(1, D), columns=torch.tensor([0, 1])
        )
    ObjectiveList([make() for make in SUMS.values()]).check_shortlist()
