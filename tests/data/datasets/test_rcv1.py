"""RCV1-v2: token files, the news themselves, the LYRL2004 split."""

import io
import tarfile
import zipfile

import pytest
from dataset_cases import edges, rcv1_news, read, write

from hgraph.data import split_indices
from hgraph.data.datasets import convert
from hgraph.errors import DataError

HIERARCHY = (
    "parent: None  child: Root  child-description: Root\n"
    "parent: Root  child: CCAT  child-description: CORPORATE/INDUSTRIAL\n"
    "parent: CCAT  child: C11   child-description: STRATEGY/PLANS\n"
    "parent: Root  child: MCAT  child-description: MARKETS\n"
)
TRAIN = {str(2286 + number): f"recov token{number} plan\nsecond line" for number in range(60)}
TEST = [{"26151": "test one"}, {"26152": "test two"}, {"26153": "test three"}, {"26154": "test four", "26155": " "}]


def tokens(documents):
    return "".join(f".I {number}\n.W\n{text}\n\n" for number, text in documents.items())


def qrels(documents):
    return "".join(f"C11 {number} 1\nCCAT {number} 1\n" for number in documents)


@pytest.fixture
def files():
    parts = {f"lyrl2004_tokens_test_pt{part}.dat.gz": tokens(documents) for part, documents in enumerate(TEST)}
    everything = {**TRAIN, **TEST[0], **TEST[1], **TEST[2], **TEST[3]}
    return {
        "lyrl2004_tokens_train.dat": tokens(TRAIN),
        **parts,
        "rcv1-v2.topics.qrels.gz": qrels(everything) + "XXX 2286 1\n",
        "rcv1.topics.hier.orig": HIERARCHY,
    }


def test_tokens(files, tmp_path):
    text = convert("rcv1", write(tmp_path / "raw", files), tmp_path / "rcv1")
    graph, splits = read(tmp_path / "rcv1")
    assert edges(graph) == {("CCAT", "C11")} and graph.name[graph.index("C11")] == "STRATEGY/PLANS"
    assert sorted(splits["test"]) == ["26151", "26152", "26153", "26154"]
    assert "1 document without a text left out." in text
    assert "1 label of documents left out, not in the hierarchy: 'XXX' (1)." in text
    texts = {number: " ".join(body.split("\n")) for number, body in TRAIN.items()}
    held_out = split_indices(list(texts.values()), {"train": 0.9, "val": 0.1})["val"]
    assert set(splits["val"]) == {list(texts)[row] for row in held_out} and 0 < len(held_out) < 20
    assert {**splits["train"], **splits["val"]}.keys() == TRAIN.keys()
    assert splits["train"]["2286"] == {"id": "2286", "text": "recov token0 plan second line", "labels": ["C11", "CCAT"]}


def test_the_shipped_hierarchy_stands_in(files, tmp_path):
    del files["rcv1.topics.hier.orig"]
    text = convert("rcv1", write(tmp_path / "raw", files), tmp_path / "rcv1")
    assert read(tmp_path / "rcv1")[0].num_labels == 103 and "ships with hgraph" in text


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.xz"])
def test_news(kind, files, tmp_path):
    raw = write(tmp_path / "raw", {name: text for name, text in files.items() if "tokens" not in name})
    news = {
        n: rcv1_news(n, f"Head\u00e9 {n}", ["One  two.", "", "Three &amp; four."])
        for n in [*TRAIN, "26151", "26152", "26153", "26154", "26155"]
    }
    for number, item in {**news, "99": rcv1_news("99", "no topics", ["x"])}.items():
        data, name = item.encode("iso-8859-1"), f"{number}newsML.xml"
        if kind == "folder":
            (raw / "19960820").mkdir(exist_ok=True)
            (raw / "19960820" / name).write_bytes(data)
        elif kind == "zip":
            with zipfile.ZipFile(raw / "19960820.zip", "a") as archive:
                archive.writestr(name, data)
    if kind == "tar.xz":
        with tarfile.open(raw / "rcv1.tar.xz", "w:xz") as tar:
            for number, item in news.items():
                member = tarfile.TarInfo(f"rcv1/19960820/{number}newsML.xml")
                member.size = len(item.encode("iso-8859-1"))
                tar.addfile(member, io.BytesIO(item.encode("iso-8859-1")))
    convert("rcv1", raw, tmp_path / "rcv1")
    _, splits = read(tmp_path / "rcv1")
    assert sorted(splits["test"]) == ["26151", "26152", "26153", "26154", "26155"]
    assert {**splits["train"], **splits["val"]}.keys() == TRAIN.keys()
    assert splits["test"]["26151"]["text"] == {"headline": "Head\u00e9 26151", "body": "One two.\nThree & four."}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rcv1-v2.topics.qrels.gz": None}, r"rcv1-v2\.topics\.qrels is not there"),
        ({"lyrl2004_tokens_test_pt2.dat.gz": None}, r"lyrl2004_tokens_test_pt2\.dat is not there"),
        ({"lyrl2004_tokens_train.dat": None}, r"lyrl2004_tokens_train\.dat \(or the \*newsML\.xml"),
        ({"lyrl2004_tokens_train.dat": "recov\n"}, r"train\.dat:1: expected '\.I' and a number first"),
        ({"lyrl2004_tokens_train.dat": ".I x\n.W\na\n"}, r"train\.dat:1: expected '\.I' and a number, found"),
        ({"lyrl2004_tokens_train.dat": ".I 5\n.W\na\n"}, r"train\.dat:1: document 5 has no topic"),
        ({"rcv1-v2.topics.qrels.gz": "C11 2286\n"}, r"qrels\.gz:1: expected 'topic document 1'"),
    ],
)
def test_damaged_files_are_named(changes, said, files, tmp_path):
    files = {name: text for name, text in {**files, **changes}.items() if text is not None}
    with pytest.raises(DataError, match=said):
        convert("rcv1", write(tmp_path / "raw", files), tmp_path / "rcv1")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_gzip_cut_short(files, tmp_path):
    raw = write(tmp_path / "raw", files)
    path = raw / "lyrl2004_tokens_test_pt1.dat.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="damaged or cut short"):
        convert("rcv1", raw, tmp_path / "rcv1")


def test_missing_news_are_counted(files, tmp_path):
    files = {name: text for name, text in files.items() if "tokens" not in name}
    raw = write(tmp_path / "raw", {**files, "2286newsML.xml": rcv1_news(2286, "h", ["p"])})
    with pytest.raises(DataError, match=r"64 of 65 documents are not there, such as 2287, 2288, 2289"):
        convert("rcv1", raw, tmp_path / "rcv1")
