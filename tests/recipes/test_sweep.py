"""Sweeps: trials, the best model, failures, pruning, going on."""

import csv
import json

import pytest

import hgraph.recipes.sweep as module
from hgraph.errors import ConfigError
from hgraph.hub import load_model
from hgraph.recipes import Recipe
from hgraph.recipes.search_space import parse_space
from hgraph.recipes.sweep import best_of, read_trials, sweep
from hgraph.recipes.sweep_study import Pruning, TrialPruned


@pytest.fixture(scope="module")
def run(toy_graph, toy_corpora, toy_recipes):
    recipe = toy_recipes["lexical"].override(["epochs=2"])

    def go(folder, params, *, changes=(), **options):
        changed = recipe.override(changes)
        space = parse_space(params, changed)
        return sweep(changed, toy_graph, toy_corpora["train"], toy_corpora["val"], folder, space, **options)

    return go


PARAMS = ["lexical_learning_rate=1e-4:2:log", "text_encoder.word_ngrams=1,2"]


def test_the_best_trial_is_kept_as_a_model(run, tmp_path):
    lines = []
    trials = run(tmp_path / "s", PARAMS, trials=4, report=lines.append)
    assert [trial.number for trial in trials] == [0, 1, 2, 3] and {trial.state for trial in trials} == {"complete"}
    best = best_of(trials)
    assert best.value == max(trial.value for trial in trials) > min(trial.value for trial in trials)
    saved = load_model(tmp_path / "s" / "best")
    assert saved.recipe.training.lexical_learning_rate == best.params["lexical_learning_rate"]
    report = saved.metrics["validation"]
    assert best.figures == {name: report[name] for name in ("micro_f1", "macro_f1", "r_precision")}
    assert best.value == pytest.approx((report["micro_f1"] + report["macro_f1_supported"]) / 2)
    folders = sorted((tmp_path / "s" / "trials").iterdir())
    assert [folder.name for folder in folders] == ["000", "001", "002", "003"]
    for folder, trial in zip(folders, trials, strict=True):
        kept = Recipe.load(folder / "recipe.yaml")
        assert kept.training.lexical_learning_rate == trial.params["lexical_learning_rate"]
        assert not list(folder.glob("*.safetensors"))
    assert not (tmp_path / "s" / "running").exists()
    rows = list(csv.DictReader((tmp_path / "s" / "trials.csv").open()))
    assert [float(row["micro_f1"]) for row in rows] == [trial.figures["micro_f1"] for trial in trials]
    assert len(lines) == 8 and "the best so far" in lines[1] and lines[0].startswith("Trial 1 of 4: lexical_learning")


def test_a_sweep_that_was_cut_short_goes_on_as_if_it_had_not(run, tmp_path, monkeypatch):
    whole = run(tmp_path / "whole", PARAMS, trials=4)
    train, calls = module.train, []

    def cut(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(*args, **kwargs)

    monkeypatch.setattr(module, "train", cut)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", PARAMS, trials=4)
    assert len(read_trials(tmp_path / "cut")) == 2
    went_on = run(tmp_path / "cut", PARAMS, trials=4, resume=True)
    assert [(t.number, t.params, t.value) for t in went_on] == [(t.number, t.params, t.value) for t in whole]
    assert len(run(tmp_path / "cut", PARAMS, trials=4, resume=True)) == 4  # nothing left to do
    assert len(run(tmp_path / "cut", PARAMS, trials=5, resume=True)) == 5
    with pytest.raises(ConfigError, match="--resume: --param differs"):
        run(tmp_path / "cut", PARAMS[:1], resume=True)
    with pytest.raises(ConfigError, match="--resume: --recipe, --set, --ablate or --metric differs"):
        run(tmp_path / "cut", PARAMS, changes=["epochs=3"], resume=True)


def test_grid(run, tmp_path):
    params = ["text_encoder.word_ngrams=1,2", "epochs=1:2:1"]
    trials = run(tmp_path / "s", params, grid=True, trials=None)
    found = [(trial.params["text_encoder.word_ngrams"], trial.params["epochs"]) for trial in trials]
    assert found == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert len(run(tmp_path / "few", params, grid=True, trials=2)) == 2
    with pytest.raises(ConfigError, match="--grid: 'lexical_learning_rate' is a range without steps"):
        run(tmp_path / "none", PARAMS, grid=True)
    assert not (tmp_path / "none").exists()


def test_a_failed_trial_is_shown_and_ends_nothing(run, tmp_path):
    lines = []
    trials = run(tmp_path / "s", ["lexical.max_weights=1,1000000"], grid=True, trials=None, report=lines.append)
    assert [trial.state for trial in trials] == ["failed", "complete"]
    assert "max_weights" in trials[0].error and "failed" in lines[1] and "max_weights" in lines[1]
    assert best_of(trials) is trials[1] and load_model(tmp_path / "s" / "best")
    assert json.loads((tmp_path / "s" / "trials" / "000" / "trial.json").read_text())["error"] == trials[0].error
    again = run(tmp_path / "s", ["lexical.max_weights=1,1000000"], grid=True, trials=None, resume=True)
    assert again == trials


def test_no_trial_is_complete(run, tmp_path):
    trials = run(tmp_path / "s", ["lexical.max_weights=1,2"], grid=True, trials=None)
    assert best_of(trials) is None and not (tmp_path / "s" / "best").exists()
    assert best_of([]) is None


def test_folders_that_hold_something_else(run, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("x")
    with pytest.raises(ConfigError, match="the folder exists and is not empty"):
        run(tmp_path / "a", PARAMS)
    with pytest.raises(ConfigError, match="holds no sweep"):
        run(tmp_path / "a", PARAMS, resume=True)
    (tmp_path / "b").write_text("x")
    with pytest.raises(ConfigError, match="expected a folder, found a file"):
        run(tmp_path / "b", PARAMS)


def test_one_process(run, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="runs in one process"):
        run(tmp_path / "s", PARAMS)


class Median:
    """A trial of optuna that is told to stop at its second validation."""

    def __init__(self):
        self.reported = []

    def report(self, value, step):
        self.reported.append((step, value))

    def should_prune(self):
        return len(self.reported) == 2


def test_pruning_reports_each_validation():
    trial = Median()
    pruning = Pruning(trial, "micro_f1")
    pruning.on_evaluate(None, None, None, metrics={"eval_loss": 1.0})  # a stage without scores
    pruning.on_evaluate(None, None, None, metrics={"eval_micro_f1": 0.5})
    with pytest.raises(TrialPruned, match="after 2 validations"):
        pruning.on_evaluate(None, None, None, metrics={"eval_micro_f1": 0.4})
    assert trial.reported == [(0, 0.5), (1, 0.4)]


def test_trials_that_fall_behind_are_pruned(run, tmp_path):
    """Rates of nearly zero after good ones: worse than the median at the first validation."""
    params = ["lexical_learning_rate=1.0,1.1,1.2,1e-9"]
    trials = run(tmp_path / "s", params, grid=True, trials=None, prune=True)
    assert [trial.state for trial in trials] == ["complete", "complete", "complete", "pruned"]
    assert "worse than the median" in trials[3].error


def test_optuna_is_an_extra(run, tmp_path, monkeypatch):
    import hgraph.recipes.sweep_study as study

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(study.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"needs optuna, which is not installed: pip install .*\[sweep\]"):
        study.require_optuna()
