"""Levels of nodes against networkx and naive walks over the nodes."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph
from hgraph.graph.edit import level_partition
from hgraph.graph.edit.level_partition import LevelPartition

POLICIES = ["primary", "copies", "native"]


@st.composite
def hierarchies(draw, most=10):
    """A random DAG on shuffled ids, with isolated labels, several roots and extra parents."""
    size = draw(st.integers(1, most))
    ids = draw(st.permutations([f"l{i}" for i in range(size)]))
    pairs = [(i, j) for j in range(size) for i in range(j)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=2 * most)) if pairs else []
    order = draw(st.permutations(ids))
    return LabelGraph.from_edges([(ids[i], ids[j]) for i, j in chosen], nodes=order)


@st.composite
def partitions(draw, **fixed):
    """A hierarchy, label rows, and options for its partition."""
    graph = draw(hierarchies())
    rows = draw(st.integers(0, 5))
    bits = draw(st.lists(st.booleans(), min_size=rows * graph.num_labels, max_size=rows * graph.num_labels))
    matrix = np.array(bits, dtype=np.float32).reshape(rows, graph.num_labels)
    options = {
        "extra_parents": draw(st.sampled_from(POLICIES)),
        "max_children": draw(st.sampled_from([None, None, 2, 3])),
        "max_copies": draw(st.integers(1, 4)),
        "collapse": draw(st.booleans()),
        "pad": draw(st.sampled_from([True, True, False])),
        "carried": draw(st.sampled_from([None, None, "matrix", "mask"])),
    } | fixed
    if options["carried"] == "matrix":
        options["carried"] = matrix
    elif options["carried"] == "mask":
        options["carried"] = np.array([draw(st.booleans()) for _ in range(graph.num_labels)])
    return graph, matrix, LevelPartition(graph, **options), options


def walk(partition):
    """(level, position) -> (label, is copy, parents), node by node."""
    nodes = {}
    for level in range(1, partition.num_levels + 1):
        parents = partition.parents(level)
        for position, label in enumerate(partition.levels[level - 1].tolist()):
            above = [(level - 1, at) for at in parents[position].indices.tolist()]
            nodes[level, position] = (label, bool(partition.is_copy[level - 1][position]), above)
    return nodes


def drawn_out(nodes, node):
    """Whether a node repeats the one above it."""
    label, is_copy, above = nodes[node]
    return is_copy and len(above) == 1 and nodes[above[0]][0] == label


@settings(max_examples=100, deadline=None)
@given(partitions())
def test_every_level_is_a_partition(case):
    graph, _, partition, options = case
    nodes = walk(partition)
    reference = graph.to_networkx()
    children = {node: [] for node in nodes}
    for node, (_, _, above) in nodes.items():
        for parent in above:
            children[parent].append(node)
    for level in range(1, partition.num_levels + 1):
        parents, parent = partition.parents(level), partition.parent(level)
        assert parent.dtype == partition.levels[level - 1].dtype == np.int64
        assert (np.diff(parent) >= 0).all()  # siblings are next to each other
        if level == 1:
            assert (parent == -1).all() and parents.shape == (len(parent), 0)
            assert sorted(partition.levels[0]) == sorted(set(partition.levels[0]))
            continue
        assert parents.shape == (partition.num_nodes[level - 1], partition.num_nodes[level - 2])
        assert all(parents[row, parent[row]] for row in range(len(parent)))
        if options["extra_parents"] != "native":
            assert (np.diff(parents.indptr) == 1).all()
        assert (partition.children(level - 1) != parents.T).nnz == 0
    if options["pad"]:
        assert all(children[node] for node in nodes if node[0] < partition.num_levels)
    if options["max_children"]:
        assert all(len(below) <= options["max_children"] for below in children.values())
    for below in children.values():
        labels = [nodes[node][0] for node in below if nodes[node][0] >= 0]
        assert len(labels) == len(set(labels))
    own = [label for label, is_copy, _ in nodes.values() if label >= 0 and not is_copy]
    assert len(own) == len(set(own))
    assert set(own) == set(range(graph.num_labels)) or options["collapse"]
    if not options["max_children"] and not options["collapse"]:
        assert all(graph.level[label] == node[0] for node, (label, _, _) in nodes.items() if not drawn_out(nodes, node))
        for node, (label, _, above) in nodes.items():
            found = {graph.label_id[nodes[parent][0]] for parent in above}
            known = set(reference.predecessors(graph.label_id[label]))
            if drawn_out(nodes, node):
                assert found == {graph.label_id[label]}
            elif options["extra_parents"] == "native":
                assert found == known
            else:
                assert found <= known and len(found) == min(1, len(known))
    covered = set(partition.levels[-1].tolist()) - {-1}
    closed = covered.union(*(graph.indices(nx.ancestors(reference, graph.label_id[x])).tolist() for x in covered))
    assert closed == set(range(graph.num_labels)) or not options["pad"]
    assert -1 not in partition.levels[-1] or not options["pad"]


def naive_targets(partition, nodes, closed):
    """Bottom nodes by their own label, all others by their children; for one document and `carried` by default."""
    children, positive = {node: [] for node in nodes}, {}
    for node, (_, _, above) in nodes.items():
        for parent in above:
            children[parent].append(node)

    def carries(node):  # whether what stands in a node is true of the document
        label = nodes[node][0]
        if label >= 0:
            return label in closed
        return any(carries(child) for child in children[node])

    for node in sorted(nodes, reverse=True):
        label = nodes[node][0]
        if children[node]:
            positive[node] = any(positive[child] for child in children[node])
            continue
        others, at = False, node  # up the copies: has the label a child that is true of the document?
        while drawn_out(nodes, at):
            at = nodes[at][2][0]
            others |= any(carries(child) for child in children[at] if not drawn_out(nodes, child))
        positive[node] = label in closed and not others
    return positive


@settings(max_examples=50, deadline=None)
@given(partitions(pad=True, carried=None, collapse=False))
def test_targets_match_a_walk_over_the_nodes(case):
    graph, matrix, partition, _ = case
    nodes, closed = walk(partition), graph.expand(matrix)
    for row in range(len(matrix)):
        expected = naive_targets(partition, nodes, set(closed[row].indices.tolist()))
        for level in range(1, partition.num_levels + 1):
            got = partition.to_nodes(matrix, level).toarray()[row]
            assert got.tolist() == [expected[level, at] for at in range(partition.num_nodes[level - 1])]


@settings(max_examples=100, deadline=None)
@given(partitions(pad=True))
def test_labels_come_back(case):
    graph, matrix, partition, options = case
    closed = graph.expand(matrix)
    nodes = partition.to_nodes(matrix)
    assert nodes.dtype == np.float32 and nodes.shape == (len(matrix), partition.num_nodes[-1])
    assert (partition.to_nodes(closed) != nodes).nnz == 0  # ancestors make no difference
    sparse, dense = partition.to_labels(nodes), partition.to_labels(nodes.toarray())
    np.testing.assert_array_equal(sparse.toarray(), dense)
    if not isinstance(options["carried"], np.ndarray) or options["carried"].ndim == 2:
        np.testing.assert_array_equal(dense, closed.toarray())
    else:  # documents whose most specific label is an inner one without a copy of its own lose it
        assert (dense <= closed.toarray()).all()
    if options["carried"] is None and not options["collapse"] and not options["max_children"]:
        for level in range(1, partition.num_levels + 1):
            got = partition.to_labels(partition.to_nodes(matrix, level), level)
            np.testing.assert_array_equal(got.toarray(), closed.toarray() * (graph.level.numpy() <= level))


@settings(max_examples=60, deadline=None)
@given(partitions(pad=True), st.integers(0, 2**32 - 1))
def test_scores_match_a_loop(case, seed):
    graph, _, partition, _ = case
    reference, generator = graph.to_networkx(), np.random.default_rng(seed)
    for level in range(1, partition.num_levels + 1):
        scores = generator.normal(size=(3, partition.num_nodes[level - 1])).astype(np.float32)
        stored = generator.random(scores.shape) < 0.6
        expected, some = np.full((2, 3, graph.num_labels), -9, dtype=np.float32)
        for at, owner in enumerate(partition.owners[level - 1].tolist()):
            for label in [owner, *graph.indices(nx.ancestors(reference, graph.label_id[owner]))]:
                expected[:, label] = np.maximum(expected[:, label], scores[:, at])
                some[:, label] = np.where(stored[:, at], np.maximum(some[:, label], scores[:, at]), some[:, label])
        dense = partition.to_labels(scores, level, fill=-9)
        assert dense.dtype == np.float32
        np.testing.assert_array_equal(dense, expected)
        rows, cols = np.nonzero(stored)
        sparse = partition.to_labels(sp.csr_array((scores[rows, cols], (rows, cols)), shape=scores.shape), level)
        assert isinstance(sparse, sp.csr_array) and sparse.dtype == np.float32
        filled = np.full(sparse.shape, -9, dtype=np.float32)
        rows, cols, values = sp.find(sparse)
        filled[rows, cols] = values
        np.testing.assert_array_equal(filled, some)


@settings(max_examples=100, deadline=None)
@given(hierarchies(), st.integers(1, 5))
def test_copies_are_ways_down(graph, most):
    reference, ways = graph.to_networkx(), {}
    for label in nx.topological_sort(reference):
        above = list(reference.predecessors(label))
        ways[label] = min(most, sum(ways[parent] for parent in above) if above else 1)
    partition = LevelPartition(graph, extra_parents="copies", max_copies=most)
    nodes = walk(partition)
    found = [graph.label_id[nodes[node][0]] for node in nodes if not drawn_out(nodes, node)]
    assert {label: found.count(label) for label in graph.label_id} == ways
    for label in graph.label_id:  # one under each parent, before there is a second one under any
        above = [
            nodes[nodes[x][2][0]][0]
            for x in nodes
            if nodes[x][0] == graph.index(label) and not drawn_out(nodes, x) and nodes[x][2]
        ]
        if ways[label] >= reference.in_degree(label):
            assert set(above) == set(graph.parents[graph.index(label)].indices.tolist())
        else:
            assert len(set(above)) == len(above)


@settings(max_examples=30, deadline=None)
@given(hierarchies(), st.integers(0, 2**32 - 1))
def test_affinity_chooses_the_parent(graph, seed):
    scores = np.random.default_rng(seed).integers(0, 3, (graph.num_labels, graph.num_labels)).astype(float)
    edges = graph.edge_index.t().tolist()
    expected = {}
    for parent, child in edges:
        if child not in expected or scores[child, parent] > scores[child, expected[child]]:
            expected[child] = parent
    for affinity in (scores, sp.csr_matrix(scores), sp.csr_array(scores), lambda child, parent: scores[child, parent]):
        partition = LevelPartition(graph, affinity=affinity)
        nodes = walk(partition)
        found = {
            label: nodes[above[0]][0]
            for node, (label, _, above) in nodes.items()
            if above and not drawn_out(nodes, node)
        }
        assert found == expected
    first = LevelPartition(graph)
    nodes = walk(first)
    for node, (label, _, above) in nodes.items():
        if above and not drawn_out(nodes, node):
            assert nodes[above[0]][0] == graph.path(label)[-2]


@settings(max_examples=60, deadline=None)
@given(partitions())
def test_nodes_as_a_hierarchy(case):
    graph, _, partition, _ = case
    out = partition.to_graph()
    assert out.num_labels == sum(partition.num_nodes)
    assert out.level.tolist() == [level for level, size in enumerate(partition.num_nodes, 1) for _ in range(size)]
    assert out.label.tolist() == np.concatenate(partition.levels).tolist()
    assert out.kind.count("copy") == partition.num_copies
    assert [kind == "cluster" for kind in out.kind] == [
        label < 0 and not copied
        for label, copied in zip(out.label.tolist(), np.concatenate(partition.is_copy).tolist(), strict=True)
    ]
    nodes, offsets = walk(partition), np.cumsum([0, *partition.num_nodes])
    expected = {
        (offsets[p_level - 1] + p, offsets[level - 1] + at)
        for (level, at), (_, _, above) in nodes.items()
        for p_level, p in above
    }
    assert set(map(tuple, out.edge_index.t().tolist())) == expected
    own = [label for label, kind in zip(out.label_id, out.kind, strict=True) if kind == "label"]
    assert set(own) <= set(graph.label_id)


def test_carried_by_documents():
    graph = LabelGraph.from_edges([("a", "b"), ("b", "c"), ("a", "d"), ("d", "e"), ("d", "f")])
    matrix = graph.expand(graph_rows(graph, [["c"], ["d"], ["e"]]))
    partition = LevelPartition(graph, carried=matrix)
    assert [[graph.label_id[x] for x in level] for level in partition.levels] == [
        ["a"],
        ["b", "d"],
        ["c", "d", "e", "f"],
    ]
    assert repr(partition) == "LevelPartition(levels=3, nodes=1 / 2 / 4, copies=1)"
    short = LevelPartition(graph, carried=matrix, collapse=True)  # `b` stands for nothing that `c` does not
    assert [[graph.label_id[x] for x in level] for level in short.levels[1:]] == [["c", "d"], ["c", "d", "e", "f"]]
    assert short.to_labels(short.to_nodes(matrix)).toarray().tolist() == matrix.toarray().tolist()
    assert [is_copy.tolist() for is_copy in short.is_copy][1:] == [[False, False], [True, True, False, False]]
    assert LevelPartition(graph, carried=np.zeros(6, dtype=bool)).num_copies == 0


def graph_rows(graph, documents):
    matrix = np.zeros((len(documents), graph.num_labels), dtype=np.int64)
    for row, labels in enumerate(documents):
        matrix[row, graph.indices(labels)] = 1
    return matrix


def test_the_parent_of_another_level_is_copied_across_the_gap():
    graph = LabelGraph.from_edges([("r", "x"), ("r", "a"), ("a", "b"), ("b", "x")])  # `x` is listed below `r` first
    partition = LevelPartition(graph, carried=np.zeros(4, dtype=bool))
    assert [[graph.label_id[x] for x in level] for level in partition.levels] == [
        ["r"],
        ["r", "a"],
        ["r", "b"],
        ["x", "b"],
    ]
    assert partition.parent(4).tolist() == [0, 1]
    assert partition.is_copy[2].tolist() == [True, False]
    # A document about `x` is about `b` too; nothing below `b` says so, and its last node does.
    assert partition.to_nodes(graph_rows(graph, [["x"]])).toarray().tolist() == [[1, 1]]


def test_clusters_of_the_hierarchy_are_no_labels():
    graph = LabelGraph.from_edges([("r", x) for x in "abcd"]).split_fan_out(2)
    partition = LevelPartition(graph)
    bottom = [graph.label_id[x] for x in partition.levels[-1]]
    assert sorted(bottom) == ["a", "b", "c", "d", "r"]
    inside = LevelPartition(LabelGraph.from_edges([("r", x) for x in "abcd"]), max_children=3)
    assert inside.num_nodes == [1, 3, 5] and [level.tolist().count(-1) for level in inside.levels] == [0, 2, 0]
    assert inside.to_graph().name[2:4] == ["r [1/2]", "r [2/2]"]


def test_ids_of_copies_do_not_clash():
    graph = LabelGraph.from_edges([("a", "b"), ("a", "a@2.0")])
    assert graph.level_partition().to_graph().label_id == ["a", "a@@2.0", "b", "a@2.0"]


def test_limit_of_nodes(monkeypatch):
    monkeypatch.setattr(level_partition, "MAX_NODES", 5)
    with pytest.raises(ConfigError, match="would have 6 nodes on 3 levels, more than 5"):
        LabelGraph.from_edges([("a", "b"), ("b", "c")]).level_partition()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"extra_parents": "none"},
            ConfigError,
            "'extra_parents' must be 'primary', 'copies' or 'native', found 'none'",
        ),
        ({"extra_parents": "copies", "max_copies": 0}, ConfigError, "'max_copies' must be an integer of at least 1"),
        ({"max_children": 1}, ConfigError, "'max_children' must be an integer of at least 2"),
        ({"max_children": 2, "grouping": "x"}, ConfigError, "'grouping' must be 'order', 'name' or a function"),
        (
            {"carried": [True]},
            DataError,
            r"'carried' must be a mask of 3 labels or a label matrix, found bool of shape \[1\]",
        ),
        ({"carried": [1, 0, 1]}, DataError, "found int64"),
        ({"carried": np.ones((2, 4))}, DataError, "'label_matrix' must have shape"),
        ({"affinity": np.ones((2, 2))}, DataError, r"'affinity' must have shape \[3, 3\], found \[2, 2\]"),
        ({"affinity": lambda child, parent: [1.0]}, DataError, "a number for each of 2 edges"),
        ({"affinity": np.full((3, 3), np.nan)}, DataError, "found nan"),
    ],
)
def test_wrong_options(options, error, message):
    with pytest.raises(error, match=message):
        LevelPartition(LabelGraph.from_edges([("a", "b"), ("b", "c")]), **options)


def test_wrong_levels_and_scores():
    partition = LabelGraph.from_edges([("a", "b")]).level_partition()
    for call in (partition.parent, partition.parents, partition.children):
        with pytest.raises(ConfigError, match="'level' must be between 1 and 2, found"):
            call(3)
    with pytest.raises(ConfigError):
        partition.children(2)
    with pytest.raises(DataError, match=r"'scores' must have shape \[num_documents, 2\] on level 2, found \[1, 3\]"):
        partition.to_labels(np.ones((1, 3)))
    with pytest.raises(DataError, match="'label_matrix' must have shape"):
        partition.to_nodes(np.ones((1, 3)))


@pytest.mark.parametrize("dtype", [bool, np.int32, np.float64])
def test_one_label(dtype):
    partition = LabelGraph.from_edges([], nodes=["only"]).level_partition(max_children=2, collapse=True)
    assert (partition.num_levels, partition.num_nodes, partition.num_copies) == (1, [1], 0)
    for scores in (np.array([[1], [0]], dtype=dtype), np.zeros((0, 1), dtype=dtype)):
        out = partition.to_labels(scores)
        assert out.dtype == dtype and out.tolist() == scores.tolist()
        assert partition.to_nodes(scores).toarray().tolist() == scores.tolist()
        assert partition.to_labels(sp.csr_matrix(scores)).toarray().tolist() == scores.tolist()
