"""The recipe `hmcn`: on fields and on plain texts, with every text encoder, with and without its contrast."""

import json

import numpy as np
import pytest
import torch

from hgraph.data import read_corpus
from hgraph.graph import LabelGraph
from hgraph.hub import load_model
from hgraph.losses import HMCLLoss
from hgraph.models.frozen_model import scorer_input
from hgraph.predictor import Predictor
from hgraph.recipes import Recipe, train
from hgraph.recipes.objective_options import HMCL
from hgraph.recipes.run import label_support, prepare
from hgraph.recipes.stages import begin_stage
from hgraph.recipes.text_encoder_options import Bag, Fields, Frozen, Transformer
from hgraph.scoring import HMCNScorer
from hgraph.update import load_with_taxonomy

SMALL = ["epochs=1", "batch_size=16", "early_stopping=0", "learning_rate=0.003", "head_learning_rate=0.01", "stages=[]"]
HEADS = ["text_encoder.heads=2", "scorer.heads=2"]


@pytest.fixture(scope="module")
def field_corpora(tmp_path_factory, toy_folder, toy_graph):
    """The toy documents cut into a title and a note; every third has no note."""
    folder, made = tmp_path_factory.mktemp("fields"), {}
    for part in ("train", "val"):
        lines = []
        for number, line in enumerate((toy_folder / f"{part}.jsonl").read_text().splitlines()):
            record = json.loads(line)
            words = record["text"].split()
            fields = {"title": " ".join(words[:3]), "note": " ".join(words[3:])}
            record["text"] = fields if number % 3 else {"title": record["text"]}
            lines.append(json.dumps(record))
        (folder / f"{part}.jsonl").write_text("\n".join(lines) + "\n")
        made[part] = read_corpus(folder / f"{part}.jsonl", toy_graph)
    return made


def encoders(bert):
    tiny = f"{{name: transformer, model: {bert}}}"
    frozen = f"{{name: frozen, model: {bert}, max_length: 32, channels: 8, cache: false}}"
    return {
        "fields of a transformer": [f"text_encoder={{name: fields, heads: 2, encoder: {tiny}}}"],
        "fields of n-grams": ["text_encoder={name: fields, heads: 2, encoder: {name: bag, channels: 8}}"],
        "fields of frozen vectors": [f"text_encoder={{name: fields, heads: 2, encoder: {frozen}}}"],
        "a transformer": [f"text_encoder={tiny}"],
        "n-grams": ["text_encoder={name: bag, channels: 8}"],
        "n-grams beside": [f"text_encoder={tiny}", "lexical={}"],
    }


@pytest.mark.parametrize("text", ["fields", "plain"])
@pytest.mark.parametrize("encoder", encoders(""))
def test_every_text_encoder(bert_folder, toy_graph, toy_corpora, field_corpora, tmp_path, encoder, text):
    corpora = field_corpora if text == "fields" else toy_corpora
    recipe = Recipe.load("hmcn").override([*SMALL, *encoders(bert_folder)[encoder], "scorer.heads=2"])
    run = train(recipe, toy_graph, corpora["train"], corpora["val"], tmp_path / "run")
    predictor = Predictor(run.folder)
    assert predictor.saved.config["scorer"]["kind"] == "hmcn"
    texts = corpora["val"].field_texts if predictor.saved.reads_fields else corpora["val"].texts
    tolerance = 0.05 if "frozen" in encoder or "beside" in encoder else 1e-5
    np.testing.assert_allclose(predictor.scores(texts).toarray(), run.evaluation.scores.toarray(), atol=tolerance)


@pytest.mark.parametrize(
    ("settings", "learned", "given"),
    [
        ([], True, False),
        (["label_encoder=names"], False, True),
        (["faithful=true"], False, False),
        (["faithful=true", "label_encoder=names"], False, False),
        (["scorer.integrator=false"], True, False),
    ],
)
def test_variants_train_and_are_saved(bert_folder, toy_graph, field_corpora, tmp_path, settings, learned, given):
    recipe = Recipe.load("hmcn").with_text_encoder(str(bert_folder)).override([*SMALL, *HEADS, *settings])
    model, _ = prepare(recipe, toy_graph, field_corpora["train"])
    assert isinstance(model.scorer, HMCNScorer) and model.scorer.faithful == ("faithful=true" in settings)
    assert (model.scorer.label_table is not None, model.scorer.label_map is not None) == (learned, given)
    run = train(recipe, toy_graph, field_corpora["train"], field_corpora["val"], tmp_path / "run")
    scores = Predictor(run.folder).scores(field_corpora["val"].field_texts)
    np.testing.assert_allclose(scores.toarray(), run.evaluation.scores.toarray(), atol=1e-5)


def test_the_recipe_is_hmcl_then_hmcn():
    recipe = Recipe.load("hmcn")
    assert isinstance(recipe.text_encoder, Fields) and isinstance(recipe.text_encoder.encoder, Transformer)
    contrast, main = recipe.all_stages()
    assert [type(objective) for objective in contrast.objectives] == [HMCL]
    assert contrast.parts == ["text_encoder"] and contrast.training.sampler.name == "levels"
    assert [objective.name for objective in main.objectives] == ["bce", "branch_bce", "path_regularisation"]
    assert [stage.name for stage in recipe.override(["stages=[]"]).all_stages()] == ["main"]


def test_other_text_encoders_keep_the_fields_and_move_the_rates_of_all_stages():
    recipe = Recipe.load("hmcn")
    bag = recipe.with_text_encoder("bag")
    assert isinstance(bag.text_encoder, Fields) and bag.text_encoder.encoder == Bag()
    assert {stage.training.learning_rate for stage in bag.all_stages()} == {1e-3}
    assert bag.stages[0].training.batch_size == recipe.stages[0].training.batch_size
    assert bag.with_text_encoder("bag") is bag
    back = bag.with_text_encoder("x/y")
    assert back.text_encoder.encoder == Transformer(model="x/y")
    assert {stage.training.learning_rate for stage in back.all_stages()} == {3e-5}
    frozen = recipe.override(["text_encoder.encoder={name: frozen}"]).with_text_encoder("x/y")
    assert frozen.text_encoder.encoder == Frozen(model="x/y")


def step_model(recipe, graph, corpus, stage=0):
    torch.manual_seed(0)
    model, dataset = prepare(recipe, graph, corpus)
    begin_stage(model, recipe.all_stages()[stage], graph, torch.from_numpy(label_support(corpus)).float())
    batch = model.text_encoder.collate([dataset.features[row] for row in range(32)])
    return model, batch, torch.from_numpy(dataset.labels[:32].toarray()).float()


def values_of(model, batch, labels, steps=12):
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    values = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model.eval()(batch, labels)["loss"]
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    return values


@pytest.mark.parametrize("weighted", ["false", "true"])
@pytest.mark.parametrize("negatives", ["all", "level", "sibling", "parent"])
def test_every_kind_of_negatives_trains(bert_folder, toy_graph, field_corpora, negatives, weighted):
    objective = f"{{name: hmcl, negatives: {negatives}, support_weighted: {weighted}, temperature: 0.3}}"
    stages = f"stages=[{{name: hmcl, objectives: [{objective}], parts: [text_encoder]}}]"
    recipe = Recipe.load("hmcn").with_text_encoder(str(bert_folder)).override([*SMALL, *HEADS, stages])
    model, batch, labels = step_model(recipe, toy_graph, field_corpora["train"])
    loss = model.objectives.objectives[0]
    assert isinstance(loss, HMCLLoss) and loss.negatives.kind == negatives
    assert (loss.negative_weights is not None) == (weighted == "true")
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad} == {"text_encoder"}
    values = values_of(model, batch, labels)
    assert np.isfinite(values).all() and values[-1] < 0.95 * values[0]


def test_objectives_reach_final_scores_and_both_branches(bert_folder, toy_graph, field_corpora):
    recipe = Recipe.load("hmcn").with_text_encoder(str(bert_folder)).override([*SMALL, *HEADS])
    model, batch, labels = step_model(recipe, toy_graph, field_corpora["train"])
    model.eval()
    states = model.text_encoder(**batch)
    vectors, mask = scorer_input(model.scorer, states)
    torch.testing.assert_close(vectors, torch.cat([states.pooled.unsqueeze(1), states.fields], dim=1), rtol=0, atol=0)
    assert mask[:, 0].all() and torch.equal(mask[:, 1:], states.field_mask) and not mask.all()
    final, branches = model.scorer.forward_branches(vectors, mask=mask)
    expected = sum(
        torch.nn.functional.binary_cross_entropy_with_logits(scores, labels, reduction="none").sum(1).mean()
        for scores in (final, *branches)
    )
    probability = final.sigmoid()
    parent, child = toy_graph.edge_index
    expected = expected + 0.1 * (probability[:, child] - probability[:, parent]).clamp(min=0).sum(1).mean()
    torch.testing.assert_close(model(batch, labels)["loss"], expected, rtol=1e-5, atol=1e-5)
    values = values_of(model, batch, labels, steps=50)
    assert values[-1] < 0.8 * values[0]


def test_the_contrast_trains_the_pooling_that_hmcn_reads(bert_folder, toy_graph, field_corpora):
    """HMCL moves the weights of the mean of the fields, the scores move with them, and the main stage trains them on."""
    contrast = "stages=[{name: hmcl, objectives: [{name: hmcl}], parts: [text_encoder]}]"
    recipe = Recipe.load("hmcn").with_text_encoder(str(bert_folder)).override([*SMALL, *HEADS, contrast])
    model, batch, labels = step_model(recipe, toy_graph, field_corpora["train"])
    pooling = model.text_encoder.pooling.attention
    start = {name: tensor.clone() for name, tensor in pooling.state_dict().items()}
    values_of(model, batch, labels)
    assert all((tensor - start[name]).abs().max() > 1e-3 for name, tensor in pooling.state_dict().items())

    def read():
        with torch.no_grad():
            states = model.eval().text_encoder(**batch)
            vectors, mask = scorer_input(model.scorer, states)
            return vectors, mask, model.scorer.forward_branches(vectors, mask=mask)[1]

    vectors, mask, branches = read()
    learned = {name: tensor.clone() for name, tensor in pooling.state_dict().items()}
    pooling.load_state_dict(start)
    others, _, other_branches = read()
    pooling.load_state_dict(learned)
    several = mask[:, 1:].sum(1) > 1
    assert several.any() and torch.equal(vectors[:, 1:], others[:, 1:])
    moved, scores_moved = (vectors - others)[:, 0].abs().amax(1), (branches - other_branches).abs().amax(2)
    assert moved[several].max() > 1e-3 and (scores_moved[:, several].amax(1) > 1e-5).all()
    assert moved[~several].max() < 1e-6  # one field is its own mean
    begin_stage(
        model, recipe.all_stages()[1], toy_graph, torch.from_numpy(label_support(field_corpora["train"])).float()
    )
    model.zero_grad()
    model.eval()(batch, labels)["loss"].backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in pooling.parameters())


def test_it_learns_the_documents_by_heart(bert_folder, toy_graph, field_corpora):
    recipe = Recipe.load("hmcn").with_text_encoder(str(bert_folder)).override([*SMALL, *HEADS])
    model, batch, labels = step_model(recipe, toy_graph, field_corpora["train"])
    values_of(model, batch, labels, steps=120)
    predicted = model.eval()(batch)["logits"] > 0
    found = (predicted & labels.bool()).sum()
    assert 2 * found / (predicted.sum() + labels.sum()) > 0.97


def test_ids_in_another_order_train_to_the_same_scores(bert_folder, toy_graph, field_corpora):
    """Relabelling permutes what the labels own; the loss is the same number."""
    recipe = Recipe.load("hmcn").with_text_encoder(str(bert_folder)).override([*SMALL, *HEADS])
    model, batch, labels = step_model(recipe, toy_graph, field_corpora["train"])
    ids = toy_graph.label_id
    pairs = [(ids[parent], ids[child]) for parent, child in toy_graph.edge_index.t().tolist()]
    graph = LabelGraph.from_edges(pairs, nodes=ids[::-1])
    order = torch.tensor([toy_graph.id_to_index[label] for label in graph.label_id])
    other, _, _ = step_model(recipe, graph, field_corpora["train"])
    state, owned = model.state_dict(), {f"scorer.{name}" for name in model.scorer.label_parameters}
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            parameter.copy_(state[name][order] if name in owned else state[name])
    torch.testing.assert_close(
        other.eval()(batch, labels[:, order])["loss"], model.eval()(batch, labels)["loss"], rtol=1e-5, atol=1e-5
    )


def test_a_new_label_says_nothing_to_the_others(toy_runs, toy_graph):
    """Its rows of the integrator are zero, those of the other labels stay; scores come from the levels it now has."""
    ids, folder = toy_graph.label_id, toy_runs("hmcn")
    pairs = [(ids[parent], ids[child]) for parent, child in toy_graph.edge_index.t().tolist()]
    newer = LabelGraph.from_edges([("B2", "new"), *pairs])
    saved, update = load_with_taxonomy(folder, newer)
    assert update.unscored == ["new"]
    network, before = saved.model.scorer.network, load_model(folder).model.scorer.network
    place = newer.index("new")
    kept = [newer.index(label) for label in ids]
    for name in ("local_input", "global_input"):
        rows = getattr(network.integrator, name)
        assert not rows[place].any()
        assert torch.equal(rows[kept], getattr(before.integrator, name))
    for module in (network, network.integrator):
        assert not module.weight[place].any() and module.bias[place] < -10
    assert not network.local_weight[place].any() and network.local_bias[place] < -10
    level_of = {
        int(label): depth for depth, labels in enumerate(network.order.split(network.sizes)) for label in labels
    }
    assert [level_of[label] + 1 for label in range(newer.num_labels)] == newer.level.tolist()
