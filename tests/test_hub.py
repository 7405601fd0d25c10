"""Model folders: compression of lexical weights, loading without the graph, whole or not at all."""

import json
import shutil

import numpy as np
import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.hub import PRUNE_BELOW, check_taxonomy, compress, decompress, load_model, read_config

WEIGHT = "lexical_scorer.weight"


@pytest.mark.parametrize("shape", [(7, 5), (0, 5), (7, 1)])
def test_compression_keeps_what_matters(shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 0.1
    bias = torch.randn(shape[1])
    stored = compress({WEIGHT: weight.clone(), "lexical_scorer.bias": bias})
    assert WEIGHT not in stored and stored["lexical.values"].dtype == torch.float16
    restored = decompress(dict(stored))
    assert restored.keys() == {WEIGHT, "lexical_scorer.bias"}
    expected = torch.where(weight.abs() >= PRUNE_BELOW, weight.half().float(), torch.zeros(()))
    torch.testing.assert_close(restored[WEIGHT], expected, rtol=0, atol=0)


def test_compression_without_lexical_weights():
    state = {"scorer.weight": torch.ones(2)}
    assert compress(dict(state)) == decompress(dict(state)) == state


def test_all_weights_pruned():
    restored = decompress(compress({WEIGHT: torch.full((3, 2), PRUNE_BELOW / 2)}))
    assert restored[WEIGHT].shape == (3, 2) and not restored[WEIGHT].any()


@pytest.mark.parametrize(
    "kind",
    [
        "lexical",
        "dense",
        "mixed",
        "htla",
        "hgclr",
        "hyilr",
        "hbgl",
        "cascade",
        "wide",
        "staged",
        "hmcn",
        "conditional",
        "xr_linear",
        "xr_transformer",
    ],
)
def test_folder(toy_runs, toy_graph, toy_recipes, kind):
    saved = load_model(toy_runs(kind))
    assert saved.graph.fingerprint == toy_graph.fingerprint
    assert saved.recipe == toy_recipes[kind]
    assert saved.config["text_fields"] == [""]
    assert saved.config["taxonomy"]["labels"] == 9
    assert not saved.model.training
    assert not any(parameter.requires_grad for parameter in saved.model.parameters())
    assert saved.metrics["training"]["documents"] == 60
    check_taxonomy(saved.config, toy_graph, "here")


def test_cosine_scorer(toy_recipes, toy_graph, toy_corpora, tmp_path):
    from hgraph.predictor import Predictor
    from hgraph.recipes import train

    settings = ["label_encoder=names", "scorer=dot", "scorer.similarity=cosine"]
    recipe = toy_recipes["dense"].override(settings)
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    scores = Predictor(run.folder).scores(toy_corpora["val"].texts)
    np.testing.assert_allclose(scores.toarray(), run.evaluation.scores.toarray(), atol=1e-5)
    assert load_model(run.folder).config["scorer"]["kind"] == "cosine"


def test_another_taxonomy_is_refused(toy_runs):
    from hgraph.graph import LabelGraph

    other = LabelGraph.from_edges([("A", "B")])
    with pytest.raises(ConfigError, match=r"here: is another taxonomy .* with 2 labels, expected .* with 9"):
        check_taxonomy(read_config(toy_runs("dense")), other, "here")


@pytest.mark.parametrize("change", [{"version": "1"}, {"taxonomy": None}, {"taxonomy": {}}, {"scorer": "magic"}])
def test_edited_configuration(toy_runs, tmp_path, change):
    run = shutil.copytree(toy_runs("dense"), tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ConfigError, match="damaged"):
        load_model(run)


def test_weights_of_another_model(toy_runs, tmp_path):
    run = shutil.copytree(toy_runs("dense"), tmp_path / "run")
    shutil.copy(toy_runs("htla") / "model.safetensors", run / "model.safetensors")
    with pytest.raises(ConfigError, match="damaged"):
        load_model(run)


def test_thresholds_of_another_model(toy_runs, tmp_path):
    run = shutil.copytree(toy_runs("dense"), tmp_path / "run")
    (run / "thresholds.json").write_text('{"kind": "per_label", "value": 0.5, "per_label": [0.5, 0.5]}')
    with pytest.raises(ConfigError, match="9"):
        load_model(run)
