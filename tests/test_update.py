"""A trained model on a newer hierarchy: kept labels score as before, new ones from vectors or names, gone ones vanish."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from hgraph import Predictor
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import load_model
from hgraph.recipes import train
from hgraph.update import load_with_taxonomy, update_model

KINDS = [
    "lexical",
    "dense",
    "mixed",
    "htla",
    "mined",
    "hgclr",
    "hyilr",
    "hjcl",
    "hbgl",
    "wide",
    "staged",
    "hmcn",
    "conditional",
]


def edges_of(graph):
    return [(graph.label_id[p], graph.label_id[c]) for p, c in graph.edge_index.t().tolist()]


def rebuilt(graph, *, drop=(), extra=(), names=None, order=None):
    """The hierarchy without some labels, with other edges and names, in another order."""
    edges = [edge for edge in edges_of(graph) if not {*edge} & {*drop}] + list(extra)
    ids = [label for label in graph.label_id if label not in drop]
    ids += [child for _, child in extra if child not in ids]
    table = {**dict(zip(graph.label_id, graph.name, strict=True)), **(names or {})}
    return LabelGraph.from_edges(edges, nodes=order or ids, names=table, title=graph.title)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_hierarchy_in_another_order_scores_the_same(toy_runs, toy_graph, toy_corpora, kind):
    folder, texts = toy_runs(kind), toy_corpora["val"].texts
    order = toy_graph.label_id[::-1]
    predictor = Predictor(folder, taxonomy=rebuilt(toy_graph, order=order))
    assert not predictor.update.added and not predictor.update.removed
    expected = Predictor(folder).scores(texts).toarray()[:, toy_graph.indices(order)]
    np.testing.assert_allclose(predictor.scores(texts).toarray(), expected, atol=1e-5)


def test_edges_keep_their_vectors_whatever_their_order(toy_recipes, toy_graph, toy_corpora, tmp_path):
    """Where labels have several parents, the first of them depends on the order of the edges."""
    pairs = [*edges_of(toy_graph), ("z", "A2"), ("z", "A1")]
    names = dict(zip(toy_graph.label_id, toy_graph.name, strict=True))
    graph = LabelGraph.from_edges(pairs, names=names)
    recipe = toy_recipes["htla"].override(["epochs=1"])
    corpora = {part: relabelled(toy_corpora[part], toy_graph, graph) for part in ("train", "val")}
    train(recipe, graph, corpora["train"], corpora["val"], tmp_path / "run")
    texts = toy_corpora["val"].texts
    newer = LabelGraph.from_edges(pairs[::-1], names=names)
    assert newer.label_id != graph.label_id
    expected = Predictor(tmp_path / "run").scores(texts).toarray()[:, graph.indices(newer.label_id)]
    found = Predictor(tmp_path / "run", taxonomy=newer).scores(texts).toarray()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # Edges take part: without one, scores differ.
    fewer = LabelGraph.from_edges([pair for pair in pairs if pair != ("z", "A2")], nodes=newer.label_id, names=names)
    without = Predictor(tmp_path / "run", taxonomy=fewer).scores(texts).toarray()
    assert np.abs(without - expected).max() > 1e-4


def relabelled(corpus, graph, other):
    """The documents with the columns of another graph of the same labels."""
    return replace(corpus, labels=corpus.labels[:, graph.indices(other.label_id)])


@pytest.mark.parametrize("kind", KINDS)
def test_labels_come_and_go(toy_runs, toy_graph, toy_corpora, kind, caplog):
    newer = rebuilt(toy_graph, drop=["z"], extra=[("A2", "new")], names={"new": "w5 w6"})
    with caplog.at_level(logging.INFO, logger="hgraph"):
        predictor = Predictor(toy_runs(kind), taxonomy=newer)
    update = predictor.update
    assert (update.added, update.removed) == (["new"], ["z"])
    assert update.kept == [label for label in newer.label_id if label != "new"]
    flat = kind in ("dense", "conditional", "hmcn")
    assert update.unscored == (["new"] if flat else [])
    assert "8 labels kept, 1 gone (z), 1 new (new)" in caplog.text
    assert ("1 cannot be predicted (new)" in caplog.text) == flat
    texts = toy_corpora["val"].texts
    scores = predictor.scores(texts)
    assert scores.shape == (len(texts), 9) and np.isfinite(scores.data).all()
    if flat:
        assert scores[:, newer.index("new")].max() < 1e-3
    # A label encoder and HMCN's integrator read the whole hierarchy, so every label moves a little.
    if kind not in ("htla", "mined", "hjcl", "hmcn"):
        kept = update.kept
        expected = Predictor(toy_runs(kind)).scores(texts).toarray()[:, toy_graph.indices(kept)]
        np.testing.assert_allclose(scores.toarray()[:, newer.indices(kept)], expected, atol=1e-5)
    assert {label.id for label in predictor.predict(["w0 w1 w5"])[0].top} <= {*newer.label_id}


def test_a_new_label_is_found_by_its_name(toy_runs, toy_graph):
    newer = rebuilt(toy_graph, extra=[("B", "new")], names={"new": "w17 w18"})
    predictor = Predictor(toy_runs("lexical"), taxonomy=newer)
    named, other = predictor.scores(["w17 w18", "w1 w2"]).toarray()[:, newer.index("new")]
    assert named > other


def test_dot_scores_of_new_labels_are_those_of_their_vectors(toy_recipes, toy_graph, toy_corpora, tmp_path):
    recipe = toy_recipes["dense"].override(["label_encoder=names", "scorer=dot"])
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    newer = rebuilt(toy_graph, extra=[("A", "twin")], names={"twin": toy_graph.name[toy_graph.index("x")]})
    saved, update = load_with_taxonomy(run.folder, newer)
    assert update.added == ["twin"] and not update.unscored
    weight, bias = saved.model.scorer.weight, saved.model.scorer.bias
    ids = recipe.label_encoder.ids
    if not ids:  # equal names, equal vectors; the bias is the mean of the others
        torch.testing.assert_close(weight[newer.index("twin")], weight[newer.index("x")])
    torch.testing.assert_close(bias[newer.index("twin")], bias[:-1].mean())


@pytest.mark.parametrize("kind", KINDS)
def test_updated_folder_is_a_model_folder(toy_runs, toy_graph, toy_corpora, kind, tmp_path):
    newer = rebuilt(toy_graph, drop=["y"], extra=[("B2", "new")], names={"new": "w3"})
    update_model(toy_runs(kind), newer, tmp_path / "run")
    saved = load_model(tmp_path / "run")
    assert saved.graph.fingerprint == newer.fingerprint == saved.config["taxonomy"]["fingerprint"]
    assert saved.metrics["updated"]["to"]["labels"] == 9
    texts = toy_corpora["val"].texts
    expected = Predictor(toy_runs(kind), taxonomy=newer).scores(texts).toarray()
    np.testing.assert_allclose(Predictor(tmp_path / "run").scores(texts).toarray(), expected, atol=1e-5)
    again = Predictor(tmp_path / "run", taxonomy=toy_graph)
    assert (again.update.added, again.update.removed) == (["y"], ["new"])


def test_tombstones_are_labels_that_are_gone(toy_runs, toy_graph):
    newer = rebuilt(toy_graph, drop=["z"])
    saved, update = load_with_taxonomy(toy_runs("lexical"), toy_graph.align(newer).graph)
    assert update.removed == ["z"] and saved.graph.num_labels == newer.num_labels


def test_thresholds_follow_their_labels(toy_runs, toy_graph, tmp_path):
    import json
    import shutil

    run = shutil.copytree(toy_runs("dense"), tmp_path / "run")
    values = [index / 10 for index in range(9)]
    (run / "thresholds.json").write_text(json.dumps({"kind": "per_label", "value": 0.95, "per_label": values}))
    newer = rebuilt(toy_graph, drop=["A1", "x"], extra=[("A", "new")])
    thresholds = load_with_taxonomy(run, newer)[0].thresholds.vector(newer.num_labels)
    expected = [values[toy_graph.index(label)] if label != "new" else 0.95 for label in newer.label_id]
    np.testing.assert_allclose(thresholds, expected, rtol=1e-6)


def test_what_is_refused(toy_runs, toy_graph, tmp_path):
    with pytest.raises(ConfigError, match=r"none of the model's 9 labels.*Ids are compared, not names"):
        load_with_taxonomy(toy_runs("dense"), LabelGraph.from_edges([("p", "q")]))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ConfigError, match="exists and is not an empty folder"):
        update_model(toy_runs("dense"), toy_graph, tmp_path / "full")


def test_command_line(hgraph_command, toy_runs, toy_graph, tmp_path):
    newer = tmp_path / "newer.json"
    rebuilt(toy_graph, drop=["z"], extra=[("A", "new")]).save(newer)
    code, out, _ = hgraph_command("update", toy_runs("lexical"), "--taxonomy", newer, "-o", tmp_path / "run")
    assert code == 0 and "8 labels kept, 1 gone (z), 1 new (new)" in out
    code, out, err = hgraph_command("predict", toy_runs("lexical"), "--taxonomy", newer, "--text", "w0 w1")
    assert code == 0 and '"labels"' in out
    assert hgraph_command("predict", tmp_path / "run", "--text", "w0 w1")[1] == out
    code, _, err = hgraph_command("update", toy_runs("lexical"), "--taxonomy", newer, "-o", tmp_path / "run")
    assert code == 2 and err.startswith("Error: ") and err.count("\n") == 1
