"""New York Times: lists, archives, labels, and what becomes of articles that the lists name several times."""

import io
import tarfile

import pytest
from dataset_cases import edges, nyt_article, read, write

from hgraph.data.datasets import convert
from hgraph.errors import DataError

TAXONOMY = "Root\tTop/News\tTop/Features\nTop/News\tTop/News/Sports\nTop/News/Sports\tTop/News/Sports/Tennis\n"
LISTS = {
    "idnewnyt_train.json": "Nytimes/1995/0000001.xml\nNytimes/1995/0000002.xml\nNytimes/1995/0000001.xml\nNytimes/1996/0000003.xml\nNytimes/1996/0000004.xml\n",
    "idnewnyt_val.json": "Nytimes/1996/0000003.xml\nNytimes/1996/0000005.xml\n",
    "idnewnyt_test.json": "Nytimes/1995/0000002.xml\nNytimes/1996/0000006.xml\nNytimes/1996/0000006.xml\n",
    "nyt.taxonomy": TAXONOMY,
}
ARTICLES = {
    "1": nyt_article("Top/News/Sports/Tennis", "Top/Features/Travel/Guides"),
    "2": nyt_article("Top/News/Sports", headline="Two &amp; more"),
    "3": nyt_article("Top/News", headline="Three"),
    "4": nyt_article("Top/Opinion", paragraphs=("One <b>bold</b>\nword.",)),
    "5": nyt_article("Top/News/Sports", headline="Five"),
    "6": nyt_article("Top/Features", headline="Six"),
    "7": nyt_article("Top/News"),
}


def pack(folder, year, month, articles):
    """A month as LDC ships it."""
    path = folder / "data" / year / f"{month}.tgz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for number in articles:
            data = ARTICLES[number].encode()
            member = tarfile.TarInfo(f"{month}/31/{int(number):07d}.xml")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


@pytest.fixture
def raw(tmp_path):
    folder = write(tmp_path / "raw", LISTS)
    pack(folder, "1995", "01", "12")
    pack(folder, "1996", "10", "3457")
    return write(folder, {"data/1996/0000006.xml": ARTICLES["6"]})


def test_each_article_stays_in_one_split(raw, tmp_path):
    text = convert("nyt", raw, tmp_path / "nyt")
    graph, splits = read(tmp_path / "nyt")
    assert edges(graph) == {("Top/News", "Top/News/Sports"), ("Top/News/Sports", "Top/News/Sports/Tennis")}
    assert graph.name[graph.index("Top/News/Sports")] == "Sports" and graph.num_labels == 4
    assert {split: sorted(records) for split, records in splits.items()} == {
        "train": ["0000001", "0000004"],
        "val": ["0000003", "0000005"],
        "test": ["0000002", "0000006"],
    }
    assert splits["train"]["0000001"]["labels"] == [
        "Top/News",
        "Top/News/Sports",
        "Top/News/Sports/Tennis",
        "Top/Features",
    ]
    assert splits["train"]["0000001"]["text"] == {"headline": "A headline", "body": "First.\nSecond."}
    assert splits["test"]["0000002"]["text"]["headline"] == "Two & more"
    assert splits["train"]["0000004"]["text"]["body"] == "One bold word."
    assert splits["train"]["0000004"]["labels"] == [] and "1 document without a label, kept." in text
    assert "Listed in both train and test: 1 article, kept in test alone." in text
    assert "Listed in both train and val: 1 article, kept in val alone." in text
    assert "The list of train has 5 lines, 1 of them repeated." in text
    assert text.count(".tgz") == 2 and "0000006.xml" in text


def test_the_published_split_keeps_every_entry(raw, tmp_path):
    text = convert("nyt", raw, tmp_path / "nyt", keep_leaks=True)
    _, splits = read(tmp_path / "nyt")
    assert {split: sorted(records) for split, records in splits.items()} == {
        "train": ["0000001", "0000001#2", "0000002", "0000003", "0000004"],
        "val": ["0000003", "0000005"],
        "test": ["0000002", "0000006", "0000006#2"],
    }
    assert "kept in both" in text and "Different texts in both train and test: 1, kept." in text


def test_the_vocabulary_stands_in_for_the_taxonomy(raw, tmp_path):
    convert("nyt", raw, tmp_path / "a")
    (raw / "nyt.taxonomy").unlink()
    write(raw, {"nyt_label.vocab": "Root\nTop/News\nTop/Features\nTop/News/Sports\nTop/News/Sports/Tennis\n"})
    convert("nyt", raw, tmp_path / "b")
    assert edges(read(tmp_path / "a")[0]) == edges(read(tmp_path / "b")[0])
    assert (tmp_path / "a" / "train.jsonl.gz").read_bytes() == (tmp_path / "b" / "train.jsonl.gz").read_bytes()


def test_missing_and_damaged_files_are_named(raw, tmp_path):
    def fails(said):
        with pytest.raises(DataError, match=said) as caught:
            convert("nyt", raw, tmp_path / "nyt")
        assert "\n" not in str(caught.value) and sorted(path.name for path in tmp_path.iterdir()) == ["raw"]

    archive = raw / "data" / "1996" / "10.tgz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:200])
    fails(r"10\.tgz: the archive is damaged")
    archive.unlink()
    fails(r"3 of 6 listed articles are not there, such as 0000003, 0000004, 0000005.*LDC2008T19")
    archive.write_bytes(whole)
    write(raw, {"data/1996/0000006.xml": "<nitf><body>"})
    fails(r"0000006\.xml: malformed XML")
    write(raw, {"data/1996/0000006.xml": ARTICLES["6"], "idnewnyt_val.json": "five\n"})
    fails(r"idnewnyt_val\.json:1: expected a path such as")
    (raw / "idnewnyt_val.json").unlink()
    fails(r"idnewnyt_val\.json is not there. Get it from https://github\.com/havelhakimi/TLA")


def test_lists_alone_are_not_enough(tmp_path):
    with pytest.raises(DataError, match=r"no archive .* is not there. Get it from https://catalog\.ldc"):
        convert("nyt", write(tmp_path / "raw", LISTS), tmp_path / "nyt")
