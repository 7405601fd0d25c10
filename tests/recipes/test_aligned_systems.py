"""HTLA, HTLA^n, HGCLR and HyILR by name: their parts, both forms, and from training to prediction."""

import json

import numpy as np
import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import load_model
from hgraph.losses import BCELoss, LevelMarginLoss, LorentzTLALoss, NTXentLoss, TLALoss
from hgraph.models import LabelGuidedView
from hgraph.nn import GPTransLabelEncoder, GraphormerLabelEncoder, LearnedLabelEncoder
from hgraph.nn.label_encoders.published import HGCLRBlock, HTLABlock
from hgraph.predictor import Predictor
from hgraph.recipes import Recipe, train
from hgraph.recipes.builders import build_model, build_text_encoder
from hgraph.recipes.recipe import Recipe as RecipeClass
from hgraph.recipes.run import label_support, prepare
from hgraph.recipes.stages import begin_stage, build_trainer
from hgraph.recipes.text_encoder_options import Bag, Fields, Frozen, Transformer
from hgraph.recipes.training_options import Training
from hgraph.recipes.view_options import LabelGuided
from hgraph.scoring import AdditiveScorer, LabelAttentionScorer, LinearScorer
from hgraph.update import load_with_taxonomy

SYSTEMS = ["htla", "htla_n", "hgclr", "hyilr"]
SMALL = ["epochs=2", "batch_size=16", "early_stopping=0", "learning_rate=0.003"]
HEADS = {"htla": 2, "htla_n": 2, "hgclr": 2}


@pytest.fixture(scope="module")
def recipe_of(bert_folder):
    def make(name, *settings):
        heads = [f"label_encoder.heads={HEADS[name]}"] if name in HEADS else []
        return Recipe.load(name).with_text_encoder(str(bert_folder)).override([*SMALL, *heads, *settings])

    return make


@pytest.fixture(scope="module")
def model_of(recipe_of, toy_graph):
    def make(name, *settings):
        recipe = recipe_of(name, *settings)
        torch.manual_seed(0)
        return build_model(recipe, toy_graph, build_text_encoder(recipe, ["w1 w2"])), recipe

    return make


@pytest.mark.parametrize("name", SYSTEMS)
def test_bce_is_a_sum_over_labels_and_a_mean_in_the_published_form(name):
    for settings, reduction in (([], "sum"), (["faithful=true"], "mean")):
        objectives = Recipe.load(name).override(settings).all_stages()[-1].objectives
        found = {objective.name: objective.reduction for objective in objectives if hasattr(objective, "reduction")}
        assert found == dict.fromkeys(["bce", "branch_bce"] if name == "hgclr" else ["bce"], reduction)


def test_parts_of_htla(model_of):
    model, _ = model_of("htla")
    assert isinstance(model.label_encoder, GPTransLabelEncoder) and isinstance(model.scorer, AdditiveScorer)
    assert [type(objective) for objective in model.objectives.objectives] == [BCELoss, TLALoss]
    assert not any(isinstance(module, HTLABlock) for module in model.modules())
    model, _ = model_of("htla", "faithful=true")
    assert [type(block) for block in model.label_encoder.blocks] == [HTLABlock]


def test_parts_of_htla_n(model_of):
    model, _ = model_of("htla_n")
    assert isinstance(model.label_encoder, GraphormerLabelEncoder) and isinstance(model.scorer, AdditiveScorer)
    assert [type(objective) for objective in model.objectives.objectives] == [BCELoss, LevelMarginLoss]
    assert model.objectives.objectives[1].margin == 0.1
    model, _ = model_of("htla_n", "faithful=true", "objectives=[{name: bce}, {name: level_margin, levels: [1, 3]}]")
    [block] = model.label_encoder.blocks
    assert isinstance(block, HGCLRBlock) and block.ffn is not None
    assert model.objectives.objectives[1].levels == [1, 3]


def test_parts_of_hgclr(model_of):
    model, _ = model_of("hgclr")
    assert isinstance(model.label_encoder, GraphormerLabelEncoder) and isinstance(model.scorer, LinearScorer)
    assert isinstance(model.view, LabelGuidedView)
    assert (model.view.heads, model.view.threshold, model.view.temperature) == (8, 0.02, 1.0)
    assert not model.view.faithful
    contrast = model.objectives.objectives[2]
    assert isinstance(contrast, NTXentLoss) and contrast.temperature == 1.0
    assert model.objectives.weights == [1.0, 1.0, 0.1]
    assert [p.shape for p in contrast.parameters()] == [(16, 16), (16,), (16, 16), (16,)]
    model, _ = model_of("hgclr", "faithful=true")
    assert model.view.faithful
    [block] = model.label_encoder.blocks
    assert isinstance(block, HGCLRBlock) and block.ffn is None


def test_parts_of_hyilr(model_of, toy_graph):
    size = toy_graph.num_labels
    model, _ = model_of("hyilr")
    assert isinstance(model.label_encoder, LearnedLabelEncoder) and isinstance(model.scorer, LabelAttentionScorer)
    assert model.scorer.heads == 1 and model.scorer.token_map is None
    assert model.scorer.queries(model.label_vectors()) is model.label_encoder.weight
    assert model.scorer.weight.shape == (size, 16)
    loss = model.objectives.objectives[1]
    assert isinstance(loss, LorentzTLALoss) and model.objectives.weights == [1.0, 0.3]
    assert loss.log_text_scale.exp().item() == pytest.approx(0.25) and loss.log_curvature.exp().item() == 1.0
    model, _ = model_of("hyilr", "faithful=true")
    assert model.scorer.pair_weight.shape == (size, size, 16)
    with pytest.raises(ConfigError, match=r"'num_labels' is 9, but weight='all' takes at most all_limit=8.* bytes"):
        model_of("hyilr", "faithful=true", "scorer.all_limit=8")


@pytest.mark.parametrize("faithful", ["false", "true"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_trains_predicts_and_is_frozen_exactly(
    recipe_of, toy_graph, toy_corpora, tmp_path, name, faithful
):
    recipe = recipe_of(name, f"faithful={faithful}")
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    predictor = Predictor(run.folder)
    scores = predictor.scores(toy_corpora["val"].texts)
    np.testing.assert_allclose(scores.toarray(), run.evaluation.scores.toarray(), atol=1e-5)
    assert predictor.saved.recipe == recipe
    frozen = load_model(run.folder).model
    kinds = {"hyilr": "label_attention"}
    assert frozen.scorer.kind == kinds.get(name, "linear")
    assert not any("label_encoder" in key or "view" in key for key, _ in frozen.named_modules())
    # A newer hierarchy: one label gone, one new, another order; what is kept scores on.
    kept = [label for label in toy_graph.label_id if label != "A2"]
    newer = LabelGraph.from_edges(
        [("B", "B2"), ("B", "B1"), ("A", "A1"), ("A1", "new"), ("A1", "y"), ("A1", "x"), ("B1", "y"), ("B2", "z")],
        names={**dict(zip(toy_graph.label_id, toy_graph.name, strict=True)), "new": "w11"},
    )
    saved, update = load_with_taxonomy(run.folder, newer)
    assert update.added == ["new"] and update.removed == ["A2"]
    batch = frozen.text_encoder.collate(frozen.text_encoder.prepare(["w1 w8 w9", "w4"]))
    with torch.no_grad():
        before, after = frozen(batch), saved.model(batch)
    assert after.isfinite().all()
    if name in ("hgclr", "hyilr") and not (name == "hyilr" and faithful == "true"):  # labels stand alone
        torch.testing.assert_close(after[:, newer.indices(kept)], before[:, toy_graph.indices(kept)], rtol=0, atol=1e-5)


def test_a_new_label_counts_for_nothing_in_the_head_on_all_labels(recipe_of, toy_graph, toy_corpora, tmp_path):
    recipe = recipe_of("hyilr", "faithful=true")
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    edges = [(toy_graph.label_id[a], toy_graph.label_id[b]) for a, b in toy_graph.edge_index.t().tolist()]
    grown = LabelGraph.from_edges([("new", "newer"), *edges[::-1]])
    saved, _ = load_with_taxonomy(run.folder, grown)
    frozen = load_model(run.folder).model
    batch = frozen.text_encoder.collate(frozen.text_encoder.prepare(["w1 w8 w9", "w4"]))
    with torch.no_grad():
        before, after = frozen(batch), saved.model(batch)
    torch.testing.assert_close(after[:, grown.indices(toy_graph.label_id)], before, rtol=0, atol=1e-5)
    mean = saved.model.scorer.pair_weight[grown.indices(toy_graph.label_id)].mean(0)
    torch.testing.assert_close(saved.model.scorer.pair_weight[grown.indices(["new"])][0], mean)


@pytest.mark.parametrize(
    "scorer",
    ["dot", "{name: dot, similarity: cosine}", "bilinear", "{name: bilinear, rank: 4}", "gated", "concat", "shrunk",
     "{name: label_attention, heads: 2}"],
)  # fmt: skip
def test_htla_with_another_fusion(recipe_of, toy_graph, toy_corpora, tmp_path, scorer):
    recipe = recipe_of("htla", f"scorer={scorer}", "epochs=1")
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    scores = Predictor(run.folder).scores(toy_corpora["val"].texts).toarray()
    np.testing.assert_allclose(scores, run.evaluation.scores.toarray(), atol=1e-5)


@pytest.mark.parametrize("strategy", ["hardest", "semi_hard"])
def test_htla_with_mined_negatives(recipe_of, toy_graph, toy_corpora, tmp_path, strategy):
    objectives = "objectives=[{name: bce}, {name: tla, negatives: mined}]"
    recipe = recipe_of("htla", objectives, f"mining={{negatives: 2, strategy: {strategy}}}")
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    assert json.loads((run.folder / "metrics.json").read_text())["training"]["steps"] == run.steps == 8


def test_hgclr_learns_and_its_label_encoder_with_it(recipe_of, toy_graph, toy_corpora):
    recipe = recipe_of("hgclr", "view.threshold=0.2")
    torch.manual_seed(0)
    model, dataset = prepare(recipe, toy_graph, toy_corpora["train"])
    begin_stage(model, recipe.all_stages()[0], toy_graph, torch.from_numpy(label_support(toy_corpora["train"])).float())
    batch = model.text_encoder.collate([dataset.features[row] for row in range(32)])
    labels = torch.from_numpy(dataset.labels[:32].toarray()).float()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    losses = []
    for _ in range(15):
        loss = model.train()(batch, labels)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.95 * np.mean(losses[:3])
    still = {name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])}
    assert all("pooler" in name for name in still), still


def test_rates_rise_over_steps(recipe_of, toy_graph, toy_corpora, tmp_path):
    recipe = recipe_of("hgclr", "warmup_steps=5", "learning_rate=1.0")
    model, dataset = prepare(recipe, toy_graph, toy_corpora["train"])
    begin_stage(model, recipe.all_stages()[0], toy_graph, torch.ones(toy_graph.num_labels))
    trainer = build_trainer(recipe.all_stages()[0], toy_graph, model, dataset, dataset, tmp_path)
    trainer.create_optimizer_and_scheduler(num_training_steps=20)
    rates = []
    for _ in range(8):
        rates.append(trainer.lr_scheduler.get_last_lr()[0])
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
    assert rates == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0])
    with pytest.raises(ConfigError, match="'warmup_steps' must not be negative"):
        Training(warmup_steps=-1)


@pytest.mark.parametrize("encoder", [Bag(channels=8), Frozen(), Fields(encoder=Transformer())])
def test_views_of_words_need_words(encoder):
    recipe = Recipe.load("hgclr")
    settings = {"label_encoder": recipe.label_encoder, "view": LabelGuided()}
    with pytest.raises(ConfigError, match=f"needs the text encoder 'transformer', found '{encoder.name}'"):
        RecipeClass(name="a", text_encoder=encoder, **settings)
    if isinstance(encoder, Bag):
        with pytest.raises(ConfigError, match="'label_guided' leaves out words"):
            recipe.with_text_encoder("bag")


def test_parts_that_do_not_fit(recipe_of, model_of):
    with pytest.raises(ConfigError, match="the view 'label_guided' needs a 'label_encoder', found none"):
        recipe_of("hgclr").override(["label_encoder=null"])
    with pytest.raises(ConfigError, match="'label_attention' with query 'label' needs a 'label_encoder'"):
        Recipe.load("flat").override(["scorer=label_attention"])
    assert Recipe.load("flat").override(["scorer={name: label_attention, query: learned}"]).label_encoder is None
    with pytest.raises(ConfigError, match=r"'view\.heads' must divide .*, 16, but got 3\. Add --set view\.heads=2"):
        model_of("hgclr", "view.heads=3")
    for setting, message in (
        ("view.heads=0", "'heads' must be at least 1"),
        ("view.threshold=1.5", "'threshold' must be a share"),
        ("view.temperature=0", "'temperature' must be above 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            recipe_of("hgclr", setting)
    assert recipe_of("flat", "label_encoder=names", "view=label_guided").view == LabelGuided()


def test_n_grams_beside_hgclr(recipe_of, toy_graph, toy_corpora, tmp_path):
    recipe = recipe_of(
        "hgclr", "lexical={word_ngrams: 1}", "epochs=1", "text_encoder.windows=2", "text_encoder.max_length=8"
    )
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    assert Predictor(run.folder).scores(["w1 w2"]).shape == (1, toy_graph.num_labels)
