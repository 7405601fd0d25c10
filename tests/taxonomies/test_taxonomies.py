import gzip
import json
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from hgraph import taxonomies
from hgraph.errors import TaxonomyError

# Labels on each level, as published for the data sets, and the fingerprint of ids and edges.
EXPECTED = {
    "aapd": ([9, 52], "023f254865bd4227"),
    "arxiv": ([8, 18, 117], "2b1dad988e1e2ca5"),
    "bgc": ([7, 46, 77, 16], "25e24cd221bfe6fd"),
    "edam": ([2, 33, 163, 184, 148, 130, 26, 7], "bc4a5c8886eb1fab"),
    "onet": ([4, 9, 37, 332, 2071], "b54428ff88acaea3"),
    "rcv1": ([4, 55, 43, 1], "02f037ea342068b1"),
    "wos": ([7, 134], "6e4d47fdace2f0c9"),
}
TOTALS = {"aapd": 61, "arxiv": 143, "bgc": 146, "edam": 693, "onet": 2453, "rcv1": 103, "wos": 141}
DEMO = Path(__file__).parents[2] / "examples" / "data" / "onet"

each_name = pytest.mark.parametrize("name", sorted(EXPECTED))


def content_of(name):
    return json.loads(files("hgraph.taxonomies").joinpath("data", f"{name}.json").read_text(encoding="utf-8"))


def test_names():
    assert taxonomies.names() == sorted(EXPECTED)


@each_name
def test_load(name):
    graph = taxonomies.load(name)
    levels, fingerprint = EXPECTED[name]
    assert graph.num_labels == sum(levels) == TOTALS[name]
    assert graph.level.bincount().tolist()[1:] == levels
    assert graph.fingerprint == fingerprint
    assert graph.is_tree == (name != "edam")
    assert all(text.strip() == text and text for text in graph.name)
    assert graph.license
    assert graph.source


@each_name
def test_info_agrees_with_the_graph(name):
    graph, info = taxonomies.load(name), taxonomies.info(name)
    assert info["labels"] == graph.num_labels
    assert info["edges"] == graph.num_edges
    assert info["levels"] == graph.level.bincount().tolist()[1:]
    assert info["structure"] == ("tree" if graph.is_tree else "dag")
    assert (info["license"], info["source"]) == (graph.license, graph.source)
    assert info["name"] == name
    assert info["title"]
    assert info["url"].startswith("http")


@each_name
def test_file_layout(name):
    content = content_of(name)
    assert list(content) == ["format", "version", "name", "title", "license", "source", "url", "nodes", "edges"]
    assert (content["format"], content["version"]) == ("hgraph-taxonomy", 1)
    assert all(list(node) == ["id", "name", "description"] for node in content["nodes"])
    assert len({tuple(edge) for edge in content["edges"]}) == len(content["edges"])
    text = files("hgraph.taxonomies").joinpath("data", f"{name}.json").read_text(encoding="utf-8")
    assert text.count('\n{"id": ') == len(content["nodes"])  # one node a line, for readable diffs


@pytest.mark.parametrize(
    ("name", "label", "path"),
    [
        ("aapd", "cs.lg", "Computer Science > Machine Learning"),
        ("aapd", "quant-ph", "Quantum Physics"),
        ("bgc", "Children’s Middle Grade Sports Books", None),  # noqa: RUF001 - the apostrophe of the data files
        ("bgc", "1950 – Present Military History", None),  # noqa: RUF001
        ("onet", "4.A.1.a.1", None),
        ("rcv1", "C151", "Corporate/industrial > Performance > Accounts/earnings"),
        ("rcv1", "GVIO", "Government/social > War, civil war"),
        ("wos", "network security", "Computer Science > Network security"),
        ("wos", "Depression", "Psychology > Depression"),
        ("wos", "Alzheimer's Disease", "Medical Science > Alzheimer's disease"),
    ],
)
def test_labels_of_data_files_are_ids(name, label, path):
    graph = taxonomies.load(name)
    assert graph.label_id[graph.index(label)] == label
    if path is not None:
        assert graph.path_names(label) == path


def test_rcv1_codes_follow_their_parents():
    # Within RCV1 the code of a child extends that of its parent, except directly under the four top categories.
    for parent, child in content_of("rcv1")["edges"]:
        assert child.startswith(parent[0] if parent.endswith("CAT") else parent)


def test_onet_and_edam_carry_the_notices_of_their_licences():
    onet, edam = taxonomies.info("onet"), taxonomies.info("edam")
    assert onet["license"] == "CC BY 4.0"
    assert "This product includes information from the O*NET 29.3 Database" in onet["source"]
    assert "USDOL/ETA has not approved, endorsed, or tested these modifications." in onet["source"]
    assert "CC BY-SA 4.0" in edam["license"]


def test_readme_table_agrees_with_the_files():
    text = files("hgraph.taxonomies").joinpath("README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", text, flags=re.MULTILINE)
    found = {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}
    assert sorted(found) == taxonomies.names()
    for name, (labels, levels, structure, licence, source) in found.items():
        info = taxonomies.info(name)
        assert int(labels.replace(",", "")) == info["labels"]
        assert [int(count) for count in levels.split(", ")] == info["levels"]
        assert structure == info["structure"]
        assert licence == info["license"]
        assert info["url"] in source


@pytest.mark.parametrize("function", [taxonomies.load, taxonomies.info])
def test_unknown_name(function):
    with pytest.raises(TaxonomyError, match=r"aapd, arxiv, .*, wos, but got 'RCV-1'\. Did you mean 'rcv1'\?"):
        function("RCV-1")
    with pytest.raises(TaxonomyError, match=r"but got '\.\./data/wos'\."):
        function("../data/wos")
    with pytest.raises(TaxonomyError, match=r"but got 'zzz'\.$"):
        function("zzz")


def test_listing_does_not_import_torch():
    code = "import sys, hgraph.taxonomies as t; t.names(); t.info('wos'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not DEMO.exists(), reason="examples are not part of the installed package")
@pytest.mark.parametrize(("split", "documents"), [("train", 13722), ("val", 1778), ("test", 1738)])
def test_demo_corpus_fits_the_onet_hierarchy(split, documents):
    demo = json.loads((DEMO / "taxonomy.json").read_text(encoding="utf-8"))
    assert demo == content_of("onet")
    parents = {child: parent for parent, child in demo["edges"]}
    ids = {node["id"] for node in demo["nodes"]}
    with gzip.open(DEMO / f"{split}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    assert len(rows) == documents
    for row in rows:
        labels = set(row["labels"])
        assert labels
        assert labels <= ids
        assert {parents[label] for label in labels if label in parents} <= labels
