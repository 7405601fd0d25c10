"""Every taxonomy format: what it reads, what it refuses and with which words, and how files are written."""

import errno
import gzip
import json
import os

import pytest

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph import FORMATS, LabelGraph, detect_format, files, read_taxonomy


@pytest.fixture
def put(tmp_path):
    """Write bytes or text to a file, gzipped when its name says so, and return its path."""

    def write(name, content):
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


def edges_of(graph):
    return sorted((graph.label_id[p], graph.label_id[c]) for p, c in graph.edge_index.t().tolist())


# Reading

EXAMPLE_FILES = [
    ("json", "toy.json"),
    ("json", "toy.txt"),
    ("edges", "toy.csv"),
    ("edges", "toy.txt"),
    ("parents", "toy.csv"),
    ("paths", "toy.txt"),
    ("paths", "toy.csv"),
    ("levels", "toy.csv"),
    ("nested", "toy.yaml"),
    ("nested", "toy.yml"),
    ("htc", "toy.taxonomy"),
    ("htc", "toy.txt"),
    ("labels", "toy.txt"),
    ("labels", "toy.labels"),
    ("rcv1", "toy.hier"),
    ("rcv1", "toy.orig"),
    ("obo", "toy.obo"),
    ("obo", "toy.txt"),
    ("skos", "toy.ttl"),
    ("skos", "toy.txt"),
    ("owl", "toy.ttl"),
    ("owl", "toy.owl"),
    ("graphml", "toy.graphml"),
    ("graphml", "toy.xml"),
]


def test_every_format_has_a_detection_case():
    assert {key for key, _ in EXAMPLE_FILES} == set(FORMATS)


@pytest.mark.parametrize("extension", ["", ".gz"])
@pytest.mark.parametrize(("key", "name"), EXAMPLE_FILES)
def test_the_example_of_every_format_is_found_and_read(put, key, name, extension):
    path = put(name + extension, FORMATS[key].example)
    assert detect_format(path) == key
    graph = read_taxonomy(path)
    assert graph.title == "toy"
    assert graph.num_labels >= 2
    assert graph.fingerprint == read_taxonomy(path, format=key).fingerprint == FORMATS[key].read(path).fingerprint
    assert len(FORMATS[key].example.splitlines()) <= 5


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", '{"nodes": [{"id": "a"}], "edges": []}', "json"),
        ("a.tsv", "parent\tchild\na\tb\n", "edges"),
        ("a.csv", "a,b\nb,c\n", "edges"),
        ("a.csv", "Parent ID;Child ID;name\na;b;B > C\n", "edges"),
        ("a.csv", "a > b\na > c\n", "paths"),
        ("a.txt", "only\nroots\n", "paths"),
        ("a.txt", "Root\ta\tb\n", "htc"),
        ("a.tsv", "a\tb\tc\nb\td\n", "htc"),
    ],
)
def test_detection_by_content(put, name, content, expected):
    path = put(name, content)
    assert detect_format(path) == expected
    assert read_taxonomy(path).num_labels > 0


def test_detection_with_a_separator(put):
    path = put("a.txt", "a/b\na/c\n")
    assert detect_format(path, separator="/") == "paths"
    assert read_taxonomy(path, separator="/").label_id == ["a", "a/b", "a/c"]
    assert read_taxonomy(put("a.csv", "a,b\n"), separator=",").label_id == ["a", "b"]
    assert read_taxonomy(put("b.csv", "a|b\n"), format="edges", separator="|").label_id == ["a", "b"]


def test_what_nothing_fits_is_refused(put):
    with pytest.raises(TaxonomyError, match=r"a\.csv: the format is not clear from line 1, .*json, edges, .*, graphml"):
        read_taxonomy(put("a.csv", "a,b,c\nd,e,f\n"))
    with pytest.raises(ConfigError, match=r"'format' must be one of json, edges, .*, graphml, found 'xml'"):
        read_taxonomy(put("a.csv", "a,b"), format="xml")
    with pytest.raises(ConfigError, match="'separator' has no meaning in format 'htc'"):
        read_taxonomy(put("a.taxonomy", "Root\ta"), separator=",")
    with pytest.raises(TaxonomyError, match="must be one character, found '::'"):
        read_taxonomy(put("a.csv", "a::b"), format="edges", separator="::")


def test_edge_list_columns(put):
    text = '\ufeffdescription,Target,source,Name\r\n"first, of all",a,,Top\r\n,b,a,\r\n'
    text += '\r\n"two\r\nlines",c,a,"See ""C"""\r\n'
    graph = read_taxonomy(put("toy.csv", text))
    assert graph.label_id == ["a", "b", "c"]
    assert graph.name == ["Top", "b", 'See "C"']
    assert graph.description == ["first, of all", "", "two\nlines"]
    assert edges_of(graph) == [("a", "b"), ("a", "c")]
    assert read_taxonomy(put("flat.csv", "parent,child\n,a\n,b\n")).roots.tolist() == [0, 1]


def test_htc_order_and_root(put):
    graph = read_taxonomy(put("toy.taxonomy", "b\td\n\nRoot\ta\tb\na\tc\nd\n"))
    assert graph.label_id == ["b", "d", "a", "c"]
    assert edges_of(graph) == [("a", "c"), ("b", "d")]


def test_paths_of_one_csv_column(put):
    graph = read_taxonomy(put("toy.csv", 'path\n"A, B > ""C"""\n\nA, B > D\n'))
    assert graph.name == ["A, B", '"C"', "D"]


def test_plain_json_without_our_keys(put):
    content = {
        "license": "CC0",
        "source": "s",
        "nodes": [{"id": "é", "name": None}, {"id": "b"}],
        "edges": [["é", "b"]],
    }
    graph = LabelGraph.load(put("my.list.json.gz", json.dumps(content, ensure_ascii=False)))
    assert (graph.title, graph.license, graph.source) == ("my.list", "CC0", "s")
    assert graph.name == ["é", "b"]


# Refusing

BAD_FILES = [
    ("a.json", '{"nodes": [],\n"edges": [}', "json", r"a\.json:2: malformed JSON at column 11: Expecting value"),
    ("a.json", "[1]", "json", "expected a JSON object with 'nodes' and 'edges'"),
    ("a.json", "[" * 200_000, "json", "malformed JSON"),
    ("a.json", '{"nodes": {}, "edges": []}', "json", "'nodes' must be a list, found dict"),
    ("a.json", '{"nodes": [{"id": "a"}, {"name": "b"}], "edges": []}', "json", r"nodes\[1\] must be an object with"),
    ("a.json", '{"nodes": [{"id": "a"}], "edges": [["a"]]}', "json", r"edges\[0\] must be \[parent id, child id\]"),
    ("a.json", '{"nodes": [{"id": "a"}], "edges": [["a", "b"]]}', "json", "a.json: 'edges' has 'a' -> 'b', but 'b'"),
    ("a.json", '{"nodes": [], "edges": []}', "json", "a.json: 'nodes' is empty"),
    ("a.json", '{"name": 3, "nodes": [{"id": "a"}], "edges": []}', "json", "'name' must be a string, found 3"),
    ("a.json", '{"version": 2, "nodes": [], "edges": []}', "json", "'version' must be 1, found 2. Upgrade hgraph"),
    ("a.json", '{"format": "x", "nodes": [], "edges": []}', "json", "'format' must be 'hgraph-taxonomy', found 'x'"),
    ("a.json", '{"fingerprint": "0", "nodes": [{"id": "a"}], "edges": []}', "json", "'fingerprint' says 0. If they"),
    ("a.csv", "a,b,c\n", "edges", r"a\.csv:1: expected a header with 'parent' and 'child', or two columns .* found 3"),
    ("a.csv", "parent,child\na,b\na\n", "edges", r"a\.csv:3: expected 2 columns separated by ',', found 1"),
    ("a.csv", "parent,child\na,\n", "edges", r"a\.csv:2: the child is empty"),
    ("a.csv", "parent,child,name\na,c,C\nb,c,D\n", "edges", r"a\.csv:3: 'c' has a second name 'D', before 'C'"),
    ("a.csv", 'parent,child\na,"b\n', "edges", "malformed CSV: unexpected end of data"),
    ("a.csv", "a,b\nb,a\n", "edges", r"a\.csv: 'edges' contains a cycle: a -> b -> a"),
    ("a.csv", "parent,child\n", "edges", r"a\.csv: holds no label"),
    ("a.txt", "A > B\nA >  > C\n", "paths", r"a\.txt:2: empty name in the path 'A >  > C' \(separator ' > '\)"),
    ("a.taxonomy", "Root\ta\nb\t\tc\n", "htc", r"a\.taxonomy:2: empty label between tabs"),
    ("a.taxonomy", "Root\ta\nb c\n", "htc", r"a\.taxonomy:2: expected parent<tab>child<tab>..., found 'b c'"),
    ("a.taxonomy", "a\tRoot\n", "htc", r"a\.taxonomy:1: 'Root' is the artificial root"),
    ("a.taxonomy", "a\tb\nb\ta\n", "htc", r"a\.taxonomy: 'edges' contains a cycle"),
]


@pytest.mark.parametrize(("name", "content", "format", "message"), BAD_FILES)
def test_malformed_files(put, name, content, format, message):
    with pytest.raises(TaxonomyError, match=message) as caught:
        read_taxonomy(put(name, content), format=format)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.txt", "a.taxonomy", "a.json.gz"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (b"a,caf\xe9\n", "byte 5 is not UTF-8; save the file as UTF-8"),
        ("a,b\n".encode("utf-16"), "byte 0 is not UTF-8; save the file as UTF-8"),
        (b"PK\x00\x03a,b", "binary content, expected a text file"),
        (b"\x89PNG\x00\xff", "binary content, expected a text file"),
    ],
)
def test_files_that_are_no_text(put, name, content, message):
    path = put(name, content)
    with pytest.raises(TaxonomyError, match=message) as caught:
        read_taxonomy(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.taxonomy.gz"])
def test_missing_file_and_folder(tmp_path, name):
    with pytest.raises(TaxonomyError, match="no such file"):
        read_taxonomy(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(TaxonomyError, match="is a folder, expected a taxonomy file"):
        read_taxonomy(tmp_path / name)


def test_damaged_gzip(tmp_path):
    whole = gzip.compress(b"a,b\n" * 1000)
    for data in (whole[:-10], whole[:20], b"a,b\n", whole[:15] + b"\xff" * 20):
        path = tmp_path / "a.csv.gz"
        path.write_bytes(data)
        with pytest.raises(TaxonomyError, match="damaged or cut off gzip"):
            read_taxonomy(path)
    path = tmp_path / "unmarked.csv"
    path.write_bytes(gzip.compress(b"a,b\n"))
    assert read_taxonomy(path).label_id == ["a", "b"]


def test_unreadable_file(put, monkeypatch):
    path = put("a.csv", "a,b")

    def refuse(self, mode):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(TaxonomyError, match=r"a\.csv: cannot be read \(Permission denied\)"):
        read_taxonomy(path)


# Writing


@pytest.fixture
def graph():
    return LabelGraph.from_edges(
        [("ä", "b"), ("ä", "c"), ("b", "c")],
        names={"b": 'Bee "quoted"\n\u2028'},
        descriptions={"c": "x\ty"},
        nodes=["b", "ä", "c", "alone"],
        title="toy",
        license="CC0",
        source="here",
    )


@pytest.mark.parametrize("name", ["g.json", "g.json.gz"])
def test_save_and_load(graph, tmp_path, name):
    path = tmp_path / name
    graph.save(path)
    again = LabelGraph.load(path)
    assert again.to_dict().keys() == graph.to_dict().keys()
    for key in ("label_id", "name", "description", "title", "license", "source"):
        assert again[key] == graph[key]
    assert again.edge_index.tolist() == graph.edge_index.tolist()
    first = path.read_bytes()
    again.save(path, overwrite=True)
    assert path.read_bytes() == first
    assert os.listdir(tmp_path) == [name]
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_saved_json_is_the_documented_one(graph, tmp_path):
    graph.save(tmp_path / "g.json")
    data = json.loads((tmp_path / "g.json").read_text("utf-8"))
    assert list(data) == ["format", "version", "name", "license", "source", "fingerprint", "nodes", "edges"]
    assert (data["format"], data["version"], data["fingerprint"]) == ("hgraph-taxonomy", 1, graph.fingerprint)
    assert data["nodes"][1] == {"id": "ä", "name": "ä", "description": ""}
    assert data["edges"] == [["ä", "b"], ["ä", "c"], ["b", "c"]]


def test_save_refuses_to_overwrite(graph, put):
    path = put("g.json", "mine")
    with pytest.raises(ConfigError, match=r"g\.json: the file exists. Choose another name or pass overwrite=True"):
        graph.save(path)
    assert path.read_text() == "mine"


def test_save_into_a_folder_or_none(graph, tmp_path):
    with pytest.raises(ConfigError, match="is a folder"):
        graph.save(tmp_path, overwrite=True)
    with pytest.raises(ConfigError, match=r"cannot be written \(No such file or directory\)"):
        graph.save(tmp_path / "none" / "g.json")


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ConfigError),
        (PermissionError(errno.EACCES, "Permission denied"), ConfigError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failed_save_leaves_nothing_behind(graph, put, tmp_path, monkeypatch, step, raised, seen):
    path = put("g.json", "mine")

    def fail(*arguments):
        raise raised

    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(seen) as caught:
        graph.save(path, overwrite=True)
    if seen is ConfigError:
        assert str(caught.value) == f"{path}: cannot be written ({raised.strerror})."
    assert os.listdir(tmp_path) == ["g.json"]
    assert path.read_text() == "mine"


def test_half_a_character_cannot_be_saved(tmp_path):
    graph = LabelGraph.from_edges([], nodes=["a\ud800"])
    assert len(graph.fingerprint) == 16
    with pytest.raises(ConfigError, match=r"a text holds \\ud800, half a character"):
        graph.save(tmp_path / "g.json")
    assert os.listdir(tmp_path) == []


def test_fingerprint_is_stable():
    graph = LabelGraph.from_edges([("a", "b")])
    assert graph.fingerprint == LabelGraph.from_edges([("a", "b")], names={"a": "A"}, title="x").fingerprint
    others = [[("b", "a")], [("a", "c")], [("a", "b"), ("b", "c")]]
    assert len({graph.fingerprint, *(LabelGraph.from_edges(edges).fingerprint for edges in others)}) == 4
