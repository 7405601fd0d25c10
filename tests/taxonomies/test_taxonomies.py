import functools
import gzip
import json
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from hgraph import taxonomies
from hgraph.errors import TaxonomyError
from hgraph.graph import LabelGraph

# Labels on each level, as published for the data sets or counted in the publisher's file, and the fingerprint of ids
# and edges: a hierarchy that changes without a new version of its source is a mistake.
PUBLISHED = {
    "aapd": ([9, 52], "023f254865bd4227"),
    "arxiv": ([8, 18, 117], "2b1dad988e1e2ca5"),
    "bgc": ([7, 46, 77, 16], "25e24cd221bfe6fd"),
    "edam": ([2, 33, 163, 184, 148, 130, 26, 7], "bc4a5c8886eb1fab"),
    "onet": ([4, 9, 37, 332, 2071], "b54428ff88acaea3"),
    "rcv1": ([4, 55, 43, 1], "02f037ea342068b1"),
    "wos": ([7, 134], "6e4d47fdace2f0c9"),
    # ATT&CK 18.1: tactics, techniques, sub-techniques. NAICS 2022: sectors to national industries.
    "attack": ([14, 216, 475], "6bbe514d0c762d24"),
    "naics": ([20, 96, 308, 689, 1012], "176146fbe0c328ed"),
    "iab-content": ([37, 323, 275, 69], "121c6620413cff5e"),
}
FACTS_ONLY = {"aapd", "bgc", "rcv1", "wos"}
REDISTRIBUTABLE = {
    "Apache-2.0",
    "ATT&CK Terms of Use",
    "BSD-3-Clause",
    "CC BY 3.0",
    "CC BY 4.0",
    "CWE Terms of Use",
    "MIT",
    "Unicode License v3",
    "WordNet 3.0 license",
    "arXiv metadata, CC0 1.0",
    "ontology CC BY-SA 4.0 (EDAM 1.25)",
    "public domain (U.S. Government work)",
}
SIZE_LIMIT = 8 * 2**20
DATA = files("hgraph.taxonomies").joinpath("data")
ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "data" / "onet"

each_name = pytest.mark.parametrize("name", taxonomies.names())


@functools.lru_cache(maxsize=1)
def text_of(name):
    plain = DATA.joinpath(f"{name}.json")
    if plain.is_file():
        return plain.read_text(encoding="utf-8")
    return gzip.decompress(DATA.joinpath(f"{name}.json.gz").read_bytes()).decode("utf-8")


@functools.lru_cache(maxsize=1)
def content_of(name):
    return json.loads(text_of(name))


@functools.lru_cache(maxsize=1)
def graph_of(name):
    return taxonomies.load(name)


def test_names_are_those_of_the_files():
    found = {entry.name.split(".")[0] for entry in DATA.iterdir() if ".json" in entry.name}
    assert taxonomies.names() == sorted(found - {"index", "elsewhere"})


def test_enough_hierarchies_of_every_kind_may_be_redistributed():
    entries = [taxonomies.info(name) for name in taxonomies.names() if name not in FACTS_ONLY]
    assert len(entries) >= 15
    assert {entry["structure"] for entry in entries} == {"tree", "dag"}
    assert sum(entry["structure"] == "dag" for entry in entries) >= 5
    sizes = [entry["labels"] for entry in entries]
    assert min(sizes) >= 50
    assert sum(size >= 10_000 for size in sizes) >= 3
    assert sum(size < 1_000 for size in sizes) >= 3


def test_files_stay_small():
    assert sum(len(entry.read_bytes()) for entry in DATA.iterdir()) <= SIZE_LIMIT


# One test a hierarchy: what it reads is read once.
@each_name
def test_file(name):
    content, graph, info = content_of(name), graph_of(name), taxonomies.info(name)

    head = ["format", "version", "name", "title", "license", "source", "url", "data_version", "fingerprint"]
    assert list(content) == [*head, "nodes", "edges"]
    assert (content["format"], content["version"], content["name"]) == ("hgraph-taxonomy", 1, name)
    assert all(content[key].strip() for key in ("title", "license", "source", "data_version"))
    assert content["url"].startswith("http")
    assert content["license"] in REDISTRIBUTABLE or name in FACTS_ONLY
    assert text_of(name).count('\n{"id": ') == len(content["nodes"])  # one node a line, for readable diffs

    assert all(list(node) == ["id", "name", "description"] for node in content["nodes"])
    assert all(text.strip() == text and text for text in graph.name)
    assert all(text.strip() == text for text in graph.description)
    assert not [text for text in graph.name if text.startswith(("obsolete ", "OBSOLETE", "DEPRECATED"))]
    assert len({tuple(edge) for edge in content["edges"]}) == len(content["edges"])
    assert graph.num_dropped_edges == 0
    linked = np.unique(graph.edge_index.numpy())
    assert graph.num_labels - len(linked) <= 5  # a few top labels are classes of their own, such as `Crime`

    assert content["fingerprint"] == graph.fingerprint == info["fingerprint"]
    assert info["labels"] == graph.num_labels == sum(info["levels"])
    assert info["edges"] == graph.num_edges
    assert info["levels"] == graph.level.bincount().tolist()[1:]
    assert info["structure"] == ("tree" if graph.is_tree else "dag")
    assert info["num_roots"] == len(graph.roots)
    assert info["roots"] == [graph.name[root] for root in graph.roots[:12]]
    assert info["examples"]
    assert all(graph.path_names(label) == path for label, path in info["examples"].items())
    assert (info["license"], info["source"]) == (graph.license, graph.source)
    for key, value in {"name": name, "version": content["data_version"]}.items():
        assert info[key] == value
    assert all(info[key] == content[key] for key in ("title", "url"))
    if name in PUBLISHED:
        assert (info["levels"], info["fingerprint"]) == PUBLISHED[name]


def test_from_name():
    assert LabelGraph.from_name("iab-content").path_names("376") == "Genres > Talk Radio > Public Radio"


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
        ("attack", "T1059.001", "Execution > Command and Scripting Interpreter > PowerShell"),
        ("cwe", "CWE-89", None),
        ("emoji", "😀", "Smileys & Emotion > face smiling > grinning face"),
        ("naics", "111110", None),
        ("places", "FR-75C", None),
        ("trove", "Topic :: Scientific/Engineering :: Physics", "Topic > Scientific/Engineering > Physics"),
        ("linguist", "Python", "Programming language > Python"),
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


def test_notices_name_every_hierarchy_and_hold_the_licences_that_ask_for_it():
    text = files("hgraph.taxonomies").joinpath("NOTICES.md").read_text(encoding="utf-8")
    assert not [name for name in taxonomies.names() if f"`{name}`" not in text]
    for phrase in (
        "WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.",
        "UNICODE LICENSE V3",
        "Copyright (c) 2016-2021, Brick Development Team",
        "Copyright (c) 2011-2014 GitHub, Inc.",
        "Apache License",
        "reproduced and distributed with the permission of The MITRE Corporation",
        "MITRE hereby grants you a non-exclusive, royalty-free license to use\nCWE",
    ):
        assert phrase in text


def test_readme_table_agrees_with_the_files():
    text = files("hgraph.taxonomies").joinpath("README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \|(.*)\|$", text, flags=re.MULTILINE)
    found = {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}
    assert list(found) == taxonomies.names()
    for name, (labels, levels, structure, licence, source) in found.items():
        info = taxonomies.info(name)
        assert int(labels.replace(",", "")) == info["labels"]
        assert [int(count) for count in levels.split(", ")] == info["levels"]
        assert structure == info["structure"]
        assert licence == info["license"]
        assert info["url"] in source
        assert source.endswith(f", {info['version']}")


def test_elsewhere_names_formats_and_places():
    entries = taxonomies.elsewhere()
    assert len(entries) >= 20
    assert [entry["name"] for entry in entries] == sorted((entry["name"] for entry in entries), key=str.casefold)
    for entry in entries:
        assert list(entry) == ["name", "what", "format", "file", "terms", "url"]
        assert all(entry.values())
        assert entry["url"].startswith("http")
        assert entry["format"] in {"edges", "htc", "levels", "obo", "owl", "paths", "rcv1", "skos"}


def test_info_gives_a_copy():
    taxonomies.info("wos")["levels"].append(0)
    assert taxonomies.info("wos")["levels"] == [7, 134]


@pytest.mark.parametrize("function", [taxonomies.load, taxonomies.info])
def test_unknown_name(function):
    with pytest.raises(TaxonomyError, match=r"aapd, arxiv, .*, wos, but got 'RCV-1'\. Did you mean 'rcv1'\?"):
        function("RCV-1")
    with pytest.raises(TaxonomyError, match=r"but got '\.\./data/wos'\."):
        function("../data/wos")
    with pytest.raises(TaxonomyError, match=r"but got 'wordnet'\. Did you mean 'wordnet-nouns'\?"):
        function("wordnet")
    with pytest.raises(TaxonomyError, match=r"but got 'zzz'\.$"):
        function("zzz")


def test_listing_does_not_import_torch():
    code = "import sys, hgraph.taxonomies as t; t.names(); t.info('wos'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not DEMO.exists(), reason="examples are not part of the installed package")
@pytest.mark.parametrize(("split", "documents"), [("train", 13722), ("val", 1778), ("test", 1738)])
def test_demo_corpus_fits_the_onet_hierarchy(split, documents):
    demo = json.loads((DEMO / "taxonomy.json").read_text(encoding="utf-8"))
    assert all(content_of("onet")[key] == value for key, value in demo.items())
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
