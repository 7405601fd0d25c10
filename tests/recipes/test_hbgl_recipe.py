"""HBGL as a recipe: what fits, what is built, and that a toy training learns, goes on and predicts."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import load_model
from hgraph.models import FrozenHBGL, HBGLModel
from hgraph.predictor import Predictor
from hgraph.recipes import Recipe, train
from hgraph.recipes.model_options import HBGL
from hgraph.recipes.run import prepare
from hgraph.update import load_alignment_model, load_with_taxonomy


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("text_encoder=bag", "'transformer' with 'windows' 1, found 'bag'"),
        ("text_encoder=frozen", "found 'frozen'"),
        ("text_encoder=fields", "found 'fields'"),
        ("text_encoder.windows=2", "found 'transformer' with more windows"),
        ("label_encoder=names", "no place for 'label_encoder'"),
        ("scorer=linear", "no place for 'scorer'. Set it to null"),
        ("lexical={}", "no place for 'lexical'"),
        ("mining={}", "no place for 'mining'"),
        ("stages=[{name: a, objectives: [{name: bce}]}]", "no 'stages' before its own, found 1"),
        ("objectives=[{name: tla}]", "needs a 'label_encoder'"),
        ("model.corruption=2", "'corruption' must be"),
        ("model.threshold=1", "'threshold' must be"),
        ("model.mask_rate=0", "'mask_rate' must be"),
        ("model.label_learning_rate=0", "'label_learning_rate' must be"),
        ("model.max_labels=1", "'max_labels' must be at least 2"),
        ("model.name=other", "expected 'name' to be one of .*hbgl.*, found 'other'"),
    ],
)
def test_what_does_not_fit(setting, word):
    with pytest.raises(ConfigError, match=word):
        Recipe.load("hbgl").override([setting])


def test_the_published_form_takes_objectives_of_pairs():
    published = Recipe.load("hbgl").override(["faithful=true", "objectives=[{name: zlpr}]"])
    assert published.published(published.model).faithful
    for setting in ("faithful=true", "model.faithful=true"):
        with pytest.raises(ConfigError, match="must be of bce, zlpr, asymmetric, found 'path_regularisation'"):
            Recipe.load("hbgl").override([setting, "objectives=[{name: bce}, {name: path_regularisation}]"])


def test_the_model_is_named_like_a_member_of_an_axis():
    recipe = Recipe.load("flat").override(["model=hbgl", "scorer=null"])
    assert recipe.model == HBGL() and Recipe.parse(recipe.to_yaml(), "here") == recipe
    assert Recipe.load("flat").model is None


def test_options_reach_the_model(toy_recipes, toy_graph, toy_corpora):
    settings = ["corruption=0.25", "threshold=0.4", "constrained=false", "steps=7", "copies=3", "max_labels=5"]
    settings += ["label_learning_rate=0.01", "mask_rate=0.2", "last_mask_rate=0.4", "self_loops=false"]
    recipe = toy_recipes["hbgl"].override([f"model.{setting}" for setting in settings])
    model, dataset = prepare(recipe, toy_graph, toy_corpora["train"])
    assert isinstance(model, HBGLModel) and max(len(item) for item in dataset.features) <= 32 - 6
    assert (model.corruption, model.scorer.threshold, model.scorer.constrained) == (0.25, 0.4, False)
    options = model.pretraining
    assert (options.steps, options.copies, options.max_labels, options.learning_rate) == (7, 3, 5, 0.01)
    assert (options.mask_rate, options.last_mask_rate, options.self_loops, options.slip) == (0.2, 0.4, False, False)
    published, _ = prepare(recipe.override(["faithful=true"]), toy_graph, toy_corpora["train"])
    assert published.faithful and published.scorer.end_weight is not None
    assert published.pretraining.slip and published.text_encoder.max_length == 32 - 8
    renamed, _ = prepare(recipe.override(["random_names=true"]), toy_graph, toy_corpora["train"])
    assert sorted(renamed.names) == sorted(toy_graph.name) and renamed.names != toy_graph.name


@pytest.mark.parametrize(
    ("settings", "least"), [([], 0.6), (["faithful=true"], 0.4), (["objectives=[{name: zlpr}]"], 0.6)]
)
def test_toy_documents_are_learned_and_predicted(toy_recipes, toy_graph, toy_corpora, tmp_path, settings, least):
    recipe = toy_recipes["hbgl"].override(["epochs=20", *settings])
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    assert run.evaluation.report["micro_f1"] > least
    predictor = Predictor(run.folder, device="cpu")
    assert isinstance(predictor.model, FrozenHBGL)
    assert predictor.predict(["w4 w5 w6 w7"])[0].top
    first = predictor.scores(toy_corpora["val"].texts)
    model, saved = load_alignment_model(run.folder)
    with torch.no_grad():
        text = model.text_encoder.collate(model.text_encoder.prepare(toy_corpora["val"].texts))
        scale, shift = saved.model.calibration
        expected = (model(text)["logits"] * scale + shift).sigmoid()
    np.testing.assert_allclose(first.toarray(), expected, atol=1e-5)
    measured = predictor.evaluate(toy_corpora["val"].texts, toy_corpora["val"].labels).report
    assert measured["micro_f1"] == pytest.approx(run.evaluation.report["micro_f1"], abs=1e-6)


def test_label_vectors_are_trained_once_before_the_first_step(
    toy_recipes, toy_graph, toy_corpora, tmp_path, monkeypatch
):
    """A run that goes on from a checkpoint takes them from there."""
    calls = []
    pretrain = HBGLModel.pretrain

    def counted(self, **options):
        before = self.scorer.weight.clone()
        pretrain(self, **options)
        calls.append((self.scorer.weight - before).abs().min(1).values.max().item())

    monkeypatch.setattr(HBGLModel, "pretrain", counted)
    recipe = toy_recipes["hbgl"].override(["save_steps=3"])
    arguments = (recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")

    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(*arguments, callbacks=[Stop()])
    assert len(calls) == 1 and calls[0] > 0
    checkpoint = load_file(tmp_path / "run" / "checkpoints" / "checkpoint-3" / "model.safetensors")
    assert "scorer.weight" in checkpoint
    train(*arguments, resume=True)
    assert len(calls) == 1 and load_model(tmp_path / "run").model.scorer.kind == "level"


def test_a_new_label_starts_from_its_name(toy_runs, toy_graph):
    folder = toy_runs("hbgl")
    pairs = [(toy_graph.label_id[p], toy_graph.label_id[c]) for p, c in toy_graph.edge_index.T.tolist()]
    names = dict(zip(toy_graph.label_id, toy_graph.name, strict=True)) | {"new": "w17 w18", "deep": "w3"}
    newer = LabelGraph.from_edges([*pairs, ("A2", "new"), ("new", "deep")], names=names)
    saved, update = load_with_taxonomy(folder, newer)
    assert sorted(update.added) == ["deep", "new"] and not update.unscored
    scorer, encoder = saved.model.scorer, saved.model.text_encoder
    table = encoder.model.get_input_embeddings().weight
    expected = table[encoder.tokenizer.convert_tokens_to_ids(["w17", "w18"])].sum(0)
    torch.testing.assert_close(scorer.weight[newer.index("new")], expected)
    old = load_model(folder).model.scorer
    kept = toy_graph.label_id
    torch.testing.assert_close(scorer.weight[newer.indices(kept).tolist()], old.weight)
    torch.testing.assert_close(scorer.bias[newer.index("new")], old.bias.mean())
    assert scorer.num_levels == 4 and saved.model.text_encoder.max_length == 32 - 8
