"""Every example runs at toy size and prints what it promises."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from hgraph import LabelGraph

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(monkeypatch, capsys):
    """Runner of an example: what it printed."""

    def call(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return call


def test_every_example_is_short_listed_and_tested():
    listed, tests = (EXAMPLES / "README.md").read_text(encoding="utf-8"), Path(__file__).read_text(encoding="utf-8")
    numbered = sorted(EXAMPLES.glob("[0-9]*.py"))
    assert numbered
    for path in numbered:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 80, path.name
        assert f"`{path.name}`" in listed
        assert f'run("{path.name}"' in tests


def test_build_taxonomy(run, tmp_path):
    output = tmp_path / "animals.json"
    printed = run("01_build_taxonomy.py", "--output", output)
    assert re.search(r"^several parents +1$", printed, re.M)
    assert "'Sport > Chess', 'Games', 'Games > Chess'" in printed
    assert "Science > Physics > Optics" in printed
    assert "above a whale: ['animal', 'mammal', 'swimmer']" in printed
    assert "bear, expanded: ['animal', 'mammal', 'bear']" in printed
    assert "a cycle: a -> b -> c -> a" in printed
    assert "same after a round trip: True" in printed
    assert LabelGraph.load(output).num_labels == 6


def test_build_taxonomy_leaves_nothing_behind(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("01_build_taxonomy.py")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_train_and_predict(run, tmp_path):
    printed = run("02_train_and_predict.py", "--output", tmp_path / "run", "--documents", "400", "--epochs", "1")
    assert "\n400 training documents\n" in printed
    figures = dict(re.findall(r"^test (\S+) +([01]\.\d{4})$", printed, re.M))
    assert set(figures) == {"micro_f1", "macro_f1_supported", "r_precision", "p@1", "p@5"}
    assert float(figures["p@1"]) > 0.5  # of 2,453 labels
    assert re.search(r"^\d\.\d{3}  4\.A\S* +\S", printed, re.M)
    assert (tmp_path / "run" / "config.json").exists()


def test_train_refuses_a_full_folder_in_one_line(run, tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as exit_info:
        run("02_train_and_predict.py", "--output", tmp_path, "--documents", "10")
    assert exit_info.value.code == 2
    assert "not empty" in capsys.readouterr().err


def test_graph_encoder_elsewhere(run):
    printed = run("03_graph_encoder_elsewhere.py", "--steps", "60")
    found = {name: float(value) for name, value in re.findall(r"^(majority class|GPTrans) +(\d\.\d+)$", printed, re.M)}
    assert found["GPTrans"] > found["majority class"] + 0.15


def test_label_graph_in_pyg(run):
    printed = run("04_label_graph_in_pyg.py")
    assert "labels=694, edges=903, levels=9" in printed
    assert "GATv2: [694, 32]" in printed
    assert "wu_palmer: [0.75, 0.57]" in printed
    assert "two hops up: ['Sequence editing'" in printed


def test_changing_hierarchy(run):
    printed = run("05_changing_hierarchy.py")
    assert printed


def test_attention_on_any_edges(run):
    printed = run("06_attention_on_any_edges.py", "--graphs", "1500")
    found = {name: float(value) for name, value in re.findall(r"^(\w+: \D+?) +(\d\.\d+)$", printed, re.M)}
    assert found["nodes: GraphormerConv"] > found["nodes: majority of the neighbours"] + 0.3
    assert found["edges: GPTransConv"] > found["edges: never followed"] + 0.05
