"""Trees, search, pages and pictures of hierarchies; the page also in a real browser where there is one."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError, DataError, UnknownLabelError
from hgraph.graph import LabelGraph
from hgraph.graph.render import (
    count_descendants,
    explorer,
    explorer_html,
    label_paths,
    search_labels,
    tree_lines,
    write_explorer,
    write_picture,
)
from hgraph.graph.render.counts import branch
from hgraph.graph.render.picture import place
from hgraph.graph.render.tree import printable

DIAMOND = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e"), ("d", "f")]
NASTY = {
    "s": "</script><script>document.documentElement.dataset.hacked='yes'</script>",
    "q": "\"quotes\" & 'more' {{ 7 * 7 }} \u2028 <!-- <b>",
    "r": "שלום עולם",
    "e": "🧬 émoji",
    "n": "two\nlines\x1b[31m",
}


@st.composite
def hierarchies(draw):
    size = draw(st.integers(1, 12))
    ids = draw(st.permutations([f"l{i}" for i in range(size)]))
    pairs = [(i, j) for j in range(size) for i in range(j)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=30)) if pairs else []
    return LabelGraph.from_edges([(ids[i], ids[j]) for i, j in chosen], nodes=draw(st.permutations(ids)))


def draw(graph, **options):
    return "\n".join(map(str, tree_lines(graph, **options)))


# Counts and paths


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_descendants_branches_and_paths_match_networkx(graph):
    reference, ids = graph.to_networkx(), graph.label_id
    assert count_descendants(graph).tolist() == [len(nx.descendants(reference, label)) for label in ids]
    for node, label in enumerate(ids):
        assert {ids[i] for i in branch(graph, node)} == nx.descendants(reference, label) | {label}
        paths, total = label_paths(graph, label, limit=1000)
        expected = [
            path
            for root in graph.roots
            for path in (nx.all_simple_paths(reference, ids[root], label) if ids[root] != label else [[label]])
        ]
        assert sorted([ids[i] for i in path] for path in paths) == sorted(expected)
        assert total == len(expected)
        assert paths[0] == graph.path(label)
        assert label_paths(graph, label, limit=1)[0] == paths[:1]


def test_paths_of_a_ladder_are_counted_without_being_walked():
    edges = [(f"{i}{side}", f"{i + 1}{other}") for i in range(200) for side in "ab" for other in "ab"]
    paths, total = label_paths(LabelGraph.from_edges(edges), "200a", limit=3)
    assert len(paths) == 3 and total == 2**200
    with pytest.raises(UnknownLabelError):
        label_paths(LabelGraph.from_edges(edges), 10_000)


# Trees


def test_tree_of_a_dag():
    graph = LabelGraph.from_edges(DIAMOND, names={"d": "Delta"})
    assert draw(graph, depth=0, ids=True, documents=[9, 5, 4, 1, 0, 1]).splitlines() == [
        "a  (5 below, 9 documents)",
        "├── b  (3 below, 5 documents)",
        "│   └── Delta  d  (2 below, 1 document, also under c)",
        "│       ├── e  (0 documents)",
        "│       └── f  (1 document)",
        "└── c  (3 below, 4 documents)",
        "    └── Delta  d  (2 below, 1 document, also under b; see above)",
    ]


def test_depth_limit_root_and_ascii():
    edges = [("a", f"b{i}") for i in range(30)] + [("b0", "x")]
    graph = LabelGraph.from_edges(edges)
    assert draw(graph, limit=2, ascii_only=True).splitlines() == [
        "a  (31 below)",
        "|-- b0  (1 below)",
        "|-- b1",
        "`-- ... 28 more",
    ]
    assert draw(graph, depth=1) == "a  (31 below)"
    assert draw(graph, limit=0, depth=0).count("\n") == 31
    assert draw(graph, root="b0").splitlines() == ["b0  (1 below)", "└── x"]
    assert draw(graph, root=1) == draw(graph, root="b0")
    for wrong in ("zz", 99):
        with pytest.raises(UnknownLabelError):
            draw(graph, root=wrong)
    with pytest.raises(DataError, match="'documents' must hold one count"):
        draw(graph, documents=[1, 2])


@settings(max_examples=60, deadline=None)
@given(hierarchies())
def test_a_full_tree_shows_every_edge_once_opened(graph):
    lines = list(tree_lines(graph, depth=0, limit=0))
    first = [line.label for line in lines]
    assert set(first) == set(range(graph.num_labels))
    assert len(lines) == graph.parents.nnz + len(graph.roots)  # every label is opened once, so every edge drawn once


def test_a_deep_tree_needs_no_recursion_and_streams():
    graph = LabelGraph.from_edges([(str(i), str(i + 1)) for i in range(1500)])
    assert sum(1 for _ in tree_lines(graph, depth=0)) == 1501
    assert next(tree_lines(graph)).name == "0"


def test_names_cannot_break_a_line_or_a_terminal():
    graph = LabelGraph.from_edges([], nodes=list(NASTY), names=NASTY)
    lines = draw(graph).split("\n")
    assert len(lines) == len(NASTY)
    assert "two lines[31m" in lines and not any("\x1b" in line for line in lines)
    assert printable("a\u202eb") == "ab"


# Search


def test_search_ranks_and_restricts():
    graph = LabelGraph.from_edges(
        [],
        nodes=["x1", "x2", "bear", "x4"],
        names=["Sea bear", "Bearing (part)", "Animal", "Bear"],
        descriptions=["", "a ring", "", "lives in SEA or on land"],
    )
    assert search_labels(graph, "BEAR").tolist() == [2, 3, 1, 0]
    assert search_labels(graph, "bear sea").tolist() == [0]
    assert search_labels(graph, "sea", fields=("name", "description")).tolist() == [0, 3]
    assert search_labels(graph, "^bear", mode="regex", fields=("name",)).tolist() == [1, 3]
    assert search_labels(graph, "nothing").tolist() == []
    assert search_labels(graph, "nothing").dtype == np.int64
    for wrong in (
        {"text": " "},
        {"text": "(", "mode": "regex"},
        {"text": "a", "mode": "fuzzy"},
        {"text": "a", "fields": ()},
    ):
        with pytest.raises(ConfigError):
            search_labels(graph, **wrong)


# The page


class Page(HTMLParser):
    """Collects attributes that load something, scripts and the tags of a page."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.scripts, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value for key, value in attrs if key in ("src", "href", "action", "data")]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script":
            self.scripts[-1] += data


def nasty_graph():
    edges = [("s", "q"), ("s", "r"), ("q", "e"), ("r", "e"), ("e", "n")]
    return LabelGraph.from_edges(
        edges,
        names=NASTY,
        descriptions={"e": "</script> http://example.org"},
        title="<i>T</i> & </title>",
        license="<b>",
        source="http://example.org/x",
    )


def test_the_page_holds_the_hierarchy_and_loads_nothing():
    graph = nasty_graph()
    text = explorer_html(graph, documents=[5, 4, 3, 2, 0])
    page = Page(text)
    assert page.loads == [] and not set(page.tags) & {"link", "img", "iframe", "i", "b"}
    assert len(page.scripts) == 2 and page.tags.count("title") == 1
    assert "&lt;i&gt;T&lt;/i&gt; &amp; &lt;/title&gt;" in text
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp|innerHTML|eval\(", text)
    data = json.loads(page.scripts[0])
    assert (data["id"], data["name"], data["description"]) == (graph.label_id, graph.name, graph.description)
    assert list(zip(data["parent"], data["child"], strict=True)) == [tuple(e) for e in graph.edge_index.t().tolist()]
    assert data["level"] == graph.level.tolist() and data["below"] == count_descendants(graph).tolist()
    assert data["count"] == [5, 4, 3, 2, 0] and data["kind"] == "DAG"
    assert (data["license"], data["source"]) == ("<b>", "http://example.org/x")
    assert [finding["severity"] for finding in data["findings"]] == [f.severity for f in graph.check().findings]
    assert not set("<>&\u2028") & set(page.scripts[0])
    assert json.loads(Page(explorer_html(graph)).scripts[0])["count"] is None


def test_pages_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    graph = nasty_graph()
    write_explorer(graph, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == explorer_html(graph)
    with pytest.raises(ConfigError, match="the file exists"):
        write_explorer(graph, tmp_path / "page.html")
    write_explorer(graph, tmp_path / "page.html", overwrite=True)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_explorer(graph, tmp_path / "no" / "page.html")
    monkeypatch.setattr(explorer, "MAX_LABELS", 3)
    with pytest.raises(ConfigError, match="too large for one page: 5 labels, expected at most 3"):
        write_explorer(graph, tmp_path / "other.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


# The picture


@settings(max_examples=60, deadline=None)
@given(hierarchies(), st.booleans(), st.randoms())
def test_bars_lie_inside_their_parents_and_beside_each_other(graph, counted, random):
    documents = [random.randrange(5) for _ in range(graph.num_labels)] if counted else None
    icicle, above = place(graph, documents), graph._structure.primary_parent
    bottom, close = icicle.top + icicle.height, 1e-9
    assert icicle.height.min() >= 0 and bottom.max() <= 1 + close and icicle.top.min() >= -close
    if documents is None:
        assert np.isclose(icicle.height[graph.roots].sum(), 1)
    for label, parent in enumerate(above.tolist()):
        if parent >= 0:
            assert icicle.column[label] == icicle.column[parent] + 1
            assert icicle.top[label] >= icicle.top[parent] - close and bottom[label] <= bottom[parent] + close
    for column in range(icicle.column.max() + 1):
        bars = sorted((icicle.top[i], bottom[i]) for i in np.flatnonzero(icicle.column == column) if icicle.height[i])
        assert all(before[1] <= after[0] + close for before, after in pairwise(bars))


def test_pictures_are_written(tmp_path):
    pytest.importorskip("matplotlib")
    graph = nasty_graph()
    write_picture(graph, tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n")
    with pytest.raises(ConfigError, match="the file exists"):
        write_picture(graph, tmp_path / "a.png")
    write_picture(graph, tmp_path / "a.png", overwrite=True)
    assert (tmp_path / "a.png").read_bytes() == data
    write_picture(graph, tmp_path / "b.png", documents=[0] * 5)
    write_picture(LabelGraph.from_edges([], nodes=["$one_"]), tmp_path / "c.png")
    with pytest.raises(DataError):
        write_picture(graph, tmp_path / "d.png", documents=[1])
    with pytest.raises(ConfigError, match="cannot be written"):
        write_picture(graph, tmp_path / "no" / "d.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png", "c.png"]


def test_a_missing_matplotlib_is_one_clear_error(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"needs the package 'matplotlib': pip install \"hgraph-text\[plot\]\""):
        write_picture(nasty_graph(), tmp_path / "a.png")


# The page in a browser

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
SELF_TEST = """<script>addEventListener("load", () => {
  const out = {}, $ = (id) => document.getElementById(id), tree = $("tree"), input = $("query");
  const press = (node, key) => node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const type = (text) => { input.value = text; input.dispatchEvent(new Event("input")); };
  const heading = () => document.querySelector("#details h2").textContent;
  const selected = () => [...document.querySelectorAll("#tree [aria-selected=true] .name")].map((x) => x.textContent);
  try { %s } catch (error) { out.error = String(error); }
  document.title = "RESULT" + JSON.stringify(out) + "END";
});</script>"""


def in_browser(path, steps="", hash=""):
    """The document after it ran, and what the steps left in `out`."""
    if steps:
        text = path.read_text(encoding="utf-8")
        path = path.with_name("test.html")
        path.write_text(text.replace("</body>", SELF_TEST % steps + "</body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--window-size=1400,900"]
    options.append(f"--user-data-dir={path.parent / 'profile'}")
    url = path.as_uri() + hash
    done = subprocess.run([BROWSER, *options, "--dump-dom", url], capture_output=True, timeout=120, check=False)
    dom = done.stdout.decode()
    assert 'data-ready="true"' in dom, done.stderr.decode()[-2000:]
    found = re.search(r"RESULT(.*?)END", dom, re.S)
    return dom, json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")) if found else {}


needs_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium on PATH")


@needs_browser
@pytest.mark.slow
def test_nasty_names_in_a_browser(tmp_path):
    write_explorer(nasty_graph(), tmp_path / "page.html", documents=[5, 4, 3, 2, 0])
    dom, _ = in_browser(tmp_path / "page.html", hash="#label=" + quote("e"))
    assert "data-hacked" not in dom
    assert dom.count('class="crumbs"') == 2 and "2 parents" in dom
    dom, out = in_browser(
        tmp_path / "page.html",
        'type("שלום"); out.hits = document.querySelectorAll(".hit").length; press(input, "Enter"); out.heading = heading();'
        'type("nothing at all"); out.none = $("results").textContent; press(input, "Escape"); out.hidden = $("results").hidden;',
    )
    assert "data-hacked" not in dom
    assert out["heading"] == NASTY["r"] and out["hits"] == 1 and out["hidden"]
    assert "No label has" in out["none"]


@needs_browser
@pytest.mark.slow
def test_ten_thousand_labels_in_a_browser(tmp_path):
    generator = np.random.default_rng(0)
    child = np.arange(10, 10_000)
    parent = (child * 0.2 * generator.random(len(child))).astype(int)
    edges = list(zip(parent.tolist(), child.tolist(), strict=True)) + [(5, 9_000), (6, 9_000)]
    graph = LabelGraph.from_edges(
        [(f"L{p}", f"L{c}") for p, c in edges], nodes=[f"L{i}" for i in range(10_000)],
        names=[f"Label number {i}" for i in range(10_000)], title="many",
    )  # fmt: skip
    write_explorer(graph, tmp_path / "page.html")
    dom, _ = in_browser(tmp_path / "page.html", hash="#search=number%20999")
    assert dom.count('class="hit"') == sum("999" in name for name in graph.name)
    assert dom.count('role="treeitem"') < 100
    steps = """
      type("label"); out.first = $("hits").textContent; out.shown = document.querySelectorAll(".hit").length;
      type("number 9000"); press(input, "Enter");
      out.heading = heading(); out.selected = selected(); out.hash = location.hash;
      out.parents = [...document.querySelectorAll("#details h3")].map((x) => x.firstChild.textContent);
      press(tree, "Home"); out.home = selected();
      press(tree, "ArrowDown"); out.down = selected();
      press(tree, "ArrowUp"); const before = $("spacer").style.height;
      press(tree, "Enter"); out.toggled = before !== $("spacer").style.height;
      document.querySelector("#levels button:last-of-type").click();
      out.all = parseInt($("spacer").style.height) / 30; out.drawn = document.querySelectorAll(".row").length;
      press(tree, "End"); out.end = selected();
      document.querySelector("#levels button").click(); out.roots = parseInt($("spacer").style.height) / 30;
      document.querySelector("#facts button").click(); out.overview = heading();
    """
    _, out = in_browser(tmp_path / "page.html", steps)
    assert "error" not in out, out
    assert out["first"] == "first 200 of 10,000 labels" and out["shown"] == 200
    assert out["heading"] == "Label number 9000" and out["selected"] == ["Label number 9000"]
    assert out["hash"] == "#label=L9000" and "3 parents" in out["parents"] and "3 paths" in out["parents"]
    assert out["home"] == ["Label number 0"] and out["toggled"]
    assert len(out["down"]) == 1 and out["down"] != out["home"] and len(out["end"]) == 1
    rows = {}
    for label in graph.topological_order.tolist():  # a row is a path
        above = graph.parents[label].indices.tolist()
        rows[label] = sum(rows[node] for node in above) or 1
    assert out["all"] == sum(rows.values()) and out["drawn"] < 100
    assert out["roots"] == len(graph.roots) == 10 and out["overview"] == "Overview"


def test_the_template_is_part_of_the_package():
    assert Path(explorer.__file__).with_name("explorer.html").is_file()
