"""What changed between two versions, against sets of ids and edges."""

import contextlib
import io
import json
import re
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.graph.edit.diff import GraphDiff, diff


@st.composite
def versions(draw):
    """Two hierarchies on ids of one small pool, with names and descriptions of few kinds."""
    pool = [f"l{i}" for i in range(8)]
    out = []
    for _ in range(2):
        ids = draw(st.permutations(pool))[: draw(st.integers(1, 8))]
        pairs = [(x, y) for i, x in enumerate(ids) for y in ids[i + 1 :]]
        edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=14)) if pairs else []
        names = {label: draw(st.sampled_from(["red", "blue", label])) for label in ids}
        texts = {label: draw(st.sampled_from(["", "", "some"])) for label in ids}
        out.append(LabelGraph.from_edges(edges, nodes=draw(st.permutations(ids)), names=names, descriptions=texts))
    return out


@settings(max_examples=150, deadline=None)
@given(versions())
def test_diff_matches_sets(pair):
    old, new = (graph.to_networkx() for graph in pair)
    found = diff(*pair)
    both = [label for label in pair[0].label_id if label in new]
    assert found.added == tuple(label for label in pair[1].label_id if label not in old)
    assert found.removed == tuple(label for label in pair[0].label_id if label not in new)
    assert found.replaced == ()
    texts = {key: {x: (old.nodes[x][key], new.nodes[x][key]) for x in both} for key in ("name", "description")}
    changed = {
        key: [(x, *pair_) for x, pair_ in values.items() if pair_[0] != pair_[1]] for key, values in texts.items()
    }
    assert found.renamed == tuple(changed["name"])
    assert found.redescribed == tuple(changed["description"])
    parents = [(x, set(old.predecessors(x)), set(new.predecessors(x))) for x in both]
    assert [(x, set(a), set(b)) for x, a, b in found.moved] == [row for row in parents if row[1] != row[2]]
    touched = {row[0] for row in (*found.renamed, *found.redescribed, *found.moved)}
    assert found.unchanged == len(both) - len(touched)
    assert found.reordered == ([x for x in pair[1].label_id if x in old] != both)
    same = nx.utils.graphs_equal(old, new)
    assert bool(found) != same
    assert (pair[0].fingerprint == pair[1].fingerprint) == (not (found.added or found.removed or found.moved))
    back = diff(pair[1], pair[0])
    assert set(back.added) == set(found.removed) and set(back.removed) == set(found.added)
    assert {(x, b, a) for x, a, b in back.moved} == set(found.moved)
    assert json.loads(json.dumps(found.to_dict()))["unchanged"] == found.unchanged
    assert all("\n" not in line for line in found.lines())


@settings(max_examples=40, deadline=None)
@given(versions(), st.randoms(use_true_random=False))
def test_order_does_not_matter(pair, random):
    graph = pair[0]
    nodes, edges = (
        list(graph.label_id),
        [(graph.label_id[p], graph.label_id[c]) for p, c in graph.edge_index.t().tolist()],
    )
    random.shuffle(nodes)
    random.shuffle(edges)
    names = dict(zip(graph.label_id, graph.name, strict=True))
    texts = dict(zip(graph.label_id, graph.description, strict=True))
    other = LabelGraph.from_edges(edges, nodes=nodes, names=names, descriptions=texts)
    assert not diff(graph, other)
    assert diff(graph, other).reordered == (nodes != graph.label_id)
    assert not diff(graph, graph).reordered


OLD = LabelGraph.from_paths(
    ["Science > Physics > Optics", "Science > Physics > Acoustics", "Art > Film", "Art > Stage"]
)
NEW = LabelGraph.from_edges(
    [("S", "P"), ("P", "O"), ("Art", "Art > Film"), ("P", "A"), ("Art", "A2"), ("S", "Art > Stage")],
    names={"S": "Science", "P": "Physics", "O": "Optics", "Art > Film": "Cinema", "A": "Sound", "Art > Stage": "Stage"},
    descriptions={"Art": "Fine"},
)


def test_new_ids_for_old_labels():
    plain, by_name = OLD.diff(NEW), OLD.diff(NEW, match="name")
    assert len(plain.removed) == 4 and len(plain.added) == 5 and plain.replaced == ()
    ids = "Science", "Science > Physics", "Science > Physics > Optics"
    assert by_name.replaced == tuple(zip(ids, "SPO", strict=True))
    assert by_name.removed == ("Science > Physics > Acoustics",) and by_name.added == ("A", "A2")
    assert by_name.moved == (("Art > Stage", ("Art",), ("S",)),)  # not those whose parent only has another id
    assert by_name.renamed == (("Art > Film", "Film", "Cinema"),)
    assert by_name.redescribed == (("Art", "", "Fine"),)
    assert by_name.unchanged == 0
    twins = LabelGraph.from_edges([("S", "x"), ("S", "y")], names={"S": "Science", "x": "Physics", "y": "Physics"})
    assert OLD.diff(twins, match="name").replaced == (("Science", "S"),)  # which Physics is not clear


def test_report():
    assert str(OLD.diff(NEW, match="name")).splitlines() == [
        "2 added, 1 removed, 3 replaced, 1 renamed, 1 moved, 1 redescribed; 0 unchanged",
        "",
        "added (2)",
        "  + A ('Sound')",
        "  + A2",
        "",
        "removed (1)",
        "  - Science > Physics > Acoustics ('Acoustics')",
        "",
        "replaced (3)",
        "  Science -> S ('Science')",
        "  Science > Physics -> P ('Physics')",
        "  Science > Physics > Optics -> O ('Optics')",
        "",
        "renamed (1)",
        "  Art > Film: 'Film' -> 'Cinema'",
        "",
        "moved (1)",
        "  Art > Stage ('Stage'): Art -> S",
        "",
        "redescribed (1)",
        "  Art: '' -> 'Fine'",
    ]
    assert OLD.diff(NEW, match="name").lines(limit=1)[2:5] == ["added (2)", "  + A ('Sound')", "  ... and 1 more"]
    assert OLD.diff(NEW).lines(limit=0)[2:4] == ["added (5)", "  ... and 5 more"]
    assert str(OLD.diff(OLD)) == "No difference: 7 labels."
    flat = LabelGraph.from_edges([], nodes=["b\x1b", "a"])
    assert str(LabelGraph.from_edges([("a", "b\x1b")]).diff(flat)).splitlines()[1:] == [
        "The labels come in another order.",
        "",
        "moved (1)",
        "  'b\\x1b': a -> (root)",
    ]


def test_dictionary():
    out = OLD.diff(NEW, match="name").to_dict()
    assert list(out) == [
        "added", "removed", "replaced", "renamed", "moved", "redescribed", "unchanged", "reordered"
    ]  # fmt: skip
    assert out["added"] == [{"id": "A", "name": "Sound"}, {"id": "A2", "name": "A2"}]
    assert out["moved"] == [{"id": "Art > Stage", "old": ["Art"], "new": ["S"]}]
    assert out["renamed"] == [{"id": "Art > Film", "old": "Film", "new": "Cinema"}]


def test_tombstones_are_not_there():
    old = LabelGraph.from_edges([("a", "b"), ("a", "c")])
    middle = old.align(LabelGraph.from_edges([("a", "c")])).graph
    assert old.diff(middle).removed == ("b",)
    assert middle.diff(old).added == ("b",)
    assert not middle.diff(LabelGraph.from_edges([("a", "c")]))


def test_wrong_match_and_empty():
    with pytest.raises(ConfigError, match="'match' must be 'id' or 'name', found 'text'"):
        OLD.diff(NEW, match="text")
    assert not GraphDiff()
    assert GraphDiff(added=("a",), names={"a": "a"})


def test_the_page_on_editing_says_what_happens():
    page = (Path(__file__).parents[2] / "docs" / "editing.md").read_text(encoding="utf-8")
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in re.findall(r"```python\n(.*?)```", page, re.S):
            exec(block, names)
    assert printed.getvalue() == re.search(r"```text\n(.*?)```", page, re.S)[1]
    assert "biology" not in names["pruned"].label_id and names["matrix"].toarray().tolist() == [[1, 0, 0, 0]]
    assert names["aligned"].graph.label_id == [*names["graph"].label_id, "quanta"]
    assert names["partition"].to_labels(names["targets"]).toarray().tolist() == [[1, 0, 1, 0, 0]]
