"""The Trainer: order of documents, choice of the epoch, thresholds and calibration; edge cases of corpora."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.special import expit
from sklearn.metrics import log_loss
from transformers import TrainerCallback

from hgraph.data import AlignmentDataset, Corpus, label_matrix
from hgraph.data.documents import build_documents
from hgraph.decoding import scores_to_csr, tune_global
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import load_model
from hgraph.metrics import evaluate
from hgraph.predictor import Predictor
from hgraph.recipes import train
from hgraph.recipes.run import prepare
from hgraph.recipes.stages import build_trainer
from hgraph.training import LengthGroupedSampler, evaluation, last_checkpoint


class TestLengthGroupedSampler:
    @staticmethod
    def make(count=47, batch_size=4, pool=3, seed=0, epoch=0):
        draw = np.random.default_rng(1)
        sampler = LengthGroupedSampler(draw.integers(1, 60, count), batch_size=batch_size, seed=seed, pool=pool)
        sampler.set_epoch(epoch)
        return sampler

    @pytest.mark.parametrize("count", [0, 1, 3, 4, 12, 13, 47, 48])
    @pytest.mark.parametrize("pool", [1, 3, 50])
    def test_permutation_with_one_short_batch_at_the_end(self, count, pool):
        sampler = self.make(count, pool=pool)
        order = list(sampler)
        assert sorted(order) == list(range(count))
        assert len(sampler) == count

    def test_seed_and_epoch_decide(self):
        orders = {(seed, epoch): tuple(self.make(seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1, 2)}
        assert len(set(orders.values())) == 6
        assert tuple(self.make(seed=1, epoch=2)) == orders[1, 2]
        again = self.make(epoch=1)
        assert list(again) == list(again) == list(orders[0, 1])

    def test_batches_hold_like_lengths(self):
        def padding(pool):
            sampler = self.make(400, pool=pool)
            lengths = np.asarray(sampler.lengths)[list(sampler)].reshape(-1, 4)
            return (lengths.max(1, keepdims=True) - lengths).sum()

        assert padding(50) < 0.2 * padding(1)

    def test_rows_of_a_bag_have_lengths_too(self, toy_recipes, toy_graph, toy_corpora):
        model, dataset = prepare(toy_recipes["dense"], toy_graph, toy_corpora["train"])
        lengths = model.text_encoder.lengths(dataset.features)
        assert lengths.tolist() == dataset.features.matrix.getnnz(axis=1).tolist()


@pytest.fixture
def trainer(toy_recipes, toy_graph, toy_corpora, tmp_path):
    """Maker of a Trainer that has trained."""

    def make(kind, *settings, callbacks=()):
        recipe = toy_recipes[kind].override(settings)
        torch.manual_seed(0)
        model, dataset = prepare(recipe, toy_graph, toy_corpora["train"])
        val = AlignmentDataset(model.text_encoder.prepare(toy_corpora["val"].texts), toy_corpora["val"].labels)
        made = build_trainer(
            recipe.all_stages()[-1], toy_graph, model, dataset, val, tmp_path / "checkpoints", callbacks=callbacks
        )
        made.train()
        return made

    return make


class Record(TrainerCallback):
    """Figures of each validation."""

    def __init__(self):
        self.values = []

    def on_evaluate(self, args, state, control, metrics, **kwargs):
        self.values.append(metrics)


def test_early_stopping_and_the_best_epoch(trainer):
    record = Record()
    made = trainer("dense", "learning_rate=1.0", "epochs=12", "early_stopping=2", callbacks=[record])
    figures = [metrics["eval_macro_f1"] for metrics in record.values]
    best = max(range(len(figures)), key=lambda epoch: (figures[epoch], -epoch))
    assert len(figures) == best + 3 < 12
    assert len(set(figures)) > 1
    again = made.evaluate_corpus().report
    assert again["macro_f1"] == pytest.approx(figures[best], abs=1e-9)
    assert made.state.best_metric == pytest.approx(figures[best])


def test_mean_f1_is_logged(trainer):
    record = Record()
    trainer("lexical", "epochs=1", callbacks=[record])
    (metrics,) = record.values
    mean = (metrics["eval_micro_f1"] + metrics["eval_macro_f1_supported"]) / 2
    assert metrics["eval_mean_f1"] == pytest.approx(mean)


@pytest.mark.parametrize("kind", ["lexical", "htla"])
def test_calibration_lowers_the_log_loss_and_keeps_the_order(trainer, kind):
    made = trainer(kind)
    truth = made.eval_dataset.labels.toarray().ravel()
    before = made.score(made.eval_dataset).toarray()
    evaluation, calibration = made.calibrate(made.eval_dataset)
    after = evaluation.scores.toarray()
    assert log_loss(truth, after.ravel().astype(float)) <= log_loss(truth, before.ravel().astype(float)) + 1e-6
    assert calibration.scale > 0
    assert (np.diff(after.ravel()[np.argsort(before.ravel(), kind="stable")]) >= 0).all()
    thresholds = tune_global(evaluation.scores, made.eval_dataset.labels, made.graph)
    assert evaluation.thresholds.value == thresholds.value


def test_score_does_not_depend_on_the_batch(trainer):
    made = trainer("htla", "epochs=1")
    whole = made.score(made.eval_dataset).toarray()
    made.args.per_device_eval_batch_size = 3
    np.testing.assert_allclose(made.score(made.eval_dataset).toarray(), whole, atol=2e-6)


def test_few_documents_are_scored_at_once_where_labels_are_many(trainer, monkeypatch):
    made = trainer("htla", "epochs=1")
    whole, width = made.score(made.eval_dataset), made.graph.num_labels
    sizes = []
    monkeypatch.setattr(evaluation, "SCORES_AT_ONCE", 4 * width)
    monkeypatch.setattr(evaluation, "scores_to_csr", lambda s, keep: sizes.append(len(s)) or scores_to_csr(s, keep))
    np.testing.assert_allclose(made.score(made.eval_dataset).toarray(), whole.toarray(), atol=2e-6)
    assert max(sizes) == 4
    assert sum(sizes) == len(made.eval_dataset)
    monkeypatch.setattr(evaluation, "SCORES_AT_ONCE", 1)
    assert evaluation.documents_at_once(128, width) == 1


def test_labels_are_needed(trainer):
    made = trainer("dense", "epochs=1")
    bare = AlignmentDataset(made.eval_dataset.features)
    for method in (made.evaluate_corpus, made.calibrate):
        with pytest.raises(ConfigError, match="labels"):
            method(bare)
    assert made.score(bare).shape == (30, 9)


def test_clipping_leaves_lexical_weights_alone(trainer):
    """Their gradients are sparse, those of their bias too are not clipped; dense weights hardly move."""
    made = trainer("mixed", "epochs=1", "max_grad_norm=1e-12", "lexical_learning_rate=50")
    assert made.model.lexical_scorer.weight.abs().max() > 0.05
    assert made.model.lexical_scorer.bias.abs().max() > 0.01


@pytest.mark.parametrize("kind", ["lexical", "dense", "mixed", "htla", "wide", "staged"])
@pytest.mark.parametrize("thresholds", ["global", "per_label", "fixed"])
def test_folder_holds_what_was_trained(toy_recipes, toy_graph, toy_corpora, tmp_path, kind, thresholds):
    if thresholds != "global" and kind != "dense":
        pytest.skip("the same for all kinds")
    recipe = toy_recipes[kind].override([f"thresholds={thresholds}"])
    run = train(recipe, toy_graph, toy_corpora["train"], toy_corpora["val"], tmp_path / "run")
    names = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl", ".pickle"))]
    assert not (run.folder / "checkpoints").exists()
    assert {"config.json", "model.safetensors", "training.safetensors", "taxonomy.json", "recipe.yaml"} <= names
    predictor = Predictor(run.folder)
    assert predictor.thresholds.to_dict() == run.evaluation.thresholds.to_dict()
    assert predictor.thresholds.kind == ("per_label" if thresholds == "per_label" else "global")
    if thresholds == "fixed":
        assert predictor.thresholds.value == 0.5
    scores = predictor.scores(toy_corpora["val"].texts)
    tolerance = 1e-6 if kind in ("dense", "htla") else 0.08  # of lexical weights the small ones are not stored
    np.testing.assert_allclose(scores.toarray(), run.evaluation.scores.toarray(), atol=tolerance)
    report = predictor.evaluate(toy_corpora["val"].texts, toy_corpora["val"].labels).report
    stored = json.loads((run.folder / "metrics.json").read_text())["validation"]
    assert stored == json.loads(json.dumps(run.evaluation.report))
    if kind in ("dense", "htla"):
        assert report == run.evaluation.report


def test_frozen_model_never_runs_the_label_encoder(toy_runs, toy_corpora, monkeypatch):
    from hgraph.nn import GPTransLabelEncoder

    def run(*_, **__):
        raise AssertionError("the label encoder ran")

    folder = toy_runs("htla")
    monkeypatch.setattr(GPTransLabelEncoder, "forward", run)
    predictor = Predictor(folder)
    assert len(predictor.predict(toy_corpora["test"].texts)) == 20
    predictor.evaluate(toy_corpora["test"].texts, toy_corpora["test"].labels)
    assert not any("label_encoder" in name for name, _ in load_model(toy_runs("htla")).model.named_modules())


MANY_KINDS = [
    "lexical", "dense", "htla", "hgclr", "hyilr", "hjcl", "hbgl", "cascade", "xr_linear", "xr_transformer"
]  # fmt: skip


def make_corpus(graph, rows):
    records = [(line, {"text": text, "labels": labels}) for line, (text, labels) in enumerate(rows, 1)]
    documents = build_documents(records, source="here")
    return Corpus(documents, label_matrix(documents["labels"], graph))


@pytest.mark.parametrize("kind", MANY_KINDS)
def test_documents_without_labels_and_labels_without_documents(toy_recipes, toy_graph, tmp_path, kind):
    corpus = make_corpus(toy_graph, [("w1 w2", ["x"]), ("w3 w4", []), ("w5 w1", ["x", "A2"]), ("w9 w9", [])] * 3)
    run = train(toy_recipes[kind].override(["epochs=1"]), toy_graph, corpus, corpus, tmp_path / "run")
    assert run.evaluation.report["documents"] == 12
    values = json.loads((run.folder / "metrics.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert 0 <= values["validation"]["micro_f1"] <= 1


@pytest.mark.parametrize("kind", MANY_KINDS)
@pytest.mark.parametrize("case", ["no labels at all", "one label", "one document"])
def test_smallest_corpora(toy_recipes, toy_graph, tmp_path, kind, case):
    graph, rows = toy_graph, [("w1 w2", []), ("w3 w1", [])] * 4
    if case == "one label":
        graph = LabelGraph.from_edges([], nodes=["only"])
        rows = [("w1 w2", ["only"]), ("w3 w1", [])] * 4
    elif case == "one document":
        rows = [("w1 w2", ["x"])]
    corpus = make_corpus(graph, rows)
    run = train(toy_recipes[kind].override(["epochs=1"]), graph, corpus, corpus, tmp_path / "run")
    (prediction,) = Predictor(run.folder).predict(["w1 w2"])
    assert len(prediction.top) == min(5, graph.num_labels)


def test_report_is_the_one_of_the_metrics(toy_runs, toy_graph, toy_corpora):
    from hgraph.decoding import ranking_scores, threshold_decode

    predictor, corpus = Predictor(toy_runs("dense")), toy_corpora["test"]
    scores = predictor.scores(corpus.texts)
    raw = threshold_decode(scores, predictor.thresholds)
    expected = evaluate(corpus.labels, ranking_scores(scores, toy_graph), raw, toy_graph)
    assert predictor.evaluate(corpus.texts, corpus.labels).report == expected


def test_calibrated_logits_are_stored(toy_runs, toy_corpora):
    model = load_model(toy_runs("lexical")).model
    batch = model.text_encoder.collate(model.text_encoder.prepare(toy_corpora["test"].texts))
    logits = model(batch)
    scale, shift = model.calibration.tolist()
    model.calibration.copy_(torch.tensor([1.0, 0.0]))
    np.testing.assert_allclose(logits.numpy(), scale * model(batch).numpy() + shift, rtol=1e-5, atol=1e-5)
    scores = Predictor(toy_runs("lexical")).scores(toy_corpora["test"].texts)
    assert isinstance(scores, sp.csr_matrix)
    np.testing.assert_allclose(scores.toarray(), expit(logits.numpy()), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lexical", "mixed", "htla", "hgclr", "hbgl", "wide", "staged"])
def test_two_processes(toy_recipes, toy_folder, tmp_path, kind):
    (tmp_path / "recipe.yaml").write_text(toy_recipes[kind].to_yaml())
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    data = ["--train", toy_folder / "train.jsonl", "--val", toy_folder / "val.jsonl"]
    command = ["train", "--taxonomy", toy_folder / "taxonomy.json", *data, "--recipe", tmp_path / "recipe.yaml"]
    done = subprocess.run(
        [*launcher, "-m", "hgraph.cli.main", *map(str, command), "-o", str(tmp_path / "run"), "--set", "save_steps=3"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("model ") == 1
    assert "Traceback" not in done.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    documents = 60 + 9 * (kind in ("lexical", "wide"))  # their labels are documents too
    stages = 2 * 2 * 4 if kind == "staged" else 0  # two stages of two epochs come first
    assert metrics["training"]["steps"] == stages + 3 * -(-documents // 16)
    assert done.stderr.count("epoch  1.0/3") == 1
    assert metrics["validation"]["documents"] == 30
    assert metrics["validation"]["micro_f1"] > 0.4
    assert last_checkpoint(tmp_path / "run" / "checkpoints") is None
