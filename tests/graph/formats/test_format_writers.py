"""What is written is read back: the same ids, edges, names and descriptions, or a refusal that says what does not fit."""

import json
import os

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError
from hgraph.graph import FORMATS, LabelGraph
from hgraph.graph.formats import read_taxonomy, write_taxonomy, written_format

NAMES = {
    "json": ["t.json", "t.json.gz"],
    "edges": ["t.csv", "t.tsv", "t.csv.gz"],
    "parents": ["t.csv", "t.tsv"],
    "paths": ["t.txt"],
    "levels": ["t.csv", "t.tsv"],
    "nested": ["t.yaml", "t.json"],
    "htc": ["t.taxonomy"],
    "obo": ["t.obo"],
    "skos": ["t.ttl", "t.ttl.gz"],
    "graphml": ["t.graphml"],
}
WRITTEN = [(key, name) for key, names in NAMES.items() for name in names]
KEEPS_TEXTS = ("json", "edges", "parents", "nested", "obo", "skos", "graphml")
KEEPS_ORDER = ("json", "edges", "parents", "obo", "skos", "graphml")

text = st.text(
    st.one_of(
        st.sampled_from("aaabbbcd ,;\t|>/\"'\\{}[]!#:-&<=%é\n\r\u2028\u00a0~^$@*?😀\x85"),
        st.characters(exclude_categories=("Cs",), exclude_characters="\0"),
    ),
    max_size=8,
)
label = st.one_of(text.map(str.strip), text).filter(str.strip)


@st.composite
def hierarchies(draw, tree=False):
    """A random DAG or forest of up to eight labels whose indices follow no order, with odd ids, names and texts."""
    ids = draw(st.lists(label, min_size=1, max_size=8, unique=True))
    place = draw(st.permutations(range(len(ids))))
    edges = []
    for child in range(1, len(ids)):
        parents = draw(st.lists(st.integers(0, child - 1), max_size=1 if tree else 3, unique=True))
        edges += [(ids[place[parent]], ids[place[child]]) for parent in parents]
    texts = [draw(st.lists(text, min_size=len(ids), max_size=len(ids))) for _ in range(2)]
    return LabelGraph.from_edges(edges, nodes=ids, names=texts[0], descriptions=texts[1], title=draw(text))


def plain(value):
    return value.replace("\r\n", "\n").replace("\r", "\n").strip()


def edges_of(graph):
    return {(graph.label_id[p], graph.label_id[c]) for p, c in graph.edge_index.t().tolist()}


def parents_of(graph):
    return [graph.edge_index[0][graph.edge_index[1] == label].tolist() for label in range(graph.num_labels)]


def check_same(graph, again, key):
    """Compare by id; what a reader trims or what is empty may differ."""
    assert sorted(again.label_id) == sorted(graph.label_id)
    assert edges_of(again) == edges_of(graph)
    position = [again.index(label) for label in graph.label_id]
    if key in KEEPS_ORDER:
        assert position == list(range(graph.num_labels))
        assert parents_of(again) == parents_of(graph)  # in the same order, so that primary parents stay
    if key in KEEPS_TEXTS:
        for label, other in enumerate(position):
            name = plain(graph.name[label]) or graph.label_id[label]
            assert plain(again.name[other]) == plain(name) or not plain(graph.name[label])
            assert plain(again.description[other]) == plain(graph.description[label])


def test_every_format_that_is_written_is_tested():
    assert set(NAMES) == {key for key, each in FORMATS.items() if each.write}


@pytest.mark.parametrize(("key", "name"), [case for case in WRITTEN if case[0] not in ("paths", "levels")])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_written_and_read_back(tmp_path, key, name, data):
    graph = data.draw(hierarchies(tree=key == "nested"))
    path = tmp_path / name
    path.unlink(missing_ok=True)
    try:
        write_taxonomy(graph, path, format=key)
    except ConfigError:
        assert not path.exists()
        return
    check_same(graph, read_taxonomy(path, format=key), key)


@pytest.mark.parametrize(("key", "name"), [case for case in WRITTEN if case[0] in ("paths", "levels")])
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_paths_written_and_read_back(tmp_path, key, name, data):
    graph = data.draw(hierarchies(tree=True))
    path = tmp_path / name
    path.unlink(missing_ok=True)
    try:
        write_taxonomy(graph, path, format=key)
    except ConfigError:
        assert not path.exists()
        return
    again = read_taxonomy(path, format=key)
    paths = [graph.path_names(label) for label in graph.label_id]
    assert sorted(again.label_id) == sorted(paths)
    ids = dict(zip(graph.label_id, paths, strict=True))
    assert edges_of(again) == {(ids[parent], ids[child]) for parent, child in edges_of(graph)}
    if key == "paths":
        assert [again.name[again.index(path)] for path in paths] == graph.name


def ordinary(tree):
    """A few hundred labels with ordinary ids and names."""
    draw = np.random.default_rng(0)
    edges = [(f"n{draw.integers(0, child)}", f"n{child}") for child in range(1, 300)]
    if not tree:
        edges += [(f"n{draw.integers(0, child - 1)}", f"n{child}") for child in range(2, 300, 3)]
    ids = [f"n{label}" for label in draw.permutation(300)]
    names = {label: f"Name of {label}" for label in ids}
    return LabelGraph.from_edges(
        edges, nodes=ids, names=names, descriptions={"n3": 'It "says", {this} ! that'}, title="toy", license="CC0"
    )


@pytest.mark.parametrize(("key", "name"), WRITTEN)
def test_an_ordinary_hierarchy_is_never_refused(tmp_path, key, name):
    graph = ordinary(tree=key in ("paths", "levels", "nested"))
    write_taxonomy(graph, tmp_path / name, format=key)
    again = read_taxonomy(tmp_path / name)
    if key in ("paths", "levels"):
        assert (again.num_labels, again.num_levels) == (300, graph.num_levels)
    else:
        check_same(graph, again, key)
        assert again.fingerprint == graph.fingerprint
    if key in ("json", "obo", "skos", "graphml"):
        assert again.title == "toy"
    if key in ("json", "skos"):
        assert again.license == "CC0"
    first = (tmp_path / name).read_bytes()
    write_taxonomy(graph, tmp_path / name, format=key, overwrite=True)
    assert (tmp_path / name).read_bytes() == first


def test_other_programs_read_what_is_written(tmp_path):
    import obonet
    import rdflib
    import yaml

    graph = ordinary(tree=True)
    for name in ("t.graphml", "t.obo", "t.ttl", "t.yaml", "t.csv"):
        write_taxonomy(graph, tmp_path / name)
    expected = edges_of(graph)
    assert set(nx.read_graphml(tmp_path / "t.graphml").edges()) == expected
    assert {(parent, child) for child, parent, _ in obonet.read_obo(tmp_path / "t.obo").edges(keys=True)} == expected
    skos = rdflib.Namespace("http://www.w3.org/2004/02/skos/core#")
    triples = rdflib.Graph().parse(tmp_path / "t.ttl").subject_objects(skos.broader)
    assert {(parent.split("/")[-1], child.split("/")[-1]) for child, parent in triples} == expected
    found, waiting = set(), yaml.safe_load((tmp_path / "t.yaml").read_text())
    while waiting:
        node = waiting.pop()
        found |= {(node["id"], child["id"]) for child in node.get("children", [])}
        waiting += node.get("children", [])
    assert found == expected


@pytest.mark.parametrize(
    ("format", "ids", "edges", "message"),
    [
        ("edges", ["a", " b"], [], "format 'edges' cannot hold the id ' b'"),
        ("parents", ["a|b", "c"], [("a|b", "c")], "joins parents by '|', which 'a|b' contains"),
        ("paths", ["a", "b", "c"], [("a", "c"), ("b", "c")], "holds trees only, but 'c' has 2 parents"),
        ("levels", ["a", "b", "c"], [("a", "c"), ("b", "c")], "holds trees only, but 'c' has 2 parents"),
        ("nested", ["a", "b", "c"], [("a", "c"), ("b", "c")], "holds trees only, but 'c' has 2 parents"),
        ("paths", ["a > b"], [], "cannot hold the name 'a > b'"),
        ("paths", ["a/b", "a/c"], [], "would be read as paths separated by '/'"),
        ("htc", ["a\tb"], [], r"cannot hold the id 'a\\tb'"),
        ("htc", ["Root"], [], "drops the label 'Root'"),
        ("obo", ["a  b"], [], "cannot hold the id 'a  b'"),
        ("graphml", ["a\x01"], [], r"cannot hold the id 'a\\x01'"),
        ("nested", [f"n{i}" for i in range(250)], [(f"n{i}", f"n{i + 1}") for i in range(249)], "holds 200 levels"),
        ("owl", ["a"], [], "'format' 'owl' is only read. Formats that are written: json, edges"),
        ("owls", ["a"], [], "found 'owls'. Did you mean 'owl'"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, format, ids, edges, message):
    graph = LabelGraph.from_edges(edges, nodes=ids)
    with pytest.raises(ConfigError, match=message.replace("|", r"\|")):
        write_taxonomy(graph, tmp_path / "t", format=format)
    assert os.listdir(tmp_path) == []


def test_two_labels_with_one_path_are_refused(tmp_path):
    graph = LabelGraph.from_edges([], nodes=["a", "b"], names=["x", "x"])
    with pytest.raises(ConfigError, match="names labels by their path, but 'a' and 'b' have the same one"):
        write_taxonomy(graph, tmp_path / "t.txt")


def test_formats_by_extension(tmp_path):
    found = {name: written_format(name) for name in ("a.json.gz", "a.csv", "a.TSV", "a.txt", "a.taxonomy", "a.yml")}
    assert list(found.values()) == ["json", "edges", "edges", "paths", "htc", "nested"]
    assert [written_format(name) for name in ("a.ttl", "a.obo", "a.graphml")] == ["skos", "obo", "graphml"]
    assert {written_format(name) for name in ("a", "a.rdf", "a.nt", "a.owl", "a.hier", "a.labels", "a.xyz")} == {None}
    graph = LabelGraph.from_edges([("a", "b")])
    with pytest.raises(ConfigError, match=r"a\.rdf: no format is written to \.rdf\. Name the file .*\.csv, .*\.yml"):
        write_taxonomy(graph, tmp_path / "a.rdf")
    write_taxonomy(graph, tmp_path / "a.csv")
    with pytest.raises(ConfigError, match="the file exists"):
        write_taxonomy(graph, tmp_path / "a.csv")


def test_nested_json_is_plain(tmp_path):
    write_taxonomy(LabelGraph.from_edges([("a", "b")]), tmp_path / "a.json", format="nested")
    assert json.loads((tmp_path / "a.json").read_text()) == [
        {"id": "a", "name": "a", "children": [{"id": "b", "name": "b"}]}
    ]


def test_a_flat_edge_list_is_read_back(tmp_path):
    write_taxonomy(LabelGraph.from_edges([], nodes=["a", "b"]), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "parent,child\n,a\n,b\n"
    assert read_taxonomy(tmp_path / "a.csv").label_id == ["a", "b"]


def test_ids_that_are_iris_stay_iris(tmp_path):
    graph = LabelGraph.from_edges([("http://x/a", "http://x/b")])
    write_taxonomy(graph, tmp_path / "t.ttl")
    assert "<http://x/b> a skos:Concept" in (tmp_path / "t.ttl").read_text()
    assert read_taxonomy(tmp_path / "t.ttl", iri="full").fingerprint == graph.fingerprint
    assert read_taxonomy(tmp_path / "t.ttl").label_id == ["a", "b"]
