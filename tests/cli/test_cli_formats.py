"""`hgraph build-taxonomy` in every format: what it takes, what it writes, and one line for what is wrong."""

import gzip
import json
import socket

import pytest

from hgraph.graph import FORMATS, read_taxonomy

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


@pytest.fixture
def build(hgraph_command, tmp_path, monkeypatch):
    """Run `hgraph build-taxonomy` in a folder of its own, without a network."""

    def refuse(*arguments, **options):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return hgraph_command("build-taxonomy", *arguments)

    return run


@pytest.mark.parametrize("key", FORMATS)
def test_every_format_becomes_json(build, tmp_path, key):
    (tmp_path / NAMES[key]).write_text(FORMATS[key].example)
    code, out, err = build(NAMES[key], "-o", "out.json.gz")
    assert (code, err) == (0, "")
    assert "labels" in out and "Written to out.json.gz" in out
    content = json.loads(gzip.decompress((tmp_path / "out.json.gz").read_bytes()))
    assert content["format"] == "hgraph-taxonomy"


@pytest.mark.parametrize("key", [key for key, each in FORMATS.items() if each.write])
def test_every_written_format_is_written(build, tmp_path, key):
    (tmp_path / "in.csv").write_text("parent,child\na,b\na,c\nb,d\n")
    name = f"out{FORMATS[key].extensions[0]}"
    code, _, err = build("in.csv", "-o", name, "--to", key)
    assert (code, err) == (0, "")
    assert read_taxonomy(tmp_path / name).num_labels == 4


def test_the_output_follows_its_extension(build, tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n")
    for name, start in (("o.ttl", "@prefix"), ("o.tsv", "parent\tchild"), ("o.xyz", "{"), ("plain", "{")):
        assert build("in.csv", "-o", name)[0] == 0
        assert (tmp_path / name).read_text().startswith(start)


def test_a_shipped_hierarchy(build, tmp_path):
    assert build("wos", "-o", "wos.csv")[0] == 0
    assert read_taxonomy(tmp_path / "wos.csv").num_labels == 141
    code, _, err = build("wos", "--format", "csv", "-o", "x.json")
    assert code == 2
    code, _, err = build("wos", "--language", "de", "-o", "x.json")
    assert (code, err.count("\n")) == (2, 1) and "'language' has no meaning for 'wos'" in err
    code, _, err = build("wosx", "-o", "x.json")
    assert (code, err.count("\n")) == (2, 1) and "neither a file nor a hierarchy that ships" in err


def test_options(build, tmp_path):
    (tmp_path / "t.ttl").write_text(FORMATS["skos"].example)
    assert build("t.ttl", "-o", "de.json", "--language", "de", "--iri", "full", "--name", "mine")[0] == 0
    graph = read_taxonomy(tmp_path / "de.json")
    assert (graph.name[0], graph.label_id[0], graph.title) == ("Wissenschaft", "http://example.org/science", "mine")
    (tmp_path / "t.obo").write_text("[Term]\nid: a\n\n[Term]\nid: b\nrelationship: part_of a\n")
    for relations, edges in ((["is_a"], 0), (["is_a", "part_of"], 1)):
        flags = [word for name in relations for word in ("--relation", name)]
        assert build("t.obo", "-o", "o.json", "--overwrite", *flags)[0] == 0
        assert read_taxonomy(tmp_path / "o.json").edge_index.size(1) == edges
    (tmp_path / "t.txt").write_text("a=b\na=c\n")
    assert build("t.txt", "-o", "p.json", "--format", "paths", "--separator", "=")[0] == 0
    assert read_taxonomy(tmp_path / "p.json").label_id == ["a", "a=b", "a=c"]


def test_what_is_left_out_is_counted(build, tmp_path, caplog):
    (tmp_path / "t.obo").write_text("[Term]\nid: a\nis_a: z\n\n[Term]\nid: b\nis_obsolete: true\n")
    assert build("t.obo", "-o", "o.json")[0] == 0
    assert [record.getMessage().split(": ", 1)[1] for record in caplog.records] == [
        "obsolete terms left out: 1",
        "edges to terms that are obsolete or not in the file left out: 1",
    ]


DOCUMENTS = [
    {"text": "one", "labels": ["Arts > Music", "Arts > Film"]},
    {"text": "two", "labels": ["Arts > Music > Jazz"]},
    {"text": "three", "labels": []},
]


def test_documents_alone(build, tmp_path):
    lines = "".join(json.dumps(document) + "\n" for document in DOCUMENTS)
    (tmp_path / "train.jsonl").write_text(lines)
    with gzip.open(tmp_path / "more.csv.gz", "wt") as file:
        file.write("text,labels\nfour,Arts > Dance; Sport\n")
    more = ["--from-documents", "more.csv.gz", "--label-separator", ";"]
    code, out, err = build("--from-documents", "train.jsonl", *more, "-o", "o.json")
    assert (code, err) == (0, "") and "train" in out
    graph = read_taxonomy(tmp_path / "o.json")
    assert graph.label_id == [
        "Arts",
        "Arts > Music",
        "Arts > Film",
        "Arts > Music > Jazz",
        "Arts > Dance",
        "Sport",
    ]
    assert build("--from-documents", "train.jsonl", "--separator", "/", "-o", "flat.json")[0] == 0
    assert read_taxonomy(tmp_path / "flat.json").num_levels == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["expected either SOURCE or --from-documents, found neither"]),
        (["t.csv", "--from-documents", "d.jsonl"], ["found both"]),
        (["--from-documents", "d.jsonl", "--format", "edges"], ["--format has no meaning with --from-documents"]),
        (["--from-documents", "d.jsonl", "--relation", "is_a"], ["--relation has no meaning"]),
        (["--from-documents", "d.jsonl", "--single-root"], ["d.jsonl: expected one root, found 2: 'a', 'c'"]),
        (["--from-documents", "bad.jsonl"], ["bad.jsonl:2", "empty name"]),
        (["--from-documents", "none.jsonl"], ["no such file"]),
        (["--from-documents", "empty.jsonl"], ["holds no label"]),
        (["d.jsonl"], ["documents, expected a taxonomy", "--from-documents"]),
        (["t.csv", "--single-root"], ["t.csv: expected one root, found 2: 'a', 'c'"]),
        (["t.csv", "--language", "en"], ["'language' has no meaning in format 'edges'"]),
        (["dag.csv", "--to", "paths"], ["o.json: format 'paths' holds trees only, but 'c' has 2 parents"]),
        (["t.csv", "--to", "owl"], ["'owl'", "is not one of"]),
        (["bomb.rdf"], ["bomb.rdf:2", "declares the entity 'a'"]),
        (["cut.obo.gz"], ["damaged or cut off gzip"]),
        (["cycle.obo"], ["a cycle: a -> b -> a"]),
        (["latin.taxonomy"], ["latin.taxonomy:1: byte 5 is not UTF-8"]),
        (["long.csv"], ["long.csv:2: a line of more than"]),
        (["slot.pt"], ["a pickle"]),
        (["none.obo"], ["no such file"]),
    ],
)
def test_one_line_and_exit_code_2(build, tmp_path, arguments, words):
    (tmp_path / "t.csv").write_text("a,b\nc,d\n")
    (tmp_path / "dag.csv").write_text("a,c\nb,c\n")
    (tmp_path / "d.jsonl").write_text('{"text": "x", "labels": ["a > b", "c"]}\n')
    (tmp_path / "bad.jsonl").write_text('{"text": "x", "labels": ["a"]}\n{"text": "x", "labels": ["a >  > b"]}\n')
    (tmp_path / "empty.jsonl").write_text('{"text": "x", "labels": []}\n')
    (tmp_path / "bomb.rdf").write_text('<?xml version="1.0"?>\n<!DOCTYPE r [<!ENTITY a "b">]><r xmlns="skos:Concept"/>')
    (tmp_path / "cut.obo.gz").write_bytes(gzip.compress(FORMATS["obo"].example.encode())[:-6])
    (tmp_path / "cycle.obo").write_text("[Term]\nid: a\nis_a: b\n\n[Term]\nid: b\nis_a: a\n")
    (tmp_path / "latin.taxonomy").write_bytes("Root\té\n".encode("latin-1"))
    (tmp_path / "long.csv").write_text("a,b\n" + "c" * 3_000_000)
    (tmp_path / "slot.pt").write_bytes(b"\x80\x02")
    before = sorted(tmp_path.iterdir())
    code, out, err = build(*arguments, "-o", "o.json")
    assert (code, out) == (2, "")
    assert err.startswith("Error: ") and err.count("\n") == 1
    assert all(word in err for word in words), err
    assert sorted(tmp_path.iterdir()) == before


def test_help_is_light():
    import subprocess
    import sys

    script = (
        "import sys\nsys.argv = ['hgraph', 'build-taxonomy', '--help']\nfrom hgraph.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as error:\n    assert not error.code\n"
        "assert not {'torch', 'scipy', 'numpy', 'rdflib', 'networkx'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "skos" in done.stdout
