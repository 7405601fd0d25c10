"""Branches hold every label below all its ancestors, within the limit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.models.hbgl.branches import cut_branches, leaf_groups


@st.composite
def graphs(draw):
    """DAGs: a label hangs from some of those before it, or from none."""
    count = draw(st.integers(2, 30))
    edges = []
    for child in range(1, count):
        edges += [(str(p), str(child)) for p in draw(st.lists(st.integers(0, child - 1), max_size=2, unique=True))]
    return LabelGraph.from_edges(edges, nodes=[str(i) for i in range(count)])


@settings(deadline=None, max_examples=60)
@given(graphs(), st.integers(2, 12))
def test_branches_are_closed_upwards_and_hold_every_label(graph, limit):
    ancestors = graph.ancestors.toarray().astype(bool)
    if graph.num_labels > limit and ancestors.sum(1).max() >= limit:
        with pytest.raises(ConfigError, match="'max_labels' must be above"):
            cut_branches(graph, limit)
        return
    branches = cut_branches(graph, limit)
    pairs = set(zip(*graph.edge_index.tolist(), strict=True))
    roots = set(graph.roots.tolist())
    found = set()
    for branch in branches:
        labels = branch.labels.tolist()
        found |= set(labels)
        assert len(labels) <= limit and labels == sorted(set(labels))
        assert all(set(ancestors[label].nonzero()[0].tolist()) <= set(labels) for label in labels)
        named = {(labels[p - 1] if p else None, labels[c - 1]) for p, c in branch.edges.T.tolist()}
        assert named == {(p, c) for p, c in pairs if c in labels} | {(None, root) for root in roots & set(labels)}
        assert branch.edges.shape[1] == len(named)
    assert found == set(range(graph.num_labels))


def test_one_branch_where_all_fit():
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
    assert [branch.labels.tolist() for branch in cut_branches(graph, 3)] == [[0, 1, 2]]


@settings(deadline=None, max_examples=60)
@given(graphs())
def test_groups_are_leaves_of_the_same_parents(graph):
    groups = leaf_groups(graph)
    parents, children = graph.parents.toarray(), graph.children.toarray()
    for one in range(graph.num_labels):
        for other in range(graph.num_labels):
            both = not children[one].any() and not children[other].any()
            same = one == other or (both and (parents[one] == parents[other]).all())
            assert (groups[one] == groups[other]) == same


def test_the_published_slip_asks_the_label_before():
    """a -> b, c, and d -> e: ids 0 to 4; label i is grouped as label i - 1 is, and the first one alone."""
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e")])
    assert graph.label_id == ["a", "b", "c", "d", "e"]
    correct, slipped = leaf_groups(graph), leaf_groups(graph, slip=True)
    assert [row.tolist() for row in (correct == correct.unsqueeze(1)).nonzero() if row[0] < row[1]] == [[1, 2]]
    assert [row.tolist() for row in (slipped == slipped.unsqueeze(1)).nonzero() if row[0] < row[1]] == [[2, 3]]


def test_slip_of_a_chain_groups_nothing():
    slipped = leaf_groups(LabelGraph.from_edges([("a", "b"), ("b", "c")]), slip=True)
    assert len(torch.unique(slipped)) == 3
