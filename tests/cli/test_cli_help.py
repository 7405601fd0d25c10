"""Help, lists and start-up time of the command."""

import json
import subprocess
import sys

import pytest

import hgraph
from hgraph.cli.main import COMMANDS
from hgraph.recipes import Recipe, recipe_names


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS), ["recipes", "list"], ["recipes", "show"]])
def test_every_command_has_help(hgraph_command, arguments):
    for flag in ("--help", "-h"):
        code, out, err = hgraph_command(*arguments, flag)
        assert (code, err) == (0, "")
        assert out.startswith("Usage: hgraph") and "--help" in out


def test_version(hgraph_command):
    assert hgraph_command("--version")[:2] == (0, f"hgraph, version {hgraph.__version__}\n")


@pytest.mark.parametrize("arguments", [[], ["recipes"]])
def test_nothing_shows_the_help(hgraph_command, arguments):
    code, _, err = hgraph_command(*arguments)
    assert code == 2
    assert "Commands:" in err and "Error" not in err


@pytest.mark.parametrize("command", ["--help", "recipes list", "recipes show htla", "train --help", "predict --help"])
def test_help_and_recipes_import_nothing_heavy(command):
    script = (
        "import json, sys\n"
        f"sys.argv = ['hgraph', *{command.split()!r}]\n"
        "from hgraph.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as error:\n    assert not error.code\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "torch_geometric", "sklearn", "scipy", "datasets"}
    assert not heavy & set(json.loads(done.stderr))
    assert done.stdout


def test_recipes_list_and_show(hgraph_command, tmp_path):
    code, listed, _ = hgraph_command("recipes", "list")
    assert code == 0
    assert [line.split()[0] for line in listed.splitlines()] == recipe_names()
    assert {"flat", "htla", "lexical"} <= set(recipe_names())
    for name in recipe_names():
        for options in ([], ["--full"]):
            code, text, _ = hgraph_command("recipes", "show", name, *options)
            assert code == 0
            (tmp_path / "shown.yaml").write_text(text)
            assert Recipe.load(tmp_path / "shown.yaml") == Recipe.load(name)


def test_taxonomies(hgraph_command):
    from hgraph import taxonomies

    code, out, err = hgraph_command("taxonomies")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[2:]] == list(taxonomies.names())


def test_doctor(hgraph_command):
    code, out, err = hgraph_command("doctor")
    assert (code, err) == (0, "")
    assert "torch " in out and "faiss" in out and out.endswith("All that hgraph needs is there.\n")


def test_doctor_says_what_is_missing(hgraph_command, monkeypatch):
    from hgraph.cli import doctor

    monkeypatch.setattr(doctor, "PACKAGES", ("torch", "no-such-package"))
    code, out, err = hgraph_command("doctor")
    assert code == 1
    assert "no-such-package is missing: pip install" in err
    assert "All that" not in out


def test_a_mistyped_command_is_suggested(hgraph_command):
    code, _, err = hgraph_command("predcit")
    assert code == 2
    assert err.startswith("Error: there is no command 'predcit'. Did you mean 'predict'?")
    assert err.count("\n") == 1
