"""HiLeCon against its definition as loops, and against the published value."""

import pytest
import torch
from contrast_cases import Batch, assert_same, batches, large_batch, value_and_gradients
from definitions_contrast import hilecon_loop
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses.hilecon import HiLeConLoss, hilecon
from hgraph.losses.label_slots import positive_slots

TREE = LabelGraph.from_edges([("a", "b"), ("a", "c")])
LABELS = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
SLOTS = torch.tensor([[0, 1], [0, 2]])
VECTORS = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [0.0, -1.0]]], dtype=torch.float64)


def test_published_value():
    loss = HiLeConLoss(TREE, faithful=True)
    value = loss(labels=LABELS, label_text=VECTORS, label_slots=SLOTS)
    assert value.item() == pytest.approx(-0.331158, abs=1e-6)
    slots = [(0, 0, VECTORS[0, 0]), (0, 1, VECTORS[0, 1]), (1, 0, VECTORS[1, 0]), (1, 2, VECTORS[1, 1])]
    terms = [hilecon_loop(slots, [{0, 1}, {0, 2}], [1, 2, 2], faithful=True).item() * 3]
    assert terms[0] == pytest.approx(0.015247 - 0.318783 - 0.689938, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(batches(max_documents=4), st.booleans(), st.sampled_from([0.1, 1.0]), st.booleans())
def test_equals_the_loops(batch, faithful, temperature, masked):
    check_loops(batch, faithful, temperature, masked)


@pytest.mark.parametrize("faithful", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_equals_the_loops_on_larger_batches(seed, faithful):
    check_loops(large_batch(seed), faithful, 0.5, masked=False)


def check_loops(batch, faithful, temperature, masked):
    mask = batch.mask if masked else None
    loss = HiLeConLoss(batch.graph, temperature=temperature, faithful=faithful)
    ours = value_and_gradients(lambda x: loss(labels=batch.labels, label_text=x, mask=mask), batch.label_text)
    theirs = value_and_gradients(
        lambda x: (
            hilecon_loop(
                batch.slots(x, mask), batch.sets(mask), batch.level, temperature=temperature, faithful=faithful
            )
            + 0 * x.sum()
        ),
        batch.label_text,
    )
    assert_same(ours, theirs)
    assert faithful or ours[0] >= 0


@settings(max_examples=30, deadline=None)
@given(batches())
def test_slots_and_shortlists_give_the_value_of_all_labels(batch):
    loss = HiLeConLoss(batch.graph)
    expected = loss(labels=batch.labels, label_text=batch.label_text)
    labels, candidates, mask, label_text = batch.shortlist()
    value = loss(labels=labels, candidates=candidates, mask=mask, label_text=label_text)
    torch.testing.assert_close(value, expected)
    # Slots in another order than the columns, with labels that the document does not have and pads between.
    slots = torch.cat([torch.full_like(candidates[:, :1], -1), candidates[:, :-2].flip(1)], dim=1)
    rows = torch.arange(len(slots)).unsqueeze(1)
    slot_text = batch.label_text[rows, slots.clamp(min=0)]
    for inputs in ({"labels": batch.labels}, {"labels": labels, "candidates": candidates, "mask": mask}):
        value = loss(label_text=slot_text, label_slots=slots, **inputs)
        torch.testing.assert_close(value, expected)


def test_slots_that_are_missing_are_not_contrasted_but_count_in_the_difference():
    slots, text = torch.tensor([[0, -1], [0, 2]]), VECTORS
    value = HiLeConLoss(TREE)(labels=LABELS, label_text=text, label_slots=slots)
    expected = hilecon_loop([(0, 0, text[0, 0]), (1, 0, text[1, 0]), (1, 2, text[1, 1])], [{0, 1}, {0, 2}], [1, 2, 2])
    torch.testing.assert_close(value, expected)


@settings(max_examples=20, deadline=None)
@given(batches(), st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order_of_the_batch(batch, draw):
    order = list(range(len(batch.labels)))
    draw.shuffle(order)
    loss = HiLeConLoss(batch.graph)
    torch.testing.assert_close(
        loss(labels=batch.labels[order], label_text=batch.label_text[order]),
        loss(labels=batch.labels, label_text=batch.label_text),
    )


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "c")])
    labels = torch.tensor([[1.0, 1, 0, 0], [1, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
    label_text = torch.randn(4, 4, 3, dtype=torch.float64, requires_grad=True)
    loss = HiLeConLoss(graph)
    assert torch.autograd.gradcheck(lambda x: loss(labels=labels, label_text=x), (label_text,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single(dtype):
    torch.manual_seed(0)
    label_text = torch.randn(2, 3, 8).to(dtype)
    loss = HiLeConLoss(TREE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(labels=LABELS.to(dtype), label_text=label_text)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(labels=LABELS, label_text=label_text.double()).item(), abs=1e-5)


def test_nothing_grows_with_the_labels_but_what_reads_them():
    """With slots and a shortlist, the tensors of a forward are the same for 10 and for 100,000 labels."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                self.size = max(self.size, out.numel())
            return out

    sizes = []
    for count in (10, 100_000):
        graph = LabelGraph.from_edges([(f"r{i % 5}", f"n{i}") for i in range(count)])
        candidates = torch.tensor([[0, 1, 2, 3], [0, 1, 4, 5]])
        labels = torch.tensor([[1.0, 1, 0, 0], [1, 0, 1, 1]])
        loss = HiLeConLoss(graph)
        with Largest() as largest:
            loss(labels=labels, candidates=candidates, label_text=torch.randn(2, 4, 3))
        sizes.append(largest.size)
    assert sizes[0] == sizes[1] < 100


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="'temperature' must be above 0, but got 0"):
        HiLeConLoss(TREE, temperature=0)
    with pytest.raises(ConfigError, match=r"'labels' must have 3 columns, one a label, but got 2. Give 'candidates'"):
        HiLeConLoss(TREE)(labels=LABELS[:, :2], label_text=VECTORS)
    with pytest.raises(ConfigError, match=r"'label_text' must have shape \[2, 3, channels\], but got \[2, 2, 2\]"):
        HiLeConLoss(TREE)(labels=LABELS, label_text=VECTORS)
    with pytest.raises(ConfigError, match="'candidates' must have the shape of the labels"):
        positive_slots(LABELS, VECTORS, candidates=SLOTS)


def test_an_empty_batch_gives_zero_with_a_gradient():
    text = torch.zeros(0, 3, 2, requires_grad=True)
    value = HiLeConLoss(TREE)(labels=torch.zeros(0, 3), label_text=text)
    value.backward()
    assert value == 0 and text.grad.shape == text.shape
    one = Batch(TREE, torch.tensor([[1.0, 0.0, 0.0]]), 0)
    assert HiLeConLoss(TREE)(labels=one.labels, label_text=one.label_text) == 0
    assert hilecon(VECTORS[0], torch.tensor([0, 0]), torch.tensor([0, 1]), torch.zeros(1, 1), total_weight=4.0) == 0
