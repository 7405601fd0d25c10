"""Selecting and pruning against networkx: who stays, who is below whom, and what happens to attributes."""

import logging
import re

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError, DataError, TaxonomyError, UnknownLabelError
from hgraph.graph import LabelGraph

TREE = [("a", "b"), ("a", "c"), ("b", "d"), ("b", "e"), ("d", "f")]


@st.composite
def hierarchies(draw, most=12):
    """A random DAG on shuffled ids, with isolated labels, several roots and extra parents."""
    size = draw(st.integers(1, most))
    ids = draw(st.permutations([f"l{i}" for i in range(size)]))
    pairs = [(i, j) for j in range(size) for i in range(j)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=2 * most)) if pairs else []
    order = draw(st.permutations(ids))
    return LabelGraph.from_edges([(ids[i], ids[j]) for i, j in chosen], nodes=order)


@st.composite
def masked(draw):
    """A hierarchy and a mask with at least one label."""
    graph = draw(hierarchies())
    mask = draw(st.lists(st.booleans(), min_size=graph.num_labels, max_size=graph.num_labels))
    mask[draw(st.integers(0, graph.num_labels - 1))] = True
    return graph, np.array(mask)


def edges_of(graph):
    return {(graph.label_id[p], graph.label_id[c]) for p, c in graph.edge_index.t().tolist()}


def ids_of(graph, mask):
    return [label for label, keep in zip(graph.label_id, mask, strict=True) if keep]


def bridged(reference, kept):
    """Nearest kept ancestors of every kept label by a search that stops at kept labels."""
    edges = set()
    for child in kept:
        stack = list(reference.predecessors(child))
        while stack:
            parent = stack.pop()
            if parent in kept:
                edges.add((parent, child))
            else:
                stack += reference.predecessors(parent)
    return edges


@settings(max_examples=100, deadline=None)
@given(masked())
def test_bridging_keeps_who_is_below_whom(case):
    graph, mask = case
    reference, out = graph.to_networkx(), graph.select(mask, with_ancestors=False)
    kept = set(ids_of(graph, mask))
    assert out.label_id == ids_of(graph, mask)
    expected = {(x, y) for x, y in nx.transitive_closure_dag(reference).edges if x in kept and y in kept}
    assert set(nx.transitive_closure_dag(out.to_networkx()).edges) == expected
    old = {(x, y) for x, y in reference.edges if x in kept and y in kept}
    assert old <= edges_of(out) <= old | bridged(reference, kept)
    new = edges_of(out) - old  # none of these can be left out
    for edge in new:
        fewer = nx.DiGraph(edges_of(out) - {edge})
        assert edge[0] not in fewer or edge[1] not in fewer or not nx.has_path(fewer, *edge)


@settings(max_examples=60, deadline=None)
@given(masked())
def test_other_ways_to_reattach(case):
    graph, mask = case
    reference, kept = graph.to_networkx(), set(ids_of(graph, mask))
    inside = set(reference.subgraph(kept).edges)
    assert edges_of(graph.select(mask, with_ancestors=False, reattach="none")) == inside
    orphans = {label for label in kept if not kept & set(reference.predecessors(label))}
    expected = inside | {(x, y) for x, y in bridged(reference, kept) if y in orphans}
    out = graph.select(mask, with_ancestors=False, reattach="orphans")
    assert nx.transitive_closure_dag(out.to_networkx()).edges == nx.transitive_closure_dag(nx.DiGraph(expected)).edges
    assert edges_of(out) <= expected


@settings(max_examples=60, deadline=None)
@given(masked())
def test_ancestors_and_descendants_are_added(case):
    graph, mask = case
    reference, chosen = graph.to_networkx(), set(ids_of(graph, mask))
    above = chosen.union(*(nx.ancestors(reference, label) for label in chosen))
    below = chosen.union(*(nx.descendants(reference, label) for label in chosen))
    both = below.union(*(nx.ancestors(reference, label) for label in below))
    for labels, out in (
        (above, graph.select(mask)),
        (below, graph.branch(mask)),
        (both, graph.select(mask, with_descendants=True)),
    ):
        assert set(out.label_id) == labels
        assert edges_of(out) == set(reference.subgraph(labels).edges)
        assert out.label_id == [label for label in graph.label_id if label in labels]


@settings(max_examples=40, deadline=None)
@given(hierarchies(), st.integers(1, 5))
def test_cut_keeps_levels(graph, level):
    out = graph.cut(level)
    expected = {
        label: depth for label, depth in zip(graph.label_id, graph.level.tolist(), strict=True) if depth <= level
    }
    assert dict(zip(out.label_id, out.level.tolist(), strict=True)) == expected
    assert edges_of(out) == {edge for edge in edges_of(graph) if edge[1] in expected}


@settings(max_examples=40, deadline=None)
@given(masked(), st.randoms(use_true_random=False))
def test_order_of_labels_and_edges_does_not_matter(case, random):
    graph, mask = case
    kept = ids_of(graph, mask)
    nodes, edges = list(graph.label_id), sorted(edges_of(graph))
    random.shuffle(nodes)
    random.shuffle(edges)
    other = LabelGraph.from_edges(edges, nodes=nodes)
    for options in ({}, {"with_ancestors": False}, {"with_ancestors": False, "reattach": "orphans"}):
        assert other.select(kept, **options).fingerprint == graph.select(kept, **options).fingerprint


def test_ways_to_name_labels():
    graph = LabelGraph.from_edges(TREE)
    expected = graph.select(["b", "c"]).fingerprint
    for labels in (
        ("c", "b"),
        iter(["b", "c"]),
        np.array(["b", "c"]),
        [1, 2],
        np.array([2, 1, 1]),
        torch.tensor([1, 2]),
        np.array([False, True, True, False, False, False]),
        torch.tensor([False, True, True, False, False, False]),
    ):
        assert graph.select(labels).fingerprint == expected
    assert graph.select("b").label_id == ["a", "b"]
    assert graph.branch("b").label_id == ["b", "d", "e", "f"]
    assert graph.branch("b").roots.tolist() == [0]


def test_conditions_are_combined():
    graph = LabelGraph.from_paths(["Science > Physics > Optics", "Science > Biology", "Art > Optical art"])
    assert [graph.name[i] for i in graph.find("OPTIC")] == ["Optics", "Optical art"]
    assert graph.find("OPTIC").dtype == np.int64
    assert graph.find(re.compile("OPTIC")).tolist() == []
    assert graph.find("^science > p", field="label_id").tolist() == [1, 2]
    assert graph.select(pattern="optic", levels=2).name == ["Art", "Optical art"]
    assert graph.select(pattern="optic", levels=[2, 3], with_ancestors=False).name == ["Optics", "Optical art"]
    assert graph.select(levels=np.int64(1)).name == ["Science", "Art"]
    assert graph.select(["Science > Physics"], pattern="phys").name == ["Science", "Physics"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ConfigError, "Give 'labels', 'pattern' or 'levels'"),
        ({"pattern": "("}, ConfigError, r"'pattern' is no regular expression: '\('"),
        ({"pattern": "zzz", "levels": 1}, TaxonomyError, "No label is selected by pattern='zzz', levels=1"),
        ({"levels": 9}, TaxonomyError, "the hierarchy has 4 levels"),
        ({"labels": []}, TaxonomyError, "No label is selected"),
        ({"labels": ["a", "x"]}, UnknownLabelError, "Unknown label 'x'"),
        ({"labels": [9]}, UnknownLabelError, "There is no label 9: labels are numbered 0 to 5"),
        ({"labels": [-1]}, UnknownLabelError, "There is no label -1"),
        ({"labels": [1.5]}, ConfigError, "found numbers with a fraction"),
        ({"labels": [True]}, ConfigError, r"must be a mask of 6 labels, found one of shape \[1\]"),
        ({"labels": "a", "reattach": "no"}, ConfigError, "'reattach' must be one of bridge, orphans, none, found 'no'"),
    ],
)
def test_wrong_selection(options, error, message):
    with pytest.raises(error, match=message) as caught:
        LabelGraph.from_edges(TREE).select(**options)
    assert "\n" not in str(caught.value)


def test_wrong_field():
    with pytest.raises(ConfigError, match="'field' must be one of name, label_id, description, found 'names'"):
        LabelGraph.from_edges(TREE).find("a", field="names")


# Pruning


@settings(max_examples=60, deadline=None)
@given(hierarchies(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_support_and_pruning_match_a_loop(graph, least, random):
    reference = graph.to_networkx()
    documents = [random.sample(graph.label_id, random.randint(0, min(3, graph.num_labels))) for _ in range(8)]
    matrix = sp.lil_matrix((8, graph.num_labels), dtype=np.float32)
    counts = dict.fromkeys(graph.label_id, 0)
    for row, labels in enumerate(documents):
        matrix[row, graph.indices(labels)] = 1
        for label in set(labels).union(*(nx.ancestors(reference, x) for x in labels)):
            counts[label] += 1
    support = graph.support_of(matrix)
    assert support.dtype == np.int64
    assert support.tolist() == [counts[label] for label in graph.label_id]
    kept = [label for label in graph.label_id if counts[label] >= least]
    if not kept:
        with pytest.raises(TaxonomyError, match="Lower 'min_support'"):
            graph.prune(matrix, min_support=least)
        return
    for given_ in (matrix, matrix.tocsr(), matrix.toarray(), support, support.tolist(), torch.from_numpy(support)):
        out = graph.prune(given_, min_support=least)
        assert out.label_id == kept
        assert edges_of(out) == set(reference.subgraph(kept).edges)  # closed upward: nothing to bridge


def test_pruning_an_inner_label():
    graph = LabelGraph.from_edges([*TREE, ("c", "d")])
    support = [9, 0, 9, 9, 9, 9]  # `b` goes: `e` lost its only parent, `d` has `c` left, which is below `a` as well
    assert edges_of(graph.prune(support)) == {("a", "c"), ("c", "d"), ("d", "f"), ("a", "e")}
    assert edges_of(graph.prune(support, reattach="none")) == {("a", "c"), ("c", "d"), ("d", "f")}
    two = LabelGraph.from_edges([("r", "m"), ("m", "x"), ("s", "x")])
    assert edges_of(two.prune([1, 0, 1, 1])) == {("r", "x"), ("s", "x")}
    assert edges_of(two.prune([1, 0, 1, 1], reattach="orphans")) == {("s", "x")}
    two = LabelGraph.from_edges([("r", "m"), ("m", "x"), ("s", "x")], nodes=["s", "r", "m", "x"])
    assert two.prune([1, 1, 0, 1]).path_names("x") == "r > x"  # `r` takes the place of `m`, the first listed parent


@pytest.mark.parametrize("support", [[1, 2], np.ones((2, 2, 2)), 3])
def test_support_of_another_shape(support):
    with pytest.raises(DataError, match="'support' must hold one number for each of 6 labels"):
        LabelGraph.from_edges(TREE).prune(support)


# Carrying documents over


@settings(max_examples=60, deadline=None)
@given(masked())
def test_labels_go_to_their_nearest_kept_ancestors(case):
    graph, mask = case
    reference, new = graph.to_networkx(), graph.select(mask, with_ancestors=False)
    kept = set(new.label_id)
    expected = np.zeros((graph.num_labels, new.num_labels), dtype=bool)
    for row, label in enumerate(graph.label_id):
        targets = {label} if label in kept else {x for x, y in bridged(reference, kept | {label}) if y == label} & kept
        expected[row, new.indices(sorted(targets))] = True
    np.testing.assert_array_equal(graph.label_map(new).toarray(), expected)
    matrix = np.eye(graph.num_labels, dtype=np.float32)
    carried = graph.carry_labels(matrix, new)
    assert carried.dtype == np.float32
    np.testing.assert_array_equal(carried.toarray(), expected)
    exact = graph.map_to(new)
    assert exact.dtype == np.int64
    assert exact.tolist() == [new.label_id.index(label) if label in kept else -1 for label in graph.label_id]
    closed = graph.expand(matrix)  # whatever was true of a document and can still be said stays true
    np.testing.assert_array_equal(new.expand(carried).toarray(), graph.carry_labels(closed, new).toarray())


def test_carry_labels_keeps_the_kind_of_matrix():
    graph = LabelGraph.from_edges(TREE)
    new = graph.cut(2)
    out = graph.carry_labels(sp.csr_array(np.eye(6, dtype=np.int32)), new)
    assert isinstance(out, sp.csr_array) and out.dtype == np.int32
    assert graph.carry_labels(np.zeros((0, 6)), new).shape == (0, 3)
    with pytest.raises(DataError, match="'label_matrix' must have shape"):
        graph.carry_labels(np.eye(5), new)


# Attributes


@pytest.fixture
def rich():
    graph = LabelGraph.from_edges(
        TREE, names={"d": "D"}, descriptions={"f": "last"}, title="toy", license="CC0", source="here"
    )
    graph.x = torch.arange(12.0).view(6, 2)
    graph.seen = np.arange(6)
    graph.note = [f"note {label}" for label in graph.label_id]
    graph.rows_index = torch.arange(6)[None]  # PyG counts the last dimension of what is called an index
    graph.edge_weight = torch.arange(5.0)
    graph.version = 7
    return graph


def test_attributes_are_carried(rich, caplog):
    before = rich.to_dict()
    with caplog.at_level(logging.WARNING, logger="hgraph"):
        out = rich.select(["d", "c"])
    assert not caplog.records
    assert out.label_id == ["a", "b", "c", "d"]
    assert out.name == ["a", "b", "c", "D"]
    assert (out.title, out.license, out.source, out.version) == ("toy", "CC0", "here", 7)
    assert out.x.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert out.seen.tolist() == [0, 1, 2, 3]
    assert out.note == ["note a", "note b", "note c", "note d"]
    assert out.rows_index.tolist() == [[0, 1, 2, 3]]
    assert out.edge_weight.tolist() == [0, 1, 2]
    assert out.level.tolist() == [1, 2, 2, 3]
    assert out.validate()
    assert rich.branch("d").description == ["", "last"]
    after = rich.to_dict()
    assert before.keys() == after.keys()
    assert all(before[key] is after[key] for key in before)


def test_edge_attributes_of_new_edges_are_left_out_with_a_warning(rich, caplog):
    with caplog.at_level(logging.WARNING, logger="hgraph"):
        out = rich.prune([1, 0, 1, 1, 1, 1])
    assert "edge_weight" not in out
    assert "'edge_weight' has one value an edge" in caplog.text
    assert out.x.tolist() == [[0, 1], [4, 5], [6, 7], [8, 9], [10, 11]]


def test_one_label_and_no_edges():
    only = LabelGraph.from_edges([], nodes=["only"])
    for out in (only.select("only"), only.branch(0), only.cut(1), only.prune([1]), only.collapse_chains()):
        assert out.label_id == ["only"] and out.edge_index.shape == (2, 0)
    assert only.support_of(np.zeros((0, 1))).tolist() == [0]


def test_deep_chain_needs_no_recursion():
    size = 3000
    graph = LabelGraph.from_edges([(str(i), str(i + 1)) for i in range(size - 1)])
    out = graph.select(["0", str(size - 1)], with_ancestors=False)
    assert edges_of(out) == {("0", str(size - 1))}
    for gap in range(1, 40):  # of every length, since the search doubles its steps
        assert len(edges_of(graph.select([5, 5 + gap], with_ancestors=False))) == 1
    assert graph.branch("1").num_labels == size - 1
    assert graph.collapse_chains().label_id == [str(size - 1)]
