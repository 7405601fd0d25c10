"""Positives and negatives among documents, and their weights, against sets and loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling_cases import LargestTensor, hierarchies, label_matrices, large_case

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.sampling import TEXT_NEGATIVES, SupportWeights, TextNegatives, label_sets

TREE = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e")])


def pairs_loop(graph, sets, kind, depth, i, j):
    """Whether `j` is a positive and whether it is a negative of `i` on the level `depth`."""
    ours, theirs = ({x for x in sets[k] if graph.level[x] == depth} for k in (i, j))
    if i == j or not ours:
        return False, False
    unlike = bool(theirs) and not ours & theirs
    above = [{p for x in some for p in graph.parents[[x]].indices.tolist()} for some in (ours, theirs)]
    close = bool(above[0] & above[1])
    negative = {
        "all": not sets[i] & sets[j],
        "level": unlike,
        "sibling": unlike and (close or depth == 1),
        "parent": unlike and not close,
    }[kind]
    return bool(ours & theirs), negative


def check_pairs(graph, labels, kind):
    sets = [set(row.nonzero().view(-1).tolist()) for row in labels]
    positive, negative = TextNegatives(graph, kind)(label_sets(labels))
    assert positive.shape == negative.shape == (graph.num_levels, len(labels), len(labels))
    for depth in range(graph.num_levels):
        for i in range(len(sets)):
            for j in range(len(sets)):
                expected = pairs_loop(graph, sets, kind, depth + 1, i, j)
                assert (bool(positive[depth, i, j]), bool(negative[depth, i, j])) == expected


@pytest.mark.parametrize("kind", TEXT_NEGATIVES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_equals_the_definition(data, kind):
    graph = data.draw(hierarchies())
    check_pairs(graph, data.draw(label_matrices(graph)), kind)


@pytest.mark.parametrize("kind", TEXT_NEGATIVES)
@pytest.mark.parametrize("seed", range(2))
def test_equals_the_definition_on_larger_hierarchies(seed, kind):
    check_pairs(*large_case(seed), kind)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_label_sets_read_shortlists_and_masks(data):
    graph = data.draw(hierarchies())
    labels = data.draw(label_matrices(graph))
    draw = torch.Generator().manual_seed(0)
    mask = torch.rand(labels.shape, generator=draw) < 0.7
    order = torch.rand(labels.shape, generator=draw).argsort(1)
    dense = label_sets(labels, mask=mask)
    short = label_sets(labels.gather(1, order), mask=mask.gather(1, order), candidates=order)
    assert torch.equal(dense.ids, short.ids) and torch.equal(dense.multi_hot, short.multi_hot)
    rebuilt = torch.zeros_like(labels)
    rebuilt[:, dense.ids] = dense.multi_hot
    assert torch.equal(rebuilt, labels * mask)
    shared = dense.shared(graph.level, graph.num_levels)
    kept = labels * mask
    for depth in range(graph.num_levels):
        part = kept[:, graph.level == depth + 1]
        assert torch.equal(shared[depth], part @ part.t())


def test_a_label_listed_twice_counts_once():
    sets = label_sets(torch.tensor([[1, 1, 0]]), candidates=torch.tensor([[4, 4, 4]]))
    assert sets.multi_hot.tolist() == [[1.0]] and sets.ids.tolist() == [4]


def test_counts_are_exact_under_autocast():
    labels = torch.ones(2, 700)
    graph = LabelGraph.from_edges([], nodes=[f"n{i}" for i in range(700)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert label_sets(labels).shared(graph.level, 1).unique().tolist() == [700.0]


def test_cost_does_not_depend_on_the_number_of_labels():
    sizes = []
    for count in (20, 50_000):
        graph = LabelGraph.from_edges([(f"r{i % 2}", f"n{i}") for i in range(count)])
        negatives, weights = TextNegatives(graph, "sibling"), SupportWeights(graph, torch.ones(graph.num_labels))
        candidates = torch.tensor([[0, 1, 3, 4], [0, 1, 2, 5], [3, 4, 2, 5]])
        labels = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 1]])
        with LargestTensor() as largest:
            sets = label_sets(labels, candidates=candidates)
            negatives(sets)
            weights(sets)
        sizes.append(largest.size)
    assert sizes[0] == sizes[1] < 100


@settings(max_examples=50, deadline=None)
@given(st.data(), st.floats(0, 1))
def test_weights_of_labels_and_documents(data, progress):
    graph = data.draw(hierarchies())
    labels = data.draw(label_matrices(graph))
    support = data.draw(st.lists(st.integers(0, 50), min_size=graph.num_labels, max_size=graph.num_labels))
    weights = SupportWeights(graph, support, alpha=(-0.5, 1.0), beta=(0.0, 2.0))
    weights.set_progress(progress)
    alpha, beta = -0.5 + 1.5 * progress, 2.0 * progress
    counts, level = [max(n, 1) for n in support], graph.level.tolist()
    raw = [n**-alpha * d**beta for n, d in zip(counts, level, strict=True)]
    scale = sum(n * w for n, w in zip(counts, raw, strict=True)) / sum(counts)
    expected = [w / scale for w in raw]
    assert weights.label_weights.tolist() == pytest.approx(expected, rel=1e-4)
    found = weights(label_sets(labels))
    for i, row in enumerate(labels):
        own = row.nonzero().view(-1).tolist()
        for depth in range(graph.num_levels):
            some = [label for label in own if level[label] == depth + 1] or own
            value = sum(expected[label] for label in some) / len(some) if some else 1.0
            assert found[depth, i].item() == pytest.approx(value, rel=1e-4)


def test_weights_go_from_frequent_and_shallow_to_rare_and_deep():
    weights = SupportWeights(TREE, [100, 90, 1, 5, 5])
    early = weights.label_weights.clone()
    weights.set_progress(1.0)
    late = weights.label_weights
    assert early[0] > early[1] > early[2]
    assert late[0] < late[1] < late[2]
    support = torch.tensor([100.0, 90, 1, 5, 5])
    for values in (early, late):
        assert ((values * support).sum() / support.sum()).item() == pytest.approx(1.0, abs=1e-5)
    assert math.isfinite(SupportWeights(TREE, [0] * 5).label_weights.sum())


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="'kind' must be one of all, level, sibling, parent, but got 'descendant'"):
        TextNegatives(TREE, "descendant")
    with pytest.raises(ConfigError, match=r"'support' must have shape \[5\], one a label, but got \[2\]"):
        SupportWeights(TREE, [1, 2])
    with pytest.raises(ConfigError, match="'support' must be counts of documents, 0 or more, but got -1"):
        SupportWeights(TREE, [1, 2, 3, 4, -1])
    with pytest.raises(ConfigError, match=r"'alpha' must be two numbers, at the beginning and at the end, but got 0.5"):
        SupportWeights(TREE, [1] * 5, alpha=0.5)
    with pytest.raises(ConfigError, match="'progress' must be from 0 to 1, but got 2"):
        SupportWeights(TREE, [1] * 5).set_progress(2)
