"""The flat baselines: each label given its parents, from training to a newer hierarchy, and ZLPR."""

import json

import numpy as np
import pytest
import torch

from hgraph.data import read_corpus
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import load_model
from hgraph.losses import ConditionalLoss, ZLPRLoss
from hgraph.models import ConditionalLink
from hgraph.predictor import Predictor
from hgraph.recipes import Recipe, train
from hgraph.recipes.objective_options import Conditional
from hgraph.recipes.run import prepare
from hgraph.update import load_with_taxonomy, update_model

SMALL = ["epochs=3", "batch_size=8", "early_stopping=0", "learning_rate=0.05", "text_encoder.channels=16"]
EDGES = [("A", "A1"), ("A", "A2"), ("B", "B1"), ("B", "B2"), ("A1", "x"), ("A1", "y"), ("B1", "z")]


@pytest.fixture(scope="module")
def tree():
    return LabelGraph.from_edges(EDGES, title="tree")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory, toy_folder, tree):
    """The toy documents with one label each, on a tree."""
    folder, made = tmp_path_factory.mktemp("single"), {}
    for part in ("train", "val", "test"):
        records = [json.loads(line) for line in (toy_folder / f"{part}.jsonl").read_text().splitlines()]
        lines = [json.dumps({**record, "labels": record["labels"][:1]}) for record in records]
        (folder / f"{part}.jsonl").write_text("\n".join(lines) + "\n")
        made[part] = read_corpus(folder / f"{part}.jsonl", tree)
    return made


def recipe_of(kind, tau=0):
    settings = [f"objectives=[{{name: conditional, kind: {kind}, tau: {tau}}}]"]
    return Recipe.load("flat_conditional").with_text_encoder("bag").override([*SMALL, *settings])


@pytest.fixture(scope="module")
def run_of(tmp_path_factory, tree, corpora):
    folder, made = tmp_path_factory.mktemp("runs"), {}

    def make(kind):
        if kind not in made:
            made[kind] = train(recipe_of(kind), tree, corpora["train"], corpora["val"], folder / kind)
        return made[kind]

    return make


KIND = pytest.mark.parametrize("kind", ["sigmoid", "softmax"])


@KIND
def test_no_label_is_above_its_parent_on_a_tree(run_of, tree, corpora, kind):
    run = run_of(kind)
    predictor = Predictor(run.folder)
    texts = corpora["test"].texts
    scores = predictor.scores(texts)
    parent, child = tree.edge_index.numpy()
    dense = scores.toarray()
    assert (dense[:, child] <= dense[:, parent] + 1e-6).all()
    report = predictor.evaluate(texts, corpora["test"].labels).report
    assert report["violation_rate"] == 0 == run.evaluation.report["violation_rate"]
    assert report["micro_f1"] > 0.5
    np.testing.assert_allclose(
        predictor.scores(corpora["val"].texts).toarray(), run.evaluation.scores.toarray(), atol=1e-5
    )
    if kind == "softmax":  # before calibration the roots share out one document
        assert isinstance(predictor.model.link, ConditionalLink)
        predictor.model.calibration.copy_(torch.tensor([1.0, 0.0]))
        roots = predictor.scores(texts).toarray()[:, tree.roots]
        np.testing.assert_allclose(roots.sum(1), 1.0, atol=1e-4)


def test_the_command_measures_no_violation(run_of, toy_folder, tree, corpora, tmp_path, hgraph_command):
    tree.save(tmp_path / "tree.json")
    data = corpora["test"]
    lines = [
        json.dumps({"text": text, "labels": [tree.label_id[label] for label in data.labels[row].indices]})
        for row, text in enumerate(data.texts)
    ]
    (tmp_path / "test.jsonl").write_text("\n".join(lines) + "\n")
    report = tmp_path / "report.json"
    given = ("evaluate", run_of("sigmoid").folder, "--data", tmp_path / "test.jsonl", "--json", report)
    code, _, err = hgraph_command(*given)
    assert code == 0, err
    assert json.loads(report.read_text())["violation_rate"] == 0


@KIND
def test_the_link_follows_a_newer_hierarchy(run_of, tree, corpora, tmp_path, kind):
    """A label between A and A1 has no weights: it is not predicted, and what is below it keeps its probability."""
    folder, texts = run_of(kind).folder, corpora["test"].texts
    edges = [edge for edge in EDGES if edge != ("A", "A1")]
    newer = LabelGraph.from_edges([("A", "N"), ("N", "A1"), ("B2", "leaf"), *edges], title="newer")
    predictor = Predictor(folder, taxonomy=newer)
    assert sorted(predictor.update.unscored) == ["N", "leaf"]
    link = predictor.model.link
    assert sorted(np.array(newer.label_id)[link.unscored.numpy()]) == ["N", "leaf"]
    before, after = Predictor(folder).scores(texts).toarray(), predictor.scores(texts).toarray()
    np.testing.assert_allclose(after[:, newer.indices(tree.label_id)], before, atol=1e-5)
    assert after[:, newer.indices(["N", "leaf"])].max() < 1e-3
    update_model(folder, newer, tmp_path / "run")
    np.testing.assert_allclose(Predictor(tmp_path / "run").scores(texts).toarray(), after, atol=1e-5)
    # What was never scored stays so in the next update, which moves A1 back and leaves the leaf out.
    again = LabelGraph.from_edges([("A", "N"), *EDGES], title="again")
    saved, _ = load_with_taxonomy(tmp_path / "run", again)
    assert np.array(again.label_id)[saved.model.link.unscored.numpy()].tolist() == ["N"]


def test_moved_labels_are_judged_given_their_new_parents(run_of, corpora):
    moved = LabelGraph.from_edges([edge for edge in EDGES if edge != ("A1", "y")] + [("B2", "y")], title="moved")
    scores = Predictor(run_of("sigmoid").folder, taxonomy=moved).scores(corpora["test"].texts).toarray()
    parent, child = moved.edge_index.numpy()
    assert (scores[:, child] <= scores[:, parent] + 1e-6).all()


def test_adjustment_for_rare_labels_reads_the_support(tree, corpora):
    model, _ = prepare(recipe_of("softmax", tau=1), tree, corpora["train"])
    loss = model.objectives.objectives[0]
    assert isinstance(loss, ConditionalLoss) and loss.tau == 1
    support = np.asarray(corpora["train"].labels.sum(0)).ravel()
    torch.testing.assert_close(loss.shift, torch.from_numpy(support).clamp(min=1).log().float())
    with pytest.raises(ConfigError, match="'tau' must be 0 unless 'kind' is softmax"):
        Conditional(tau=1.0)


def test_conditional_scores_on_a_dag(toy_runs, toy_corpora, toy_graph):
    predictor = Predictor(toy_runs("conditional"))
    assert load_model(toy_runs("conditional")).recipe.conditional == Conditional()
    scores = predictor.scores(toy_corpora["test"].texts).toarray()
    parent, child = toy_graph.edge_index.numpy()
    assert (scores[:, child] <= scores[:, parent] + 1e-6).all()
    report = predictor.evaluate(toy_corpora["test"].texts, toy_corpora["test"].labels).report
    assert report["violation_rate"] == 0 and report["micro_f1"] > 0.5


def test_flat_with_zlpr(tree, corpora, tmp_path):
    settings = ["objectives=[{name: zlpr}]", "prior_bias=false"]
    recipe = Recipe.load("flat").with_text_encoder("bag").override([*SMALL, *settings])
    model, _ = prepare(recipe, tree, corpora["train"])
    assert isinstance(model.objectives.objectives[0], ZLPRLoss) and model.link is None
    run = train(recipe, tree, corpora["train"], corpora["val"], tmp_path / "run")
    assert run.evaluation.report["micro_f1"] > 0.5
