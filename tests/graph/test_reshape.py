"""Reduction, closure, chains, splitting and merging against networkx and naive loops."""

import logging

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph import LabelGraph


@st.composite
def hierarchies(draw, most=12):
    """A random DAG on shuffled ids, with isolated labels, several roots and extra parents."""
    size = draw(st.integers(1, most))
    ids = draw(st.permutations([f"l{i}" for i in range(size)]))
    pairs = [(i, j) for j in range(size) for i in range(j)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=2 * most)) if pairs else []
    order = draw(st.permutations(ids))
    return LabelGraph.from_edges([(ids[i], ids[j]) for i, j in chosen], nodes=order)


def edges_of(graph):
    return {(graph.label_id[p], graph.label_id[c]) for p, c in graph.edge_index.t().tolist()}


def closure_of(graph):
    return set(nx.transitive_closure_dag(graph.to_networkx()).edges)


# Reduction and closure


@settings(max_examples=100, deadline=None)
@given(hierarchies())
def test_reduction_and_closure_match_networkx(graph):
    reference = graph.to_networkx()
    reduced, closed = graph.transitive_reduction(), graph.transitive_closure()
    assert edges_of(reduced) == set(nx.transitive_reduction(reference).edges)
    assert edges_of(closed) == closure_of(graph)
    assert reduced.label_id == closed.label_id == graph.label_id
    redundant = graph.redundant_edges()
    assert redundant.dtype == bool
    parents, children = graph.edge_index[:, torch.from_numpy(~redundant)].tolist()
    assert reduced.edge_index.tolist() == [parents, children]
    assert edges_of(closed.transitive_reduction()) == edges_of(reduced)
    assert edges_of(reduced.transitive_closure()) == edges_of(closed)
    size = graph.edge_index.size(1)
    assert torch.equal(closed.edge_index[:, :size], graph.edge_index)  # paths follow the first listed parent


def test_reduction_keeps_edge_attributes_and_closure_does_not(caplog):
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "c")], nodes="abcd")
    graph.edge_weight = torch.tensor([1.0, 2.0, 3.0])
    assert graph.transitive_reduction().edge_weight.tolist() == [1, 3]
    assert graph.transitive_closure().edge_weight.tolist() == [1, 2, 3]  # closed already
    assert not caplog.records
    with caplog.at_level(logging.WARNING, logger="hgraph"):
        assert "edge_weight" not in graph.transitive_reduction().transitive_closure()
    assert "'edge_weight'" in caplog.text


# Chains


@settings(max_examples=100, deadline=None)
@given(hierarchies(), st.sampled_from(["bottom", "top"]))
def test_collapsed_chains(graph, keep):
    reference = graph.to_networkx()
    links = [(x, y) for x, y in reference.edges if reference.out_degree(x) == 1 and reference.in_degree(y) == 1]
    lost = {pair[0 if keep == "bottom" else 1] for pair in links}
    out = graph.collapse_chains(keep=keep)
    again = out.collapse_chains(keep=keep)
    assert again.fingerprint == out.fingerprint
    stays = {*out.label_id}
    assert closure_of(out) == {(x, y) for x, y in closure_of(graph) if x in stays and y in stays}
    assert not lost & stays
    if graph.redundant_edges().any():  # without them, one pass over the chains is all
        return
    assert out.label_id == [label for label in graph.label_id if label not in lost]
    expected = reference.copy()  # contract link after link
    for x, y in nx.topological_sort(nx.line_graph(nx.DiGraph(links))) if links else []:
        keeps, goes = (y, x) if keep == "bottom" else (x, y)
        here = next(node for node in expected if keeps in {node, *expected.nodes[node].get("names", ())})
        there = next(node for node in expected if goes in {node, *expected.nodes[node].get("names", ())})
        names = {here, there, *expected.nodes[here].get("names", ()), *expected.nodes[there].get("names", ())}
        expected = nx.contracted_nodes(expected, here, there, self_loops=False, copy=True)
        expected.nodes[here]["names"] = names
    renamed = {
        node: next(n for n in {node, *expected.nodes[node].get("names", ())} if n not in lost) for node in expected
    }
    expected = nx.relabel_nodes(expected, renamed)
    assert set(nx.transitive_reduction(expected).edges) <= edges_of(out) <= set(expected.edges)


def test_a_chain_that_appears_when_another_one_is_collapsed():
    """The way from b to d is redundant, and goes when b is joined to a; what is left is one chain."""
    graph = LabelGraph.from_edges([("a", "b"), ("b", "c"), ("b", "d"), ("c", "d"), ("d", "e"), ("d", "f")])
    assert graph.collapse_chains(keep="top").label_id == ["a", "e", "f"]
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "c"), ("c", "d"), ("d", "e"), ("d", "f")])
    assert graph.collapse_chains(keep="bottom").label_id == ["d", "e", "f"]


def test_wrong_end():
    with pytest.raises(ConfigError, match="'keep' must be 'bottom' or 'top', found 'middle'"):
        LabelGraph.from_edges([("a", "b")]).collapse_chains(keep="middle")


# Splitting


def random_groups(seed):
    generator = np.random.default_rng(seed)

    def group(children, groups):
        out = generator.integers(0, groups, len(children))
        out[:2] = 0, 1
        return out

    return group


@settings(max_examples=80, deadline=None)
@given(hierarchies(16), st.integers(2, 5), st.sampled_from(["order", "name", 0, 1]))
def test_split_limits_every_fan_out(graph, most, grouping):
    out = graph.split_fan_out(most, grouping=random_groups(grouping) if isinstance(grouping, int) else grouping)
    size = graph.num_labels
    assert out.label_id[:size] == graph.label_id
    assert out.kind == ["label"] * size + ["cluster"] * (out.num_labels - size)
    reference = out.to_networkx()
    assert all(degree <= most for _, degree in reference.out_degree)
    clusters = set(out.label_id[size:])
    assert all(reference.in_degree(x) == 1 and reference.out_degree(x) >= 1 for x in clusters)
    labels = set(graph.label_id)
    assert {(x, y) for x, y in closure_of(out) if x in labels and y in labels} == closure_of(graph)
    for cluster in clusters:  # taken out again, nothing is left of them
        parents, children = list(reference.predecessors(cluster)), list(reference.successors(cluster))
        reference.remove_node(cluster)
        reference.add_edges_from((x, y) for x in parents for y in children)
    assert set(reference.edges) == edges_of(graph)
    wide = [x for x, degree in graph.to_networkx().out_degree if degree > most]
    assert bool(clusters) == bool(wide)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(2, 7))
def test_split_is_balanced_and_no_deeper_than_needed(size, most):
    graph = LabelGraph.from_edges([("r", str(i)) for i in range(size)], nodes=["r", *map(str, range(size))])
    out = graph.split_fan_out(most)
    depth = 1
    while most**depth < size:
        depth += 1
    assert out.num_levels == depth + 1
    reference = out.to_networkx()
    leaves = {x: {y for y in (*nx.descendants(reference, x), x) if y in graph.label_id} for x in reference}
    for node in reference:
        sizes = [len(leaves[child]) for child in reference.successors(node)]
        assert not sizes or max(sizes) - min(sizes) <= 1
    runs = [sorted(map(int, leaves[x])) for x in out.label_id if x != "r"]
    assert all(run == list(range(run[0], run[-1] + 1)) for run in runs)


def test_split_by_name_ids_and_attributes(caplog):
    names = {"p": "Physics", "c1": "zeta", "c2": "Alpha", "c3": "beta"}
    edges = [("p", "c1"), ("p", "c2"), ("p", "c3"), ("q", "c3")]
    graph = LabelGraph.from_edges([*edges, ("q", "p/~1")], names=names, title="t")
    graph.x = torch.ones(graph.num_labels, 2)
    graph.edge_weight = torch.ones(5)
    out = graph.split_fan_out(2, grouping="name")
    assert out.label_id[-1] == "p/~~1"  # `p/~1` is taken
    assert out.path_names("c2") == "Physics > Physics [1/2] > Alpha"
    assert out.path_names("c1") == "Physics > zeta"  # a group of one needs no cluster
    assert set(edges) - edges_of(out) == {("p", "c2"), ("p", "c3")}
    assert out.description[-1] == "" and out.title == "t"
    assert out.x.sum(dim=1).tolist() == [2] * graph.num_labels + [0]
    assert "'edge_weight'" in caplog.text and "edge_weight" not in out
    nested = out.split_fan_out(2)
    assert nested.label_id == out.label_id and nested.kind == out.kind
    assert [graph.name[i] for i in graph._structure.primary_parent[graph.indices(["c3"])]] == ["Physics"]
    assert out.path_names("c3") == "Physics > Physics [1/2] > beta"


@pytest.mark.parametrize(
    ("most", "grouping", "message"),
    [
        (1, "order", "'max_children' must be an integer of at least 2, found 1"),
        (2.5, "order", "found 2.5"),
        (2, "size", "'grouping' must be 'order', 'name' or a function, found 'size'"),
        (
            2,
            lambda children, groups: np.zeros(len(children), dtype=int),
            "put all 3 children into one group, expected 2",
        ),
        (2, lambda children, groups: np.arange(len(children)), "numbers from 0 to 1, found 2"),
        (2, lambda children, groups: -np.arange(len(children)), "found -2"),
        (2, lambda children, groups: np.zeros(1, dtype=int), "an integer for each of 3 children"),
        (2, lambda children, groups: np.zeros(len(children)), "found float64"),
    ],
)
def test_wrong_split(most, grouping, message):
    with pytest.raises(ConfigError, match=message):
        LabelGraph.from_edges([("a", "b"), ("a", "c"), ("a", "d")]).split_fan_out(most, grouping=grouping)


# Merging


@settings(max_examples=80, deadline=None)
@given(hierarchies(), hierarchies())
def test_merge_is_the_union(first, other):
    union = nx.compose(first.to_networkx(), other.to_networkx())
    if not nx.is_directed_acyclic_graph(union):
        with pytest.raises(TaxonomyError, match=r"contradict each other: 'edges' contains a cycle: l\d+ -> "):
            first.merge(other)
        return
    out = first.merge(other)
    assert edges_of(out) == set(union.edges)
    assert out.label_id == list(dict.fromkeys([*first.label_id, *other.label_id]))
    assert out.fingerprint == other.merge(first).fingerprint
    assert first.merge(first).fingerprint == first.fingerprint
    assert out.name == out.label_id


def test_merge_texts():
    first = LabelGraph.from_edges([("a", "b")], names={"a": "Top"}, descriptions={"b": "old"}, license="A", source="s")
    other = LabelGraph.from_edges([("a", "b"), ("b", "c")], names={"b": "Below"}, license="B", source="s", title="x")
    out = first.merge(other)
    assert (out.name, out.description) == (["Top", "Below", "c"], ["", "old", ""])
    assert (out.title, out.license, out.source) == ("", "A; B", "s")
    second = LabelGraph.from_edges([("a", "b")], names={"a": "TOP"}, descriptions={"b": "new"})
    with pytest.raises(TaxonomyError, match=r"The name of 'a' is 'Top' here and 'TOP' in 'other'.*conflict='first'"):
        first.merge(second)
    assert first.merge(second, conflict="first").name[0] == "Top"
    out = first.merge(second, conflict="other")
    assert (out.name[0], out.description[1]) == ("TOP", "new")


def test_merge_on_names_and_paths():
    first = LabelGraph.from_edges([("1", "2")], names={"1": "Science", "2": "Physics"})
    other = LabelGraph.from_edges([("x", "2"), ("2", "z")], names={"x": "Science", "2": "Physics", "z": "Optics"})
    for on in ("name", "path"):
        out = first.merge(other, on=on)
        assert out.label_id == ["1", "2", "z"] and out.path_names("z") == "Science > Physics > Optics"
    clash = LabelGraph.from_edges([("x", "2")], names={"x": "Science", "2": "Biology"})
    with pytest.raises(TaxonomyError, match=r"The id '2' stands for different labels.*Give 'prefix'"):
        first.merge(clash, on="name")
    assert first.merge(clash, on="path", prefix="new:").label_id == ["1", "2", "new:2"]
    twice = LabelGraph.from_paths(["Science > Physics", "Art > Physics"])
    with pytest.raises(TaxonomyError, match=r"2 labels of 'other' have the name 'Physics'.*Merge on 'path' or 'id'"):
        first.merge(twice, on="name")
    with pytest.raises(TaxonomyError, match="2 labels of this hierarchy have the name 'Physics'"):
        twice.merge(first, on="name")
    assert first.merge(twice, on="path").name == ["Science", "Physics", "Art", "Physics"]
    double = LabelGraph.from_edges([("s", "p"), ("s", "q")], names={"s": "Science", "p": "Physics", "q": "Physics"})
    with pytest.raises(TaxonomyError, match=r"have the path 'Science > Physics'.*Merge on 'id'"):
        first.merge(double, on="path")


def test_merge_attributes(caplog):
    first, other = LabelGraph.from_edges([("a", "b")]), LabelGraph.from_edges([("b", "c"), ("b", "d")])
    first.x, other.x = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [4.0], [5.0]])
    first.here, other.there = ["p", "q"], torch.tensor([7, 8, 9])
    first.wide, other.wide = torch.ones(2, 2), torch.ones(3, 3)
    out = first.merge(other)
    assert out.x.tolist() == [[1], [2], [4], [5]]
    assert out.here == ["p", "q", "", ""]
    assert out.there.tolist() == [0, 7, 8, 9]
    assert "wide" not in out and "'wide' differs" in caplog.text


@pytest.mark.parametrize("options", [{"on": "text"}, {"conflict": "last"}])
def test_wrong_merge(options):
    graph = LabelGraph.from_edges([("a", "b")])
    with pytest.raises(ConfigError, match=f"'{next(iter(options))}' must be"):
        graph.merge(graph, **options)
