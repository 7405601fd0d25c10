"""The page on formats, the help of the command and the table of formats say the same."""

import re
from pathlib import Path

import pytest

from hgraph.cli import formats_help
from hgraph.graph import FORMATS, read_taxonomy

PAGE = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def test_every_format_has_a_section():
    assert [name for name in SECTIONS if name in FORMATS] == list(FORMATS)


@pytest.mark.parametrize("key", FORMATS)
def test_the_example_of_the_page_is_read(put, key):
    example = re.search(r"^```\w+\n(.*?)\n```$", SECTIONS[key], re.M | re.S)[1]
    assert example == FORMATS[key].example
    assert len(example.splitlines()) <= 5
    extension = FORMATS[key].extensions[0]
    graph = read_taxonomy(put(f"t{extension}", example))
    assert graph.num_labels >= 2
    assert graph.num_levels >= (1 if key == "labels" else 2)


@pytest.mark.parametrize("key", FORMATS)
def test_the_page_says_what_is_written_and_which_options_there_are(key):
    section = SECTIONS[key]
    assert ("**Written**" in section) == (FORMATS[key].write is not None)
    assert ("**Not written**" in section) == (FORMATS[key].write is None)
    assert "**Read**" in section and "**Refused**" in section
    for option in FORMATS[key].options:
        flag = {"separator": "--separator", "language": "--language", "relations": "--relation", "iri": "--iri"}[option]
        assert flag in section or "as in `skos`" in section or "as in edge lists" in section


def test_the_help_has_the_same_formats():
    assert {key: (each.description, each.example) for key, each in FORMATS.items()} == formats_help.FORMATS
    assert list(FORMATS) == list(formats_help.FORMATS)
    assert tuple(key for key, each in FORMATS.items() if each.write) == formats_help.WRITTEN


def test_the_help_shows_every_example(hgraph_command):
    code, out, _ = hgraph_command("build-taxonomy", "--help")
    assert code == 0
    for key, each in FORMATS.items():
        assert f"{key}: {each.description}" in out
        for line in each.example.splitlines():
            assert line.expandtabs(16).strip() in out
