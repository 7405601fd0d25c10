"""Recipes with a shortlist: training, resume, prediction, a newer taxonomy, and what is refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import TrainerCallback

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import load_model
from hgraph.nn import CachedLabelEncoder
from hgraph.predictor import Predictor
from hgraph.recipes import Recipe, train
from hgraph.recipes.builders import build_model
from hgraph.recipes.run import prepare
from hgraph.training.mining import MiningCallback
from hgraph.update import load_with_taxonomy

ON = ["shortlist={random: 2, siblings: 1}", "epochs=4"]


class Stop(Exception):
    """Stands for a crash."""


class Crash(TrainerCallback):
    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step >= 13:
            raise Stop


@pytest.fixture(scope="module")
def recipes(toy_recipes):
    cached = "label_encoder={name: gptrans, cached: true, refresh: 3, heads: 2, edge_channels: 4}"
    return {
        "htla": toy_recipes["htla"].override([*ON, "head_learning_rate=0.02"]),
        "mined": toy_recipes["mined"].override([*ON, cached, "head_learning_rate=0.02"]),
        "deep": toy_recipes["htla"].override(
            [*ON, cached.replace("}", ", layers: 2}"), "head_learning_rate=0.02", "label_encoder.text=name+description"]
        ),
        "lexical": toy_recipes["lexical"].override(ON),
        "dense": toy_recipes["dense"].override(ON),
        "fused": toy_recipes["mixed"].override([*ON, "fuse=true"]),
        "sgd": toy_recipes["dense"].override([*ON, "head_optimizer=sgd", "head_learning_rate=0.5"]),
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory, recipes, toy_graph, toy_corpora):
    folder, made = tmp_path_factory.mktemp("short"), {}

    def make(kind):
        if kind not in made:
            made[kind] = train(recipes[kind], toy_graph, toy_corpora["train"], toy_corpora["val"], folder / kind)
        return made[kind]

    return make


@pytest.mark.parametrize("kind", ["htla", "mined", "lexical", "dense", "fused", "sgd"])
def test_it_learns_and_predicts(runs, kind, toy_corpora):
    run = runs(kind)
    assert run.evaluation.report["micro_f1"] > 0.6
    predictor = Predictor(run.folder)
    scores = predictor.scores(toy_corpora["test"].texts)
    assert scores.shape == (len(toy_corpora["test"]), 9)
    assert (np.diff(scores.indptr) == 9).all()  # every label has a score
    test = toy_corpora["test"]
    assert predictor.evaluate(test.texts, test.labels).report["micro_f1"] > 0.6
    assert load_model(run.folder).recipe.shortlist is not None


@pytest.mark.parametrize("kind", ["htla", "mined", "deep", "dense"])
def test_a_resumed_run_ends_as_one_that_was_not_interrupted(tmp_path, runs, recipes, kind, toy_graph, toy_corpora):
    recipe = recipes[kind]
    with pytest.raises(Stop):
        train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path, callbacks=[Crash()])
    train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path, resume=True)
    for name in ("model.safetensors", "training.safetensors"):
        one, other = load_file(runs(kind).folder / name), load_file(tmp_path / name)
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key], err_msg=key)
    figures = [json.loads((folder / "metrics.json").read_text()) for folder in (runs(kind).folder, tmp_path)]
    assert figures[0]["validation"] == figures[1]["validation"]


def test_a_newer_taxonomy(runs, toy_graph, toy_corpora):
    edges = [(toy_graph.label_id[a], toy_graph.label_id[b]) for a, b in toy_graph.edge_index.t().tolist()]
    names = dict(zip(toy_graph.label_id, toy_graph.name, strict=True))
    newer = LabelGraph.from_edges([*edges, ("B1", "new")], names={**names, "new": "w6 w10"})
    saved, update = load_with_taxonomy(runs("htla").folder, newer)
    assert update.added == ["new"]
    assert update.unscored == []
    assert saved.model.num_labels == 10


def test_mined_labels_are_on_the_shortlist(recipes, runs, toy_graph, toy_corpora, monkeypatch):
    seen = []
    from hgraph.sampling import ShortlistSampler

    forward = ShortlistSampler.forward

    def watch(self, labels, mined=None):
        out = forward(self, labels, mined)
        seen.append((labels, mined, out))
        return out

    monkeypatch.setattr(ShortlistSampler, "forward", watch)
    # Mining is of use to a shortlist without an objective that asks for it, too.
    recipe = recipes["mined"].override(["objectives=[{name: bce, reduction: sum}]", "epochs=1"])
    model, dataset = prepare(recipe, toy_graph, toy_corpora["train"])
    from hgraph.recipes.stages import begin_stage, build_trainer

    stage = recipe.all_stages()[-1]
    begin_stage(model, stage, toy_graph, torch.zeros(9))
    trainer = build_trainer(stage, toy_graph, model, dataset, dataset, runs("mined").folder, mining=recipe.mining)
    assert any(isinstance(callback, MiningCallback) for callback in trainer.callback_handler.callbacks)
    batch = trainer.data_collator([dataset[0], dataset[1]])
    assert batch["labels"].dtype == torch.int64
    mined = torch.tensor([[5], [8]])
    model.train()(**batch, mined=mined)
    labels, given, (columns, importance) = seen[-1]
    known = set(labels[labels >= 0].tolist()) | {5, 8}
    assert torch.equal(given, mined)
    assert known <= set(columns.tolist())
    assert importance.sum() == 9


@pytest.mark.parametrize("layers", [1, 2])
def test_names_are_embedded_where_they_are_asked_for(recipes, toy_graph, toy_corpora, monkeypatch, layers):
    recipe = recipes["mined"].override([f"label_encoder.layers={layers}"])
    model, dataset = prepare(recipe, toy_graph, toy_corpora["train"])
    assert isinstance(model.label_encoder, CachedLabelEncoder)
    assert not [name for name, _ in model.named_buffers() if name.startswith("label_text_")]
    asked = []
    embed = type(model.text_encoder).embed

    def watch(self, batch):
        asked.append((len(batch["input_ids"]), torch.is_grad_enabled(), self.training))
        return embed(self, batch)

    monkeypatch.setattr(type(model.text_encoder), "embed", watch)
    batch, labels, mined = (
        model.text_encoder.collate([dataset[0]["features"]]),
        torch.tensor([[0, -1]]),
        torch.tensor([[1]]),
    )
    model.train()
    model(batch, labels, mined)
    asked.clear()
    output = model(batch, labels, mined)
    # What the memory refreshes and what that listens to, without dropout; then the shortlist, then what it listens to.
    refreshed = [(3, False, False), (asked[1][0], False, False)] if layers == 2 else []
    assert asked == [*refreshed, (output["labels"].shape[1], True, True), (asked[-1][0], False, True)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["label_encoder={name: tree_sweep, heads: 2}"], "TreeSweepEncoder computes all"),
        (["label_encoder.form=dense"], "GPTransLabelEncoder computes all"),
        (["scorer={name: hmcn, heads: 2}"], "HMCNScorer scores all together"),
        (["objectives=[{name: bce}, {name: hmcl}]"], "HMCLLoss judges all labels at once"),
        (["view={name: dropout}"], "no place for a second 'view'"),
        (
            ["stages=[{name: first, objectives: [{name: supcon}], parts: [text_encoder]}]"],
            "SupConLoss judges all labels at once",
        ),
    ],
)
def test_what_needs_all_labels_is_refused_before_training(recipes, settings, message, toy_graph, toy_corpora):
    recipe = recipes["htla"].override(settings)
    with pytest.raises(ConfigError) as caught:
        prepare(recipe, toy_graph, toy_corpora["train"])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_large_hierarchy_is_told_of_it(recipes, toy_recipes, toy_graph, toy_corpora, monkeypatch, caplog):
    caplog.set_level("INFO", "hgraph.recipes.builders.models")
    for least, recipe, said in ((10, toy_recipes["htla"], 0), (9, recipes["htla"], 0), (9, toy_recipes["htla"], 1)):
        monkeypatch.setattr("hgraph.recipes.builders.models.MANY_LABELS", least)
        caplog.clear()
        prepare(recipe, toy_graph, toy_corpora["train"])
        assert caplog.text.count("shortlist") == 2 * said


def test_models_of_their_own_have_no_place_for_it(toy_recipes):
    with pytest.raises(ConfigError, match="the model 'hbgl' has no place for 'shortlist'"):
        toy_recipes["hbgl"].override(["shortlist={}"])


def test_the_form_of_the_label_encoder_follows(recipes, toy_graph, toy_recipes, toy_corpora):
    short, _ = prepare(recipes["htla"], toy_graph, toy_corpora["train"])
    whole, _ = prepare(toy_recipes["htla"], toy_graph, toy_corpora["train"])
    assert (whole.label_encoder.form, short.label_encoder.form) == ("dense", "edges")
    assert short.shortlist.random == 2
    assert short.shortlist.siblings == 1
    dense, _ = prepare(recipes["htla"].override(["shortlist.sparse=false"]), toy_graph, toy_corpora["train"])
    assert short.sparse_tables
    assert dense.sparse_tables == []
    assert Recipe.parse(recipes["htla"].to_yaml(), "here").shortlist == recipes["htla"].shortlist
    assert build_model(toy_recipes["htla"], toy_graph, whole.text_encoder).shortlist is None
