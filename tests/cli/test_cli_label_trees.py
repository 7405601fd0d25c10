"""`hgraph build-taxonomy --method pifa`."""

import json
import re

import numpy as np
import pytest

from hgraph.graph import read_taxonomy


@pytest.fixture
def build(hgraph_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return hgraph_command("build-taxonomy", *arguments, "-o", "tree.json", "--overwrite")

    return run


@pytest.fixture
def corpus(tmp_path):
    """40 labels in 4 subjects, with 6 documents each."""
    draw = np.random.default_rng(0)
    lines = []
    for number in range(240):
        label = number % 40
        words = [f"subject{label % 4}"] * 3 + [f"word{label}"] + [f"w{draw.integers(30)}" for _ in range(4)]
        lines.append({"id": str(number), "text": " ".join(words), "labels": [f"l{label}"]})
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    nodes = [{"id": f"s{i}", "name": f"Subject {i}"} for i in range(4)]
    nodes += [{"id": f"l{i}", "name": f"Label {i}"} for i in range(40)] + [
        {"id": "unseen", "name": "subject3 subject3"}
    ]
    edges = [[f"s{i % 4}", f"l{i}"] for i in range(40)] + [["s3", "unseen"]]
    (tmp_path / "real.json").write_text(json.dumps({"nodes": nodes, "edges": edges}))
    return "train.jsonl"


def figure(out, name):
    return float(re.search(rf"^{name} +([\d.]+)", out, re.M)[1])


def test_a_tree_of_documents_alone(build, corpus, tmp_path):
    code, out, err = build("--from-documents", corpus, "--method", "pifa", "--leaf-size", 10, "--branching", 2)
    assert code == 0 and "240 documents, 40 labels, 1.0 each" in err
    assert "Written to tree.json" in out and "purity" not in out
    assert figure(out, "oracle recall, beam 5") == 1
    tree = read_taxonomy(tmp_path / "tree.json")
    assert tree.label_id[:40] == [f"l{i}" for i in range(40)] and tree.kind.count("cluster") == 6
    for cluster in np.unique(tree.parents[:40].indices):
        assert len({label % 4 for label in tree.children[cluster].indices}) == 1


def test_a_real_hierarchy_is_compared(build, corpus, tmp_path):
    options = ["--method", "pifa", "--taxonomy", "real.json", "--leaf-size", 12]
    code, out, _ = build("--from-documents", corpus, *options)
    assert code == 0
    assert figure(out, "labels") == 45 and figure(out, "without documents") == 1
    assert figure(out, "purity") > 0.6
    tree, real = read_taxonomy(tmp_path / "tree.json"), read_taxonomy(tmp_path / "real.json")
    assert tree.label_id[:45] == real.label_id
    assert not np.diff(tree.children.indptr)[:45].any()
    beside = tree.children[tree.parents[tree.index("unseen")].indices].indices
    assert sum(tree.label_id[label] in {f"l{i}" for i in range(3, 40, 4)} for label in beside) > len(beside) / 2
    build("--from-documents", corpus, *options, "--label-text", 0)
    assert read_taxonomy(tmp_path / "tree.json").fingerprint != tree.fingerprint
    first = tree.fingerprint
    for more in ([], ["--threads", 3]):
        build("--from-documents", corpus, *options, *more)
        assert read_taxonomy(tmp_path / "tree.json").fingerprint == first


def test_a_hybrid_keeps_the_real_hierarchy(build, corpus, tmp_path):
    code, out, _ = build(
        "--from-documents", corpus, "--method", "pifa", "--taxonomy", "real.json", "--hybrid", "--leaf-size", 6,
        "--name", "mine",
    )  # fmt: skip
    assert code == 0 and figure(out, "purity") == 1
    tree, real = read_taxonomy(tmp_path / "tree.json"), read_taxonomy(tmp_path / "real.json")
    assert tree.title == "mine" and np.diff(tree.children.indptr).max() <= 6
    np.testing.assert_array_equal(tree.ancestors[:45, :45].toarray(), real.ancestors.toarray())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from-documents", "train.jsonl", "--leaf-size", 5], "--leaf-size needs --method pifa"),
        (["--from-documents", "train.jsonl", "--hybrid"], "--hybrid needs --method pifa"),
        (["real.json", "--method", "pifa"], "--method pifa needs documents"),
        (["--from-documents", "train.jsonl", "--method", "pifa", "--hybrid"], "--hybrid needs the real hierarchy"),
        (["--from-documents", "train.jsonl", "--method", "pifa", "--branching", 6], "power of two .*, found 6"),
        (["--from-documents", "train.jsonl", "--method", "pifa", "--separator", "/"], "--separator has no meaning"),
        (
            ["--from-documents", "train.jsonl", "--method", "pifa", "--taxonomy", "real.json", "--hybrid",
             "--branching", 4],
            "--branching has no meaning with --hybrid",
        ),
        (
            ["--from-documents", "train.jsonl", "--method", "pifa", "--unknown-labels", "drop"],
            "--unknown-labels needs the real hierarchy",
        ),
        (["--from-documents", "empty.jsonl", "--method", "pifa"], "no document has a label"),
        (["--from-documents", "other.jsonl", "--method", "pifa", "--taxonomy", "real.json"], "other.jsonl:1: .*nothing"),
    ],
)  # fmt: skip
def test_wrong_options_are_one_line(build, corpus, tmp_path, options, message):
    (tmp_path / "empty.jsonl").write_text('{"text": "a b", "labels": []}\n')
    (tmp_path / "other.jsonl").write_text('{"text": "a b", "labels": ["nothing"]}\n')
    code, out, err = build(*options)
    assert code == 2 and out == ""
    assert err.startswith("Error: ") and err.count("\n") == 1
    assert re.search(message, err)
    assert not (tmp_path / "tree.json").exists()


def test_few_labels_say_what_to_set(build, corpus, caplog):
    code, _, _ = build("--from-documents", corpus, "--method", "pifa", "--leaf-size", 100)
    assert code == 0 and "Set leaf_size below 40" in caplog.text


def test_unknown_labels_may_be_dropped(build, corpus, tmp_path):
    (tmp_path / "other.jsonl").write_text('{"text": "subject1", "labels": ["nothing", "l1"]}\n')
    arguments = ["--from-documents", corpus, "--from-documents", "other.jsonl", "--method", "pifa", "--taxonomy"]
    code, _, err = build(*arguments, "real.json", "--unknown-labels", "drop")
    assert code == 0 and "241 documents" in err
