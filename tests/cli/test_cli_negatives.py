"""`hgraph negatives`: strategies of mining side by side."""

import re

import pytest


def test_strategies_side_by_side(hgraph_command, toy_runs, toy_folder):
    run, data = toy_runs("htla"), toy_folder / "train.jsonl"
    code, out, err = hgraph_command("negatives", run, "--data", data, "--count", "2")
    assert code == 0, err
    assert out.startswith("60 documents, 9 labels, 2 negatives each")
    header = next(line for line in out.splitlines() if "hardest" in line)
    assert header.split() == ["hardest", "semi_hard", "random"]
    similarity = [float(v) for v in re.search(r"similarity, mean +(.*)", out)[1].split()]
    assert similarity[0] >= similarity[1] and similarity[0] >= similarity[2]


def test_what_an_earlier_model_mined_is_fixed(hgraph_command, toy_runs, toy_folder):
    run, data = toy_runs("mined"), toy_folder / "train.jsonl"
    code, out, err = hgraph_command("negatives", run, "--earlier", toy_runs("htla"), "--data", data, "--count", "2")
    assert code == 0, err
    assert "fixed" in out


@pytest.mark.parametrize("kind", ["lexical", "staged"])
def test_models_without_label_vectors(hgraph_command, toy_runs, toy_folder, kind):
    code, _, err = hgraph_command("negatives", toy_runs(kind), "--data", toy_folder / "train.jsonl")
    assert code == 2 and err.startswith("Error: ") and "label" in err and err.count("\n") == 1
