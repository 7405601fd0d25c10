"""The check report and the diagnosis of edges, against networkx and naive loops."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import DataError, TaxonomyError
from hgraph.graph import LabelGraph
from hgraph.graph.checks.diagnose import MAX_CYCLES, diagnose_edges
from hgraph.graph.checks.findings import Finding, by_severity
from hgraph.graph.checks.report import check_graph
from hgraph.graph.checks.shape import redundant_edges


@st.composite
def hierarchies(draw):
    """A random DAG whose names repeat and differ in case."""
    size = draw(st.integers(1, 12))
    ids = draw(st.permutations([f"l{i}" for i in range(size)]))
    pairs = [(i, j) for j in range(size) for i in range(j)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=30)) if pairs else []
    names = draw(st.lists(st.sampled_from(["x", "X", "x ", "y", "", "z"]), min_size=size, max_size=size))
    return LabelGraph.from_edges([(ids[i], ids[j]) for i, j in chosen], nodes=ids, names=names)


def count(report, code):
    finding = report.finding(code)
    return finding.count if finding else 0


@settings(max_examples=80, deadline=None)
@given(hierarchies())
def test_redundant_edges_match_networkx(graph):
    reference = graph.to_networkx()
    expected = set(reference.edges) - set(nx.transitive_reduction(reference).edges)
    found = {(graph.label_id[p], graph.label_id[c]) for p, c in redundant_edges(graph).T.tolist()}
    assert found == expected
    report = check_graph(graph)
    assert report.redundant_edges == count(report, "redundant-edges") == len(expected)


def siblings(graph):
    """Sets of labels below one parent, and the roots."""
    rows = [set(graph.children[label].indices.tolist()) for label in range(graph.num_labels)]
    return [*rows, set(graph.roots.tolist())]


@settings(max_examples=80, deadline=None)
@given(hierarchies())
def test_names_match_a_naive_loop(graph):
    report, names = check_graph(graph), graph.name
    near, shared_near, mixed_near = 0, set(), set()
    for group in siblings(graph):
        for name in {names[label] for label in group if names[label].strip()}:
            if sum(names[label] == name for label in group) > 1:
                near += 1
                shared_near.add(name)
        for folded in {names[label].strip().lower() for label in group} - {""}:
            if len({names[label] for label in group if names[label].strip().lower() == folded}) > 1:
                mixed_near.add(folded)
    shared = {name for name in names if name and names.count(name) > 1}
    spellings = {
        name.strip().lower(): {n for n in names if n.strip().lower() == name.strip().lower()} for name in names
    }
    mixed = {folded for folded, variants in spellings.items() if folded and len(variants) > 1}
    assert count(report, "duplicate-sibling-names") == near
    assert count(report, "duplicate-names") == len(shared - shared_near)
    assert count(report, "similar-sibling-names") == len(mixed_near)
    assert count(report, "similar-names") == len(mixed - mixed_near)
    assert count(report, "empty-names") == names.count("")


@settings(max_examples=60, deadline=None)
@given(hierarchies(), st.data())
def test_documents_match_a_naive_loop(graph, data):
    rows = data.draw(st.integers(0, 5))
    size = rows * graph.num_labels
    bits = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    dense = np.array(bits, dtype=bool).reshape(rows, graph.num_labels)
    report = check_graph(graph, sp.csr_matrix(dense))
    reference = graph.to_networkx()
    ids = graph.label_id
    closed = [
        {x for label in np.flatnonzero(row) for x in nx.ancestors(reference, ids[label]) | {ids[label]}}
        for row in dense
    ]
    have = {label: {i for i, row in enumerate(closed) if label in row} for label in ids}
    specific = {label for row in closed for label in row if not nx.descendants(reference, label) & row}
    only = [(p, next(iter(reference[p]))) for p in ids if reference.out_degree(p) == 1]
    assert report.documents == rows
    assert count(report, "labels-without-documents") == sum(not documents for documents in have.values())
    assert count(report, "documents-without-labels") == sum(not row for row in closed)
    assert count(report, "never-most-specific") == sum(bool(have[label]) and label not in specific for label in ids)
    assert count(report, "same-documents") == sum(bool(have[p]) and have[p] == have[c] for p, c in only)


def test_findings_of_a_messy_hierarchy():
    graph = LabelGraph.from_edges(
        [("a", "b"), ("b", "c"), ("a", "c"), ("a", "d"), ("d", "e"), ("e", "f"), ("g", "h"), ("g", "h")],
        nodes=[*"abcdefgh", "alone"],
        names={"a": "Top", "b": "Same", "d": "Same", "g": "top", "f": ""},
        title="messy",
    )
    assert str(graph.check()).splitlines() == [
        "title            messy",
        "labels           9",
        "edges            7",
        "levels           4 (3 / 3 / 2 / 1)",
        "roots            3",
        "leaves           4",
        "several parents  1",
        "isolated         1",
        "duplicate names  1",
        "duplicate edges  1 (dropped)",
        "redundant edges  1",
        "",
        "warning  1 label has an empty name: f",
        "warning  1 name is shared by siblings: 'Same' under 'Top'",
        "warning  1 name has spellings that differ in case or spaces among siblings: 'Top' / 'top'",
        "warning  1 edge is redundant: its child is below the parent another way too: a -> c",
        "warning  1 label has neither parent nor child: alone",
        "info     1 edge was given again and is dropped",
        "info     2 roots: Top, top",
        "info     3 labels have an only child: Same > e > f, top > h",
        "info     leaves lie on levels 2 to 4, most of them on level 2: f (level 4), c (level 3)",
    ]


def test_a_clean_hierarchy_has_no_findings():
    report = LabelGraph.from_edges([("a", "b"), ("a", "c")]).check()
    assert report.findings == []
    assert str(report).endswith("redundant edges  0")
    assert LabelGraph.from_edges([], nodes=["a", "b"]).check().findings == []


def test_long_chains_and_wide_labels():
    chain = [(f"c{i}", f"c{i + 1}") for i in range(8)]
    report = LabelGraph.from_edges(chain).check()
    assert report.finding("only-children").count == 8
    assert report.finding("only-children").examples == ["c0 > c1 > c2 > ... > c8"]
    wide = [("w", f"x{i}") for i in range(150)] + [(f"x{i}", f"y{i}{j}") for i in range(5) for j in "ab"]
    report = LabelGraph.from_edges(wide).check()
    assert report.finding("unbalanced-fan-out").examples == ["w (150)"]
    assert report.finding("only-children") is None
    assert LabelGraph.from_edges(wide[:150]).check().finding("unbalanced-fan-out") is None  # the median itself is 150


def test_labels_without_documents_say_where():
    graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d"), ("b", "e"), ("c", "f"), ("c", "g")])
    finding = check_graph(graph, np.eye(7)[[3, 3]]).finding("labels-without-documents")
    assert str(finding) == ("warning  4 labels have no documents (level 2: 1 of 2, level 3: 3 of 4): c, e, f, ...")
    with pytest.raises(DataError, match="'label_matrix' must have shape"):
        check_graph(graph, np.zeros((2, 3)))


def test_examples_stay_on_one_line_and_errors_come_first():
    found = by_severity([Finding("info", "i", "m", 1, ["a\nb"]), Finding("error", "e", "m", 9, list("abcd"))])
    assert [str(finding) for finding in found] == ["error    m: a, b, c, ...", "info     m: a b"]


def test_long_examples_lose_their_middle_unless_alone():
    long = "a" * 50 + " middle " + "b" * 50
    assert str(Finding("info", "i", "m", 1, [long])) == f"info     m: {long}"
    line = str(Finding("info", "i", "m", 2, [long, "c"]))
    assert " ... " in line and line.endswith("bbb, c") and "middle" not in line and len(line) < 90


def test_deep_and_large_hierarchies_are_checked():
    size = 20_000
    chain = LabelGraph.from_edges([(str(i), str(i + 1)) for i in range(1500)] + [("0", "1500")])
    assert chain.check().redundant_edges == 1
    generator = np.random.default_rng(0)
    child = np.arange(1, size)
    edges = [
        (str(p), str(c)) for p, c in zip((child * generator.random(size - 1) * 0.5).astype(int), child, strict=True)
    ]
    report = LabelGraph.from_edges(edges).check()
    assert report.redundant_edges == 0 and report.labels == size


# Edges before a hierarchy is built


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=25))
def test_diagnosis_matches_networkx_and_building(edges):
    findings = diagnose_edges(edges)
    reference = nx.DiGraph(edges)
    loops = list(nx.selfloop_edges(reference))
    assert sum(f.count for f in findings if f.code == "self-loops") == len(loops)
    reference.remove_edges_from(loops)
    groups = [group for group in nx.strongly_connected_components(reference) if len(group) > 1]
    cycles = [finding.examples[0].split(" -> ") for finding in findings if finding.code == "cycle"]
    assert len(cycles) == len(groups)
    for cycle in cycles:
        assert cycle[0] == cycle[-1] and len(set(cycle)) == len(cycle) - 1
        assert all(reference.has_edge(*pair) for pair in pairwise(cycle))
        group = reference.subgraph(next(group for group in groups if cycle[0] in group))
        shortest = min(nx.shortest_path_length(group, child, parent) + 1 for parent, child in group.edges)
        assert len(cycle) - 1 == shortest
    try:
        LabelGraph.from_edges(edges)
        built = True
    except TaxonomyError:
        built = False
    assert built == (not any(finding.severity == "error" for finding in findings))


def test_all_problems_at_once():
    edges = [("a", "b"), ("a", "b"), ("b", "a"), ("c", "c"), ("x", "a"), "ab", (1, "a"), ("a", " "), ("a",)]
    findings = diagnose_edges(edges, nodes=["a", "b", "c", "c", "", "alone"])
    assert [(finding.severity, finding.code, finding.count) for finding in findings] == [
        ("error", "malformed-edges", 4),
        ("error", "malformed-ids", 1),
        ("error", "duplicate-ids", 1),
        ("error", "unknown-labels", 1),
        ("error", "self-loops", 1),
        ("error", "cycle", 1),
        ("warning", "duplicate-edges", 1),
        ("warning", "isolated-labels", 1),
    ]
    assert findings[3].examples == ["x -> a ('x')"]
    assert diagnose_edges([("a", "b")]) == []
    assert diagnose_edges([], nodes=["a"]) == []
    assert [finding.code for finding in diagnose_edges([])] == ["no-labels"]


def test_many_and_long_cycles():
    pairs = [edge for i in range(MAX_CYCLES + 5) for edge in ((f"a{i}", f"b{i}"), (f"b{i}", f"a{i}"))]
    findings = diagnose_edges(pairs)
    assert [finding.code for finding in findings] == ["cycle"] * MAX_CYCLES + ["more-cycles"]
    assert findings[-1].count == 5 and findings[0].examples == ["a0 -> b0 -> a0"]
    ring = [(str(i), str((i + 1) % 500)) for i in range(500)]
    (finding,) = diagnose_edges(ring)
    assert "a cycle of 500 labels" in finding.message
    assert finding.examples[0].startswith("0 -> 1 -> 2") and "... (490 more)" in finding.examples[0]
    assert len(diagnose_edges([("a", "b")] * 300 + [("b", "a")] * 300)) == 2  # repeats do not hide a cycle
