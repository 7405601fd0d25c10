"""What each reader takes from a file, compared with what other programs write."""

import gzip
import logging

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hgraph.errors import TaxonomyError
from hgraph.graph import LabelGraph, detect_format, files
from hgraph.graph.files import Lines
from hgraph.graph.formats import read_taxonomy
from hgraph.graph.formats.paths import find_separator


def edges_of(graph):
    return sorted((graph.label_id[p], graph.label_id[c]) for p, c in graph.edge_index.t().tolist())


# Lines


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        st.sampled_from(["a", "é", "😀", "\n", "\r", "\r\n", "\u2028", "\x0b", " "]), min_size=1, max_size=40
    ),
    chunk=st.integers(1, 7),
    packed=st.booleans(),
)
def test_lines_of_any_chunk_size(tmp_path, monkeypatch, parts, chunk, packed):
    monkeypatch.setattr(files, "CHUNK", chunk)
    text = "".join(parts)
    path = tmp_path / ("t.txt.gz" if packed else "t.txt")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    if not text.strip():
        with pytest.raises(TaxonomyError, match="the file is empty"):
            list(Lines(path))
        return
    expected = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert [line.removesuffix("\n") for line in Lines(path)] == (expected if expected[-1] else expected[:-1])
    assert list(Lines(path).numbered()) == [(i, line.strip()) for i, line in enumerate(expected, 1) if line.strip()]
    assert files.read_text(path) == "\n".join(expected)


@pytest.mark.parametrize("length", [2**20 - 1, 2**20 + 1])
def test_the_longest_line(put, length):
    path = put("t.txt", "a\n" + "b" * length + "\nc\n")
    if length > 2**20:
        with pytest.raises(TaxonomyError, match=r"t\.txt:2: a line of more than 1,048,576 bytes"):
            read_taxonomy(path, format="labels")
    else:
        assert read_taxonomy(path, format="labels").num_labels == 3


def test_detection_reads_the_head_alone(tmp_path, monkeypatch):
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write("parent,child\n" + "a,ééé\n" * 3_000_000)
    counts = []
    read = files.ByteSource.read
    monkeypatch.setattr(files.ByteSource, "read", lambda self, size=-1: counts.append(size) or read(self, size))
    assert detect_format(path) == "edges"
    assert sum(counts) <= files.HEAD_BYTES + 1 and min(counts) > 0


def test_a_head_that_ends_within_a_character(put):
    assert detect_format(put("t.txt", "é" * 40_000)) == "paths"
    assert detect_format(put("u.txt", "x" + "é" * 40_000)) == "paths"


# Tables and text


def test_a_large_edge_list(tmp_path):
    edges = [(f"n{child // 3}", f"n{child}") for child in range(1, 60_000)]
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.writelines(f"{parent},{child}\n" for parent, child in edges)
    graph = read_taxonomy(path)
    assert graph.fingerprint == LabelGraph.from_edges(edges).fingerprint
    assert graph.label_id == LabelGraph.from_edges(edges).label_id


def test_a_parent_list(put):
    text = "Name;Parent_IDs;Label ID\nB;a/ c;b\n;;a\nC;a;c\n"
    graph = read_taxonomy(put("t.csv", text), separator="/", format="parents")
    assert graph.label_id == ["b", "a", "c"]
    assert graph.name == ["B", "a", "C"]
    assert edges_of(graph) == [("a", "b"), ("a", "c"), ("c", "b")]
    assert detect_format(put("u.csv", "id,parent\na,\nb,a\n")) == "edges"
    graph = read_taxonomy(put("u.csv", "id,parent\na,\nb,a\nc,a|b\n"), format="parents")
    assert edges_of(graph) == [("a", "b"), ("a", "c"), ("b", "c")]


@pytest.mark.parametrize(
    "header", ["level1,level2", "L0,L1", "Cat 1,Cat 2", "tier_1_name,tier_2_name", "label.3,label.4"]
)
def test_level_headers(put, header):
    path = put("t.csv", f"{header}\na,b\na,\nc\n")
    assert detect_format(path) == "levels"
    assert read_taxonomy(path).label_id == ["a", "a > b", "c"]


@pytest.mark.parametrize("header", ["level1,level3", "level1,tier2", "a,b", "level1", "x1,x2"])
def test_no_level_headers(put, header):
    path = put("t.csv", f"{header}\na,b\n" if "," in header else f"{header}\na\n")
    assert read_taxonomy(path, format="levels").label_id[0] == header.split(",")[0]


@pytest.mark.parametrize(
    ("lines", "separator"),
    [
        (["a > b/c", "a"], " > "),
        (["a > b :: c"], " > "),
        (["a :: b", "a > b"], " > "),
        (["a / b", "a|c"], " / "),
        (["a::b", "a::c", "a"], "::"),
        (["a|b", "a|c/d"], "|"),
        (["/a/b", "/a/c/"], "/"),
        (["a/b", "c/d"], " > "),
        (["a/b", "a/b", "c", "d"], " > "),
        (["a//b", "a/c"], " > "),
        (["https://x/y", "https://x/z"], " > "),
        (["a", "b"], " > "),
    ],
)
def test_separators(lines, separator):
    assert find_separator(lines) == separator


def test_paths_with_separators_found_out(put):
    graph = read_taxonomy(put("t.txt", "/Arts/Film\n/Arts/Music/Jazz\n"))
    assert graph.label_id == ["Arts", "Arts/Film", "Arts/Music", "Arts/Music/Jazz"]
    assert graph.name == ["Arts", "Film", "Music", "Jazz"]
    assert read_taxonomy(put("u.txt", "a/b\na/c\n"), separator=" > ").label_id == ["a/b", "a/c"]
    with pytest.raises(TaxonomyError, match="'separator' is empty"):
        read_taxonomy(put("u.txt", "a/b\na/c\n"), format="paths", separator="")


def test_label_lists(put):
    assert read_taxonomy(put("t.txt", "b\t1\na\t0\n")).label_id == ["a", "b"]
    assert read_taxonomy(put("t.txt", "1\tb\n2\ta\n")).label_id == ["b", "a"]
    assert read_taxonomy(put("t.labels", "x y\nx/z\n")).label_id == ["x y", "x/z"]
    assert detect_format(put("t.tsv", "1\t2\n2\t3\n")) == "edges"
    assert detect_format(put("t.tsv", "0\ta\n0\tb\n")) == "edges"


def test_rcv1(put):
    text = (
        "parent: None                  child: Root  child-description: Root\r\n"
        "parent: Root                  child: CCAT  child-description: CORPORATE/INDUSTRIAL\r\n"
        "parent: CCAT                  child: C15   child-description: PERFORMANCE > ALL\r\n"
        "parent: None                  child: X     child-description: \r\n"
    )
    graph = read_taxonomy(put("rcv1.topics.hier.orig", text))
    assert graph.label_id == ["CCAT", "C15", "X"]
    assert graph.name == ["CORPORATE/INDUSTRIAL", "PERFORMANCE > ALL", "X"]
    assert edges_of(graph) == [("CCAT", "C15")]


# Nested


def test_nested_yaml(put):
    text = """
# a comment
no:
  yes: [on, 1.0]
  "null": ~
other:
  - {label: X, id: x, definition: D, children: {y: }}
  - z
"""
    graph = read_taxonomy(put("t.yaml", text))
    assert graph.label_id == [
        "no",
        "no > yes",
        "no > yes > on",
        "no > yes > 1.0",
        "no > null",
        "other",
        "x",
        "other > X > y",
        "other > z",
    ]
    assert graph.name == ["no", "yes", "on", "1.0", "null", "other", "X", "y", "z"]
    assert graph.description[6] == "D"
    assert ("x", "other > X > y") in edges_of(graph)
    assert all(type(label) is str for label in (*graph.label_id, *graph.name, *graph.description))


def test_nested_json(put):
    text = '{"name": "a", "size": 3, "children": [{"id": "i", "children": []}, "b", {"c": ["d"]}], "extra": null}'
    graph = read_taxonomy(put("t.json", text))
    assert graph.label_id == ["a", "i", "a > b", "a > c", "a > c > d"]
    assert graph.name == ["a", "i", "b", "c", "d"]
    assert edges_of(graph) == [("a", "a > b"), ("a", "a > c"), ("a", "i"), ("a > c", "a > c > d")]
    assert read_taxonomy(put("u.json", '["a", "b"]')).roots.tolist() == [0, 1]


# OBO


def test_obo(put, caplog):
    text = """format-version: 1.2
ontology: toy

[Term]
id: T:1 {a="b"} ! top
name: top \\{of\\} all
def: "Not ! a {comment} \\"here\\"." [x:y, "z"]
[Term]
id: T:2
name: second
is_a: T:1 {source="s"} ! top
relationship: part_of T:3 {all="x"} ! third
is_a: T:9 ! nowhere

[Term]
id: T:3
relationship: has_part T:2

[Term]
id: T:4
is_obsolete: true
is_a: T:1

[Typedef]
id: part_of
name: part of
"""
    graph = read_taxonomy(put("t.obo", text))
    assert graph.title == "toy"
    assert graph.label_id == ["T:1", "T:2", "T:3"]
    assert graph.name == ["top {of} all", "second", "T:3"]
    assert graph.description == ['Not ! a {comment} "here".', "", ""]
    assert edges_of(graph) == [("T:1", "T:2")]
    assert len(caplog.records) == 2
    both = read_taxonomy(put("t.obo", text), relations=["is_a", "part_of"])
    assert edges_of(both) == [("T:1", "T:2"), ("T:3", "T:2")]
    with pytest.raises(
        TaxonomyError, match=r"no term uses the relation 'partof'\. Relations of the file: has_part, is_a, pa"
    ):
        read_taxonomy(put("t.obo", text), relations=["is_a", "partof"])
    assert logging.root.manager.disable == 0


# RDF

PREFIX = """@prefix s: <http://www.w3.org/2004/02/skos/core#> . @prefix o: <http://www.w3.org/2002/07/owl#> .
@prefix r: <http://www.w3.org/2000/01/rdf-schema#> . @prefix x: <http://x.org/y#> . @prefix d: <http://purl.org/dc/terms/> .
"""


def test_skos(put, caplog):
    text = (
        PREFIX
        + """
x:scheme a s:ConceptScheme ; d:title "Toy"@en , "Spielzeug"@de ; d:license <http://cc0> ; s:hasTopConcept x:a .
x:a a s:Concept ; s:prefLabel "A"@en , "Ah"@de ; s:altLabel "Alpha"@en ; s:narrower x:b ; s:topConceptOf x:scheme .
x:b s:prefLabel "B"@en-GB , "Beh"@de ; s:broader x:a ; s:definition "the B"@de , "of B"@fr .
x:c s:broader x:b ; s:prefLabel "C" , "Zeh"@de ; s:scopeNote "note"@en ; s:broaderTransitive x:a .
x:d s:broader x:b ; s:prefLabel "Deh"@de , "Dé"@fr .
x:e s:broader x:b ; r:label "E" .
x:f s:broader x:b .
x:g s:broader x:b ; o:deprecated true .
[] s:broader x:b .
"""
    )
    graph = read_taxonomy(put("t.ttl", text))
    names = dict(zip(graph.label_id, graph.name, strict=True))
    assert names == {"a": "A", "b": "B", "c": "C", "d": "Deh", "e": "E", "f": "f"}
    assert edges_of(graph) == [("a", "b"), *(("b", label) for label in "cdef")]
    assert dict(zip(graph.label_id, graph.description, strict=True))["b"] == "the B"
    assert (graph.title, graph.license) == ("Toy", "http://cc0")
    assert [record.getMessage().split(": ", 1)[1] for record in caplog.records] == ["deprecated concepts left out: 1"]
    german = read_taxonomy(put("t.ttl", text), language="DE", iri="full")
    assert german.name[:2] == ["Ah", "Beh"]
    assert german.label_id[0] == "http://x.org/y#a"
    assert german.title == "Spielzeug"


def test_transitive_relations_where_there_are_no_others(put):
    graph = read_taxonomy(put("t.ttl", PREFIX + "x:c s:broaderTransitive x:b . x:a s:narrowerTransitive x:b ."))
    assert edges_of(graph) == [("a", "b"), ("b", "c")]


@pytest.mark.parametrize(
    ("iris", "style", "ids"),
    [
        (["http://x/a", "http://x/b"], None, ["a", "b"]),
        (["http://x/a", "http://y/b"], None, ["http://x/a", "http://y/b"]),
        (["http://x/a", "http://y/b"], "short", ["a", "b"]),
        (["http://x/a", "http://y/a"], "short", "two IRIs have the same last part"),
        (["http://x/", "http://x/a"], "short", "or one has none"),
        (["http://x/a%20b", "http://x/c%2Fd"], None, ["a b", "c/d"]),
        (["http://x/a%20b", "http://x/a%2520b"], None, ["a b", "a%20b"]),
        (["http://x/%61", "http://x/a"], None, ["%61", "a"]),
        (["http://x/y#a", "http://x/y#b/c"], None, ["a", "b/c"]),
        (["urn:a", "urn:b"], None, ["urn:a", "urn:b"]),
        (["http://x/a", "http://x/b"], "full", ["http://x/a", "http://x/b"]),
    ],
)
def test_ids(put, iris, style, ids):
    path = put("t.ttl", PREFIX + " ".join(f"<{iri}> a s:Concept ." for iri in iris))
    if isinstance(ids, str):
        with pytest.raises(TaxonomyError, match=ids):
            read_taxonomy(path, iri=style)
    else:
        assert read_taxonomy(path, iri=style).label_id == ids


def test_owl(put, caplog):
    text = (
        PREFIX
        + """
<http://x.org/y> a o:Ontology ; r:label "Toy" .
x:A a o:Class ; r:label "a"@en ; r:subClassOf o:Thing ; r:comment "later" ; s:definition "first" .
x:B a o:Class ; r:subClassOf x:A , [ a o:Restriction ; o:onProperty x:p ; o:someValuesFrom x:C ] .
x:C a r:Class ; o:equivalentClass x:A ; <http://purl.obolibrary.org/obo/IAO_0000115> "obo" ; r:comment "no" .
x:D a o:Class ; o:deprecated "true" ; r:subClassOf x:A .
x:i a x:A .
"""
    )
    for name in ("t.owl", "t.ttl"):
        graph = read_taxonomy(put(name, text))
        assert sorted(zip(graph.label_id, graph.name, graph.description, strict=True)) == [
            ("A", "a", "first"),
            ("B", "B", ""),
            ("C", "C", "obo"),
        ]
        assert edges_of(graph) == [("A", "B")]
        assert graph.title == "Toy"
    assert "deprecated classes left out: 1" in caplog.text


@pytest.mark.parametrize(
    ("serial", "name"), [("turtle", "t.ttl"), ("xml", "t.rdf"), ("pretty-xml", "t.xml"), ("nt", "t.nt")]
)
@pytest.mark.parametrize("kind", ["skos", "owl"])
def test_what_rdflib_writes(put, serial, name, kind):
    import rdflib

    dag = nx.gn_graph(60, seed=1)  # child -> parent
    graph, base = rdflib.Graph(), rdflib.Namespace("http://x.org/é/")
    broader = rdflib.SKOS.broader if kind == "skos" else rdflib.RDFS.subClassOf
    label = rdflib.SKOS.prefLabel if kind == "skos" else rdflib.RDFS.label
    for node in dag:
        graph.add((base[f"n{node}"], rdflib.RDF.type, rdflib.SKOS.Concept if kind == "skos" else rdflib.OWL.Class))
        graph.add((base[f"n{node}"], label, rdflib.Literal(f'"{node}" & <ü>\n', lang="en")))
    for child, parent in dag.edges():
        graph.add((base[f"n{child}"], broader, base[f"n{parent}"]))
    path = put(f"{name}.gz", graph.serialize(format=serial, encoding="utf-8"))
    assert detect_format(path) == kind
    read = read_taxonomy(path)
    assert edges_of(read) == sorted((f"n{parent}", f"n{child}") for child, parent in dag.edges())
    assert read.name[read.index("n7")] == '"7" & <ü>'


def test_xml_in_its_own_encoding(put):
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    text += 'xmlns:s="http://www.w3.org/2004/02/skos/core#" xml:base="http://x/">'
    text += '<s:Concept r:about="a"><s:prefLabel>caf\xe9</s:prefLabel></s:Concept></r:RDF>'
    graph = read_taxonomy(put("t.rdf", text.encode("latin-1")))
    assert (graph.label_id, graph.name) == (["a"], ["café"])


# GraphML


def test_what_networkx_writes(tmp_path):
    dag = nx.relabel_nodes(nx.gn_graph(50, seed=2).reverse(), lambda node: f"n{node}")
    nx.set_node_attributes(dag, {"n3": {"Label": "Three & <more>", "description": "d", "size": 3}})
    dag.graph["name"] = "toy"
    nx.write_graphml(dag, tmp_path / "t.graphml.gz")
    graph = read_taxonomy(tmp_path / "t.graphml.gz")
    assert edges_of(graph) == sorted(dag.edges())
    assert (graph.name[graph.index("n3")], graph.description[graph.index("n3")]) == ("Three & <more>", "d")
    assert graph.title == "toy"
    assert graph.fingerprint == LabelGraph.from_networkx(dag).fingerprint


# Documents


def test_from_documents():
    documents = [["a > b", ["a", "c"]], {"labels": ["a > b > d"], "text": "x"}, [], ("e",)]
    graph = LabelGraph.from_documents(iter(documents), title="toy")
    assert graph.label_id == ["a", "a > b", "a > c", "a > b > d", "e"]
    assert graph.name == ["a", "b", "c", "d", "e"]
    assert graph.title == "toy"
    paths = [label for document in ([["a > b"], ["a > c"], ["a > b > d"], ["e"]]) for label in document]
    assert graph.fingerprint == LabelGraph.from_paths(paths).fingerprint
    assert LabelGraph.from_documents([["a/b"]], separator="/").label_id == ["a", "a/b"]


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([["a"], ["a >  > b"]], r"'documents' at position 1: an empty name in the path \['a', '', 'b'\]"),
        ([[["a > b", "c"]]], "position 0: the name 'a > b' contains ' > '"),
        ([["a"], "b"], "position 1: expected a list of labels, found 'b'"),
        ([{"text": "x"}], "position 0: expected a list of labels, found None"),
        (
            [{"labels": [5], "source": "d.jsonl", "line": 7}],
            "^d.jsonl:7: a label must be a path or a list of names, found 5",
        ),
        ([[["a", 5]]], "the names of a path must be strings"),
        ([[]], "'documents': holds no label"),
        ([], "'documents': holds no label"),
        ("a", "'documents' must hold a list of labels for each document"),
    ],
)
def test_wrong_documents(documents, message):
    with pytest.raises(TaxonomyError, match=message):
        LabelGraph.from_documents(documents)
