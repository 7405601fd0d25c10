"""Hierarchical instance contrast against its definition as loops."""

import pytest
import torch
from contrast_cases import assert_same, batches, large_batch, value_and_gradients
from definitions_contrast import cosine, instance_loop
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses.instance_contrast import (
    InstanceContrastLoss,
    SlotInstanceContrastLoss,
    cut_penalties,
    same_after_cuts,
)
from hgraph.sampling import label_sets

TREE = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e")])


def test_published_penalties():
    assert cut_penalties(3) == pytest.approx([2.718282, 1.648721, 1.395612], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(batches(), st.sampled_from([None, "max"]), st.sampled_from([0.1, 1.0]), st.booleans())
def test_equals_the_loops(batch, constraint, temperature, masked):
    check_loops(batch, constraint, temperature, masked)


@pytest.mark.parametrize("constraint", [None, "max"])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_loops_on_larger_batches(seed, constraint):
    check_loops(large_batch(seed), constraint, 0.5, masked=False)


def check_loops(batch, constraint, temperature, masked):
    mask = batch.mask if masked else None
    loss = InstanceContrastLoss(batch.graph, temperature=temperature, constraint=constraint)
    ours = value_and_gradients(lambda x: loss(labels=batch.labels, text=x, mask=mask), batch.text)
    theirs = value_and_gradients(
        lambda x: (
            instance_loop(
                x,
                batch.sets(mask),
                batch.level,
                temperature=temperature,
                base_temperature=0.07,
                constraint=constraint,
            )
            + 0 * x.sum()
        ),
        batch.text,
    )
    assert_same(ours, theirs)
    assert ours[0] >= 0


@settings(max_examples=30, deadline=None)
@given(batches())
def test_slots_are_averaged_over_the_labels_of_a_document(batch):
    loss = SlotInstanceContrastLoss(batch.graph)
    labelled = [i for i, labels in enumerate(batch.sets()) if labels]

    def loops(label_text):
        units = torch.nn.functional.normalize(label_text, dim=-1)
        pooled = [units[i, sorted(batch.sets()[i])].mean(0) for i in labelled]
        sets = [batch.sets()[i] for i in labelled]
        return instance_loop(pooled, sets, batch.level, temperature=0.1, base_temperature=0.07) + 0 * units.sum()

    ours = value_and_gradients(lambda x: loss(labels=batch.labels, label_text=x), batch.label_text)
    assert_same(ours, value_and_gradients(loops, batch.label_text))
    labels, candidates, mask, label_text = batch.shortlist()
    value = loss(labels=labels, candidates=candidates, mask=mask, label_text=label_text)
    torch.testing.assert_close(value, ours[0])


@settings(max_examples=30, deadline=None)
@given(batches(), st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order_of_the_batch_or_of_a_shortlist(batch, draw):
    order = list(range(len(batch.labels)))
    draw.shuffle(order)
    loss = InstanceContrastLoss(batch.graph)
    expected = loss(labels=batch.labels, text=batch.text)
    torch.testing.assert_close(loss(labels=batch.labels[order], text=batch.text[order]), expected)
    labels, candidates, mask, _ = batch.shortlist()
    torch.testing.assert_close(loss(labels=labels, candidates=candidates, mask=mask, text=batch.text), expected)


def test_documents_that_a_cut_finds_equal_go_on_as_one():
    """Two copies of b, one c: on the second cut the copies are one group, whose cosine with c is their mean."""
    labels = torch.tensor([[1.0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 1]])
    text = torch.tensor([[1.0, 0], [0.8, 0.6], [0.6, 0.8], [0, -1]], dtype=torch.float64)
    loss = InstanceContrastLoss(TREE, temperature=1.0, base_temperature=1.0)
    c = [[cosine(x, y).item() for y in text] for x in text]
    e = torch.tensor(c).exp()
    deep = sum(torch.log(e[i, [j for j in range(4) if j != i]].sum()).item() - c[0][1] for i in (0, 1)) / 2
    bc, bd, cd = (c[0][2] + c[1][2]) / 2, (c[0][3] + c[1][3]) / 2, c[2][3]
    tops = [torch.tensor([bc, other]).logsumexp(0).item() - bc for other in (bd, cd)]
    expected = (2.718281828 * deep + 1.648721271 * sum(tops) / 2) / 2
    assert loss(labels=labels, text=text).item() == pytest.approx(expected, abs=1e-6)


def test_the_constraint_lets_no_cut_cost_less_than_one_before():
    labels = torch.tensor([[1.0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 1, 1]])
    torch.manual_seed(0)
    text = torch.randn(4, 3)
    free, bound = (InstanceContrastLoss(TREE, constraint=c)(labels=labels, text=text) for c in (None, "max"))
    # The second cut has no positives left (two groups that differ), so by itself it costs nothing.
    assert bound.item() == pytest.approx(free.item() * (1 + 1.648721271 / 2.718281828), rel=1e-6)


def test_cuts_keep_ever_fewer_levels():
    sets = label_sets(torch.tensor([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]]))
    same = same_after_cuts(sets, TREE.level, 2).int().tolist()
    assert same[0] == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert same[1] == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_half_precision_is_computed_in_single():
    torch.manual_seed(0)
    labels, text = torch.tensor([[1.0, 1, 0, 0, 0]] * 3 + [[0, 0, 0, 1, 1]]), torch.randn(4, 8).bfloat16()
    loss = InstanceContrastLoss(TREE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(labels=labels, text=text)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(labels=labels, text=text.double()).item(), abs=1e-4)


def test_nothing_is_larger_than_documents_by_documents():
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                self.size = max(self.size, out.numel())
            return out

    graph = LabelGraph.from_edges([(f"r{i % 5}", f"n{i}") for i in range(1000)])
    labels = torch.zeros(8, graph.num_labels)
    labels[torch.arange(8), torch.arange(8) % 3] = 1
    with Largest() as largest:
        InstanceContrastLoss(graph)(labels=labels, text=torch.randn(8, 4))
    assert largest.size == labels.numel()  # reading the labels; all else is 2 levels x 8 x 8


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="'constraint' must be None or 'max', but got 'min'"):
        InstanceContrastLoss(TREE, constraint="min")
    with pytest.raises(ConfigError, match="'base_temperature' must be above 0"):
        InstanceContrastLoss(TREE, base_temperature=-1.0)
    with pytest.raises(ConfigError, match="'labels' must have 5 columns"):
        InstanceContrastLoss(TREE)(labels=torch.zeros(2, 4), text=torch.zeros(2, 3))


@pytest.mark.parametrize("size", [0, 1, 3])
def test_batches_without_positives_give_zero_with_a_gradient(size):
    text = torch.randn(size, 3, requires_grad=True)
    value = InstanceContrastLoss(TREE)(labels=torch.zeros(size, 5), text=text)
    value.backward()
    assert value == 0 and (text.grad == 0).all()
