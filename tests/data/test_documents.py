"""Reading documents: every format gives the same records, every broken file one clear error."""

import csv
import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hgraph.data import join_fields, read_documents, text_fields
from hgraph.data.documents import build_documents
from hgraph.data.records import file_format
from hgraph.errors import DataError

ROWS = [
    {"id": "d1", "text": 'Bären, "Wölfe"\nund Füchse', "labels": ["a", "b c"]},
    {"id": "d2", "text": "語 \U0001f600, plain", "labels": []},
    {"id": "d3", "text": "one\ttab", "labels": ["a"]},
]


def write(path, content):
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def as_jsonl(rows, **options):
    return "".join(json.dumps(row, **options) + "\n" for row in rows)


def write_rows(path, rows, join="|".join):
    kind = file_format(path)
    if kind == "jsonl":
        return write(path, as_jsonl(rows))
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if kind == "tsv" else ",")
        writer.writeheader()
        writer.writerows({**row, "labels": join(row["labels"])} for row in rows)
    return path


def error_of(path, **options):
    with pytest.raises(DataError) as caught:
        read_documents(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


@pytest.mark.parametrize(
    "name", ["d.jsonl", "d.ndjson", "d.v2.json", "d.csv", "d.tsv", "d.parquet", "d.jsonl.gz", "D.CSV", "d.tsv.gz"]
)
def test_every_format_gives_the_same_documents(tmp_path, name):
    documents = read_documents(write_rows(tmp_path / name, ROWS))
    assert documents["id"][:] == ["d1", "d2", "d3"]
    assert documents["labels"][:] == [["a", "b c"], [], ["a"]]
    assert [join_fields(text) for text in documents["text"]] == [row["text"] for row in ROWS]
    assert text_fields(documents) == [""]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a|b", ["a", "b"]),
        (" a | b |", ["a", "b"]),
        ("", []),
        ('["a|b", 3]', ["a|b", "3"]),
        ("[]", []),
        ("a|a", ["a"]),
        ("a > b", ["a > b"]),
    ],
)
def test_label_cells(tmp_path, cell, expected):
    path = write_rows(tmp_path / "d.csv", [{"text": "x", "labels": cell}], join=str)
    assert read_documents(path)[0]["labels"] == expected


def test_label_separator_and_column_aliases(tmp_path):
    path = write(tmp_path / "d.csv", "doc_token,doc_label\nx,a;b|c\n")
    assert read_documents(path, label_separator=";")[0]["labels"] == ["a", "b|c"]
    # In JSON a string is one label, whatever it holds.
    path = write(tmp_path / "d.jsonl", '{"text": "x", "label": "a|b"}')
    assert read_documents(path)[0]["labels"] == ["a|b"]


def test_labels_may_be_integers_of_any_width(tmp_path):
    table = pa.table({"text": ["x", "y"], "labels": pa.array([[1, -2], []], pa.list_(pa.int8()))})
    pq.write_table(table, tmp_path / "d.parquet")
    assert read_documents(tmp_path / "d.parquet")["labels"][:] == [["1", "-2"], []]
    documents = build_documents([(1, {"text": "x", "labels": [np.int8(3), np.uint64(4)]})], source="memory")
    assert documents["labels"][:] == [["3", "4"]]


def test_text_of_several_fields(tmp_path):
    rows = [{"uid": 1, "text": {"title": "Trees", "abstract": "On growth.", "note": None}, "labels": []}]
    path = write(tmp_path / "d.jsonl", as_jsonl(rows))
    documents = read_documents(path)
    assert documents[0]["text"] == [
        {"field": "title", "value": "Trees"},
        {"field": "abstract", "value": "On growth."},
        {"field": "note", "value": ""},
    ]
    assert join_fields(documents[0]["text"]) == "Trees\nOn growth."
    assert text_fields(documents) == ["title", "abstract", "note"]
    chosen = read_documents(path, fields=["abstract", "title"])
    assert join_fields(chosen[0]["text"]) == "On growth.\nTrees"


def test_text_of_several_columns(tmp_path):
    path = write(tmp_path / "d.csv", "id,title,abstract,labels\nx,Trees,On growth.,a\n")
    assert text_fields(read_documents(path)) == ["title", "abstract"]
    assert join_fields(read_documents(path, fields=["abstract"])[0]["text"]) == "On growth."
    assert "'body' is missing; found 'id', 'title', 'abstract', 'labels'" in error_of(path, fields=["body"])


def test_ids_and_lines(tmp_path):
    path = write(tmp_path / "d.jsonl", '\n{"text": "x", "labels": []}\n\n{"id": 7, "text": "y", "labels": []}\n')
    documents = read_documents(path)
    assert documents["id"][:] == ["2", "7"]
    assert documents["line"][:] == [2, 4]


def test_labels_are_optional_when_predicting(tmp_path):
    path = write(tmp_path / "d.jsonl", '{"text": "x"}\n{"text": "y", "labels": ["a"]}\n')
    assert read_documents(path, labels=False)["labels"][:] == [[], []]
    assert ":1: the field 'labels' is missing; found 'text'" in error_of(path)


def test_byte_order_mark_and_windows_line_ends(tmp_path):
    path = write(tmp_path / "d.csv", b"\xef\xbb\xbftext,labels\r\nx,a\r\n")
    assert read_documents(path)[0]["labels"] == ["a"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.jsonl", '{"text": "x", "labels": []}\n{"text": "y", "labels": [}\n', ":2: malformed JSON at column 26"),
        ("d.jsonl", "[1, 2]\n", ":1: expected a JSON object, found list"),
        ("d.jsonl", '{"text": "x", "labels": [%s]}' % ("1" * 5000), ":1: JSON that cannot be read"),
        ("d.jsonl", "[" * 100_000, ":1: JSON that cannot be read"),
        ("d.jsonl", '{"text": "\\ud83d", "labels": []}', ":1: the escape \\ud83d is half a character"),
        ("d.jsonl", '{"labels": []}', ":1: the field 'text' is missing; found 'labels'"),
        ("d.jsonl", "{}", ":1: the field 'text' is missing; found no field at all"),
        ("d.jsonl", '{"text": " \\n", "labels": []}', ":1: the text is empty"),
        ("d.jsonl", '{"text": null, "labels": []}', ":1: the text is empty"),
        ("d.jsonl", '{"text": {"title": ""}, "labels": []}', ":1: the text is empty"),
        ("d.jsonl", '{"text": {"title": 3}, "labels": []}', ":1: the field 'text.title' must be a string, found int"),
        ("d.jsonl", '{"doc_token": ["x"], "labels": []}', ":1: the field 'doc_token' must be a string, found list"),
        ("d.jsonl", '{"text": "x", "labels": [null]}', ":1: the field 'labels' must be a list of strings, found [N"),
        ("d.jsonl", '{"text": "x", "labels": {"a": 1}}', ":1: the field 'labels' must be a list of strings"),
        ("d.jsonl", as_jsonl(ROWS + ROWS[1:2]), ":4: the id 'd2' stands on line 2 already"),
        ("d.jsonl", "", ": expected at least one document"),
        ("d.jsonl.gz", "", ": expected at least one document"),
        ("d.csv", "", ":1: expected a header line"),
        ("d.csv", "text,,labels\nx,y,a\n", ":1: expected a header line"),
        ("d.csv", "text,text,labels\nx,y,a\n", ":1: the column 'text' stands in the header twice"),
        ("d.csv", "text,labels\nx,a\ny,b,c\n", ":3: expected 2 columns, found 3"),
        ("d.tsv", "text\tlabels\nx\n", ":2: expected 2 columns, found 1"),
        ("d.csv", 'text,labels\n"x" y,a\n', ":2: malformed csv"),
        ("d.csv", 'text,labels\n"x,a\n', "malformed csv"),
        ("d.csv", "text,labels\nx,[a\n", ":2: the labels start like a JSON list but are none"),
        ("d.jsonl", '{"text": "caf\xe9"}'.encode("latin-1"), ":1: expected UTF-8, found byte 0xe9 at column 14"),
        ("d.csv", b"\xef\xbb\xbft\xe9xt,labels\n", ":1: expected UTF-8, found byte 0xe9"),
        ("d.jsonl", '{"text": "x"}'.encode("utf-16"), ":1: expected UTF-8, found byte 0xff"),
        ("d.jsonl", b"\0\1\2\3", ":1: expected text, found a zero byte"),
        ("d.parquet", b"PAR1 no", ": is not a readable parquet file"),
        ("d.parquet.gz", b"x", ": expected a file named"),
        ("d.xlsx", b"x", ": expected a file named *.jsonl"),
        ("noext", b"x", ": expected a file named *.jsonl"),
    ],
)  # fmt: skip
def test_broken_files_give_one_clear_line(tmp_path, name, content, message):
    assert message in error_of(write(tmp_path / name, content))


def test_damaged_gzip(tmp_path):
    data = gzip.compress(as_jsonl({"text": f"{i * i}", "labels": []} for i in range(5000)).encode())
    for name, content in (("cut", data[: len(data) // 2]), ("none", b"{}"), ("flipped", data[:50] + b"\xff" * 20)):
        path = tmp_path / f"{name}.jsonl.gz"
        path.write_bytes(content)
        assert ": the gzip data is damaged or cut short" in error_of(path)


def test_missing_file_and_folder(tmp_path):
    assert ": there is no such file" in error_of(tmp_path / "none.jsonl")
    for name in ("folder", "folder.jsonl"):
        (tmp_path / name).mkdir()
        assert "found a folder" in error_of(tmp_path / name)


def test_labels_of_another_type_in_parquet(tmp_path):
    pq.write_table(pa.table({"text": ["x"], "labels": [[b"a"]]}), tmp_path / "d.parquet")
    assert "must be a list of strings, found [b'a']" in error_of(tmp_path / "d.parquet")
