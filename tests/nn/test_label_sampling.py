"""Neighbourhoods of labels against plain Python sets, and layers on them against layers on everything."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError
from hgraph.nn.label_sampling import NeighbourSampler, label_subgraph


@st.composite
def graphs(draw):
    """A random directed graph, edges in any order, and some of its labels."""
    size = draw(st.integers(1, 12))
    label = st.integers(0, size - 1)
    edges = sorted(draw(st.sets(st.tuples(label, label), max_size=30)))
    edges = draw(st.permutations(edges))
    labels = draw(st.lists(label, unique=True, max_size=size))
    return torch.tensor(edges, dtype=torch.long).reshape(-1, 2).t(), size, torch.tensor(labels, dtype=torch.long)


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(0, 3))
def test_hops_match_sets(graph, hops):
    edge_index, size, labels = graph
    found = label_subgraph(edge_index, size, labels, hops)
    edges = edge_index.t().tolist()
    reached, last = labels.tolist(), set(labels.tolist())
    assert found.nodes[: found.num_nodes[0]].tolist() == reached
    for hop in range(hops):
        within = set(reached)
        expected = {(s, t) for s, t in edges if t in within}
        count = found.num_edges[hop]
        local = found.edge_index[:, :count]
        assert sorted(map(tuple, found.nodes[local].t().tolist())) == sorted(expected)
        assert torch.equal(edge_index[:, found.edges[:count]], found.nodes[local])
        last = {s for s, t in edges if t in last} - within
        reached += sorted(last)
        assert found.nodes[: found.num_nodes[hop + 1]].tolist() == reached
    assert len(found.nodes) == len(reached)


def test_layers_on_the_subgraph_are_layers_on_the_graph():
    torch.manual_seed(0)
    size, hops = 40, 3
    edge_index = torch.randint(0, size, (2, 90)).unique(dim=1)[:, torch.randperm(85)]
    adjacency = torch.zeros(size, size, dtype=torch.float64).index_put_(
        (edge_index[1], edge_index[0]), torch.ones(edge_index.shape[1], dtype=torch.float64), accumulate=True
    )
    x = torch.randn(size, 4).double()
    labels = torch.tensor([7, 3, 31])
    found = label_subgraph(edge_index, size, labels, hops)
    part, whole = x[found.nodes], x
    for layer in range(hops):
        whole = (adjacency @ whole).tanh()
        nodes, edges = found.num_nodes[hops - 1 - layer], found.num_edges[hops - 1 - layer]
        source, target = found.edge_index[:, :edges]
        assert int(target.max()) < nodes
        assert int(source.max()) < found.num_nodes[hops - layer]
        part = part.new_zeros(nodes, 4).index_add(0, target, part[source]).tanh()
    torch.testing.assert_close(part, whole[labels])


def test_one_sampler_answers_many_questions():
    edge_index = torch.tensor([[1, 2, 3, 0], [0, 0, 2, 1]])
    sampler = NeighbourSampler(edge_index, 4)
    for labels in ([0], [2, 3], [], [3, 1, 0, 2]):
        labels = torch.tensor(labels, dtype=torch.long)
        for one, other in zip(sampler(labels, 2), label_subgraph(edge_index, 4, labels, 2), strict=True):
            assert one == other if isinstance(one, list) else torch.equal(one, other)


def test_a_call_touches_what_it_finds_only():
    edge_index = torch.tensor([[1, 2, 0], [0, 0, 3]])
    sampler = NeighbourSampler(edge_index, 5)
    with pytest.raises(ConfigError):
        sampler(torch.tensor([3, 3]), 2)
    sampler(torch.tensor([3]), 2)
    assert (sampler.place == -1).all()


def test_fan_out_draws_that_many_edges():
    star = torch.stack([torch.arange(1, 101), torch.zeros(100, dtype=torch.long)])
    edge_index = torch.cat([star, torch.tensor([[0], [5]])], dim=1)
    sampler = NeighbourSampler(edge_index, 101, fan_out=10)
    counts = torch.zeros(101)
    for _ in range(200):
        found = sampler(torch.tensor([0, 5]), 1)
        assert found.num_edges == [11]
        assert len(found.edges.unique()) == 11
        counts[edge_index[0, found.edges]] += 1
    assert counts[0] == 200
    # 20 times each, give or take five standard deviations
    assert (counts[1:] - 20).abs().max() < 22
    same = [NeighbourSampler(edge_index, 101, fan_out=10, seed=3)(torch.tensor([0]), 1).edges for _ in range(2)]
    other = NeighbourSampler(edge_index, 101, fan_out=10, seed=4)(torch.tensor([0]), 1).edges
    assert torch.equal(*same)
    assert not torch.equal(same[0], other)


def test_copies_draw_the_same():
    star = torch.stack([torch.arange(1, 101), torch.zeros(100, dtype=torch.long)])
    sampler = NeighbourSampler(star, 101, fan_out=10)
    twin = copy.deepcopy(sampler)
    assert torch.equal(sampler(torch.tensor([0]), 1).edges, twin(torch.tensor([0]), 1).edges)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 0]), "must not hold a label twice"),
        (torch.tensor([4]), r"'labels' must be from 0 to 3, but got 4"),
        (torch.tensor([-1]), r"'labels' must be from 0 to 3, but got -1"),
        (torch.tensor([[0]]), r"'labels' must be integers of shape \[S\], but got"),
        (torch.tensor([0.0]), "'labels' must be integers"),
        (torch.tensor([True, False]), "'labels' must be integers"),
    ],
)
def test_wrong_labels_are_named(labels, message):
    with pytest.raises(ConfigError, match=message):
        label_subgraph(torch.tensor([[0], [1]]), 4, labels, 1)


def test_wrong_options_are_named():
    with pytest.raises(ConfigError, match="'fan_out' must be at least 1 or None, but got 0"):
        NeighbourSampler(torch.tensor([[0], [1]]), 4, fan_out=0)
