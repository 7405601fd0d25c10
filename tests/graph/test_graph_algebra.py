"""The algebra against networkx and naive loops, on fixed and on random hierarchies."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import DataError, TaxonomyError, UnknownLabelError
from hgraph.graph import LabelGraph

DIAMOND = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e"), ("a", "d")]


@st.composite
def hierarchies(draw):
    """A random DAG on shuffled ids, with isolated labels, several roots and extra parents."""
    size = draw(st.integers(1, 14))
    ids = draw(st.permutations([f"l{i}" for i in range(size)]))
    pairs = [(i, j) for j in range(size) for i in range(j)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=30)) if pairs else []
    order = draw(st.permutations(ids))
    return LabelGraph.from_edges([(ids[i], ids[j]) for i, j in chosen], nodes=order)


@st.composite
def labelled(draw):
    """A random hierarchy and a label matrix that may have no rows, empty rows and explicit zeros."""
    graph = draw(hierarchies())
    rows = draw(st.integers(0, 6))
    bits = draw(st.lists(st.booleans(), min_size=rows * graph.num_labels, max_size=rows * graph.num_labels))
    return graph, sp.csr_matrix(np.array(bits, dtype=np.float32).reshape(rows, graph.num_labels))


def by_id(graph, matrix):
    coo = matrix.tocoo()
    return {(graph.label_id[r], graph.label_id[c]) for r, c in zip(coo.row, coo.col, strict=True)}


def assert_canonical(matrix):
    again = sp.csr_matrix(matrix, copy=True)
    again.has_canonical_format = False
    again.sum_duplicates()
    np.testing.assert_array_equal(again.indices, matrix.indices)
    assert matrix.data.all()


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_structure_matches_networkx(graph):
    reference = graph.to_networkx()
    ids = graph.label_id
    assert by_id(graph, graph.children) == set(reference.edges)
    assert by_id(graph, graph.parents) == {(child, parent) for parent, child in reference.edges}
    assert by_id(graph, graph.ancestors) == {(x, y) for x in ids for y in nx.ancestors(reference, x)}
    assert by_id(graph, graph.descendants) == {(x, y) for x in ids for y in nx.descendants(reference, x)}
    assert {ids[i] for i in graph.roots} == {x for x in ids if reference.in_degree(x) == 0}
    assert {ids[i] for i in graph.leaves} == {x for x in ids if reference.out_degree(x) == 0}
    assert graph.is_tree == all(degree <= 1 for _, degree in reference.in_degree)
    for matrix in (graph.parents, graph.children, graph.ancestors, graph.descendants):
        assert matrix.shape == (graph.num_labels, graph.num_labels)
        assert matrix.dtype == bool
        assert_canonical(matrix)


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_level_is_the_longest_path(graph):
    reference = graph.to_networkx()
    expected = {}
    for label in nx.topological_sort(reference):
        expected[label] = 1 + max((expected[parent] for parent in reference.predecessors(label)), default=0)
    assert graph.level.tolist() == [expected[label] for label in graph.label_id]
    assert graph.num_levels == nx.dag_longest_path_length(reference) + 1 == len(graph.levels)
    assert [set(graph.level[level].tolist()) for level in graph.levels] == [{i + 1} for i in range(graph.num_levels)]


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_order_puts_parents_first(graph):
    position = np.argsort(graph.topological_order)
    assert sorted(graph.topological_order) == list(range(graph.num_labels))
    assert all(position[parent] < position[child] for parent, child in graph.edge_index.t().tolist())


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_closure_is_idempotent(graph):
    closed = nx.transitive_closure(graph.to_networkx())
    again = LabelGraph.from_networkx(closed)
    assert by_id(again, again.ancestors) == by_id(graph, graph.ancestors)
    assert (graph.descendants != graph.ancestors.T).nnz == 0


@settings(max_examples=60, deadline=None)
@given(labelled())
def test_expand_and_most_specific_match_a_loop(case):
    graph, matrix = case
    reference = graph.to_networkx()
    index = graph.id_to_index
    expanded, specific = matrix.toarray() * 0, matrix.toarray() * 0
    for row in range(matrix.shape[0]):
        labels = {graph.label_id[i] for i in matrix[row].indices[matrix[row].data != 0]}
        for label in labels.union(*(nx.ancestors(reference, x) for x in labels)):
            expanded[row, index[label]] = 1
        for label in labels:
            if not nx.descendants(reference, label) & labels:
                specific[row, index[label]] = 1
    np.testing.assert_array_equal(graph.expand(matrix).toarray(), expanded)
    np.testing.assert_array_equal(graph.most_specific(matrix).toarray(), specific)
    assert_canonical(graph.expand(matrix))
    assert_canonical(graph.most_specific(matrix))


@settings(max_examples=60, deadline=None)
@given(labelled())
def test_expand_laws(case):
    graph, matrix = case
    closed = graph.expand(matrix)
    assert (graph.expand(closed) != closed).nnz == 0
    assert (graph.expand(graph.most_specific(closed)) != closed).nnz == 0
    assert (graph.most_specific(closed) != graph.most_specific(matrix)).nnz == 0


@settings(max_examples=60, deadline=None)
@given(hierarchies(), st.randoms(use_true_random=False))
def test_permuting_labels_and_edges_changes_nothing(graph, random):
    nodes = list(graph.label_id)
    edges = [(graph.label_id[p], graph.label_id[c]) for p, c in graph.edge_index.t().tolist()]
    random.shuffle(nodes)
    random.shuffle(edges)
    other = LabelGraph.from_edges(edges, nodes=nodes, names=dict.fromkeys(nodes, "same"))
    assert other.fingerprint == graph.fingerprint
    assert by_id(other, other.ancestors) == by_id(graph, graph.ancestors)
    assert dict(zip(other.label_id, other.level.tolist(), strict=True)) == dict(
        zip(graph.label_id, graph.level.tolist(), strict=True)
    )


@settings(max_examples=40, deadline=None)
@given(hierarchies())
def test_check_report_matches_networkx(graph):
    reference, report = graph.to_networkx(), graph.check()
    assert report.redundant_edges == reference.number_of_edges() - nx.transitive_reduction(reference).number_of_edges()
    assert report.multi_parent == sum(degree > 1 for _, degree in reference.in_degree)
    assert report.isolated == len(list(nx.isolates(reference)))
    assert sum(report.labels_per_level) == report.labels == graph.num_labels


@pytest.mark.parametrize("dtype", [bool, np.float32, np.int64])
@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csr_array, sp.coo_matrix, np.asarray])
def test_label_matrix_keeps_dtype_and_is_not_changed(dtype, kind):
    graph = LabelGraph.from_edges(DIAMOND)
    dense = np.array([[0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 0, 0, 0]], dtype=dtype)
    matrix = kind(dense)
    out = graph.expand(matrix)
    assert out.dtype == dtype
    assert isinstance(out, sp.sparray) == isinstance(matrix, sp.sparray)
    np.testing.assert_array_equal(out.toarray(), np.array([[1, 1, 1, 1, 0], [0] * 5, [1, 1, 0, 0, 0]]))
    np.testing.assert_array_equal(matrix.toarray() if sp.issparse(matrix) else matrix, dense)
    assert graph.most_specific(matrix).dtype == dtype


def test_label_matrix_with_counts_explicit_zeros_and_duplicates():
    graph = LabelGraph.from_edges([("a", "b")], nodes=["a", "b", "c"])
    matrix = sp.csr_matrix((np.array([2.0, 3.0, 0.0]), np.array([1, 1, 2]), np.array([0, 3])), shape=(1, 3))
    np.testing.assert_array_equal(graph.expand(matrix).toarray(), [[1, 1, 0]])
    assert matrix.nnz == 3


def test_label_matrix_of_another_width():
    graph = LabelGraph.from_edges(DIAMOND)
    with pytest.raises(DataError, match=r"'label_matrix' must have shape \[num_documents, 5\], found \[2, 4\]"):
        graph.expand(np.zeros((2, 4)))


def test_path_follows_the_first_listed_parent():
    graph = LabelGraph.from_edges(DIAMOND, names={"a": "Top"})
    assert [graph.label_id[i] for i in graph.path("e")] == ["a", "b", "d", "e"]
    assert graph.path(0) == [0]
    assert graph.path_names("e", separator="/") == "Top/b/d/e"
    with pytest.raises(UnknownLabelError, match="There is no label 5: labels are numbered 0 to 4"):
        graph.path(5)


def test_unknown_labels_come_with_suggestions():
    graph = LabelGraph.from_edges([("phys", "opt")], names={"opt": "Optics"})
    assert graph.indices(["opt", "phys", "opt"]).tolist() == [1, 0, 1]
    assert graph.indices([]).dtype == np.int64
    with pytest.raises(UnknownLabelError, match=r"'phy'.*Did you mean 'phys'"):
        graph.index("phy")
    with pytest.raises(UnknownLabelError, match=r"'optics' \(and 1 more\).*Did you mean 'opt'"):
        graph.indices(["optics", "phys", "zzz"])
    with pytest.raises(UnknownLabelError, match=r"Unknown label 3 of type int, ids are strings"):
        graph.indices([3])


def test_one_label_and_labels_without_edges():
    graph = LabelGraph.from_edges([], nodes=["only"])
    assert (graph.num_labels, graph.num_levels, graph.is_tree) == (1, 1, True)
    assert graph.roots.tolist() == graph.leaves.tolist() == [0]
    assert graph.ancestors.nnz == 0
    assert graph.expand(np.array([[1], [0]])).toarray().tolist() == [[1], [0]]
    assert LabelGraph.from_edges([], nodes=["a", "b"]).check().isolated == 2


def test_caches_follow_edge_index():
    graph = LabelGraph.from_edges([("a", "b"), ("b", "c")])
    assert graph.ancestors is graph.ancestors
    before = graph.ancestors
    graph.edge_index = graph.edge_index[:, :1]
    assert graph.ancestors.nnz == 1
    assert before.nnz == 3
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
    assert graph.parents[2].indices.tolist() == [0]
    graph.edge_index[0, 1] = 1  # in place: the same tensor, another version
    assert graph.parents[2].indices.tolist() == [1]
    with torch.inference_mode():
        graph.edge_index = graph.edge_index.clone()
        assert graph.parents[2].indices.tolist() == [1]
    graph.level += 1
    assert graph.num_levels == 3
    graph.label_id = ["x", "y", "z"]
    assert graph.index("z") == 2


def test_algebra_of_a_graph_made_cyclic_later():
    graph = LabelGraph.from_edges([("a", "b")])
    graph.edge_index = torch.cat([graph.edge_index, graph.edge_index.flip(0)], dim=1)
    with pytest.raises(TaxonomyError, match="a -> b -> a"):
        _ = graph.ancestors
    assert repr(graph) == "LabelGraph(labels=2, edges=2, cyclic)"


def test_deep_chain_needs_no_recursion():
    size = 1500
    graph = LabelGraph.from_edges([(str(i), str(i + 1)) for i in range(size - 1)])
    assert graph.num_levels == size
    assert graph.ancestors.nnz == size * (size - 1) // 2
    assert len(graph.path(size - 1)) == size


def test_report_lines():
    graph = LabelGraph.from_edges([*DIAMOND, DIAMOND[0]], names={"b": "x", "c": "x"}, title="toy")
    report = graph.check()
    assert (report.duplicate_edges, report.redundant_edges, report.multi_parent) == (1, 1, 1)
    assert str(report).splitlines() == [
        "title            toy",
        "labels           5",
        "edges            6",
        "levels           4 (1 / 2 / 1 / 1)",
        "roots            1",
        "leaves           1",
        "several parents  1",
        "isolated         0",
        "duplicate names  1",
        "duplicate edges  1 (dropped)",
        "redundant edges  1",
        "",
        "warning  1 name is shared by siblings: 'x' under 'a'",
        "warning  1 edge is redundant: its child is below the parent another way too: a -> d",
        "info     1 edge was given again and is dropped",
        "info     1 label has an only child: d > e",
    ]
