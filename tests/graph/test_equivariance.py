"""Other ids, other orders of labels and edges: every operation gives the same, under the other ids and orders."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.graph import LabelGraph
from hgraph.graph.cooccurrence import cooccurrence
from hgraph.graph.similarity import information_content, similarity_matrix
from hgraph.graph.transforms import (
    AddAncestorEdges,
    AddLevel,
    AddReverseEdges,
    AddSiblingEdges,
    AddVirtualRoot,
    typed_edges,
)


@st.composite
def twins(draw, max_labels=10):
    """A hierarchy; the same with other ids, labels and edges shuffled; and where each label went."""
    size = draw(st.integers(1, max_labels))
    edges = [(p, c) for c in range(1, size) for p in draw(st.sets(st.integers(0, c - 1), max_size=3))]
    order = draw(st.permutations(range(size)))
    first = LabelGraph.from_edges([(f"n{p}", f"n{c}") for p, c in edges], nodes=[f"n{i}" for i in range(size)])
    other = draw(st.permutations(edges))
    # Names stay; ids are others, and in another order of the alphabet.
    ids = [f"x{size - i}" for i in range(size)]
    second = LabelGraph.from_edges(
        [(ids[p], ids[c]) for p, c in other],
        nodes=[ids[i] for i in order],
        names={ids[i]: f"n{i}" for i in range(size)},
    )
    return first, second, np.array([second.index(label) for label in ids])


def shape(graph):
    """Names and edges between names, in no order; names are unique here."""
    edges = {(graph.name[p], graph.name[c]) for p, c in graph.edge_index.t().tolist()}
    return set(graph.name), edges


GRAPHS = {
    "reduction": lambda graph: graph.transitive_reduction(),
    "closure": lambda graph: graph.transitive_closure(),
    "collapse to the bottom": lambda graph: graph.collapse_chains(keep="bottom"),
    "collapse to the top": lambda graph: graph.collapse_chains(keep="top"),
    "cut": lambda graph: graph.cut(min(2, graph.num_levels)),
    "select a level": lambda graph: graph.select(levels=graph.num_levels),
    "branch": lambda graph: graph.branch(graph.name.index("n0")),
    "branches by name": lambda graph: graph.select(pattern="[013]$", with_descendants=True),
    "prune": lambda graph: (
        graph.prune(np.array([int(name[1:]) % 3 + 1 for name in graph.name]), min_support=2)
        if graph.num_labels > 2
        else graph
    ),
    "merge with itself": lambda graph: graph.merge(graph),
    "virtual root": AddVirtualRoot(),
    "align to itself": lambda graph: graph.align(graph).compact(),
}


@pytest.mark.parametrize("name", GRAPHS)
@settings(max_examples=40, deadline=None)
@given(twins())
def test_operations_that_give_a_hierarchy(name, case):
    first, second, _ = case
    assert shape(GRAPHS[name](first)) == shape(GRAPHS[name](second))


def test_reduction_and_closure_are_those_of_networkx():
    graph = LabelGraph.from_edges([("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d")])
    assert shape(graph.transitive_reduction())[1] == set(nx.transitive_reduction(graph.to_networkx()).edges)
    assert shape(graph.transitive_closure())[1] == set(nx.transitive_closure(graph.to_networkx()).edges)


ARRAYS = {
    "level": lambda graph: graph.level.numpy(),
    "content": information_content,
    "level one-hot": lambda graph: AddLevel(attr_name="x")(graph).x.numpy(),
}
SQUARES = {
    "lin": lambda graph: similarity_matrix(graph, measure="lin"),
    "resnik": lambda graph: similarity_matrix(graph, measure="resnik"),
    "wu_palmer": lambda graph: similarity_matrix(graph, measure="wu_palmer"),
    "siblings": lambda graph: graph.siblings.toarray(),
    "ancestors": lambda graph: graph.ancestors.toarray(),
    "hops": lambda graph: graph.hop_distances(3).toarray(),
    "distance": lambda graph: graph.distance_matrix(),
    "typed": lambda graph: typed_matrix(AddReverseEdges()(AddSiblingEdges()(AddAncestorEdges()(graph)))),
}


def typed_matrix(graph):
    """How many typed edges of each kind lead from one label to another, kinds as powers of 16."""
    out = np.zeros((graph.num_labels, graph.num_labels), dtype=np.int64)
    found = typed_edges(graph)
    source, target = found["edge_index"].numpy()
    np.add.at(out, (source, target), 16 ** found["edge_type"].numpy())
    return out


@pytest.mark.parametrize("name", ARRAYS)
@settings(max_examples=40, deadline=None)
@given(twins())
def test_one_value_a_label(name, case):
    first, second, place = case
    np.testing.assert_allclose(ARRAYS[name](second)[place], ARRAYS[name](first))


@pytest.mark.parametrize("name", SQUARES)
@settings(max_examples=40, deadline=None)
@given(twins())
def test_one_value_a_pair(name, case):
    first, second, place = case
    np.testing.assert_allclose(SQUARES[name](second)[np.ix_(place, place)], SQUARES[name](first))


@settings(max_examples=40, deadline=None)
@given(twins(), st.data())
def test_label_matrices(case, data):
    first, second, place = case
    size = first.num_labels
    labels = data.draw(st.lists(st.sets(st.integers(0, size - 1)), min_size=1, max_size=5))
    mine = np.zeros((len(labels), size), dtype=np.int64)
    for row, some in enumerate(labels):
        mine[row, list(some)] = 1
    theirs = np.zeros_like(mine)
    theirs[:, place] = mine
    for name in ("expand", "most_specific"):
        np.testing.assert_array_equal(
            np.asarray(getattr(second, name)(theirs).todense())[:, place],
            np.asarray(getattr(first, name)(mine).todense()),
        )
    pairs = []
    for graph, matrix in ((first, mine), (second, theirs)):
        (source, target), weight = cooccurrence(matrix, graph=graph)
        names = [(graph.name[a], graph.name[b]) for a, b in zip(source.tolist(), target.tolist(), strict=True)]
        pairs.append(dict(zip(names, weight.tolist(), strict=True)))
    assert pairs[0] == pytest.approx(pairs[1])
    facts = [
        {(finding.code, finding.severity, finding.count) for finding in graph.check(matrix).findings}
        for graph, matrix in ((first, mine), (second, theirs))
    ]
    assert facts[0] == facts[1]


@pytest.mark.parametrize("policy", ["native", "copies"])
@settings(max_examples=40, deadline=None)
@given(twins())
def test_level_partitions(policy, case):
    first, second, _ = case
    found = []
    for graph in (first, second):
        partition = graph.level_partition(extra_parents=policy)
        found.append([sorted(graph.name[owner] for owner in owners) for owners in partition.owners])
    assert found[0] == found[1]
