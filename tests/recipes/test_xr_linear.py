"""The recipe `xr_linear`: from training to prediction, on each kind of tree."""

import json

import numpy as np
import pytest

from hgraph.data import read_corpus
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import load_model
from hgraph.predictor import Predictor
from hgraph.recipes import Recipe, train
from hgraph.recipes.search_trees import search_tree
from hgraph.recipes.text_encoder_options import Bag, Frozen
from hgraph.text.vocabulary import NGrams, TfidfFeatures
from hgraph.update import load_with_taxonomy


@pytest.mark.parametrize("hierarchy", ["pifa", "taxonomy", "hybrid", "flat"])
def test_trains_and_predicts(hierarchy, toy_graph, toy_corpora, tmp_path):
    recipe = Recipe.load("xr_linear").override(
        [f"model.hierarchy={hierarchy}", "model.leaf_size=3", "model.branching=2"]
    )
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    predictor = Predictor(tmp_path / "run")
    report = predictor.evaluate(toy_corpora["val"].texts, toy_corpora["val"].labels).report
    for key in ("micro_f1", "macro_f1", "r_precision", "p@1"):
        assert report[key] == pytest.approx(run.evaluation.report[key], abs=1e-6)
    assert report["micro_f1"] > 0.9
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["training"]["parameters"] == run.parameters > 0


@pytest.mark.parametrize("hierarchy", ["pifa", "taxonomy", "hybrid", "flat"])
def test_every_label_has_a_place_in_the_tree(hierarchy, toy_graph, toy_corpora):
    corpus = toy_corpora["train"]
    features = TfidfFeatures([NGrams()]).fit(corpus.texts).transform(corpus.texts)
    tree = search_tree(hierarchy, toy_graph, features, corpus.labels, leaf_size=3, branching=2)
    assert tree.num_labels == 9 and set(tree.labels.tolist()) == set(range(9))
    copies = np.bincount(tree.labels)[toy_graph.index("y")]
    assert copies == (2 if hierarchy in ("taxonomy", "hybrid") else 1)  # `y` has two parents


def test_the_search_has_room_for_documents_of_many_labels(tmp_path):
    branches = [f"branch {number}" for number in range(100)]
    graph = LabelGraph.from_edges([edge for name in branches for edge in (("top", name), (name, f"leaf of {name}"))])
    rng, corpora = np.random.default_rng(0), {}
    for part, size in (("train", 200), ("val", 60)):
        chosen = [rng.choice(100, rng.integers(8, 36), replace=False) for _ in range(size)]
        path = tmp_path / f"{part}.jsonl"
        lines = [
            {"text": " ".join(f"w{n}" for n in row), "labels": [f"leaf of branch {n}" for n in row]} for row in chosen
        ]
        path.write_text("".join(json.dumps({"id": str(at), **line}) + "\n" for at, line in enumerate(lines)))
        corpora[part] = read_corpus(path, graph)
    found = {}
    for beam in ("null", "10"):
        recipe = Recipe.load("xr_linear").override(["model.hierarchy=taxonomy", f"model.beam_size={beam}"])
        train(recipe, graph, corpora["train"], corpora["val"], tmp_path / beam)
        predictor = Predictor(tmp_path / beam)
        found[beam] = predictor.evaluate(corpora["val"].texts, corpora["val"].labels).report["r_precision"]
        ranker = load_model(tmp_path / beam).model.ranker
        wide = ranker.tree.beam(corpora["train"].labels)  # the texts of labels, of fewer nodes each, do not count
        assert ranker.beam_size == (wide if beam == "null" else [10] * len(wide))
    assert found["null"] > max(0.8, found["10"] + 0.2), found  # 10 branches hold 10 leaves


def test_the_same_model_again(toy_graph, toy_corpora, tmp_path):
    scores = []
    for name in ("a", "b"):
        train(Recipe.load("xr_linear"), toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / name)
        scores.append(Predictor(tmp_path / name).scores(toy_corpora["test"].texts).toarray())
    np.testing.assert_array_equal(*scores)


def test_a_sentence_encoder_beside_the_n_grams(toy_graph, toy_corpora, bert_folder, tmp_path):
    recipe = Recipe.load("xr_linear").with_text_encoder(str(bert_folder)).override(["text_encoder.cache=false"])
    assert isinstance(recipe.text_encoder, Frozen) and recipe.lexical is not None
    train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    model = load_model(tmp_path / "run").model
    assert model.ranker.num_dense == 16 and model.ranker.num_sparse > 0
    assert isinstance(recipe.with_text_encoder("bag").text_encoder, Bag)
    assert recipe.with_text_encoder("bag").text_encoder == Recipe.load("xr_linear").text_encoder


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("scorer=linear", "no place for 'scorer'"),
        ("label_encoder=names", "no place for 'label_encoder'"),
        ("fuse=true", "no place for 'fuse'"),
        ("text_encoder.channels=8", "'text_encoder.channels' must be 0, found 8"),
        ("text_encoder=fields", "reads one string a text"),
        ("model.branching=1", "'branching' must be at least 2"),
        ("model.positive_cost=0", "'positive_cost' must be above 0"),
        ("model.hierarchy=tree", "pifa"),
    ],
)
def test_what_is_refused(setting, message):
    with pytest.raises(ConfigError, match=message):
        Recipe.load("xr_linear").override([setting])


def test_another_taxonomy_is_refused(toy_graph, toy_corpora, tmp_path):
    train(Recipe.load("xr_linear"), toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    with pytest.raises(ConfigError, match=r"'xr_linear'.* Train it anew"):
        load_with_taxonomy(tmp_path / "run", toy_graph)


def test_a_damaged_ranker(toy_graph, toy_corpora, tmp_path):
    train(Recipe.load("xr_linear"), toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    (tmp_path / "run" / "ranker" / "labels.npy").unlink()
    with pytest.raises(ConfigError, match="damaged"):
        load_model(tmp_path / "run")
