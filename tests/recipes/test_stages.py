"""Every scorer, objective and sampler of a recipe trains, and stages train what they say."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler

from hgraph.data import AlignmentDataset
from hgraph.errors import ConfigError
from hgraph.predictor import Predictor
from hgraph.recipes import Recipe, train
from hgraph.recipes.objective_options import HMCL, ObjectiveOptions
from hgraph.recipes.run import label_support, prepare
from hgraph.recipes.scorer_options import ScorerOptions
from hgraph.recipes.stages import begin_stage, build_sampler
from hgraph.recipes.training_options import SamplerOptions, Training

SMALL = ["epochs=1", "batch_size=16", "early_stopping=0", "learning_rate=0.003"]


@pytest.fixture(scope="module")
def base(bert_folder):
    """A tiny BERT, label names and the scorer `shrunk`, on BCE."""
    recipe = Recipe.load("flat").with_text_encoder(str(bert_folder))
    return recipe.override([*SMALL, "label_encoder=names", "scorer=shrunk"])


def names(options):
    return [option.name for option in get_args(options)]


@pytest.mark.parametrize("scorer", names(ScorerOptions))
def test_every_scorer_trains_and_predicts_from_its_folder(base, toy_graph, toy_corpora, tmp_path, scorer):
    heads = ["scorer.heads=2"] if scorer == "label_attention" else []
    recipe = base.override([f"scorer={scorer}", *heads])
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    scores = Predictor(run.folder).scores(toy_corpora["val"].texts)
    np.testing.assert_allclose(scores.toarray(), run.evaluation.scores.toarray(), atol=1e-5)


@pytest.mark.parametrize("encoder", ["frozen", "frozen with n-grams", "fields", "fields of n-grams", "bag", "windows"])
def test_every_text_encoder_reads_texts_and_label_names(
    base, toy_graph, toy_corpora, tmp_path, bert_folder, monkeypatch, encoder
):
    monkeypatch.setenv("HGRAPH_CACHE", str(tmp_path / "cache"))
    frozen = f"{{name: frozen, model: {bert_folder}, max_length: 32, channels: 8}}"
    settings = {
        "frozen": [f"text_encoder={frozen}"],
        "frozen with n-grams": [f"text_encoder={frozen}", "lexical={}"],
        "fields": [f"text_encoder={{name: fields, heads: 2, encoder: {{name: transformer, model: {bert_folder}}}}}"],
        "fields of n-grams": ["text_encoder={name: fields, heads: 2, encoder: {name: bag, channels: 8}}"],
        "bag": ["text_encoder={name: bag, channels: 8, buckets: 512, weighting: learned}"],
        "windows": ["text_encoder.max_length=8", "text_encoder.windows=3"],
    }[encoder]
    recipe = base.override([*settings, "learning_rate=0.01"])
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    predictor = Predictor(run.folder)
    texts = toy_corpora["val"].field_texts if predictor.saved.reads_fields else toy_corpora["val"].texts
    scores = predictor.scores(texts).toarray()
    tolerance = (
        0.05 if "frozen" in encoder else 1e-5
    )  # vectors are kept in half precision, n-grams without small weights
    np.testing.assert_allclose(scores, run.evaluation.scores.toarray(), atol=tolerance)


@pytest.mark.parametrize("objective", names(ObjectiveOptions))
def test_every_objective_trains(base, toy_graph, toy_corpora, objective):
    option = next(o for o in get_args(ObjectiveOptions) if o.name == objective)
    needs = {"hilecon": ["scorer=label_attention", "scorer.heads=2"], "branch_bce": ["view=dropout"]}
    recipe = base.override([*needs.get(objective, []), f"objectives=[{{name: {objective}}}]"])
    torch.manual_seed(0)
    model, dataset = prepare(recipe, toy_graph, toy_corpora["train"])
    begin_stage(model, recipe.all_stages()[0], toy_graph, torch.from_numpy(label_support(toy_corpora["train"])).float())
    batch = model.text_encoder.collate([dataset.features[row] for row in range(16)])
    labels = torch.from_numpy(dataset.labels[:16].toarray()).float()
    assert model.objectives.objectives[0].name == option.name
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    torch.manual_seed(1)
    values = []
    for _ in range(12):
        loss = model.eval()(batch, labels)["loss"] if objective != "nt_xent" else model.train()(batch, labels)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss))
    assert np.isfinite(values).all() and min(values[-3:]) < values[0]


@pytest.mark.parametrize("name", names(SamplerOptions))
def test_every_sampler_is_built(toy_graph, toy_corpora, name):
    option = next(o for o in get_args(SamplerOptions) if o.name == name)
    labels = toy_corpora["train"].labels
    dataset = AlignmentDataset(list(range(labels.shape[0])), labels)
    sampler = build_sampler(Training(batch_size=8, sampler=option()), toy_graph, dataset)
    if name == "lengths":
        assert sampler is None
        return
    sampler.set_epoch(1)
    batches = list(BatchSampler(sampler, 8, drop_last=False))
    assert {len(batch) for batch in batches[:-1]} == {8}
    if name == "levels":  # each document shares a label with another of its batch
        multi_hot = labels.toarray()
        for batch in batches:
            shared = multi_hot[batch] @ multi_hot[batch].T
            assert ((shared - np.diag(np.diag(shared))) > 0).any(axis=1).all()


def test_a_stage_trains_its_parts_alone(toy_recipes, toy_graph, toy_corpora):
    recipe = toy_recipes["staged"]
    model, _ = prepare(recipe, toy_graph, toy_corpora["train"])
    support = torch.from_numpy(label_support(toy_corpora["train"])).float()
    contrast, ngrams, main = recipe.all_stages()
    begin_stage(model, contrast, toy_graph, support)
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad} == {"text_encoder"}
    assert "scores" not in model.objectives.uses
    begin_stage(model, ngrams, toy_graph, support)
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad} == {"lexical_scorer"}
    assert model.active == {"lexical"} and model.fusion.tolist() == [0, 1, 0]
    begin_stage(model, main, toy_graph, support)
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"text_encoder", "scorer"} and model.fusion.tolist() == [1, 0, 0]


def test_contrast_brings_documents_of_like_labels_together(toy_recipes, toy_graph, toy_corpora):
    """The stage on its own objective: the share of nearest neighbours with a label in common grows."""
    recipe = toy_recipes["staged"]
    torch.manual_seed(0)
    model, dataset = prepare(recipe, toy_graph, toy_corpora["train"])
    stage = recipe.all_stages()[0]
    assert isinstance(stage.objectives[0], HMCL)
    begin_stage(model, stage, toy_graph, torch.from_numpy(label_support(toy_corpora["train"])).float())
    batch = model.text_encoder.collate([dataset.features[row] for row in range(60)])
    labels = torch.from_numpy(dataset.labels.toarray()).float()

    def agreement():
        with torch.no_grad():
            vectors = torch.nn.functional.normalize(model.eval().text_encoder(**batch).pooled, dim=1)
        nearest = (vectors @ vectors.t() - 2 * torch.eye(60)).topk(3).indices
        leaves = labels[:, -4:]
        return float(((leaves.unsqueeze(1) * leaves[nearest]).sum(2) > 0).float().mean())

    before = agreement()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        model(batch, labels)["loss"].backward()
        optimizer.step()
    assert agreement() > before + 0.1


def test_nothing_to_train_is_an_error(toy_recipes, toy_graph, toy_corpora, bert_folder):
    recipe = toy_recipes["wide"].override(["label_encoder=names", "label_encoder.ids=false"])
    model, _ = prepare(recipe, toy_graph, toy_corpora["train"])
    model.scorer.requires_grad_(False)
    model.trainable = frozenset()
    with pytest.raises(ConfigError, match="trains nothing"):
        begin_stage(model, recipe.all_stages()[0], toy_graph, torch.zeros(9))


def test_neighbours_count_where_they_help(toy_runs, toy_corpora):
    """The weights are chosen on validation documents: with them no fewer labels are found than without."""
    predictor = Predictor(toy_runs("wide"))
    texts, labels = toy_corpora["val"].texts, toy_corpora["val"].labels
    whole = predictor.evaluate(texts, labels).report
    assert predictor.model.fusion[:2].min() > 0
    fusion = predictor.model.fusion.clone()
    assert fusion[0] == fusion[1]  # trained as a sum, they share a weight
    assert whole["micro_f1"] > 0.5


def test_bfloat16_trains_on_a_cpu(toy_recipes, toy_graph, toy_corpora, tmp_path):
    recipe = toy_recipes["htla"].override(["precision=bf16", "epochs=1"])
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    assert 0 <= run.evaluation.report["micro_f1"] <= 1
    assert (tmp_path / "run" / "config.json").exists()
