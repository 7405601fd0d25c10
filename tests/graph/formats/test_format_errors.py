"""A catalogue of broken files: every format meets every kind of damage, or says why it cannot."""

import gzip
import tracemalloc

import pytest

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph import FORMATS
from hgraph.graph import files as hgraph_files
from hgraph.graph.formats import graphml, rdf, read_taxonomy, xml_scan

NAMES = {
    "json": "t.json",
    "edges": "t.csv",
    "parents": "t.csv",
    "paths": "t.txt",
    "levels": "t.csv",
    "nested": "t.yaml",
    "htc": "t.taxonomy",
    "labels": "t.labels",
    "rcv1": "t.hier",
    "obo": "t.obo",
    "skos": "t.ttl",
    "owl": "t.owl",
    "graphml": "t.graphml",
}
LINES = ("edges", "parents", "paths", "levels", "nested", "htc", "labels", "rcv1", "obo", "skos", "owl")
XML = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:s="http://www.w3.org/2004/02/skos/core#" xmlns:o="http://www.w3.org/2002/07/owl#" xmlns:r="http://www.w3.org/2000/01/rdf-schema#">'
GRAPHML = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n<graph edgedefault="directed">\n'
TTL = "@prefix s: <http://www.w3.org/2004/02/skos/core#> . @prefix r: <http://www.w3.org/2000/01/rdf-schema#> .\n@prefix x: <http://x/> .\n"
BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE lolz [\n<!ENTITY lol "lol">\n'
    + "".join(f'<!ENTITY lol{i} "{f"&lol{i - 1};" if i > 1 else "&lol;"}{"&lol;" * 9}">\n' for i in range(1, 10))
    + "]>\n"
)
RCV1 = "parent: None child: Root child-description: Root\n"


class No(str):
    """The reason why a format cannot have this kind of damage."""


PATHS_HAVE_NO = No("ids are paths, which cannot lead back to themselves")
NO_IRI = No("the format has no IRIs")
ANY_TEXT = No("any line of text is a label")

# Content and what the message must say; text for UTF-8, bytes as they are.
BROKEN = {
    "truncated gzip": dict.fromkeys(FORMATS, "damaged or cut off gzip file"),
    "wrong encoding": {
        **dict.fromkeys(FORMATS, r":\d+: byte \d+ is not UTF-8; save the file as UTF-8"),
        "graphml": r":6: malformed XML .* If the file is not UTF-8, save it as UTF-8",
    },
    "UTF-16": dict.fromkeys(FORMATS, r"byte 0 is not UTF-8; save the file as UTF-8 \(it looks like UTF-16\)"),
    "binary": dict.fromkeys(FORMATS, "binary content, expected a text file"),
    "empty": dict.fromkeys(FORMATS, "the file is empty"),
    "only blanks": dict.fromkeys(FORMATS, "the file is empty"),
    "10 MB line": {
        **dict.fromkeys(FORMATS, r":\d+: a line of more than 1,048,576 bytes"),
        "json": r"t\.json:1: malformed JSON",  # JSON and XML on one line are common: these fail for what they hold
        "graphml": r"t\.graphml:1: malformed XML",
    },
    "cycle": {
        "json": (
            '{"nodes": [{"id": "a"}, {"id": "b"}], "edges": [["a", "b"], ["b", "a"]]}',
            "a cycle: a -> b -> a",
        ),
        "edges": ("a,b\nc,d\nb,a\n", r"a cycle: a -> b -> a.*\(lines 1, 3\)"),
        "parents": ("id,parents\na,b\nb,a\n", r"a cycle: a -> b -> a.*\(lines 2, 3\)"),
        "paths": PATHS_HAVE_NO,
        "levels": PATHS_HAVE_NO,
        "nested": No("a tree has no cycle, and aliases are refused"),
        "htc": ("a\tb\nb\ta\n", r"a cycle: a -> b -> a.*\(lines 1, 2\)"),
        "labels": No("the format has no edges"),
        "rcv1": (RCV1 + "parent: a child: b\nparent: b child: a\n", r"a cycle: a -> b -> a.*\(lines 2, 3\)"),
        "obo": ("[Term]\nid: a\nis_a: b\n\n[Term]\nid: b\nis_a: a\n", r"a cycle: a -> b -> a.*\(lines 2, 6\)"),
        "skos": (TTL + "x:a s:broader x:b . x:b s:broader x:a .", "a cycle: [ab] -> [ab] -> [ab]"),
        "owl": (TTL + "x:a r:subClassOf x:b . x:b r:subClassOf x:a .", "a cycle: [ab] -> [ab] -> [ab]"),
        "graphml": (
            GRAPHML + '<node id="a"/><node id="b"/>\n<edge source="a" target="b"/>\n<edge source="b" target="a"/>'
            "</graph></graphml>",
            r"a cycle: a -> b -> a.*\(lines 4, 5\)",
        ),
    },
    "self-loop": {
        "json": ('{"nodes": [{"id": "a"}], "edges": [["a", "a"]]}', "a self-loop: a -> a"),
        "edges": ("a,b\nb,b\n", "t.csv:2: a self-loop: b -> b"),
        "parents": ("id,parents\na,\nb,a|b\n", "t.csv:3: a self-loop: b -> b"),
        "paths": PATHS_HAVE_NO,
        "levels": PATHS_HAVE_NO,
        "nested": No("a tree has no self-loop"),
        "htc": ("a\tb\nb\tb\n", "t.taxonomy:2: a self-loop: b -> b"),
        "labels": No("the format has no edges"),
        "rcv1": (RCV1 + "parent: a child: a\n", "t.hier:2: a self-loop: a -> a"),
        "obo": ("[Term]\nid: a\nis_a: a\n", "t.obo:2: a self-loop: a -> a"),
        "skos": (TTL + "x:a s:broader x:a .", "a self-loop: a -> a"),
        "owl": (TTL + "x:a r:subClassOf x:a .", "a self-loop: a -> a"),
        "graphml": (GRAPHML + '<node id="a"/>\n<edge source="a" target="a"/></graph></graphml>', "l:4: a self-loop: a"),
    },
    "two roots": {
        "json": '{"nodes": [{"id": "a"}, {"id": "b"}], "edges": []}',
        "edges": "parent,child\n,a\n,b\n",
        "parents": "id,parents\na,\nb,\n",
        "paths": "a\nb\n",
        "levels": "level1,level2\na,\nb,\n",
        "nested": "[a, b]",
        "htc": "Root\ta\tb\n",
        "labels": "a\nb\n",
        "rcv1": "parent: Root child: a\nparent: Root child: b\n",
        "obo": "[Term]\nid: a\n\n[Term]\nid: b\n",
        "skos": TTL + "x:a a s:Concept . x:b a s:Concept .",
        "owl": TTL + "x:a a r:Class . x:b a r:Class .",
        "graphml": GRAPHML + '<node id="a"/><node id="b"/></graph></graphml>',
    },
    "duplicate ids": {
        "json": ('{"nodes": [{"id": "a", "name": "A"}, {"id": "a", "name": "B"}], "edges": []}', "has 'a' 2 times"),
        "edges": ("parent,child,name\na,c,C\nb,c,D\n", "t.csv:3: 'c' has a second name 'D', before 'C'"),
        "parents": ("id,parents,name\na,,A\na,,B\n", "t.csv:3: 'a' has a second name 'B', before 'A'"),
        "paths": No("ids are paths of names"),
        "levels": No("ids are paths of names"),
        "nested": ("- {id: a, name: A}\n- {id: a, name: B}\n", "t.yaml:2: a second label with the id 'a'"),
        "htc": No("ids are names"),
        "labels": ("0\ta\n1\tb\n2\ta\n", "t.labels:3: 'a' stands on line 1 already"),
        "rcv1": (
            RCV1 + "parent: Root child: a child-description: A\nparent: Root child: a child-description: B\n",
            "t.hier:3: 'a' has a second name 'B', before 'A'",
        ),
        "obo": ("[Term]\nid: a\nname: A\n\n[Term]\nid: a\nname: B\n", "t.obo:6: the id 'a' stands on line 2 already"),
        "skos": No("RDF joins all statements of one IRI, and several labels of a concept are allowed"),
        "owl": No("RDF joins all statements of one IRI, and several labels of a class are allowed"),
        "graphml": (
            GRAPHML + '<node id="a"/>\n<node id="a"/></graph></graphml>',
            "t.graphml:4: the node 'a' stands on",
        ),
    },
    "XML bomb": {
        "json": (BOMB, "t.json:1: malformed JSON"),
        "edges": (BOMB, "t.csv:1: expected a header"),
        "parents": (BOMB, "t.csv:1: expected a header with 'id' and 'parents'"),
        "paths": ANY_TEXT,
        "levels": ANY_TEXT,
        "nested": (BOMB, "expected a list, an object or a map"),
        "htc": (BOMB, "t.taxonomy:1: expected parent<tab>child"),
        "labels": ANY_TEXT,
        "rcv1": (BOMB, "t.hier:1: expected 'parent: P"),
        "obo": (BOMB, "t.obo:1: expected 'tag: value'"),
        "skos": (BOMB + XML + '<s:Concept rdf:about="&lol9;"/></rdf:RDF>', ":3: the DOCTYPE declares the entity 'lol'"),
        "owl": (BOMB + XML + '<o:Class rdf:about="&lol9;"/></rdf:RDF>', ":3: the DOCTYPE declares the entity 'lol'"),
        "graphml": (BOMB + GRAPHML + '<node id="&lol9;"/></graph></graphml>', ":3: the DOCTYPE declares the entity"),
    },
    "relative IRIs": {
        **dict.fromkeys(FORMATS, NO_IRI),
        "skos": (TTL + "x:a s:broader x:b .\n<c> s:broader x:b .", "t.ttl:4: relative IRI 'c'"),
        "owl": (XML + '\n<o:Class rdf:about="#c"/></rdf:RDF>', "t.owl:2: relative IRI '#c'"),
    },
    "malformed": {
        "json": ('{"nodes": [],\n"edges": [}', "t.json:2: malformed JSON at column 11"),
        "edges": ('parent,child\na,b\n"c,d\ne,f\n', "t.csv:3: malformed CSV"),
        "parents": ('id,parents\n"a,b\n', "t.csv:2: malformed CSV"),
        "paths": ("a > b\na >  > c\n", "t.txt:2: empty name in the path"),
        "levels": ("level1,level2\n,b\n", "t.csv:2: column 1 is empty"),
        "nested": ("a:\n  - b\n - c: [\n", r"t.yaml:\d: malformed YAML"),
        "htc": ("Root\ta\nb\t\tc\n", "t.taxonomy:2: empty label between tabs"),
        "labels": ("0\ta\nb\t1\n", "t.labels:2: expected number<tab>label"),
        "rcv1": (RCV1 + "parent: a kid: b\n", "t.hier:2: expected 'parent: P"),
        "obo": ("[Term]\nid: a\nrelationship: part_of\n", "t.obo:3: expected 'relationship: relation term'"),
        "skos": (TTL + "x:a s:broader y:b .", 't.ttl:3: malformed Turtle: Prefix "y:" not bound'),
        "owl": (XML + "\n<o:Class>\n", r"t.owl:\d: malformed XML"),
        "graphml": (GRAPHML + "<node/></graph></graphml>", "t.graphml:3: a node without an id"),
    },
    "deep nesting": {
        "json": ("[" * 200_000, "malformed JSON"),
        **dict.fromkeys(
            ("edges", "parents", "paths", "levels", "htc", "labels", "rcv1", "obo"), No("it does not nest")
        ),
        "nested": ("[" * 200_000, "t.yaml:1: nested more than 200 levels deep"),
        "skos": (TTL + "x:a s:broader " + "[ s:broader \n" * 100_000, "nested too deeply"),
        "owl": (XML + "<o:Class>" * 100_000, "t.owl:1: elements nested more than 200 deep"),
        "graphml": (GRAPHML + "<graph>" * 100_000, "t.graphml:3: .*edgedefault|elements nested more than 200 deep"),
    },
}


def content_of(kind, key):
    """(file name, content, expected message)"""
    case, name = BROKEN[kind][key], NAMES[key]
    example = FORMATS[key].example.encode()
    if kind == "truncated gzip":
        return name + ".gz", gzip.compress(example)[:-9], case
    made = {
        "wrong encoding": example + b"\ncaf\xe9\n",
        "UTF-16": example.decode().encode("utf-16"),
        "binary": b"\x89PNG\r\n\x1a\n\x00\x00\x00\xff",
        "empty": b"",
        "only blanks": b" \n\r\n\t\n",
        "10 MB line": b"x" * 10_000_000,
    }
    if kind in made:
        return name, made[kind], case
    content, message = (case, r"expected one root, found 2: 'a', 'b'") if kind == "two roots" else case
    if kind == "XML bomb" and key == "skos":
        name = "t.rdf"
    return name, content, message


CASES = [(kind, key) for kind in BROKEN for key in FORMATS if not isinstance(BROKEN[kind][key], No)]


def test_every_format_meets_every_kind_of_damage_or_says_why_not():
    for kind, cases in BROKEN.items():
        assert set(cases) == set(FORMATS), kind
        assert all(str(reason) for reason in cases.values())


@pytest.mark.parametrize("named", [True, False], ids=["format", "detected"])
@pytest.mark.parametrize(("kind", "key"), CASES)
def test_one_clear_line(put, tmp_path, kind, key, named, caplog):
    name, content, message = content_of(kind, key)
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    expected = message if named or kind in ("two roots", "truncated gzip") else "."
    with pytest.raises(TaxonomyError, match=expected) as caught:
        read_taxonomy(path, format=key if named else None, single_root=kind == "two roots")
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text and len(text) < 400 + len(str(path))
    assert not caplog.records


@pytest.mark.parametrize("key", LINES)
def test_a_gzip_bomb_of_one_line_costs_little_memory(tmp_path, key):
    path = tmp_path / (NAMES[key] + ".gz")
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(60):
            file.write(b"x" * 1_000_000)
    if key in ("skos", "owl"):
        pytest.importorskip("rdflib")
    tracemalloc.start()
    try:
        with pytest.raises(TaxonomyError, match="a line of more than 1,048,576 bytes"):
            read_taxonomy(path, format=key)
        assert tracemalloc.get_traced_memory()[1] < 25_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("key", ["json", "nested", "skos", "owl", "graphml"])
def test_formats_that_are_read_whole_have_a_limit(put, monkeypatch, key):
    for module in (hgraph_files, xml_scan, rdf, graphml):
        monkeypatch.setattr(module, "MAX_BYTES", 100)
    content = {
        "json": FORMATS["json"].example,
        "nested": "- label\n" * 100,
        "skos": TTL + "x:a s:broader x:b .\n",
        "owl": XML + "</rdf:RDF>",
        "graphml": FORMATS["graphml"].example,
    }[key]
    with pytest.raises(TaxonomyError, match=r"more than 100 (bytes|characters)"):
        read_taxonomy(put(NAMES[key] + ".gz", content), format=key)


def test_a_quote_that_is_never_closed_costs_little_memory(tmp_path):
    import csv

    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write('a,b\nc,"d\n' + "x,y\n" * 12_000_000)
    limit = csv.field_size_limit(2**31 - 1)  # as other readers set it
    try:
        with pytest.raises(TaxonomyError, match=r"t\.csv\.gz:2: a row of more than 16,777,216 characters"):
            read_taxonomy(path)
    finally:
        csv.field_size_limit(limit)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "t.rdf",
            '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">' + XML + "<s:Concept/></rdf:RDF>",
            ":1: .*external DTD, which is never",
        ),
        ("t.graphml", '<!DOCTYPE a PUBLIC "a" "file:///etc/passwd">' + GRAPHML + "</graph></graphml>", "external DTD"),
        (
            "t.rdf",
            f"<!DOCTYPE a [<!ENTITY % b SYSTEM 'http://127.0.0.1/'> %b;]>{XML}<s:Concept/></rdf:RDF>",
            "declares the entity 'b'",
        ),
        (
            "t.rdf",
            f"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>{XML}<s:Concept/></rdf:RDF>",
            "declares the entity 'b'",
        ),
        (
            "t.rdf",
            XML + '<o:Ontology rdf:about=""><o:imports rdf:resource="http://127.0.0.1/"/></o:Ontology>\n'
            '<s:Concept rdf:about="c"/></rdf:RDF>',
            ":2: relative IRI 'c'",
        ),
        ("t.ttl", TTL + "<c> a s:Concept .", ":3: relative IRI 'c'"),
        ("t.ttl", TTL + "x:a s:broader [ s:broader x:c", "malformed Turtle"),
        (
            "t.nt",
            "<http://x/a> <http://www.w3.org/2004/02/skos/core#broader> <http://x/b> .\nnonsense\n",
            ":2: malformed N-Tr",
        ),
        ("t.rdf", "<?xml version='1.0' encoding='klingon'?>" + XML + "<s:Concept/></rdf:RDF>", "unknown encoding"),
        ("t.rdf", XML + '<s:Concept rdf:about="http://x/a" rdf:ID="b"/></rdf:RDF>', ":1: malformed RDF/XML"),
        ("t.xml", XML + "</rdf:RDF>", "neither SKOS .* nor OWL"),
        ("t.owl", "Prefix(owl:=<http://x>)\nOntology(<http://y>)", "functional or Manchester syntax"),
        ("t.xml", "<html><body/></html>", "neither SKOS .* nor OWL"),
        ("t.graphml", "<html><body/></html>", ":1: expected <graphml>, found <html>"),
        ("t.graphml", "<graphml><graph/></graphml>", "found another namespace or none"),
        ("t.graphml", GRAPHML.replace('"directed"', '"undirected"'), ":2: 'edgedefault' must be 'directed'"),
        (
            "t.graphml",
            GRAPHML + '<node id="a"/><edge source="a"/></graph></graphml>',
            "an edge needs 'source' and 'target'",
        ),
        (
            "t.graphml",
            GRAPHML + '<node id="a"/><edge source="a" target="b"/></graph></graphml>',
            ":3: the edge names 'b'",
        ),
        (
            "t.graphml",
            GRAPHML + '<edge directed="false" source="a" target="b"/></graph></graphml>',
            "an undirected edge",
        ),
        ("t.graphml", GRAPHML + "<hyperedge/></graph></graphml>", "a hyperedge has no parent"),
        (
            "t.graphml",
            GRAPHML + '<node id="a"><data key="z">1</data></node></graph></graphml>',
            "malformed GraphML: .*no key z",
        ),
        ("t.yaml", "a: &x [b]\nc: *x\n", r":2: the alias \*x is not allowed"),
        ("t.yaml", "a:\n  b:\na:\n", ":3: the map has the key 'a' twice"),
        ("t.yaml", "a: [b]\n---\nc: [d]\n", ":2: a second YAML document"),
        ("t.yaml", "a: b\n", r":1: expected children .* found 'b'. Write \[b\]"),
        ("t.yaml", "? [a]\n: [b]\n", ":1: a key must be a string"),
        ("t.yaml", "- [a]\n", "expected a label .* found a list in a list"),
        ("t.yaml", "- name: a > b\n", ":1: a name with ' > ' needs an 'id'"),
        ("t.yaml", "- {name: a, children: b}\n", ":1: 'children' must be a list, found 'b'"),
        ("t.yaml", "- ''\n", ":1: an empty name"),
        ("t.yaml", "- {name: a, description: [b]}\n", ":1: 'description' must be a string"),
        ("t.yaml", "- !!python/object/apply:os.system [echo]\n", "."),
        ("t.json", '{"a": {"b": []}, "a": []}', "has the key 'a' twice"),
        ("t.json", '{"a": {"b": {"c": 5}}}', "at 'a > b > c': expected children"),
        ("t.json", '{"a": ' + "9" * 5000 + "}", "malformed JSON"),
        ("t.csv", "id,parents\nb,z\n", ":2: the parent 'z' of 'b' has no row"),
        ("t.csv", "id,parents\n,z\n", ":2: the id is empty"),
        ("t.csv", "id,parents\na,\na,\n", ":3: 'a' stands on line 2 already"),
        ("t.csv", "level1,level2\na,b,c\n", ":2: expected 2 columns separated by ',', found 3"),
        ("t.csv", "level1,level2\na > b,c\n", ":2: the name 'a > b' contains ' > '"),
        ("t.hier", "parent: a child: Root\n", ":1: 'Root' is the artificial root"),
        ("t.obo", "[Term]\nname: a\n", ":1: a term without an id"),
        ("t.obo", "[Term]\nid: a\nid: b\n", ":3: a second id 'b' in the term 'a'"),
        ("t.obo", "[Term]\nid: ! a\n", ":2: an empty id"),
        ("t.obo", "[Term]\nid: a\ndef: b\n", ':3: expected def: "text"'),
        ("t.obo", "[Term]\nid a\n", ":2: expected 'tag: value', found 'id a'"),
        ("slot.pt", b"\x80\x02}q\x00.", "a pickle, expected text"),
        ("t.jsonl", '{"text": "a", "labels": []}\n', "documents, expected a taxonomy"),
        ("t.labels", "0\ta\n2\tb\n", "no label has number 1"),
        ("t.labels", "5\ta\n", "no label has number 1"),
        ("t.labels", "0\ta\n0\tb\n", ":2: 'b' has number 0, before that of 'a'"),
        ("t.labels", "a\nb\tc\n", ":2: expected one label a line"),
        ("t.csv", "a,b\n".encode("utf-16-le"), r"binary content.*UTF-16\?"),
        ("t.csv", b"a,b\n" * 100_000 + b"c,\xff\n", ":100001: byte 400002 is not UTF-8"),
        ("t.csv", b"a,b\n" * 100_000 + b"c,\0\n", "binary content"),
    ],
)
def test_other_damage(put, name, content, message):
    with pytest.raises(TaxonomyError, match=message) as caught:
        read_taxonomy(put(name, content))
    assert "\n" not in str(caught.value)


def test_yaml_tags_are_only_text(put):
    assert read_taxonomy(put("t.yaml", "- !!python/object/apply:os.system a\n")).label_id == ["a"]


def test_truncated_gzip_has_a_line(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress("".join(f"a{i},b{i}\n" for i in range(200_000)).encode())[:-1000])
    with pytest.raises(TaxonomyError, match=r"t\.csv\.gz:\d{5,}: damaged or cut off gzip"):
        read_taxonomy(path)


def test_a_pipe_is_refused(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TaxonomyError, match="is a pipe or a device"):
        read_taxonomy(tmp_path / "pipe")


@pytest.mark.parametrize("key", FORMATS)
@pytest.mark.parametrize(
    ("option", "value"),
    [("separator", "|"), ("language", "de"), ("relations", ["is_a"]), ("iri", "full")],
)
def test_options_that_a_format_does_not_take_are_refused(put, key, option, value):
    if option in FORMATS[key].options:
        return
    path = put(NAMES[key], FORMATS[key].example)
    with pytest.raises(ConfigError, match=f"{option!r} has no meaning in format {key!r}"):
        read_taxonomy(path, format=key, **{option: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "obo", "relations": "is_a"}, r"'relations' must be a list .* found 'is_a'"),
        ({"format": "obo", "relations": []}, "'relations' must be a list"),
        ({"format": "skos", "iri": "long"}, "'iri' must be 'short' or 'full', found 'long'"),
        ({"format": "skos", "language": 5}, "'language' must be a language"),
        ({"format": "sklos"}, "found 'sklos'. Did you mean 'skos'"),
    ],
)
def test_wrong_options(put, options, message):
    with pytest.raises(ConfigError, match=message):
        read_taxonomy(put("t.ttl", FORMATS["skos"].example), **options)


@pytest.mark.parametrize(("key", "package"), [("obo", "obonet"), ("skos", "rdflib"), ("owl", "rdflib")])
def test_a_missing_package_is_named(put, monkeypatch, key, package):
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf'package \'{package}\': pip install "hgraph-text\[ontologies\]"'):
        read_taxonomy(put(NAMES[key], FORMATS[key].example))


def test_entities_are_named_also_where_nothing_else_tells_the_format(tmp_path):
    path = tmp_path / "bomb.rdf"
    path.write_text('<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><r>&b;</r>')
    with pytest.raises(TaxonomyError, match=r"bomb\.rdf:1: the DOCTYPE declares the entity 'a'"):
        read_taxonomy(path)
