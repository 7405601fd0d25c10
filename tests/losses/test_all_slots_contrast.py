"""The published instance contrast of HJCL against its definition as loops."""

import math

import pytest
import torch
from contrast_cases import assert_same, batches, large_batch, value_and_gradients
from hypothesis import given, settings

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import AllSlotsContrastLoss, all_slots_contrast

TREE = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e")])


def loops(vectors, sets, level, *, temperature, base_temperature):
    """`vectors[i][l]`: what document i says about label l; every slot against every other, cut by cut."""
    num_labels, num_levels = len(level), max(level)
    documents, total = list(range(len(sets))), torch.zeros((), dtype=torch.float64)
    for g in range(1, num_levels + 1):
        kept = {i: frozenset(x for x in sets[i] if level[x] <= num_levels + 1 - g) for i in documents}
        slots = [(i, label) for i in documents for label in range(num_labels)]
        values = []
        for i, label in slots:
            others = [slot for slot in slots if slot != (i, label)]
            positives = [slot for slot in others if kept[slot[0]] == kept[i]]
            if not positives:
                continue
            products = {(j, x): vectors[i, label] @ vectors[j, x] / temperature for j, x in others}
            bottom = torch.stack(list(products.values())).logsumexp(0)
            values.append(bottom - sum(products[slot] for slot in positives) / len(positives))
        value = sum(values) / len(slots) if values else 0.0
        total = total + math.exp(1 / g) * temperature / base_temperature * value
        first = {}
        for i in documents:
            first.setdefault(kept[i], i)
        documents = sorted(first.values())
    return total / num_labels


def check(batch, temperature=1.0):
    loss = AllSlotsContrastLoss(batch.graph, temperature=temperature, base_temperature=0.5)
    ours = value_and_gradients(lambda x: loss(labels=batch.labels, all_label_text=x), batch.label_text)
    theirs = value_and_gradients(
        lambda x: loops(x, batch.sets(), batch.level, temperature=temperature, base_temperature=0.5) + 0 * x.sum(),
        batch.label_text,
    )
    assert_same(ours, theirs)


@settings(max_examples=25, deadline=None)
@given(batches(max_documents=4))
def test_equals_the_loops(batch):
    check(batch)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_equals_the_loops_in_blocks(temperature, monkeypatch):
    monkeypatch.setattr(all_slots_contrast, "BLOCK_BYTES", 16 * 9 * 12 * 7)  # seven slots at a time
    check(large_batch(0), temperature)


def test_a_slot_is_a_positive_of_slots_of_other_labels():
    """One document, two labels: each is drawn to the other, and nothing is pushed away."""
    loss = AllSlotsContrastLoss(LabelGraph.from_edges([], nodes=["a", "b"]), temperature=1.0, base_temperature=1.0)
    value = loss(labels=torch.tensor([[1.0, 0.0]]), all_label_text=torch.randn(1, 2, 3))
    assert value.item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("size", [0, 1])
def test_small_batches_have_a_finite_gradient(size):
    text = torch.randn(size, 5, 3, requires_grad=True)
    AllSlotsContrastLoss(TREE)(labels=torch.zeros(size, 5), all_label_text=text).backward()
    assert text.grad.isfinite().all()


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match=r"'all_label_text' must have shape \[2, 5, channels\], but got \[2, 4, 3\]"):
        AllSlotsContrastLoss(TREE)(labels=torch.zeros(2, 5), all_label_text=torch.zeros(2, 4, 3))
    with pytest.raises(ConfigError, match="'temperature' must be above 0"):
        AllSlotsContrastLoss(TREE, temperature=0.0)
