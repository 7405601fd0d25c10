"""HJCL by its recipe: trains, predicts from its folder, both forms, with fields; what padding and order change."""

import json

import numpy as np
import pytest
import torch

from hgraph.data import read_corpus
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import AllSlotsContrastLoss, HiLeConLoss, InstanceContrastLoss
from hgraph.nn import GATLabelEncoder
from hgraph.predictor import Predictor
from hgraph.recipes import Recipe, train
from hgraph.recipes.builders import build_model
from hgraph.recipes.run import prepare
from hgraph.recipes.stages import build_sampler
from hgraph.sampling import CompanionSampler
from hgraph.scoring import HJCLScorer


def test_the_recipe_is_that_of_the_paper():
    recipe = Recipe.load("hjcl")
    training, encoder = recipe.training, recipe.label_encoder
    assert (training.learning_rate, training.batch_size, training.max_grad_norm) == (1e-5, 80, 1.0)
    assert (encoder.name, encoder.layers, encoder.heads, encoder.ids) == ("gat", 4, 1, False)
    assert [(o.name, o.weight) for o in recipe.objectives] == [
        ("zlpr", 1.0), ("instance_contrast", 0.1), ("hilecon", 0.5)
    ]  # fmt: skip
    assert training.sampler.name == "companions"


def test_it_trains_and_predicts_from_its_folder(toy_runs, toy_corpora, toy_recipes):
    predictor = Predictor(toy_runs("hjcl"))
    scorer = predictor.saved.model.scorer
    assert (scorer.kind, scorer.head) == ("hjcl", None)
    report = predictor.saved.metrics["validation"]
    assert report["micro_f1"] > 0.5
    texts = toy_corpora["val"].texts
    scores = predictor.scores(texts).toarray()
    alone = np.concatenate([predictor.scores([text]).toarray() for text in texts[:4]])
    np.testing.assert_allclose(alone, scores[:4], atol=1e-6)  # whatever texts stand beside it, and their padding


def test_the_published_form(toy_recipes, toy_graph, toy_corpora, tmp_path):
    recipe = toy_recipes["hjcl"].override(["faithful=true", "epochs=1"])
    model, _ = prepare(recipe, toy_graph, toy_corpora["train"])
    assert isinstance(model.scorer, HJCLScorer) and model.scorer.head is not None
    _, contrast, hilecon = model.objectives.objectives
    assert isinstance(contrast, AllSlotsContrastLoss) and isinstance(hilecon, HiLeConLoss) and hilecon.faithful
    assert isinstance(model.label_encoder, GATLabelEncoder) and not model.label_encoder.blocks[0].residual
    assert model.label_encoder.node_encoder is None and len(model.label_encoder.blocks) == 4
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    predictor = Predictor(run.folder)
    assert predictor.saved.thresholds.value == 0.5 and predictor.saved.model.scorer.head is not None
    scores = predictor.scores(toy_corpora["val"].texts).toarray()
    assert scores.shape == (30, 9) and np.isfinite(scores).all()


def test_parts_of_the_published_form_are_switches_of_their_own(toy_recipes, toy_graph, toy_corpora):
    recipe = toy_recipes["hjcl"].override(["objectives.hilecon.faithful=true"])
    model, _ = prepare(recipe, toy_graph, toy_corpora["train"])
    assert model.objectives.objectives[2].faithful and not model.scorer.faithful
    assert type(model.objectives.objectives[1]) is InstanceContrastLoss
    assert recipe.all_stages()[-1].training.thresholds == "global"


def test_fields_over_a_transformer(toy_recipes, toy_graph, tmp_path, bert_folder):
    """Labels read the tokens of all fields; a missing field has none."""
    lines = [
        json.dumps({"text": {"title": f"w{4 * (i % 3)}", "note": "w1 w2 w3"[: 2 * (i % 4)]}, "labels": ["xyz"[i % 3]]})
        for i in range(24)
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(lines))
    corpus = read_corpus(tmp_path / "data.jsonl", toy_graph)
    fields = f"text_encoder={{name: fields, heads: 2, encoder: {{name: transformer, model: {bert_folder}}}}}"
    recipe = toy_recipes["hjcl"].override([fields, "epochs=1"])
    run = train(recipe, toy_graph, corpus, corpus, tmp_path / "run")
    predictor = Predictor(run.folder)
    texts = [{"title": "w0", "note": "w5"}, {"title": "w0"}, {"title": "w0", "note": ""}]
    scores = predictor.scores(texts).toarray()
    np.testing.assert_allclose(scores[1], scores[2], atol=1e-6)
    np.testing.assert_allclose(predictor.scores(texts[1:2]).toarray()[0], scores[1], atol=1e-6)
    assert np.abs(scores[0] - scores[1]).max() > 1e-5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            ["text_encoder=bag"],
            "the scorer 'hjcl' reads token states: .* 'transformer', or 'fields' over one, found 'bag'",
        ),
        (["text_encoder=frozen"], "reads token states"),
        (["text_encoder={name: fields}"], "reads token states"),
        (["label_encoder=null"], "the scorer 'hjcl' needs a 'label_encoder'"),
        (["scorer=linear"], "'hilecon' needs the scorer 'hjcl' or 'label_attention'"),
        (["scorer=linear", "objectives=[{name: instance_contrast, faithful: true}]"], "in its published form needs"),
        (["scorer.head_dropout=1"], "'head_dropout' must be a share"),
    ],
)
def test_parts_that_do_not_fit(settings, words):
    with pytest.raises(ConfigError, match=words):
        Recipe.load("hjcl").override(settings)


def test_batches_are_of_companions(toy_recipes, toy_graph, toy_corpora):
    recipe = toy_recipes["hjcl"]
    _, dataset = prepare(recipe, toy_graph, toy_corpora["train"])
    assert isinstance(build_sampler(recipe.training, toy_graph, dataset), CompanionSampler)


def objective_values(model, dataset, rows):
    batch = model.text_encoder.collate([dataset.features[row] for row in rows])
    labels = torch.from_numpy(dataset.labels[rows].toarray()).float()
    out = model(batch, labels)
    return {name: float(value) for name, value in out["objectives"].items()}, out


def test_order_of_the_batch_and_empty_documents(toy_recipes, toy_graph, toy_corpora):
    torch.manual_seed(0)
    model, dataset = prepare(toy_recipes["hjcl"], toy_graph, toy_corpora["train"])
    model.eval()
    dataset.labels = dataset.labels.copy()
    dataset.labels.data[: dataset.labels.indptr[1]] = 0  # the first document has no labels
    rows = np.arange(8)
    values, out = objective_values(model, dataset, rows)
    other, again = objective_values(model, dataset, rows[::-1])
    assert values == pytest.approx(other, abs=1e-5)
    torch.testing.assert_close(again["logits"].flip(0), out["logits"], rtol=0, atol=1e-5)
    for some in (rows[:1], rows[:2]):
        _, out = objective_values(model, dataset, some)
        out["loss"].backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
        with torch.autocast("cpu", torch.bfloat16):
            _, half = objective_values(model, dataset, some)
        assert half["loss"].isfinite() and float(half["loss"].detach() - out["loss"].detach()) == pytest.approx(
            0, abs=0.3
        )


def test_relabelling_permutes_the_scores(toy_recipes, toy_graph, toy_corpora):
    torch.manual_seed(0)
    model, dataset = prepare(toy_recipes["hjcl"], toy_graph, toy_corpora["train"])
    order = torch.randperm(9).tolist()
    ids = [toy_graph.label_id[label] for label in order]
    edges = [(toy_graph.label_id[a], toy_graph.label_id[b]) for a, b in toy_graph.edge_index.t().tolist()]
    names = dict(zip(toy_graph.label_id, toy_graph.name, strict=True))
    other_graph = LabelGraph.from_edges(edges, nodes=ids, names=names)
    assert other_graph.label_id == ids
    other = build_model(toy_recipes["hjcl"], other_graph, model.text_encoder)
    state = model.state_dict()
    for key in ("scorer.weight", "scorer.bias"):
        state[key] = state[key][order]
    other.load_state_dict(state)
    batch = model.text_encoder.collate(dataset.features[:5])
    scores, permuted = model.eval()(batch)["logits"], other.eval()(batch)["logits"]
    torch.testing.assert_close(permuted, scores[:, order], rtol=0, atol=1e-5)
