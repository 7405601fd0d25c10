"""Stable indices over versions of a hierarchy, and what is carried from one to the next."""

import copy
import logging
import pickle

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import DataError
from hgraph.graph import LabelGraph


@st.composite
def versions(draw, number=2):
    """Hierarchies on ids of one small pool."""
    pool = [f"l{i}" for i in range(8)]
    out = []
    for version in range(number):
        ids = draw(st.permutations(pool))[: draw(st.integers(1, 8))]
        pairs = [(x, y) for i, x in enumerate(ids) for y in ids[i + 1 :]]
        edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=14)) if pairs else []
        names = {label: f"{label} of {version}" for label in ids}
        out.append(LabelGraph.from_edges(edges, nodes=draw(st.permutations(ids)), names=names, title=str(version)))
    return out


def edges_of(graph):
    return [(graph.label_id[p], graph.label_id[c]) for p, c in graph.edge_index.t().tolist()]


@settings(max_examples=150, deadline=None)
@given(versions())
def test_old_labels_keep_their_indices(pair):
    old, new = pair
    aligned = old.align(new)
    graph = aligned.graph
    assert graph.label_id[: old.num_labels] == old.label_id
    assert graph.label_id[old.num_labels :] == [label for label in new.label_id if label not in old.label_id]
    gone = [label for label in old.label_id if label not in new.label_id]
    assert [graph.label_id[i] for i in aligned.tombstones] == gone
    assert graph.tombstone.dtype == torch.bool
    assert graph.tombstone.nonzero().flatten().tolist() == aligned.tombstones.tolist()
    assert sorted([*aligned.tombstones, *graph.live_labels]) == list(range(graph.num_labels))
    assert aligned.added.tolist() == list(range(old.num_labels, graph.num_labels))
    assert [graph.label_id[i] for i in aligned.kept] == [label for label in old.label_id if label in new.label_id]
    assert edges_of(graph) == edges_of(new)  # in the same order: paths stay
    assert graph.name == [
        f"{label} of {0 if dead else 1}" for label, dead in zip(graph.label_id, graph.tombstone.tolist(), strict=True)
    ]
    assert graph.title == "1"
    assert not set(graph.edge_index.flatten().tolist()) & set(aligned.tombstones.tolist())
    expected = [new.label_id.index(x) if x in new.label_id else -1 for x in graph.label_id]
    assert aligned.to_new.tolist() == graph.map_to(new).tolist() == expected
    assert aligned.to_new.dtype == np.int64
    compact = aligned.compact()
    assert compact.fingerprint == new.fingerprint
    assert "tombstone" not in compact and compact.live_labels.tolist() == list(range(compact.num_labels))
    assert aligned.diff == old.diff(new) and not new.diff(graph)
    assert [old.title, new.title] == ["0", "1"] and "tombstone" not in old and "tombstone" not in new


@settings(max_examples=100, deadline=None)
@given(versions(3))
def test_several_versions(graphs):
    first, second, third = graphs
    middle = first.align(second).graph
    last = middle.align(third).graph
    assert last.label_id[: middle.num_labels] == middle.label_id
    assert {last.label_id[i] for i in last.live_labels} == set(third.label_id)  # tombstones come back to life
    assert last.compact().fingerprint == third.fingerprint
    assert middle.map_to(third)[middle.tombstone.numpy()].tolist() == [-1] * int(middle.tombstone.sum())
    assert set(middle.diff(third).added) == set(third.label_id) - set(second.label_id)
    again = last.align(third).graph
    assert again.label_id == last.label_id and again.tombstone.tolist() == last.tombstone.tolist()
    back = first.align(middle).graph  # a new version with tombstones: what is dead there is dead here
    assert {back.label_id[i] for i in back.live_labels} == set(second.label_id)


@settings(max_examples=100, deadline=None)
@given(versions())
def test_labels_of_documents_are_carried(pair):
    old, new = pair
    aligned, reference = old.align(new), old.to_networkx()
    carried = aligned.carry_labels(np.eye(old.num_labels, dtype=np.float32))
    live = set(new.label_id)
    for label, row in zip(old.label_id, carried.toarray(), strict=True):
        above = nx.ancestors(reference, label) & live
        nearest = {x for x in above if _joined_by_the_dead(reference, x, label, live)}
        assert {aligned.graph.label_id[i] for i in row.nonzero()[0]} == ({label} if label in live else nearest)
    assert carried.shape == (old.num_labels, aligned.graph.num_labels) and carried.dtype == np.float32
    compact = aligned.compact()
    both = aligned.graph.carry_labels(carried, compact)
    assert (old.carry_labels(sp.eye_array(old.num_labels, format="csr"), compact) != both).nnz == 0


def _joined_by_the_dead(reference, top, bottom, live):
    between = reference.subgraph({top, bottom} | (set(reference) - live))
    return nx.has_path(between, top, bottom)


def test_weights_are_carried():
    old, new = LabelGraph.from_edges([("a", "b"), ("a", "c")]), LabelGraph.from_edges([("d", "c"), ("d", "e")])
    aligned = old.align(new)
    weights = torch.arange(6.0).view(3, 2).requires_grad_()
    out = aligned.carry_rows(weights, fill=-1)
    assert out.tolist() == [[0, 1], [2, 3], [4, 5], [-1, -1], [-1, -1]]
    out.sum().backward()
    assert weights.grad.tolist() == [[1, 1]] * 3
    counts = aligned.carry_rows(np.array([3, 4, 5]))
    assert counts.tolist() == [3, 4, 5, 0, 0] and counts.dtype == np.int64
    with pytest.raises(DataError, match=r"'rows' must hold one row for each of 3 old labels, found shape \[2\]"):
        aligned.carry_rows(np.ones(2))


def test_attributes(caplog):
    old, new = LabelGraph.from_edges([("a", "b"), ("a", "c")]), LabelGraph.from_edges([("c", "a"), ("c", "d")])
    old.x, new.x = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0, 6.0])
    old.seen, new.note = np.array([7, 8, 9]), ["p", "q", "r"]
    new.edge_weight = torch.tensor([0.1, 0.2])
    with caplog.at_level(logging.WARNING, logger="hgraph"):
        graph = old.align(new).graph
    assert not caplog.records
    assert graph.label_id == ["a", "b", "c", "d"]
    assert graph.x.tolist() == [5, 2, 4, 6]
    assert graph.seen.tolist() == [7, 8, 9, 0]
    assert graph.note == ["q", "", "p", "r"]
    assert torch.equal(graph.edge_weight, new.edge_weight)
    assert graph.level.tolist() == [2, 1, 1, 2]


@pytest.mark.parametrize(
    "clone",
    [
        copy.copy,
        copy.deepcopy,
        lambda graph: pickle.loads(pickle.dumps(graph)),
        lambda graph: LabelGraph.from_dict(graph.to_dict()),
        lambda graph: graph.select(np.ones(3, dtype=bool)),
    ],
)
def test_tombstones_survive_copies(clone):
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c")]).align(LabelGraph.from_edges([("a", "c")])).graph
    out = clone(graph)
    assert out.tombstone.tolist() == [False, True, False]
    assert out.live_labels.tolist() == [0, 2]
    assert out.compact().label_id == ["a", "c"]


def test_same_and_one():
    graph = LabelGraph.from_edges([], nodes=["only"])
    same = graph.align(graph)
    assert same.tombstones.tolist() == same.added.tolist() == [] and not same.diff
    other = graph.align(LabelGraph.from_edges([], nodes=["else"]))
    assert other.graph.label_id == ["only", "else"] and other.kept.tolist() == []
    assert other.carry_labels(np.array([[1]])).toarray().tolist() == [[0, 0]]
    assert graph.compact().label_id == ["only"]
