"""Raw texts of the Extreme Classification Repository as corpora, and the way back."""

import json

import numpy as np
import pytest
import scipy.sparse as sp
from dataset_cases import read, write

from hgraph.data import read_corpus
from hgraph.data.datasets import convert, write_xmc
from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


JSON = {
    "lbl.json": lines(
        {"uid": "l0", "title": "Same  name"}, {"uid": "l1", "title": "Same name"}, {"uid": "l2", "title": "", "content": "x"}
    ),
    "trn.json.gz": lines(
        {"uid": "d0", "title": "One", "content": "body", "target_ind": [0, 2], "target_rel": [1.0, 1.0]},
        {"uid": "d1", "title": "Two", "content": "", "target_ind": [], "target_rel": []},
        {"uid": "d2", "title": " ", "content": "", "target_ind": [1], "target_rel": [1.0]},
    ),
    "tst.json": lines({"uid": "d0", "title": "One", "target_ind": [1], "target_rel": [0.5]}),
    "filter_labels_test.txt": "0 1\n",
}  # fmt: skip
LISTS = {
    "trn_X.txt": "first text\nsecond text\nthird\n",
    "trn_Y.txt": "1 0\n\n2:0.5\n",
    "tst_X.txt.gz": "fourth\n",
    "tst_Y.txt": "1\n",
    "Y.txt": "alpha\nbeta\ngamma delta\n",
}


def test_json_lines(tmp_path):
    text = convert("xmc", write(tmp_path / "raw", JSON), tmp_path / "out")
    graph, splits = read(tmp_path / "out")
    assert graph.label_id == ["l0", "l1", "l2"] and graph.name == ["Same name", "Same name", "l2"]
    assert graph.edge_index.shape[1] == 0
    assert splits["train"]["d0"] == {"id": "d0", "text": {"title": "One", "content": "body"}, "labels": ["l0", "l2"]}
    assert splits["train"]["d1"]["labels"] == [] and "d2" not in splits["train"]
    assert splits["test"]["d0"] == {"id": "d0", "text": "One", "labels": ["l1"]} and set(splits) == {"train", "test"}
    for said in (
        "taxonomy.json is flat", "filter_labels_*.txt were not read", "1 document without a text left out",
        "Relevances of labels left out, 1 document:", "lbl.json", "trn.json.gz",
    ):  # fmt: skip
        assert said in text


@pytest.mark.parametrize("names", [True, False])
def test_lists(tmp_path, names):
    files = {name: text for name, text in LISTS.items() if names or name != "Y.txt"}
    text = convert("xmc", write(tmp_path / "raw", files), tmp_path / "out")
    graph, splits = read(tmp_path / "out")
    assert graph.label_id == ["0", "1", "2"]
    assert graph.name == (["alpha", "beta", "gamma delta"] if names else ["0", "1", "2"])
    assert splits["train"]["train-1"] == {"id": "train-1", "text": "first text", "labels": ["1", "0"]}
    assert [record["labels"] for record in splits["train"].values()] == [["1", "0"], [], ["2"]]
    assert splits["test"]["test-1"]["labels"] == ["1"]
    assert "Relevances of labels left out, 1 document:" in text


def test_labels_that_are_ids(tmp_path):
    files = {"train_texts.txt": "a b\nc\n", "train_labels.txt": "zeta 10 9\nbeta\n"}
    convert("xmc", write(tmp_path / "raw", files), tmp_path / "out")
    graph, splits = read(tmp_path / "out")
    assert graph.label_id == ["9", "10", "beta", "zeta"]
    assert splits["train"]["train-1"]["labels"] == ["zeta", "10", "9"]


@pytest.mark.parametrize("name", ["trn_Y.npz", "Y.trn.npz", "trn_X_Y.txt"])
def test_label_matrices(tmp_path, name):
    raw = write(tmp_path / "raw", {"X.trn.txt": "a\nb\nc\n", "output-items.txt": "p\nq\n"})
    matrix = np.array([[0, 1], [0, 0], [1, 1]])
    if name.endswith("npz"):
        sp.save_npz(raw / name, sp.csr_matrix(matrix))
    else:
        write(raw, {name: "3 2\n1:1\n\n0:1 1:1\n"})
    convert("xmc", raw, tmp_path / "out")
    graph, splits = read(tmp_path / "out")
    assert graph.name == ["p", "q"]
    assert [record["labels"] for record in splits["train"].values()] == [["1"], [], ["0", "1"]]
    (raw / "output-items.txt").write_text("p\n")
    with pytest.raises(DataError, match="expected 1 columns, one for each label, found 2"):
        convert("xmc", raw, tmp_path / "two")
    (raw / "output-items.txt").unlink()
    convert("xmc", raw, tmp_path / "three")
    assert read(tmp_path / "three")[0].label_id == ["0", "1"]


def test_a_given_hierarchy(tmp_path):
    raw = write(tmp_path / "raw", LISTS)
    nodes, names = ["g", "a", "b"], ["gamma  delta", "alpha", "beta"]
    LabelGraph.from_edges([("g", "a")], nodes=nodes, names=names).save(raw / "taxonomy.json")
    with pytest.raises(DataError, match=r"expected label 1 to be 'gamma  delta' as in taxonomy\.json, found 'alpha'"):
        convert("xmc", raw, tmp_path / "out")
    (raw / "taxonomy.json").unlink()
    LabelGraph.from_edges([("g", "a")], nodes=nodes[:2], names=names[:2]).save(raw / "taxonomy.json")
    with pytest.raises(DataError, match=r"expected the 2 labels of taxonomy\.json, found 3"):
        convert("xmc", raw, tmp_path / "out")
    (raw / "Y.txt").write_text("gamma delta\nalpha\nbeta\n")
    (raw / "taxonomy.json").unlink()
    LabelGraph.from_edges([("g", "a")], nodes=nodes, names=names).save(raw / "taxonomy.json")
    text = convert("xmc", raw, tmp_path / "out")
    graph, splits = read(tmp_path / "out")
    assert graph.label_id == nodes and splits["train"]["train-1"]["labels"] == ["a", "g"]
    assert "The hierarchy is that of taxonomy.json." in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trn_Y.txt": "1\n\n3\n"}, r"trn_Y\.txt:3: expected numbers of labels below 3, found '3'"),
        ({"trn_Y.txt": "1\nbeta\n\n"}, r"trn_Y\.txt:2: expected numbers of labels below 3, found 'beta'"),
        ({"trn_Y.txt": "1\n"}, r"trn_Y\.txt: has fewer rows than trn_X\.txt has texts"),
        ({"trn_Y.txt": "1\n1\n1\n2\n"}, r"trn_X\.txt: has fewer texts than trn_Y\.txt has rows"),
        ({"tst_Y.txt": None}, r"tst_Y\.txt or .* is not there"),
        ({"Y.txt": "\n"}, r"Y\.txt: expected at least one label"),
        ({"Y.txt": None, "trn_Y.txt": "\n\n\n", "tst_Y.txt": "\n"}, "expected at least one label, found none"),
        ({"trn_X.txt": None}, r"trn\.json or trn_X\.txt or .* is not there. Get it from http"),
        ({"trn_X.txt": None, "trn_X_Xf.txt": "0 0\n"}, r"trn_X_Xf\.txt holds features, and a corpus needs texts"),
        ({"trn_X.txt": None, "eurlex_train.txt.gz": "0 0 0\n"}, r"eurlex_train\.txt\.gz holds features.*hgraph\.data\.xmc"),
    ],
)  # fmt: skip
def test_damaged_lists(tmp_path, changes, said):
    files = {name: text for name, text in {**LISTS, **changes}.items() if text is not None}
    with pytest.raises(DataError, match=said):
        convert("xmc", write(tmp_path / "raw", files), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("lbl.json", None, r"lbl\.json is not there"),
        ("lbl.json", lines({"uid": "a", "title": "x"}, {"uid": "a", "title": "y"}), r"lbl\.json:2: the id 'a' stands on line 1"),
        ("tst.json", lines({"uid": "d", "title": "x", "target_ind": [3]}), r"tst\.json:1: .* below 3"),
        ("tst.json", lines(*[{"uid": "d", "title": "x", "target_ind": []}] * 2), r"tst\.json:2: the id 'd' is in test already"),
    ],
)  # fmt: skip
def test_damaged_json(tmp_path, name, text, said):
    files = {key: value for key, value in {**JSON, name: text}.items() if value is not None}
    with pytest.raises(DataError, match=said):
        convert("xmc", write(tmp_path / "raw", files), tmp_path / "out")


def test_written_corpora_come_back(tmp_path, toy_corpora, toy_graph):
    write_xmc(tmp_path / "xmc", toy_corpora, toy_graph)
    assert sorted(path.name for path in (tmp_path / "xmc").iterdir()) == [
        "Y.txt", "taxonomy.json", "trn_X.txt", "trn_Y.txt", "tst_X.txt", "tst_Y.txt", "val_X.txt", "val_Y.txt",
    ]  # fmt: skip
    convert("xmc", tmp_path / "xmc", tmp_path / "back")
    graph = LabelGraph.load(tmp_path / "back" / "taxonomy.json")
    assert graph.fingerprint == toy_graph.fingerprint
    for split, corpus in toy_corpora.items():
        back = read_corpus(tmp_path / "back" / f"{split}.jsonl.gz", graph)
        assert back.texts == corpus.texts
        assert (back.labels != corpus.labels).nnz == 0


def test_what_cannot_be_written(tmp_path, toy_corpora, toy_graph):
    with pytest.raises(ConfigError, match="'corpora' must be train"):
        write_xmc(tmp_path / "x", {"test": toy_corpora["test"]}, toy_graph)
    with pytest.raises(DataError, match="'train' has 9 labels, the hierarchy 1"):
        write_xmc(tmp_path / "x", toy_corpora, LabelGraph.from_edges([], nodes=["a"]))
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "mine").write_text("")
    with pytest.raises(ConfigError, match="exists already"):
        write_xmc(tmp_path / "y", toy_corpora, toy_graph)
    assert [path.name for path in tmp_path.iterdir()] == ["y"]


def test_the_command(tmp_path, hgraph_command):
    write(tmp_path / "raw", LISTS)
    code, out, err = hgraph_command("convert", "xmc", "--source", tmp_path / "raw", "-o", tmp_path / "out")
    assert code == 0, err
    assert "train.jsonl.gz: 3 documents" in out
