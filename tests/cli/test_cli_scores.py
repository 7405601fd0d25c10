"""Scores as files: predict writes them, evaluate measures them, ensemble combines them."""

import json
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp

from hgraph.decoding import ensemble, fit_sparse_fusion, read_scores
from hgraph.predictor import Predictor


@pytest.fixture(scope="module")
def score_files(tmp_path_factory, toy_runs, toy_folder):
    """Maker of the scores of a kind of run for a split."""
    folder = tmp_path_factory.mktemp("scores")

    def make(kind, split, command):
        path = folder / f"{kind}-{split}.npz"
        if not path.exists():
            arguments = ["predict", toy_runs(kind), "--data", toy_folder / f"{split}.jsonl", "--scores", path]
            assert command(*arguments) == (0, "", "")
        return path

    return make


@pytest.fixture
def fails(hgraph_command, tmp_path):
    def run(*arguments):
        before = sorted(tmp_path.rglob("*"))
        code, out, err = hgraph_command(*arguments)
        assert code == 2 and out == "" and err.startswith("Error: ") and err.count("\n") == 1, (code, out, err)
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return run


def test_scores_are_those_of_the_predictor(hgraph_command, score_files, toy_runs, toy_corpora, toy_graph):
    found = read_scores(score_files("lexical", "test", hgraph_command))
    predictor = Predictor(toy_runs("lexical"))
    expected = predictor.scores(toy_corpora["test"].texts)
    np.testing.assert_array_equal(found.scores.toarray(), expected.toarray())
    assert found.documents == toy_corpora["test"].documents["id"]
    assert found.labels == toy_graph.label_id
    assert found.thresholds.to_dict() == predictor.thresholds.to_dict()


def test_scores_beside_predictions(hgraph_command, score_files, toy_runs, toy_folder, tmp_path, monkeypatch):
    base = ["predict", toy_runs("lexical"), "--data", toy_folder / "test.jsonl"]
    both = [*base, "--scores", tmp_path / "s.npz", "--output", tmp_path / "p.jsonl", "--top-k", 3]
    monkeypatch.setattr("hgraph.cli.predict.CHUNK", 7)
    assert hgraph_command(*both)[0] == 0
    assert (tmp_path / "p.jsonl").read_text() == hgraph_command(*base, "--top-k", 3)[1]
    found, whole = (
        read_scores(path).scores for path in (tmp_path / "s.npz", score_files("lexical", "test", hgraph_command))
    )
    assert np.diff(found.indptr).tolist() == [3] * 20
    for row in range(20):
        dense = whole[row].toarray()[0]
        assert found[row].indices.tolist() == sorted(sorted(range(9), key=lambda label: (-dense[label], label))[:3])
    assert hgraph_command(*both)[0] == 2
    assert hgraph_command(*both, "--overwrite")[0] == 0


@pytest.mark.parametrize("kind", ["lexical", "dense"])
@pytest.mark.parametrize("threshold", [[], ["--threshold", 0.25]])
def test_scores_measure_as_their_model(hgraph_command, score_files, toy_runs, toy_folder, tmp_path, kind, threshold):
    data = ["--data", toy_folder / "test.jsonl", *threshold]
    taxonomy = ["--taxonomy", toy_folder / "taxonomy.json"]
    assert hgraph_command("evaluate", toy_runs(kind), *data, "--json", tmp_path / "a.json")[0] == 0
    scores = ["--scores", score_files(kind, "test", hgraph_command)]
    code, out, err = hgraph_command("evaluate", *scores, *taxonomy, *data, "--json", tmp_path / "b.json")
    assert (code, err) == (0, "") and "micro-F1" in out
    first, second = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab")
    assert {**first, "run": ""} == {**second, "run": ""}


def test_scores_of_other_documents_in_another_order(hgraph_command, score_files, toy_folder, tmp_path):
    lines = (toy_folder / "test.jsonl").read_text().splitlines()
    (tmp_path / "some.jsonl").write_text("\n".join(lines[::-2]))
    scores = score_files("lexical", "test", hgraph_command)
    base = ["evaluate", "--scores", scores, "--taxonomy", toy_folder / "taxonomy.json", "--data"]
    code, out, err = hgraph_command(*base, tmp_path / "some.jsonl")
    assert (code, err) == (0, "") and out.startswith("10 documents")


@pytest.mark.parametrize("method", ["softmax", "mean", "rank", "sigmoid", "round_robin"])
def test_ensembles_are_those_of_the_library(hgraph_command, score_files, tmp_path, method):
    files = [score_files(kind, "test", hgraph_command) for kind in ("lexical", "dense")]
    target = tmp_path / "e.npz"
    code, out, err = hgraph_command("ensemble", *files, "--method", method, "--top-k", 4, "-o", target)
    assert (code, err) == (0, "") and out == f"20 documents, 80 scores. Written to {target}\n"
    found = read_scores(target)
    expected = ensemble([read_scores(path).scores for path in files], method).toarray()
    assert found.documents == read_scores(files[0]).documents and found.thresholds is None
    for row in range(20):
        best = sorted(range(9), key=lambda label: (-expected[row, label], label))[:4]
        assert found.scores[row].indices.tolist() == sorted(best)
        assert found.scores[row].data.tolist() == expected[row, sorted(best)].tolist()


def test_learnt_weights(hgraph_command, score_files, toy_folder, toy_corpora, tmp_path):
    kinds = ("lexical", "dense")
    test, val = ([score_files(kind, split, hgraph_command) for kind in kinds] for split in ("test", "val"))
    options = ["--data", toy_folder / "val.jsonl", "--taxonomy", toy_folder / "taxonomy.json"]
    options += [part for path in val for part in ("--val-scores", path)]
    target = tmp_path / "e.npz"
    code, out, err = hgraph_command("ensemble", *test, "--method", "learnt", *options, "-o", target)
    assert (code, err) == (0, "") and all(str(path) in out for path in test)
    fusion = fit_sparse_fusion([read_scores(path).scores for path in val], toy_corpora["val"].labels)
    expected = fusion.apply([read_scores(path).scores for path in test])
    found = read_scores(target)
    np.testing.assert_array_equal(found.scores.toarray(), expected.toarray())
    assert found.thresholds.kind == "global"
    measure = ["evaluate", "--taxonomy", toy_folder / "taxonomy.json", "--data", toy_folder / "test.jsonl"]
    assert hgraph_command(*measure, "--scores", target, "--scores", test[0])[0] == 0
    # A threshold is tuned for the other methods too.
    code, out, err = hgraph_command("ensemble", *test, "--method", "rank", *options, "-o", tmp_path / "r.npz")
    assert (code, err) == (0, "") and read_scores(tmp_path / "r.npz").thresholds.value > 1


def test_bare_matrices_are_combined(hgraph_command, tmp_path):
    for name, values in (("a", [[0.5, 0, 0.25]]), ("b", [[0, 0.75, 0.5]])):
        sp.save_npz(tmp_path / f"{name}.npz", sp.csr_matrix(values))
    arguments = ["ensemble", tmp_path / "a.npz", tmp_path / "b.npz", "--method", "mean", "-o", tmp_path / "e.npz"]
    assert hgraph_command(*arguments)[0] == 0
    assert read_scores(tmp_path / "e.npz").scores.toarray().tolist() == [[0.25, 0.375, 0.375]]


def test_wrong_use_of_scores(fails, toy_runs, toy_folder, tmp_path):
    run, data = toy_runs("lexical"), ["--data", toy_folder / "test.jsonl"]
    assert "expected a file named *.npz" in fails("predict", run, *data, "--scores", tmp_path / "s.csv")
    assert "--top-k 0 stores no label" in fails("predict", run, *data, "--scores", tmp_path / "s.npz", "--top-k", 0)
    (tmp_path / "s.json").write_text("mine")
    assert "the file exists" in fails("predict", run, *data, "--scores", tmp_path / "s.npz")
    taxonomy = ["--taxonomy", toy_folder / "taxonomy.json"]
    assert "found nothing" in fails("evaluate", *data)
    assert "found both" in fails("evaluate", run, *data, *taxonomy, "--scores", tmp_path / "s.npz")
    assert "found --scores without --taxonomy" in fails("evaluate", *data, "--scores", tmp_path / "s.npz")
    assert "there is no such file" in fails("evaluate", *data, *taxonomy, "--scores", tmp_path / "s.npz")


def test_scores_that_do_not_belong_together(fails, hgraph_command, score_files, toy_folder, tmp_path):
    test, val = (score_files("lexical", split, hgraph_command) for split in ("test", "val"))
    out = ["-o", tmp_path / "e.npz"]
    assert "expected (20, 9) documents and labels" in fails("ensemble", test, val, *out)
    measure = ["evaluate", "--data", toy_folder / "test.jsonl", "--scores"]
    assert "there are no scores of the document 'test0'" in fails(
        *measure, val, "--taxonomy", toy_folder / "taxonomy.json"
    )
    assert "expected scores of 61 labels, found 9" in fails(
        *measure, test, "--taxonomy", "aapd", "--unknown-labels", "drop"
    )
    sp.save_npz(tmp_path / "n.npz", -read_scores(test).scores)
    few = read_scores(test).scores.copy()
    few.data[:] = np.where(np.arange(few.nnz) % 2, few.data, 0)
    few.eliminate_zeros()
    sp.save_npz(tmp_path / "f.npz", -few)
    assert "has negative scores" in fails("ensemble", tmp_path / "n.npz", tmp_path / "f.npz", "--method", "mean", *out)


def test_wrong_use_of_ensemble(fails, toy_folder, tmp_path):
    taxonomy, data = ["--taxonomy", toy_folder / "taxonomy.json"], ["--data", toy_folder / "val.jsonl"]
    base = ["ensemble", "a.npz", "b.npz", "-o", tmp_path / "e.npz"]
    assert "--method learnt needs --data" in fails(*base, "--method", "learnt")
    assert "found 1 and a --taxonomy" in fails(*base, *data, *taxonomy, "--val-scores", "a.npz")
    assert "found 0 and no --taxonomy" in fails(*base, *data)
    assert "no meaning without --data" in fails(*base, *taxonomy)
    assert "--missing has no meaning for --method round_robin" in fails(
        *base, "--method", "round_robin", "--missing", "lowest"
    )
    assert "expected a file named *.npz" in fails("ensemble", "a.npz", "-o", tmp_path / "e.csv")
    assert "there is no such file" in fails(*base)


def test_ranks_fall_by_one(hgraph_command, score_files, tmp_path):
    path = score_files("dense", "test", hgraph_command)
    assert hgraph_command("ensemble", path, "--method", "rank", "-o", tmp_path / "r.npz")[0] == 0
    for row in read_scores(tmp_path / "r.npz").scores:
        assert {first - second for first, second in pairwise(sorted(row.data.tolist(), reverse=True))} == {1}
