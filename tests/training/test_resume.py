"""A run that is killed and resumed ends with the weights and figures of one that was not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file
from transformers import TrainerCallback

from hgraph.errors import ConfigError
from hgraph.recipes import train
from hgraph.training import last_checkpoint

DRIVER = """
import sys, time
from hgraph.data import read_corpus
from hgraph.graph import LabelGraph
from hgraph.recipes import Recipe, train
from transformers import TrainerCallback
import torch

torch.set_num_threads(1)
recipe, data, output = sys.argv[1:]

class Slow(TrainerCallback):
    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step >= 10:  # in the second epoch, after the checkpoint of step 9
            time.sleep(60)

graph = LabelGraph.load(f"{data}/taxonomy.json")
corpora = [read_corpus(f"{data}/{name}.jsonl", graph) for name in ("train", "val")]
train(Recipe.load(recipe), graph, *corpora, output, callbacks=[Slow()])
"""


class Stop(Exception):
    """Stands for a crash."""


class Crash(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step >= self.step:
            raise Stop


def steps_of(folder):
    return json.loads((folder / "metrics.json").read_text())["training"]["steps"]


def assert_same(first, second):
    """Weights bit by bit, figures and thresholds exactly."""
    for name in ("model.safetensors", "training.safetensors"):
        one, other = load_file(first / name), load_file(second / name)
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key], err_msg=key)
    assert (first / "thresholds.json").read_text() == (second / "thresholds.json").read_text()
    figures = [json.loads((folder / "metrics.json").read_text()) for folder in (first, second)]
    assert figures[0]["validation"] == figures[1]["validation"]
    assert figures[0]["training"]["steps"] == figures[1]["training"]["steps"]


@pytest.fixture(scope="session")
def saving_recipes(toy_recipes):
    return {kind: recipe.override(["save_steps=3"]) for kind, recipe in toy_recipes.items()}


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory, saving_recipes, toy_graph, toy_corpora):
    folder, made = tmp_path_factory.mktemp("whole"), set()

    def make(kind):
        if kind not in made:
            made.add(kind)
            train(saving_recipes[kind], toy_graph, toy_corpora["train"], toy_corpora["val"], folder / kind)
        return folder / kind

    return make


@pytest.mark.parametrize("kind", ["mixed", "htla", "mined", "hgclr", "hyilr", "hjcl", "hbgl", "cascade", "wide"])
def test_killed_in_mid_epoch(saving_recipes, uninterrupted, toy_folder, toy_graph, toy_corpora, tmp_path, kind):
    (tmp_path / "recipe.yaml").write_text(saving_recipes[kind].to_yaml())
    output = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", DRIVER, tmp_path / "recipe.yaml", toy_folder, output])
    state = output / "checkpoints" / "checkpoint-9" / "trainer_state.json"
    try:
        end = time.monotonic() + 120
        while not (state.exists() and state.stat().st_size) and time.monotonic() < end and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert last_checkpoint(output / "checkpoints").name == "checkpoint-9"
    assert not (output / "config.json").exists()
    train(saving_recipes[kind], toy_graph, toy_corpora["train"], toy_corpora["val"], output, resume=True)
    assert_same(output, uninterrupted(kind))


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("mixed", 2),
        ("mixed", 11),
        ("htla", 4),
        ("htla", 8),
        ("htla", 11),
        ("mined", 4),
        ("mined", 11),
        ("hbgl", 4),
        ("hbgl", 11),
        ("cascade", 4),
        ("xr_transformer", 4),
        ("xr_transformer", 11),
        ("wide", 11),
        ("hmcn", 20),
        ("staged", 4),
        ("staged", 11),
        ("staged", 20),
    ],
)
def test_crash_at_any_step(saving_recipes, uninterrupted, toy_graph, toy_corpora, tmp_path, kind, step):
    """Before a checkpoint, in an epoch, at the end of one, and after one; in the last case twice."""
    given = (saving_recipes[kind], toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    for crash in (step, step + 3) if step == 11 else (step,):
        with pytest.raises(Stop):
            train(*given, resume=crash != step, callbacks=[Crash(crash)])
    train(*given, resume=True)
    assert_same(tmp_path / "run", uninterrupted(kind))
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_with_gradient_accumulation_and_early_stopping(saving_recipes, toy_graph, toy_corpora, tmp_path):
    settings = ["gradient_accumulation=3", "early_stopping=2", "epochs=12", "learning_rate=1.0", "save_steps=2"]
    recipe = saving_recipes["dense"].override(settings)
    given = (recipe, toy_graph, toy_corpora["train"], toy_corpora["val"])
    train(*given, tmp_path / "whole")
    steps = steps_of(tmp_path / "whole")
    # Where it stops depends on the last digits of a machine; that a resumed run stops there too does not.
    for crash in range(4, steps, 6):
        folder = tmp_path / f"run{crash}"
        with pytest.raises(Stop):
            train(*given, folder, callbacks=[Crash(crash)])
        train(*given, folder, resume=True)
        assert_same(folder, tmp_path / "whole")


@pytest.mark.parametrize("early_stopping", [0, 1])
def test_crash_while_the_model_is_saved(saving_recipes, toy_graph, toy_corpora, tmp_path, monkeypatch, early_stopping):
    def crash(*_, **__):
        raise Stop

    recipe = saving_recipes["dense"].override(
        [f"early_stopping={early_stopping}", "learning_rate=1.0", "epochs=8", "head_learning_rate=30"]
    )
    given = (recipe, toy_graph, toy_corpora["train"], toy_corpora["val"])
    train(*given, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr("hgraph.recipes.run.save_model", crash)
        train(*given, tmp_path / "run")
    shutil.move(tmp_path / "run", tmp_path / "moved")  # the folder may go elsewhere in between
    train(*given, tmp_path / "moved", resume=True)
    assert_same(tmp_path / "moved", tmp_path / "whole")


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_an_incomplete_checkpoint_is_passed_over(
    saving_recipes, uninterrupted, toy_graph, toy_corpora, tmp_path, damage
):
    given = (saving_recipes["mixed"], toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    with pytest.raises(Stop):
        train(*given, callbacks=[Crash(13)])
    checkpoints = tmp_path / "run" / "checkpoints"
    newest = last_checkpoint(checkpoints)
    state = newest / "trainer_state.json"
    if damage == "cut":
        state.write_bytes(state.read_bytes()[:100])
        (newest / "model.safetensors").write_bytes(b"")
    else:
        state.unlink()
        (newest / "optimizer.pt").unlink()
    assert last_checkpoint(checkpoints) not in (newest, None)
    train(*given, resume=True)
    assert_same(tmp_path / "run", uninterrupted("mixed"))


def test_last_checkpoint(tmp_path):
    assert last_checkpoint(tmp_path / "no") is None
    for name in ("checkpoint-9", "checkpoint-10", "checkpoint-x", "other-99"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trainer_state.json").write_text("{}")
    (tmp_path / "checkpoint-11").mkdir()
    assert last_checkpoint(tmp_path).name == "checkpoint-10"


def test_other_things_are_refused(saving_recipes, toy_graph, toy_corpora, tmp_path):
    from hgraph.data import Corpus
    from hgraph.graph import LabelGraph

    recipe, folder = saving_recipes["lexical"], tmp_path / "run"
    data = {"train": toy_corpora["train"], "val": toy_corpora["val"]}
    with pytest.raises(Stop):
        train(recipe, toy_graph, data["train"], data["val"], folder, callbacks=[Crash(4)])
    before = {path: os.stat(path).st_mtime_ns for path in folder.rglob("*")}

    def refused(words, recipe=recipe, graph=toy_graph, resume=True, **changes):
        corpora = {**data, **changes}
        with pytest.raises(ConfigError) as caught:
            train(recipe, graph, corpora["train"], corpora["val"], folder, resume=resume)
        assert all(word in str(caught.value) for word in words), caught.value
        assert {path: os.stat(path).st_mtime_ns for path in folder.rglob("*")} == before

    fewer = data["train"].select(np.arange(59))
    labels = data["train"].labels.copy()
    labels[0, 0] = 1 - labels[0, 0]
    labels.eliminate_zeros()
    edges = [("A", name) for name in toy_graph.label_id if name != "A"]
    refused(["go on with --resume"], resume=False)
    refused(["--train differs"], train=fewer)
    refused(["--train differs"], train=Corpus(data["train"].documents, labels))
    refused(["--val differs"], val=data["train"])
    refused(["--recipe or --set differs"], recipe=recipe.override(["seed=5"]))
    other = LabelGraph.from_edges(edges, nodes=list(toy_graph.label_id))
    refused(["--taxonomy differs", "fingerprint"], graph=other)
    refused(["--recipe or --set differs"], recipe=replace(recipe, name="mine"))
    (folder / "run.json").write_text("[]")
    before = {path: os.stat(path).st_mtime_ns for path in folder.rglob("*")}
    refused(["holds no training run"])
