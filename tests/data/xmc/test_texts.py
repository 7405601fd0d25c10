"""Label lists and JSON lines with targets."""

import gzip

import pytest

from hgraph.data.xmc import read_label_lists, read_target_documents
from hgraph.errors import DataError


def test_label_lists(tmp_path):
    text = "3 1:0.5\t2::0.25\r\n\n wiki:a wiki:b:2 7:1e-3 7\n4 4\n"
    for name, content in (("Y.txt", text.encode()), ("Y.txt.gz", gzip.compress(text.encode()))):
        (tmp_path / name).write_bytes(content)
        rows = list(read_label_lists(tmp_path / name))
        assert [row.line for row in rows] == [1, 2, 3, 4]
        assert [row.labels for row in rows] == [["3", "1", "2"], [], ["wiki:a", "wiki:b", "7"], ["4"]]
        assert [row.relevances for row in rows] == [[1, 0.5, 0.25], [], [1, 2, 1], [1]]


def test_target_documents(tmp_path):
    path = tmp_path / "trn.json.gz"
    lines = [
        '{"uid": "a", "title": "T", "content": "", "target_ind": [2, 0, 2], "target_rel": [1.0, 0.5, 2]}',
        "",
        '{"uid": 7, "title": "U", "target_ind": []}',
    ]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    first, second = read_target_documents(path, 3)
    assert first == (1, "a", {"title": "T", "content": ""}, [2, 0], [2.0, 0.5])
    assert second == (3, "7", {"title": "U"}, [], [])
    assert [label.labels for label in read_target_documents(path)] == [[], []]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"title": "T", "target_ind": []}', "'uid' must be a string, found None"),
        ('{"uid": true, "title": "T", "target_ind": []}', "'uid' must be a string, found True"),
        ('{"uid": "a", "target_ind": []}', "'title' and 'content' are missing"),
        ('{"uid": "a", "title": ["T"], "target_ind": []}', "'title' must be a string"),
        ('{"uid": "a", "title": "T"}', "'target_ind' must be a list of numbers below 3, found None"),
        ('{"uid": "a", "title": "T", "target_ind": [3]}', r"numbers below 3, found \[3\]"),
        ('{"uid": "a", "title": "T", "target_ind": [-1]}', "numbers below 3"),
        ('{"uid": "a", "title": "T", "target_ind": [true]}', "numbers below 3"),
        (
            '{"uid": "a", "title": "T", "target_ind": [1], "target_rel": ["x"]}',
            "'target_rel' must be a list of numbers",
        ),
        ('{"uid": "a", "title": "T", "target_ind": [1], "target_rel": []}', "has 0 numbers, 'target_ind' 1"),
        ("{", "malformed JSON"),
        ("[1]", "expected a JSON object"),
    ],
)
def test_malformed_target_documents(tmp_path, line, said):
    (tmp_path / "trn.json").write_text('{"uid": "z", "title": "T", "target_ind": [0]}\n' + line)
    with pytest.raises(DataError, match=rf"trn\.json:2: .*{said}"):
        list(read_target_documents(tmp_path / "trn.json", 3))


def test_another_encoding(tmp_path):
    (tmp_path / "Y.txt").write_bytes("a\nTür\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"Y\.txt:2: expected UTF-8"):
        list(read_label_lists(tmp_path / "Y.txt"))
