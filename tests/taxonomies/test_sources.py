"""The scripts that rebuild the files, each on a few lines in the layout of its publisher."""

import gzip
import json

import pytest

sources = pytest.importorskip("hgraph.taxonomies.sources", reason="the scripts are not part of the installed package")

from hgraph import taxonomies  # noqa: E402
from hgraph.errors import TaxonomyError  # noqa: E402
from hgraph.graph import LabelGraph  # noqa: E402
from hgraph.taxonomies.sources import (  # noqa: E402
    __main__,
    attack,
    brick,
    cell_ontology,
    cwe,
    emoji,
    gene_ontology,
    hed,
    hierarchy,
    iab,
    linguist,
    naics,
    places,
    trove,
    wordnet,
)


def names_of(built):
    return {label: name for label, (name, _) in built.nodes.items()}


def given(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_every_newer_file_has_a_script():
    older = {"aapd", "arxiv", "bgc", "edam", "onet", "rcv1", "wos"}
    assert set(__main__.BUILDERS) == set(taxonomies.names()) - older


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("", 10, ""),
        ("  two \n words ", 10, "two words"),
        ("First one. Second one.", 15, "First one."),
        ("First one. Second one.", 22, "First one. Second one."),
        ("no sentence ends in here", 16, "no sentence..."),
        ("Cut by others. And the rest is mis...", 100, "Cut by others."),
    ],
)
def test_shorten(text, limit, expected):
    assert hierarchy.shorten(text, limit) == expected
    assert len(hierarchy.shorten(text, limit)) <= limit


def test_below_takes_each_label_once():
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("x", "y")]
    assert hierarchy.below(["a"], edges) == {"a", "b", "c", "d"}
    assert hierarchy.below([], edges) == set()


@pytest.mark.parametrize("packed", [False, True])
def test_save(tmp_path, monkeypatch, packed):
    monkeypatch.setattr(hierarchy, "DATA", tmp_path)
    facts = {"title": "A toy", "license": "MIT", "source": "me", "url": "https://example.org", "version": "7"}
    nodes = {"a": ("A  a", "Text.\n More. " + 300 * "x"), "b": ("B", "")}
    path = hierarchy.Hierarchy(name="toy", **facts, nodes=nodes, edges=[("a", "b")], packed=packed).save()
    assert path.name == ("toy.json.gz" if packed else "toy.json")
    data = path.read_bytes()
    content = json.loads(gzip.decompress(data) if packed else data)
    assert content["data_version"] == "7"
    assert content["nodes"][0] == {"id": "a", "name": "A a", "description": "Text. More."}
    graph = LabelGraph.load(path)
    assert (graph.title, graph.license, graph.source) == ("toy", "MIT", "me")
    assert content["fingerprint"] == graph.fingerprint
    again = hierarchy.Hierarchy(name="toy", **facts, nodes=nodes, edges=[("a", "b")], packed=packed).save()
    assert again.read_bytes() == data
    with pytest.raises(TaxonomyError, match="cycle"):
        hierarchy.Hierarchy(name="toy", **facts, nodes=nodes, edges=[("a", "b"), ("b", "a")]).save()


def test_trove(tmp_path):
    text = (
        'sorted_classifiers: List[str] = ["Private :: Do Not Upload", "Topic :: A", "Topic :: A :: B", "Topic :: Old"]\n'
        'classifiers: Set[str] = set(sorted_classifiers)\ndeprecated_classifiers: Dict = {"Topic :: Old": []}\n'
    )
    built = trove.build(given(tmp_path, "init.py", text), "1")
    assert names_of(built) == {"Topic": "Topic", "Topic :: A": "A", "Topic :: A :: B": "B"}
    assert built.edges == [("Topic", "Topic :: A"), ("Topic :: A", "Topic :: A :: B")]


def test_wordnet(tmp_path):
    data = (
        "  1 a license line\n"
        '00000010 03 n 01 entity 0 000 | that which is; "an example"  \n'
        "00000020 03 n 02 hot_dog 0 frank 0 002 @ 00000010 n 0000 ~ 00000030 n 0000 | food  \n"
        "00000030 03 n 01 dog 0 001 @ 00000020 n 0000 | animal  \n"
        "00000040 03 n 01 Fido 0 002 @i 00000030 n 0000 @ 00000030 n 0000 | a certain dog  \n"
        "00000050 03 n 01 bark 0 001 @ 00000040 n 0000 | below an instance  \n"
    )
    index = (
        "  1 a license line\nentity n 1 0 1 0 00000010  \nhot_dog n 1 1 @ 1 0 00000020  \n"
        "dog n 2 1 @ 2 0 00000099 00000030  \nfido n 1 1 @ 1 0 00000040  \nbark n 1 1 @ 1 0 00000050  \n"
    )
    given(tmp_path, "data.noun", data)
    given(tmp_path, "index.noun", index)
    built = wordnet.build(tmp_path, "3.0")
    assert built.nodes == {
        "entity.n.01": ("entity", "that which is"),
        "hot_dog.n.01": ("hot dog", "food"),
        "dog.n.02": ("dog", "animal"),
    }
    assert built.edges == [("entity.n.01", "hot_dog.n.01"), ("hot_dog.n.01", "dog.n.02")]


@pytest.mark.parametrize("packed", [False, True])
def test_gene_ontology(tmp_path, packed):
    pytest.importorskip("obonet")
    text = (
        "format-version: 1.2\nontology: go\n\n[Term]\nid: GO:1\nname: cellular_component\n\n"
        "[Term]\nid: GO:2\nname: cell\nis_a: GO:1 ! cc\nrelationship: part_of GO:3 ! x\n\n"
        "[Term]\nid: GO:3\nname: obsolete part\nis_obsolete: true\n\n[Term]\nid: CL:4\nname: other\nis_a: GO:1\n"
    )
    path = given(tmp_path, "go.obo", text)
    if packed:
        path = tmp_path / "go.obo.gz"
        path.write_bytes(gzip.compress(text.encode()))
    built = gene_ontology.build(path, "1")
    assert names_of(built) == {"GO:1": "cellular component", "GO:2": "cell"}
    assert built.edges == [("GO:1", "GO:2")]


def _terms(*rows):
    return json.dumps(
        {
            term: {"label": label, "description": text, "ancestors": ancestors, "deprecated": deprecated}
            for term, label, text, ancestors, deprecated in rows
        }
    )


def test_cell_ontology(tmp_path):
    text = _terms(
        ("CL:0000000", "cell", None, {}, False),
        ("CL:1", "neuron", "Text.", {"CL:0000000": 1}, False),
        ("CL:2", "sensory neuron", None, {"CL:1": 1, "CL:0000000": 2}, False),
        ("CL:3", "obsolete thing", None, {"CL:1": 1}, True),
    )
    built = cell_ontology.build_cl(given(tmp_path, "cl.json", text), "1")
    assert built.nodes == {"CL:1": ("neuron", "Text."), "CL:2": ("sensory neuron", "")}
    assert built.edges == [("CL:1", "CL:2")]


def test_mondo(tmp_path):
    text = _terms(
        ("MONDO:0000001", "disease", None, {}, False),
        ("MONDO:0700096", "human disease", None, {"MONDO:0000001": 1}, False),
        ("MONDO:1", "flu", None, {"MONDO:0700096": 1, "MONDO:0000001": 2}, False),
        ("MONDO:2", "bird flu", None, {"MONDO:1": 1, "MONDO:3": 1}, False),
        ("MONDO:3", "of birds", None, {"MONDO:0000001": 1}, False),
    )
    built = cell_ontology.build_mondo(given(tmp_path, "mondo.json", text), "1")
    assert names_of(built) == {"MONDO:1": "flu", "MONDO:2": "bird flu"}
    assert built.edges == [("MONDO:1", "MONDO:2")]


def test_brick(tmp_path):
    pytest.importorskip("rdflib")
    text = """
    @prefix brick: <https://brickschema.org/schema/Brick#> .
    @prefix owl: <http://www.w3.org/2002/07/owl#> .
    @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
    @prefix skos: <http://www.w3.org/2004/02/skos/core#> .
    brick:Entity a owl:Class .
    brick:Equipment a owl:Class ; rdfs:subClassOf brick:Entity .
    brick:Air_Handling_Unit a owl:Class ; rdfs:subClassOf brick:Equipment ; skos:definition "Moves air." ;
        rdfs:label "Air Handling Unit" ; owl:equivalentClass brick:AHU .
    brick:AHU a owl:Class ; rdfs:subClassOf brick:Equipment .
    brick:Unit_of_Air a owl:Class ; rdfs:subClassOf brick:Equipment ; owl:equivalentClass brick:Air_Handling_Unit .
    brick:Room a owl:Class ; rdfs:subClassOf brick:Equipment ; owl:deprecated true .
    brick:Alone a owl:Class ; rdfs:subClassOf brick:Entity .
    """
    built = brick.build(given(tmp_path, "Brick.ttl", text), "1")
    assert built.nodes == {"Air_Handling_Unit": ("Air Handling Unit", "Moves air."), "Equipment": ("Equipment", "")}
    assert built.edges == [("Equipment", "Air_Handling_Unit")]


def test_hed(tmp_path):
    old = "<attribute><name>deprecatedFrom</name></attribute>"
    text = (
        "<HED><schema><node><name>Event</name><description>It happens.</description>"
        "<node><name>Sensory-event</name><node><name>#</name></node></node>"
        f"<node><name>Old-event</name>{old}</node></node></schema></HED>"
    )
    built = hed.build(given(tmp_path, "HED.xml", text), "1")
    assert built.nodes == {"Event": ("Event", "It happens."), "Sensory-event": ("Sensory event", "")}
    assert built.edges == [("Event", "Sensory-event")]


def test_emoji(tmp_path):
    text = (
        "# group: Smileys & Emotion\n# subgroup: face-smiling\n"
        "1F600 ; fully-qualified     # 😀 E1.0 grinning face\n"
        "263A ; unqualified         # ☺ E0.6 smiling face\n"
        "# group: Component\n# subgroup: skin-tone\n1F3FB ; component           # 🏻 E1.0 light skin tone\n"
        "# group: People & Body\n# subgroup: hand\n"
        "1F44B ; fully-qualified     # 👋 E0.6 waving hand\n"
        "1F44B 1F3FB ; fully-qualified     # 👋🏻 E1.0 waving hand: light skin tone\n"
    )
    built = emoji.build(given(tmp_path, "emoji-test.txt", text), "15.0")
    assert names_of(built) == {
        "Smileys & Emotion": "Smileys & Emotion",
        "face-smiling": "face smiling",
        "😀": "grinning face",
        "People & Body": "People & Body",
        "hand": "hand",
        "👋": "waving hand",
    }
    assert built.edges[:2] == [("Smileys & Emotion", "face-smiling"), ("face-smiling", "😀")]
    assert len(built.edges) == 4


def test_places(tmp_path):
    territory = {
        "001": {"_contains": ["150"]},
        "001-status-grouping": {"_contains": ["EU"]},
        "150": {"_contains": ["155"]},
        "155": {"_contains": ["FR"]},
        "EU": {"_contains": ["FR"], "_grouping": "true"},
    }
    contents = {
        "territoryContainment": {"supplemental": {"territoryContainment": territory}},
        "subdivisionContainment": {
            "supplemental": {
                "subdivisionContainment": {"FR": {"_contains": ["fridf", "frzzz"]}, "fridf": {"_contains": ["fr75c"]}}
            }
        },
        "territories": {
            "main": {
                "en": {
                    "localeDisplayNames": {
                        "territories": {
                            "001": "world",
                            "150": "Europe",
                            "155": "Western Europe",
                            "EU": "Union",
                            "FR": "France",
                        }
                    }
                }
            }
        },
        "en": {"subdivisions": {"localeDisplayNames": {"subdivisions": {"fridf": "Île-de-France", "fr75c": "Paris"}}}},
    }
    for name, content in contents.items():
        given(tmp_path, f"{name}.json", json.dumps(content))
    built = places.build(tmp_path, "48")
    assert names_of(built) == {
        "150": "Europe",
        "155": "Western Europe",
        "FR": "France",
        "FR-IDF": "Île-de-France",
        "FR-75C": "Paris",
    }
    assert sorted(built.edges) == [("150", "155"), ("155", "FR"), ("FR", "FR-IDF"), ("FR-IDF", "FR-75C")]


def test_cwe(tmp_path):
    def weakness(number, abstraction, status, *above):
        related = "".join(f'<Related_Weakness Nature="ChildOf" CWE_ID="{a}" View_ID="{view}"/>' for a, view in above)
        return (
            f'<Weakness ID="{number}" Name="W{number}" Abstraction="{abstraction}" Status="{status}">'
            f"<Description>About {number}.</Description><Related_Weaknesses>{related}</Related_Weaknesses></Weakness>"
        )

    text = (
        '<Weakness_Catalog xmlns="http://cwe.mitre.org/cwe-7"><Weaknesses>'
        + weakness(10, "Base", "Draft", (2, 1000), (9, 1003))
        + weakness(2, "Pillar", "Stable")
        + weakness(3, "Base", "Deprecated", (2, 1000))
        + weakness(4, "Base", "Draft", (9, 1003))
        + "</Weaknesses></Weakness_Catalog>"
    )
    built = cwe.build(given(tmp_path, "cwec.xml", text), "1")
    assert built.nodes == {"CWE-2": ("W2", "About 2."), "CWE-10": ("W10", "About 10.")}
    assert built.edges == [("CWE-2", "CWE-10")]


def test_attack(tmp_path):
    def technique(code, *tactics, **more):
        links = [
            {"source_name": "capec", "external_id": "CAPEC-1"},
            {"source_name": "mitre-attack", "external_id": code},
        ]
        phases = [{"phase_name": tactic} for tactic in tactics]
        text = "Uses [a link](https://x.y).(Citation: Someone)"
        entry = {"type": "attack-pattern", "name": f"N{code}", "description": text, "external_references": links}
        return {**entry, "kill_chain_phases": phases, **more}

    objects = [
        technique("T1.001", "impact"),
        technique("T1", "impact", "command-and-control"),
        technique("T2", "impact", revoked=True),
        technique("T3", "impact", x_mitre_deprecated=True),
        {"type": "malware", "name": "M"},
    ]
    built = attack.build(given(tmp_path, "attack.json", json.dumps({"objects": objects})), "18.1")
    assert built.nodes == {
        "impact": ("Impact", ""),
        "command-and-control": ("Command and Control", ""),
        "T1": ("NT1", "Uses a link."),
        "T1.001": ("NT1.001", "Uses a link."),
    }
    assert sorted(built.edges) == [("T1", "T1.001"), ("command-and-control", "T1"), ("impact", "T1")]


def test_naics(tmp_path):
    text = "code,title\n11,Farming\n111,Crops\n31-33,Manufacturing\n321,Wood\n1111,Grain\n11111,Soy\n111110,Soy\n"
    built = naics.build(given(tmp_path, "naics.csv", text), "2022")
    assert len(built.nodes) == 7
    assert sorted(built.edges) == [
        ("11", "111"),
        ("111", "1111"),
        ("1111", "11111"),
        ("11111", "111110"),
        ("31-33", "321"),
    ]


def test_iab(tmp_path):
    text = (
        "Relational ID System\t\t\tTiers\nUnique ID\tParent\tName\tTier 1\tTier 2\tTier 3\tTier 4\t\n"
        "1\t\tSports\tSports\t\t\t\t\n2\t1\tRiding\tSports\tRiding\t\t\t\n3\t1\tRacing\tSports\tRiding\tRacing\t\tSCD\n"
    )
    built = iab.build(given(tmp_path, "iab.tsv", text), "3.1")
    assert names_of(built) == {"1": "Sports", "2": "Riding", "3": "Racing"}
    assert built.edges == [("1", "2"), ("2", "3")]


def test_linguist(tmp_path):
    text = (
        "Prolog:\n  type: programming\n  extensions: ['.pl']\nECLiPSe:\n  type: programming\n  group: prolog\n"
        "Fortran:\n  type: programming\n  group: Fortran\nJSON:\n  type: data\n  filenames: ['.x']\n"
    )
    built = linguist.build(given(tmp_path, "languages.yml", text), "1")
    assert built.nodes["Prolog"] == ("Prolog", "Files: .pl")
    assert built.edges == [
        ("type:programming", "Prolog"),
        ("Prolog", "ECLiPSe"),
        ("type:programming", "Fortran"),
        ("type:data", "JSON"),
    ]


def test_index_and_table(tmp_path, monkeypatch):
    from hgraph.taxonomies.sources import index

    readme = given(tmp_path, "README.md", f"before\n{index.BEGIN}old\n{index.END}\nafter\n")
    data = tmp_path / "data"
    data.mkdir()
    given(data, "elsewhere.json", "[]")
    for module in (hierarchy, index):
        monkeypatch.setattr(module, "DATA", data)
    monkeypatch.setattr(index, "README", readme)
    facts = {"title": "A toy", "license": "MIT", "source": "me", "url": "https://example.org", "version": "7"}
    nodes = {label: (label.upper(), "") for label in "abcd"}
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
    hierarchy.Hierarchy(name="toy-1", **facts, nodes=nodes, edges=edges, packed=True).save()
    first = index.write_index().read_bytes()
    assert json.loads(first)["toy-1"]["levels"] == [1, 2, 1]
    assert json.loads(first)["toy-1"]["structure"] == "dag"
    assert json.loads(first)["toy-1"]["examples"] == {"d": "A > B > D"}
    text = readme.read_text(encoding="utf-8")
    assert "| `toy-1` | 4 | 1, 2, 1 | dag | MIT | [A toy](https://example.org), 7 |" in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert index.write_index().read_bytes() == first  # the index itself is not taken for a hierarchy
    assert readme.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("arguments", [[], ["emoji"], ["nothing", "file", "1"]])
def test_usage(arguments):
    with pytest.raises(SystemExit, match=r"usage: python -m taxonomies\.sources NAME FILE VERSION"):
        __main__.main(arguments)
