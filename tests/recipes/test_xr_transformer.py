"""The recipe `xr_transformer`: levels fine-tuned one after the other, then a ranker; resume, refusals."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from hgraph.data.collate import padded_ids
from hgraph.errors import ConfigError
from hgraph.hub import load_model
from hgraph.models import LevelMatcher
from hgraph.predictor import Predictor
from hgraph.ranking import RankerTree
from hgraph.recipes import Recipe, train
from hgraph.recipes.matcher_stage import best_nodes, level_plan, matched_levels, open_nodes, repeated
from hgraph.text import BagTextEncoder

TREE = RankerTree(
    [np.array([0, 0, 1]), np.array([0, 0, 1, 2, 2])], num_top=2, labels=np.array([3, 0, 1, 2, 4]), num_labels=5
)


def recipe_for(encoder, *changes):
    small = [
        "model.matcher_least=2",
        "model.leaf_size=3",
        "model.matcher_leaf_size=3",
        "model.branching=2",
        "epochs=2",
        "learning_rate=1e-3",
    ]
    return Recipe.load("xr_transformer").with_text_encoder(str(encoder)).override([*small, *changes])


@pytest.mark.parametrize("hierarchy", ["pifa", "taxonomy", "hybrid", "flat"])
def test_trains_and_predicts(hierarchy, bert_folder, toy_graph, toy_corpora, tmp_path):
    recipe = recipe_for(bert_folder, f"model.hierarchy={hierarchy}")
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    predictor = Predictor(tmp_path / "run")
    report = predictor.evaluate(toy_corpora["val"].texts, toy_corpora["val"].labels).report
    for key in ("micro_f1", "macro_f1", "r_precision", "p@1"):
        assert report[key] == pytest.approx(run.evaluation.report[key], abs=1e-6)
    assert report["micro_f1"] > 0.9
    assert run.steps > 0
    assert load_model(tmp_path / "run").model.ranker.num_dense == 16


def test_the_text_encoder_is_trained(bert_folder, toy_graph, toy_corpora, tmp_path):
    train(recipe_for(bert_folder), toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    texts = toy_corpora["test"].texts
    frozen = Recipe.load("xr_linear").with_text_encoder(str(bert_folder)).override(["text_encoder.cache=false"])
    train(frozen, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "frozen")
    vectors = []
    for name in ("run", "frozen"):
        encoder = load_model(tmp_path / name).model.text_encoder
        vectors.append(encoder(**encoder.collate(encoder.prepare(texts))).pooled.detach())
    assert not torch.allclose(*vectors, atol=1e-3)


@pytest.mark.parametrize("head", ["parents", "fitted", "random"])
def test_ways_to_begin_a_level(head, bert_folder, toy_graph, toy_corpora, tmp_path):
    published = ["objectives=[{name: squared_hinge}]", "prior_bias=false", "model.weighting=nodes", "epochs=1"]
    recipe = recipe_for(bert_folder, f"model.matcher_head={head}", *published)
    train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    assert (tmp_path / "run" / "config.json").exists()


def test_a_level_that_is_done_is_not_trained_again(bert_folder, toy_graph, toy_corpora, tmp_path, monkeypatch):
    from hgraph.recipes import matcher_stage

    whole, steps = matcher_stage.train_stage, []
    train(recipe_for(bert_folder), toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "whole")

    def cut_short(trainer, folder, checkpoint):
        if steps:
            raise KeyboardInterrupt
        whole(trainer, folder, checkpoint)
        steps.append(trainer.state.global_step)

    with monkeypatch.context() as patch:
        patch.setattr(matcher_stage, "train_stage", cut_short)
        with pytest.raises(KeyboardInterrupt):
            train(recipe_for(bert_folder), toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "cut")
    again = []
    monkeypatch.setattr(matcher_stage, "train_stage", lambda *given: (again.append(1), whole(*given)))
    train(recipe_for(bert_folder), toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "cut", resume=True)
    assert len(again) == 2  # of three levels
    texts = toy_corpora["test"].texts
    scores = [Predictor(tmp_path / name).scores(texts).toarray() for name in ("whole", "cut")]
    np.testing.assert_allclose(*scores, atol=1e-5)


def test_a_matcher_compares_with_children_of_candidates_alone():
    encoder = BagTextEncoder.fit(["red apples", "green apples", "green pears"], channels=4)
    matcher = LevelMatcher(text_encoder=encoder, parents=np.array([0, 0, 1, 2]), num_nodes=4).eval()
    text = encoder.collate(encoder.prepare(["red pears", "green"]))
    labels, candidates = torch.tensor([[1, 1], [3, -1]]), torch.tensor([[0, -1], [2, 1]])
    scores = matcher(text)["logits"].detach()
    out = matcher(text, labels, candidates=candidates)
    near = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=torch.bool)
    torch.testing.assert_close(out["logits"][near], scores[near])
    assert (out["logits"][~near] == -1e4).all()
    # A loop over pairs: two labels below node 1 count it twice.
    total, weights = 0.0, 0.0
    for row, column, sign, weight in ((0, 0, -1, 1), (0, 1, 1, 2), (1, 2, -1, 1), (1, 3, 1, 1)):
        total += weight * max(0.0, 1 - sign * float(scores[row, column])) ** 2
        weights += weight
    assert float(out["loss"].detach()) == pytest.approx(total / weights, rel=1e-5)


def test_the_best_nodes_are_children_of_candidates():
    encoder = BagTextEncoder.fit(["red apples", "green pears"], channels=4)
    matcher = LevelMatcher(text_encoder=encoder, parents=np.array([0, 0, 1, 2]), num_nodes=4).eval()
    vectors = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    candidates = sp.csr_matrix([[1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 1]])
    scores = matcher.scorer(vectors)
    expected = np.zeros((5, 4))
    for row in range(5):
        near = [node for node in range(4) if candidates[row, [0, 0, 1, 2][node]]]
        expected[row, sorted(near, key=lambda node, row=row: -float(scores[row, node].detach()))[:2]] = 1
    found = best_nodes(matcher, vectors, candidates, 2)
    np.testing.assert_array_equal(found.toarray(), expected)
    right = sp.csr_matrix(np.eye(5, 4))
    assert open_nodes(found, right, "teacher") is right
    assert open_nodes(found, right, "matcher") is found
    np.testing.assert_array_equal(open_nodes(found, right, "both").toarray() > 0, (expected + np.eye(5, 4)) > 0)


def test_a_node_stands_once_for_each_label_below_it():
    counts = TREE.lift(sp.csr_matrix([[1, 1, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 1, 0, 1]]))
    ids = repeated(counts[0])
    assert padded_ids(np.split(ids.indices, ids.indptr[1:-1])).tolist() == [[0, 0, 0], [-1, -1, -1], [1, 1, -1]]


def test_steps_are_shared_out(toy_graph, toy_corpora, bert_folder, tmp_path):
    recipe = Recipe.load("xr_transformer").override(["epochs=3", "batch_size=32", "model.matcher_least=3"])
    assert level_plan(recipe, recipe.model, TREE, 3200) == [(1, 100), (2, 200)]
    few = recipe.override(["model.matcher_steps=70", "model.matcher_least=2"])
    assert level_plan(few, few.model, TREE, 3200) == [(0, 10), (1, 20), (2, 40)]
    shared = few.override(["model.matcher_shares=[1, 2, 4]", "epochs=7", "model.matcher_steps=null"])
    assert level_plan(shared, shared.model, TREE, 3200) == [(0, 100), (1, 200), (2, 400)]
    shared = recipe.override(["model.matcher_shares=[1, 1, 1]"])
    with pytest.raises(ConfigError, match=r"each of the 2 levels that are trained \(of 3, 5 nodes\), found 3"):
        level_plan(shared, shared.model, TREE, 3200)
    wrong = recipe_for(bert_folder, "model.matcher_shares=[1]")
    with pytest.raises(ConfigError, match="'matcher_shares'"):
        train(wrong, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert [matched_levels(TREE, 1, most) for most in (1, 2, 3, 4, 5)] == [[0], [0], [0, 1], [0, 1], [0, 1, 2]]
    assert [matched_levels(TREE, least, 5) for least in (2, 3, 4, 6)] == [[0, 1, 2], [1, 2], [2], [2]]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("text_encoder=bag", "fine-tunes the text encoder 'transformer', found 'bag'"),
        ("lexical=null", "set 'lexical', found null"),
        ("objectives=[{name: zlpr}]", "found 'zlpr'"),
        ("scorer=linear", "no place for 'scorer'"),
        ("model.matcher_beam=0", "'matcher_beam' must be at least 1"),
        ("model.matcher_shares=[]", "numbers above 0"),
    ],
)
def test_what_is_refused(setting, message):
    with pytest.raises(ConfigError, match=message):
        Recipe.load("xr_transformer").override([setting])


def test_n_grams_alone_are_refused():
    with pytest.raises(ConfigError, match="Use --recipe xr_linear"):
        Recipe.load("xr_transformer").with_text_encoder("bag")
