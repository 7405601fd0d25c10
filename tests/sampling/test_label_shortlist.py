"""Shortlists of labels: which labels, what they stand for, and that every label has its chance."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.sampling import ShortlistSampler, draw_others

DAG = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("e", "f"), ("e", "g"), ("a", "h")])
NONE = torch.empty(0, dtype=torch.long)


def ids(*names):
    return torch.tensor([DAG.id_to_index[name] for name in names])


def chain(num_labels):
    return LabelGraph.from_edges([(str(i), str(i + 1)) for i in range(num_labels - 1)])


def siblings_of(graph, label):
    """By definition: children of its parents; roots are siblings."""
    edges = graph.edge_index.t().tolist()
    parents = [parent for parent, child in edges if child == label]
    if not parents:
        return set(graph.roots.tolist())
    return {child for parent, child in edges if parent in parents}


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)), st.integers(0, 45), st.integers(0, 2**31))
    )
)
def test_others_are_drawn_from_the_rest_without_repetition(case):
    num_labels, known, count, seed = case
    torch.manual_seed(seed)
    drawn = draw_others(torch.tensor(sorted(known), dtype=torch.long), num_labels, count).tolist()
    rest = set(range(num_labels)) - known
    assert len(drawn) == len(set(drawn)) == min(count, len(rest))
    assert set(drawn) <= rest


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_set_of_others_is_equally_likely(count):
    torch.manual_seed(0)
    known, rounds = torch.tensor([1, 4, 5]), 6000
    found = Counter(tuple(sorted(draw_others(known, 9, count).tolist())) for _ in range(rounds))
    sets = list(itertools.combinations([0, 2, 3, 6, 7, 8], count))
    assert set(found) == set(sets)
    expected = rounds / len(sets)
    # Chi-squared with len(sets) - 1 degrees of freedom: its mean plus five standard deviations.
    statistic = sum((found[one] - expected) ** 2 / expected for one in sets)
    assert statistic < len(sets) - 1 + 5 * (2 * (len(sets) - 1)) ** 0.5 + 5


def test_what_is_on_the_shortlist_and_what_it_stands_for():
    torch.manual_seed(0)
    sampler = ShortlistSampler(DAG, random=2, siblings=0)
    labels = torch.tensor([[*ids("a", "b").tolist(), -1], [-1, -1, -1], [*ids("a", "c", "d").tolist()]])
    mined = torch.tensor([[int(ids("f")), -1], [-1, -1], [-1, int(ids("a"))]])
    chosen, importance = sampler(labels, mined)
    known = set(ids("a", "b", "c", "d", "f").tolist())
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert known < set(chosen.tolist())
    assert len(chosen) == 7
    for label, weight in zip(chosen.tolist(), importance.tolist(), strict=True):
        assert weight == (1.0 if label in known else 3 / 2)
    assert importance.sum() == DAG.num_labels


def test_siblings_are_children_of_parents_and_all_have_their_chance():
    torch.manual_seed(0)
    sampler = ShortlistSampler(DAG, random=1, siblings=3)
    for label in range(DAG.num_labels):
        drawn = sampler._siblings(torch.tensor([label] * 100), None)
        assert len(drawn) == 300
        assert set(drawn.tolist()) == siblings_of(DAG, label)
    own = ids("h")
    seen = set()
    for _ in range(50):
        chosen, importance = sampler(own)
        seen |= set(chosen[importance == 1].tolist())
    assert siblings_of(DAG, int(own)) <= seen


def test_all_labels_of_a_small_hierarchy():
    sampler = ShortlistSampler(DAG, random=100)
    for labels in (NONE, ids("a"), torch.arange(DAG.num_labels)):
        chosen, importance = sampler(labels)
        assert chosen.tolist() == list(range(DAG.num_labels))
        assert (importance == 1).all()
    one = ShortlistSampler(chain(2).subgraph(torch.tensor([0])))
    assert [part.tolist() for part in one(torch.tensor([0]))] == [[0], [1.0]]


def test_draws_follow_torchs_state_in_training_and_are_fixed_in_evaluation():
    sampler = ShortlistSampler(chain(1000), random=20)
    labels = torch.tensor([[3, 500, -1]])
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, second = sampler(labels).labels, sampler(labels).labels
    torch.set_rng_state(state)
    assert torch.equal(sampler(labels).labels, first)
    assert not torch.equal(first, second)
    sampler.eval()
    state = torch.get_rng_state()
    once = sampler(labels).labels
    assert torch.equal(sampler(labels).labels, once)
    assert torch.equal(torch.get_rng_state(), state)
    # Neither the order of the documents nor that of their labels matters.
    assert torch.equal(sampler(torch.tensor([[-1, 500], [3, 500]])).labels, once)


def test_weighted_sums_are_unbiased():
    torch.manual_seed(0)
    values = torch.randn(30, dtype=torch.float64)
    sampler = ShortlistSampler(chain(30), random=7, siblings=2)
    estimates = []
    for _ in range(4000):
        chosen, importance = sampler(torch.tensor([[4, 9]]))
        estimates.append(float((values[chosen] * importance).sum()))
    error = np.std(estimates) / len(estimates) ** 0.5
    assert abs(np.mean(estimates) - float(values.sum())) < 4 * error


def test_large_hierarchies_take_no_time():
    sampler = ShortlistSampler(chain(200_000), random=64, siblings=2)
    sizes = []

    class Sizes(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            sizes.extend(
                value.numel() for value in torch.utils._pytree.tree_leaves(out) if isinstance(value, torch.Tensor)
            )
            return out

    with Sizes():
        sampler(torch.arange(0, 5000, 50))
    assert max(sizes) < 2000


@pytest.mark.parametrize("options", [{"random": 0}, {"siblings": -1}])
def test_wrong_options(options):
    with pytest.raises(ConfigError, match=f"'{next(iter(options))}' must be at least"):
        ShortlistSampler(DAG, **options)
