"""Models as ONNX files: what onnxruntime computes from them, read with the tokenizer and labels beside them."""

import json
import logging
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.export import OnnxModel, export_model, onnx_form
from hgraph.hub import load_model
from hgraph.models import FrozenModel
from hgraph.predictor import Predictor
from hgraph.recipes import Recipe, train

MISSING = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
needs_onnx = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

TEXTS = ["w0 w1 w2", "w5", "w9 w8 w7 w6 w5 w4 w3 w2 w1 w0", "w19 w0 " * 30, "never seen"]
SCORERS = {
    "htla": [],
    "flat": ["label_encoder=null", "scorer=linear", "objectives=[{name: bce}]"],
    "label_attention": ["label_encoder=names", "scorer={name: label_attention, heads: 2}", "objectives=[{name: bce}]"],
    "mlp": ["label_encoder=null", "scorer={name: mlp, hidden: 8}", "objectives=[{name: bce}]"],
    "dot": ["label_encoder=names", "scorer=dot", "objectives=[{name: bce}]"],
    "gated": ["label_encoder=names", "scorer=gated", "objectives=[{name: bce}]"],
    "concat": ["label_encoder=names", "scorer=concat", "objectives=[{name: bce}]"],
    "hyilr": [
        "label_encoder=learned",
        "scorer={name: label_attention, heads: 1, query: given, projections: none}",
        "objectives=[{name: bce}]",
    ],
    "hjcl": ["label_encoder=names", "scorer={name: hjcl, heads: 2}", "objectives=[{name: zlpr}]"],
    "hmcn": ["label_encoder=null", "scorer={name: hmcn, heads: 2}", "objectives=[{name: bce}]"],
    "conditional": ["label_encoder=null", "scorer=linear", "objectives=[{name: conditional}]", "prior_bias=false"],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, toy_graph, toy_corpora, toy_recipes):
    """Maker of a model folder with a kind of scorer."""
    folder, made = tmp_path_factory.mktemp("exported"), {}

    def make(kind):
        if kind not in made:
            recipe = toy_recipes["htla"].override(["epochs=1", "training.thresholds=per_label", *SCORERS[kind]])
            train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], folder / kind)
            made[kind] = folder / kind
        return made[kind]

    return make


def served(folder, texts, *, file="model.onnx"):
    """Scores [N, L] that a program without hgraph computes, and the label list."""
    import onnxruntime
    from transformers import AutoTokenizer

    labels = json.loads((folder / "labels.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    batch = tokenizer(texts, truncation=True, max_length=labels["max_length"], padding=True, return_tensors="np")
    session = onnxruntime.InferenceSession(str(folder / file), providers=["CPUExecutionProvider"])
    assert [place.name for place in session.get_inputs()] == ["input_ids", "attention_mask"]
    assert [place.name for place in session.get_outputs()] == [labels["output"]]
    given = {place.name: batch[place.name].astype(np.int64) for place in session.get_inputs()}
    return session.run(None, given)[0], labels


@pytest.mark.slow
@needs_onnx
@pytest.mark.parametrize("kind", SCORERS)
def test_a_program_without_hgraph_scores_and_predicts_the_same(kind, runs, tmp_path):
    done = export_model(runs(kind), tmp_path / "model.onnx")
    assert done.difference < 1e-4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.json", "model.onnx", "tokenizer"]
    predictor = Predictor(runs(kind), device="cpu")
    for texts in (TEXTS, TEXTS[:1], TEXTS[2:4]):
        actual, labels = served(tmp_path, texts)
        np.testing.assert_allclose(actual, predictor.scores(texts).toarray(), rtol=0, atol=1e-4)
    ids = [label["id"] for label in labels["labels"]]
    assert ids == predictor.graph.label_id
    parents = {label["id"]: label["parents"] for label in labels["labels"]}
    thresholds = np.array([label["threshold"] for label in labels["labels"]])
    actual, _ = served(tmp_path, TEXTS)
    for row, prediction in zip(actual, predictor.predict(TEXTS), strict=True):
        chosen = [ids[index] for index in np.flatnonzero(row >= thresholds)]
        closed = set()
        while chosen:
            label = chosen.pop()
            closed.add(label)
            chosen += parents[label]
        assert closed == {label.id for label in prediction.labels}


@needs_onnx
def test_log_odds_and_overwriting(runs, tmp_path):
    path = tmp_path / "model.onnx"
    export_model(runs("htla"), path)
    probabilities, _ = served(tmp_path, TEXTS)
    with pytest.raises(ConfigError, match=r"model\.onnx: exists"):
        export_model(runs("htla"), path, output="log_odds")
    export_model(runs("htla"), path, output="log_odds", overwrite=True)
    scores, labels = served(tmp_path, TEXTS)
    assert labels["output"] == "log_odds"
    np.testing.assert_allclose(1 / (1 + np.exp(-scores)), probabilities, atol=1e-5)
    assert scores.min() < 0


def test_calibration_and_fusion_are_part_of_the_file(runs):
    model = load_model(runs("htla")).model
    model.calibration.copy_(torch.tensor([2.0, -0.5]))
    model.fusion[0] = 3.0
    batch = model.text_encoder.collate(model.text_encoder.prepare(TEXTS))
    expected = 2.0 * 3.0 * model.scorer(model.text_encoder(**batch).pooled) - 0.5
    torch.testing.assert_close(OnnxModel(model, "log_odds")(**batch), expected)


@pytest.mark.parametrize(
    ("kind", "said"), [("lexical", "n-grams"), ("dense", "read by BagTextEncoder"), ("wide", "n-grams")]
)
def test_what_has_no_onnx_form_is_named(kind, said, toy_runs, tmp_path, monkeypatch):
    monkeypatch.setattr("hgraph.export.find_spec", lambda name: name)
    with pytest.raises(ConfigError, match=said) as caught:
        export_model(toy_runs(kind), tmp_path / "model.onnx")
    assert "'transformer'" in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_model_that_decodes_is_refused(runs):
    class Decoding(FrozenModel):
        pass

    model = load_model(runs("htla")).model
    model.__class__ = Decoding
    with pytest.raises(ConfigError, match="Decoding decodes level by level"):
        onnx_form(model)


def test_wrong_input_is_named(runs, tmp_path, monkeypatch):
    run = runs("htla")
    with pytest.raises(ConfigError, match="'path' must be a file in a folder that exists"):
        export_model(run, tmp_path / "nowhere" / "model.onnx")
    (tmp_path / "labels.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"labels\.json: exists"):
        export_model(run, tmp_path / "model.onnx")
    (tmp_path / "labels.json").unlink()
    with pytest.raises(ConfigError, match="'output' must be one of probabilities, log_odds, but got 'logits'"):
        export_model(run, tmp_path / "model.onnx", output="logits")
    monkeypatch.setattr("hgraph.export.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs onnx and onnxscript: pip install"):
        export_model(run, tmp_path / "model.onnx")
    monkeypatch.setattr("hgraph.export.find_spec", lambda name: name)
    monkeypatch.setattr("hgraph.export.MAX_BYTES", 10)
    with pytest.raises(ConfigError, match="too much for one ONNX file"):
        export_model(run, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@needs_onnx
def test_a_file_that_differs_does_not_appear(runs, tmp_path, monkeypatch, caplog):
    with pytest.raises(ConfigError, match="within tolerance=1e-12 of the model, but differs by"):
        export_model(runs("htla"), tmp_path / "model.onnx", tolerance=1e-12)
    assert not list(tmp_path.iterdir())
    found = find_spec
    monkeypatch.setattr("hgraph.export.find_spec", lambda name: None if name == "onnxruntime" else found(name))
    with caplog.at_level(logging.WARNING, logger="hgraph.export"):
        assert export_model(runs("htla"), tmp_path / "model.onnx").difference is None
    assert "not checked" in caplog.text


@needs_onnx
def test_the_command(runs, tmp_path, hgraph_command):
    code, out, err = hgraph_command("export", runs("htla"), "-o", tmp_path / "model.onnx")
    assert (code, err) == (0, "")
    assert out.count("Written to") == 3 and "Largest difference to the model: " in out
    code, _, err = hgraph_command("export", runs("htla"), "-o", tmp_path / "model.onnx")
    assert code == 2 and err.count("\n") == 1 and "exists" in err
    code, _, err = hgraph_command("export", tmp_path, "-o", tmp_path / "other.onnx")
    assert code == 2 and err.count("\n") == 1


def test_recipes_of_the_tests_are_valid(toy_recipes):
    for settings in SCORERS.values():
        assert isinstance(toy_recipes["htla"].override(settings), Recipe)
