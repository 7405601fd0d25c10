"""BGC, AAPD, the JSON lines in circulation, and what all conversions share."""

import gzip
import hashlib
import json

import pytest
from dataset_cases import bgc_book, edges, read, write

from hgraph.data.datasets import DATASETS, convert
from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph

BGC = {
    "hierarchy.txt": "Nonfiction\tCooking\nCooking\tBaking & Desserts\nChildren\u2019s Books\tMiddle Grade\nPoetry\n",
    "BlurbGenreCollection_EN_train.txt": bgc_book("Cakes", "Bread & butter.", (0, "Nonfiction"), (1, "Cooking"), (2, "Baking & Desserts"))
    + bgc_book("Rhymes", "Lines\nof verse.", (0, "Poetry"), (0, "Picture Books")),
    "BlurbGenreCollection_EN_dev.txt": bgc_book("Dev", "Text of dev.", (0, "Children\u2019s Books")),
    "BlurbGenreCollection_EN_test.txt": bgc_book("Empty", " ", (0, "Poetry")) + bgc_book("Test", "Text &amp; more.", (0, "Poetry")),
}  # fmt: skip
AAPD = {
    **{f"text_{split}": f"the first paper of {split} .\nthe second\n" for split in ("train", "val", "test")},
    **{f"label_{split}": "cs.it math.it\nquant-ph\n" for split in ("train", "val", "test")},
}


def records(*documents, text="token", labels="label"):
    return "".join(json.dumps({text: body, labels: names, "doc_topic": []}) + "\n" for body, names in documents)


JSONL = {
    "toy.taxonomy": "Root\ta\tTop/b\nTop/b\tTop/b/c\n",
    "toy_train.json": records(("one", ["a"]), (["two", "words"], ["Top/b", "Top/b/c"]), text="doc_token", labels="doc_label"),
    "toy_dev.jsonl": records(("three", ["Top/b/c"])),
    "toy_test.json.gz": records(("one", []), ("four", ["a", "a"]), ("four", ["a"])),
}  # fmt: skip


def test_bgc(tmp_path):
    text = convert("bgc", write(tmp_path / "raw", BGC), tmp_path / "bgc")
    graph, splits = read(tmp_path / "bgc")
    assert edges(graph) == {
        ("Nonfiction", "Cooking"), ("Cooking", "Baking & Desserts"), ("Children\u2019s Books", "Middle Grade"),
    }  # fmt: skip
    assert graph.num_labels == 6 and graph.name[graph.index("Children\u2019s Books")] == "Children's Books"
    assert splits["train"]["train-1"] == {
        "id": "train-1",
        "text": {"title": "Cakes", "body": "Bread & butter."},
        "labels": ["Nonfiction", "Cooking", "Baking & Desserts"],
    }
    assert splits["train"]["train-2"]["text"]["body"] == "Lines\nof verse."
    assert list(splits["val"]) == ["val-1"] and splits["test"]["test-2"]["text"]["body"] == "Text & more."
    assert "1 label of documents left out, not in the hierarchy: 'Picture Books' (1)." in text


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("hierarchy.txt", None, r"hierarchy\.txt is not there. Get it from https://www\.inf\.uni-hamburg\.de"),
        ("hierarchy.txt", "a\tb\tc\n", r"hierarchy\.txt:1: expected parent<tab>child"),
        ("hierarchy.txt", "a\tb\nb\ta\n", "cycle"),
        ("BlurbGenreCollection_EN_dev.txt", "<book>\n<title>x</title>\n", r"dev\.txt:1: the file ends inside this book"),
        ("BlurbGenreCollection_EN_dev.txt", "<book>\n<book>\n</book>\n", r"dev\.txt:2: a book begins inside the one of line 1"),
        ("BlurbGenreCollection_EN_dev.txt", "\n<book>\n<body>x</body>\n</book>\n", r"dev\.txt:2: the book has no <topics>"),
    ],
)  # fmt: skip
def test_damaged_bgc(name, content, said, tmp_path):
    files = {key: text for key, text in {**BGC, name: content}.items() if text is not None}
    with pytest.raises(DataError, match=said):
        convert("bgc", write(tmp_path / "raw", files), tmp_path / "bgc")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize("end", ["", ".txt", ".gz"])
def test_aapd(end, tmp_path):
    raw = write(tmp_path / "raw", {f"{name}{end}": text for name, text in AAPD.items()})
    text = convert("aapd", raw, tmp_path / "aapd")
    graph, splits = read(tmp_path / "aapd")
    assert graph.fingerprint == LabelGraph.from_name("aapd").fingerprint
    assert splits["val"]["val-1"] == {"id": "val-1", "text": "the first paper of val .", "labels": ["cs.it", "math.it"]}
    assert "3 documents without all ancestors of the labels; hgraph adds them." in text


def test_damaged_aapd(tmp_path):
    raw = write(tmp_path / "raw", {**AAPD, "label_val": "cs.it\n"})
    with pytest.raises(DataError, match=r"label_val: has fewer lines than text_val"):
        convert("aapd", raw, tmp_path / "aapd")
    write(raw, {"label_val": "cs.it\ncs.nothing\n"})
    with pytest.raises(DataError, match=r"label_val:2: the label 'cs\.nothing' is not in the hierarchy"):
        convert("aapd", raw, tmp_path / "aapd")
    (raw / "text_test").unlink()
    with pytest.raises(DataError, match=r"text_test or text_test\.txt is not there"):
        convert("aapd", raw, tmp_path / "aapd")


def test_jsonl_in_circulation(tmp_path):
    text = convert("jsonl", write(tmp_path / "raw", JSONL), tmp_path / "out")
    graph, splits = read(tmp_path / "out")
    assert edges(graph) == {("Top/b", "Top/b/c")}
    assert [graph.name[graph.index(label)] for label in ("a", "Top/b", "Top/b/c")] == ["a", "Top/b", "c"]
    assert splits["train"]["2"] == {"id": "2", "text": "two words", "labels": ["Top/b", "Top/b/c"]}
    assert splits["test"]["2"]["labels"] == ["a"]
    for said in (
        "3 labels, on levels 2, 1", "train.jsonl.gz: 2 documents, 1.50 labels each", "1 document without a label, kept.",
        "1 document without all ancestors", "Texts of test that repeat one of test: 1, kept.",
        "Different texts in both train and test: 1, kept.", "toy_dev.jsonl is val",
    ):  # fmt: skip
        assert said in text
    assert "both train and val" not in text and "both val and test" not in text
    digest = hashlib.md5((tmp_path / "raw" / "toy_train.json").read_bytes()).hexdigest()
    assert f"{digest}  toy_train.json" in text


def test_damaged_jsonl(tmp_path):
    raw = write(tmp_path / "raw", JSONL)

    def fails(said, **files):
        for name, content in files.items():
            write(raw, {name: content})
        with pytest.raises(DataError, match=said):
            convert("jsonl", raw, tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["raw"]

    fails(r"toy_dev\.jsonl:2: malformed JSON", **{"toy_dev.jsonl": JSONL["toy_dev.jsonl"] + "{"})
    fails(r"toy_dev\.jsonl:1: the label 'z' is not in the hierarchy", **{"toy_dev.jsonl": records(("x", ["z"]))})
    fails("expected one file for train", **{"toy_dev.jsonl": "", "other_train.json": ""})
    fails("expected one .taxonomy file", **{"b.taxonomy": JSONL["toy.taxonomy"]})
    (raw / "b.taxonomy").unlink()
    for name in ("other_train.json", "toy_test.json.gz"):
        (raw / name).unlink()
    fails("a .json or .jsonl file with 'test' in its name is not there")
    (raw / "toy.taxonomy").unlink()
    fails("a .taxonomy file is not there")


def test_nothing_is_overwritten_and_the_same_input_gives_the_same_bytes(tmp_path):
    raw = write(tmp_path / "raw", JSONL)
    (tmp_path / "empty").mkdir()
    convert("jsonl", raw, tmp_path / "empty")
    convert("jsonl", raw, tmp_path / "new")
    for path in (tmp_path / "new").iterdir():
        assert path.read_bytes() == (tmp_path / "empty" / path.name).read_bytes()
    before = (tmp_path / "new" / "train.jsonl.gz").stat().st_mtime_ns
    for target in (tmp_path / "new", raw / "toy.taxonomy"):
        with pytest.raises(ConfigError, match="exists already"):
            convert("jsonl", raw, target)
    assert (tmp_path / "new" / "train.jsonl.gz").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match=r"the folder .* does not exist"):
        convert("jsonl", raw, tmp_path / "nowhere" / "out")
    with pytest.raises(DataError, match="expected a folder with the files"):
        convert("jsonl", tmp_path / "nowhere", tmp_path / "out")


def test_a_conversion_that_stops_leaves_nothing(tmp_path, monkeypatch):
    raw = write(tmp_path / "raw", JSONL)

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LabelGraph, "save", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left"):
        convert("jsonl", raw, tmp_path / "out")
    monkeypatch.setattr(LabelGraph, "save", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        convert("jsonl", raw, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_no_document_and_wrong_options(tmp_path):
    raw = write(tmp_path / "raw", {**JSONL, "toy_train.json": "", "toy_dev.jsonl": "", "toy_test.json.gz": ""})
    with pytest.raises(DataError, match="hold no document"):
        convert("jsonl", raw, tmp_path / "out")
    with pytest.raises(
        ConfigError, match="'name' must be one of wos, nyt, rcv1, bgc, aapd, jsonl, xmc, but got 'dbpedia'"
    ):
        convert("dbpedia", raw, tmp_path / "out")
    for name in set(DATASETS) - {"nyt"}:
        with pytest.raises(ConfigError, match=f"'keep_leaks' has no meaning for '{name}'"):
            convert(name, raw, tmp_path / "out", keep_leaks=True)


def test_many_inputs_have_one_checksum(tmp_path, monkeypatch):
    monkeypatch.setattr("hgraph.data.datasets.writer.MAX_LISTED", 2)
    text = convert("jsonl", write(tmp_path / "raw", JSONL), tmp_path / "out")
    rows = []
    for path in sorted((tmp_path / "raw").iterdir()):
        rows.append(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.name}")
    assert f"{hashlib.md5(chr(10).join(rows).encode()).hexdigest()}  4 files, toy.taxonomy to toy_train.json" in text


def test_the_command(tmp_path, hgraph_command):
    from hgraph.cli.convert import FILES

    assert list(FILES) == list(DATASETS)
    raw = write(tmp_path / "raw", JSONL)
    code, out, err = hgraph_command("convert", "jsonl", "--source", raw, "-o", tmp_path / "out")
    assert (code, err) == (0, "") and f"Written to {tmp_path / 'out'}" in out and "What was done" in out
    assert gzip.decompress((tmp_path / "out" / "val.jsonl.gz").read_bytes())
    for options, said in (
        (["jsonl", "--labels", "names"], "--labels has no meaning for jsonl"),
        (["jsonl", "--keep-leaks"], "--keep-leaks has no meaning for jsonl"),
        (["wos"], "Data.xlsx or X.txt is not there"),
        (["jsonl"], "exists already"),
    ):
        code, _, err = hgraph_command(
            "convert", *options, "--source", raw, "-o", tmp_path / "out2" if options != ["jsonl"] else tmp_path / "out"
        )
        assert code == 2 and said in err and err.count("\n") == 1
