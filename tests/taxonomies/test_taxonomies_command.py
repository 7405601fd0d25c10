"""`hgraph taxonomies`, with a name and with --others."""

import subprocess
import sys

from hgraph import taxonomies


def test_list(hgraph_command):
    code, out, err = hgraph_command("taxonomies")
    assert (code, err) == (0, "")
    header, _, *rows = out.splitlines()
    assert header.split() == ["name", "labels", "levels", "shape", "licence", "what"]
    assert [row.split()[0] for row in rows] == taxonomies.names()
    row = next(row for row in rows if row.startswith("wordnet-nouns"))
    assert row.split()[1:4] == ["74,371", "20", "dag"]
    assert row.endswith("WordNet 3.0: noun synsets and their hypernyms")


def test_one(hgraph_command):
    code, out, err = hgraph_command("taxonomies", "mondo")
    assert (code, err) == (0, "")
    info = taxonomies.info("mondo")
    assert out.startswith(f"mondo: {info['title']}\n")
    text = " ".join(out.split())
    assert f"labels {info['labels']:,} on 17 levels, {info['edges']:,} edges, dag" in text
    assert f"per level {', '.join(f'{count:,}' for count in info['levels'])} " in text
    for key in ("license", "source", "version", "url", "fingerprint"):
        assert info[key] in text
    assert all(f"{label}: {path}" in text for label, path in info["examples"].items())
    assert max(map(len, out.split("some leaves")[0].splitlines())) <= 100


def test_one_with_more_top_labels_than_are_shown(hgraph_command):
    _, out, _ = hgraph_command("taxonomies", "iab-content")
    assert ", and 25 more\n" in out


def test_every_one(hgraph_command):
    for name in taxonomies.names():
        assert hgraph_command("taxonomies", name)[0] == 0


def test_others(hgraph_command):
    code, out, err = hgraph_command("taxonomies", "--others")
    assert (code, err) == (0, "")
    rows = out.splitlines()[2:]
    assert len(rows) == len(taxonomies.elsewhere())
    assert any(row.startswith("EuroVoc") and " skos " in row for row in rows)


def test_errors(hgraph_command):
    code, out, err = hgraph_command("taxonomies", "mundo")
    assert (code, out) == (2, "")
    assert err.startswith("Error: 'name' must be one of aapd,") and err.endswith("Did you mean 'mondo'?\n")
    code, out, err = hgraph_command("taxonomies", "mondo", "--others")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and "--others" in err and "'mondo'" in err


def test_no_torch():
    script = (
        "import sys\nfrom hgraph.cli.main import main\n"
        "for arguments in ([], ['mondo'], ['--others']):\n"
        "    sys.argv = ['hgraph', 'taxonomies', *arguments]\n"
        "    try:\n        main()\n    except SystemExit as error:\n        assert not error.code\n"
        "assert not {'torch', 'numpy', 'scipy'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
