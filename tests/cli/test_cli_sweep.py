"""`hgraph sweep`, and what `hgraph train` leaves out: one line for wrong input, tables, the best model."""

import pytest

from hgraph.recipes import Recipe

SMALL = ["--recipe", "lexical", "--epochs", "1", "--set", "early_stopping=0"]
RATES = ["--param", "lexical_learning_rate=0.001,1.0"]


@pytest.fixture
def data(toy_folder):
    return [
        "--taxonomy", toy_folder / "taxonomy.json", "--train", toy_folder / "train.jsonl",
        "--val", toy_folder / "val.jsonl",
    ]  # fmt: skip


def test_sweep(hgraph_command, data, toy_folder, tmp_path):
    out_folder = tmp_path / "sweep"
    code, out, err = hgraph_command("sweep", *data, *SMALL, *RATES, "--grid", "-o", out_folder)
    assert code == 0, err
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["trial", "lexical_learning_rate", "micro-F1", "macro-F1", "R-Prec", "mean_f1"]
    assert len(rows) == 4 and rows[2][-1] == "best" and float(rows[2][-2]) >= float(rows[3][-1])
    assert "Trial 1 of 2: lexical_learning_rate=0.001" in err and "the best so far" in err
    assert hgraph_command("evaluate", out_folder / "best", "--data", toy_folder / "test.jsonl")[0] == 0
    code, out, err = hgraph_command("sweep", *data, *SMALL, *RATES, "--grid", "-o", out_folder, "--resume")
    assert code == 0 and "Trial" not in err and len(out.splitlines()) == 4
    code, _, err = hgraph_command("sweep", *data, *SMALL, *RATES, "--grid", "-o", out_folder)
    assert code == 2 and "go on with --resume" in err


def test_the_metric_decides_and_ablations_hold(hgraph_command, data, tmp_path):
    options = ["--metric", "micro_f1", "--ablate", "names", "--trials", "1", "-o", tmp_path / "s"]
    code, out, err = hgraph_command("sweep", *data, *SMALL, *RATES, *options)
    assert code == 0, err
    assert out.splitlines()[0].split()[-1] == "R-Prec" and "the best by micro_f1" in err and "Without: names" in err
    kept = Recipe.load(tmp_path / "s" / "best" / "recipe.yaml")
    assert kept.training.metric == "micro_f1" and not kept.training.label_documents


def test_a_sweep_in_which_all_fails(hgraph_command, data, tmp_path):
    param = ["--param", "lexical.max_weights=1,2", "--grid", "-o", tmp_path / "s"]
    code, out, err = hgraph_command("sweep", *data, *SMALL, *param)
    assert code == 2 and err.splitlines()[-1].startswith("Error: no trial came to an end")
    assert out.count("failed") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--param: expected at least one"),
        (["--param", "epochs=a"], "two different values"),
        (["--param", "epochs=0:3"], "--param epochs: training: 'epochs' must be at least 1, found 0"),
        (["--param", "objectives.tla.weight=0:1"], "'objectives' has no 'tla'"),
        ([*RATES, "--ablate", "graph"], "--ablate: the recipe 'lexical' has no 'graph' to leave out"),
        (["--param", "lexical_learning_rate=0.1:1", "--grid"], "is a range without steps"),
        ([*RATES, "--metric", "f1"], "'f1' is not one of"),
    ],
)
def test_wrong_input_is_one_line(hgraph_command, data, tmp_path, arguments, words):
    code, out, err = hgraph_command("sweep", *data, *SMALL, *arguments, "-o", tmp_path / "s")
    assert (code, out) == (2, "") and words in err.splitlines()[-1] and err.splitlines()[-1].startswith("Error: ")
    assert not (tmp_path / "s").exists()


def test_train_without_the_graph(hgraph_command, data, tmp_path, bert_folder):
    small = ["--set", "label_encoder.heads=2", "--epochs", "1"]
    options = ["--recipe", "htla", "--text-encoder", bert_folder, *small, "--no-graph", "--ablate", "tla"]
    code, _, err = hgraph_command("train", *data, *options, "-o", tmp_path / "run")
    assert code == 0, err
    assert "Without: graph, tla" in err
    kept = Recipe.load(tmp_path / "run" / "recipe.yaml")
    assert kept.label_encoder.name == "names" and [o.name for o in kept.objectives] == ["bce"]
    assert kept.description.endswith("Ablated: graph, tla.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "flat", "--no-graph"], "--ablate: the recipe 'flat' has no 'graph' to leave out. It has: bce."),
        (["--recipe", "htla", "--ablate", "tlaa"], "did you mean 'tla'?"),
        (["--recipe", "htla", "--set", "objectives.tlaa.weight=1"], "'objectives' has no 'tlaa'; did you mean 'tla'?"),
    ],
)
def test_parts_that_a_recipe_does_not_have(hgraph_command, data, tmp_path, arguments, words):
    code, out, err = hgraph_command("train", *data, *arguments, "-o", tmp_path / "run")
    assert (code, out) == (2, "") and words in err and err.count("\n") == 1


def test_ablations_are_listed(hgraph_command):
    code, out, err = hgraph_command("recipes", "ablations", "htla")
    assert (code, err) == (0, "")
    listed = [line.split()[0] for line in out.splitlines()[2:]]
    assert listed == ["graph", "names", "random-names", "distance", "path", "bce", "tla"]
