"""The recipe `cascade_xml` from end to end."""

import shutil

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from hgraph.errors import ConfigError
from hgraph.export import onnx_form
from hgraph.graph import LabelGraph
from hgraph.hub import load_model, load_tree
from hgraph.models import CascadeModel, FrozenCascade
from hgraph.predictor import Predictor
from hgraph.recipes import Recipe, train
from hgraph.recipes.ablations import ablations_of
from hgraph.recipes.label_hierarchy import label_hierarchy
from hgraph.recipes.model_options import CascadeXML
from hgraph.recipes.run import prepare
from hgraph.scoring import CascadeLevels
from hgraph.update import load_alignment_model, load_with_taxonomy, update_model


@pytest.fixture(scope="module")
def recipe(bert_folder):
    small = ["batch_size=8", "learning_rate=0.003", "head_learning_rate=0.02", "epochs=12", "model.hierarchy=taxonomy"]
    more = ["metric=macro_f1", "model.dropouts=[0, 0, 0]", "model.topk=[3]"]
    return Recipe.load("cascade_xml").with_text_encoder(str(bert_folder)).override([*small, *more])


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["model.sparse=false", "model.scores=path"],
        ["model.scores=level", "objectives=[{name: bce, reduction: sum}]"],
        ["model.hierarchy=pifa", "model.leaf_size=2", "model.branching=2", "model.dropouts=null"],
        ["model.hierarchy=hybrid", "model.leaf_size=2"],
        ["faithful=true"],
    ],
)
def test_toy_documents_are_learned_and_predicted(recipe, toy_graph, toy_corpora, tmp_path, settings):
    recipe = recipe.override(settings)
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    assert run.evaluation.report["micro_f1"] > 0.6
    predictor = Predictor(run.folder, device="cpu")
    assert isinstance(predictor.model, FrozenCascade)
    assert predictor.predict(["w4 w5 w6 w7"])[0].top
    first = predictor.scores(toy_corpora["val"].texts)
    model, saved = load_alignment_model(run.folder)
    with torch.no_grad():
        output = model(model.text_encoder.collate(model.text_encoder.prepare(toy_corpora["val"].texts)))
    scale, shift = saved.model.calibration
    expected = np.zeros(first.shape)
    for row, (labels, scores) in enumerate(zip(output["labels"], output["logits"], strict=True)):
        expected[row, labels[labels >= 0]] = (scores[labels >= 0] * scale + shift).sigmoid()
    np.testing.assert_allclose(first.toarray(), expected, atol=1e-5)
    measured = predictor.evaluate(toy_corpora["val"].texts, toy_corpora["val"].labels).report
    assert measured["micro_f1"] == pytest.approx(run.evaluation.report["micro_f1"], abs=1e-6)
    tree = load_tree(run.folder)
    assert (tree is None) == (recipe.model.hierarchy == "taxonomy")
    if tree is not None:
        assert tree.label_id[: toy_graph.num_labels] == toy_graph.label_id and (
            tree.num_labels > toy_graph.num_labels or recipe.model.hierarchy == "hybrid"  # no fan-out is above two
        )


def test_options_reach_the_model(recipe, toy_graph, toy_corpora):
    settings = ["topk=[2, 1]", "layers=[[1], [1, 2], [2]]", "dropouts=[0.1, 0.2, 0.3]", "level_weights=[3, 2, 1]"]
    settings += ["scores=path", "sparse=false"]
    model, _ = prepare(recipe.override([f"model.{setting}" for setting in settings]), toy_graph, toy_corpora["train"])
    assert isinstance(model, CascadeModel) and model.tree is toy_graph
    assert model.scorer.topk == [2, 1] and model.text_encoder.layers == [1, 2] and model.level_weights == [3, 2, 1]
    assert model.scorer.sources == [[0], [0, 1], [1]] and model.scorer.scores == "path"
    assert [dropout.p for dropout in model.scorer.dropouts] == [0.1, 0.2, 0.3]
    assert not model.scorer.sparse_gradients and not model.faithful
    published, _ = prepare(recipe.override(["faithful=true"]), toy_graph, toy_corpora["train"])
    assert published.faithful and published.scorer.faithful and published.scorer.sparse_gradients


def test_trees_of_clusters_hold_the_labels_first_and_depend_on_the_seed_alone(recipe, toy_corpora, toy_folder):
    graph = LabelGraph.from_edges([("root", f"leaf {i}") for i in range(12)])
    rng = np.random.default_rng(0)
    texts = [f"w{label} w{label} w{rng.integers(20)}" for label in range(12) for _ in range(3)]
    truth = graph.expand(sp.csr_matrix(np.repeat(np.eye(13)[1:], 3, axis=0)))
    for hierarchy in ("pifa", "hybrid"):
        config = CascadeXML(hierarchy=hierarchy, leaf_size=4, branching=2)
        tree = label_hierarchy(config, graph, texts, truth, seed=1)
        assert tree.label_id[:13] == graph.label_id and tree.num_labels > 13
        assert tree.kind[13:] == ["cluster"] * (tree.num_labels - 13)
        assert tree.fingerprint == label_hierarchy(config, graph, texts, truth, seed=1).fingerprint
        below_root = (tree.edge_index[0] == 0) & (tree.edge_index[1] < 13)
        assert not below_root.any()  # each label is in a cluster
        levels = CascadeLevels.of(tree, 13)
        reached = set(levels.roots.tolist()).union(*(set(labels.items.tolist()) for labels in levels.labels))
        assert reached == set(range(13))
    assert label_hierarchy(CascadeXML(hierarchy="taxonomy"), graph, texts, truth) is graph


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("text_encoder=bag", "needs the text encoder 'transformer'"),
        ("text_encoder.windows=2", "with more windows"),
        ("scorer=linear", "has no place for 'scorer'"),
        ("neighbours={}", "has no place for 'neighbours'"),
        ("view=dropout", "has no place for 'view', as it has one score alone"),
        ("fuse=true", "has no place for 'fuse'"),
        ("objectives=[{name: zlpr}]", "trains the objective 'bce' alone, found zlpr"),
        ("objectives=[{name: bce}, {name: bce}]", "trains the objective 'bce' alone, found bce, bce"),
        ("model.topk=[]", "'topk' must list numbers of at least 1"),
        ("model.topk=[0]", "'topk' must list numbers of at least 1"),
        ("model.layers=[[1], []]", "'layers' must name at least one layer"),
        ("model.dropouts=[1.0]", "'dropouts' must be shares"),
        ("model.level_weights=[-1]", "'level_weights' must not be negative"),
        ("model.leaf_size=1", "'leaf_size' must be at least 2"),
        ("model.branching=1", "'branching' must be at least 2"),
        ("model.hierarchy=flat", "expected one of taxonomy, pifa, hybrid"),
    ],
)
def test_what_does_not_fit(setting, word):
    with pytest.raises(ConfigError, match=word):
        Recipe.load("cascade_xml").override([setting])


def test_sparse_gradients_are_for_one_process(recipe, toy_graph, toy_corpora, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"--set model\.sparse=false"):
        prepare(recipe, toy_graph, toy_corpora["train"])
    prepare(recipe.override(["model.sparse=false"]), toy_graph, toy_corpora["train"])


def test_it_can_be_left_nothing_but_its_objective():
    assert list(ablations_of(Recipe.load("cascade_xml"))) == ["bce"]


def test_a_newer_taxonomy_is_refused(toy_runs, toy_graph, tmp_path):
    folder = toy_runs("cascade")
    newer = LabelGraph.from_edges([("A", "A1"), ("A", "new")])
    for update in (load_with_taxonomy, lambda *given: update_model(*given, tmp_path / "new")):
        with pytest.raises(ConfigError, match=r"cannot take another one\. Train it anew on the newer taxonomy"):
            update(folder, newer)
    assert not (tmp_path / "new").exists()


def test_it_has_no_onnx_form(toy_runs):
    with pytest.raises(ConfigError, match="FrozenCascade decodes level by level, which has no ONNX form"):
        onnx_form(load_model(toy_runs("cascade")).model)


def test_a_damaged_tree_is_named(toy_runs, tmp_path):
    folder = shutil.copytree(toy_runs("cascade"), tmp_path / "copy")
    (folder / "label_tree.json").write_text("{")
    with pytest.raises(ConfigError, match="the model folder is damaged"):
        load_tree(folder)
