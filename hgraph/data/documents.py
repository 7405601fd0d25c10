"""Documents as a `datasets.Dataset`: a text (one string or several named fields), an id and, in training, labels."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hgraph.data.records import Record, file_format, read_records
from hgraph.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

ID_COLUMNS = ("id", "doc_id", "uid")
LABEL_COLUMNS = ("labels", "label", "doc_label")
TEXT_COLUMNS = ("text", "doc_token", "token", "content")
FIELD_SEPARATOR = "\n"


def read_documents(
    path: str | Path,
    *,
    fields: Sequence[str] | None = None,
    label_separator: str = "|",
    labels: bool = True,
) -> "Dataset":
    """Read a file of documents.

    Args:
        path: `.jsonl`, `.csv`, `.tsv` or `.parquet`; text files may be gzipped. A record has a `text` (a string, or an
            object of named strings), `labels` (a list; in a csv cell a JSON list or values joined by `label_separator`)
            and perhaps an `id`.
        fields: Columns that make up the text, in order. Default: `text`; without it, every column that is neither id
            nor labels and holds a string.
        label_separator: What stands between the labels of one csv cell.
        labels: Whether each record must have labels; False reads none.

    Returns:
        A dataset with columns `id` (str), `text` (list of `{"field", "value"}`; one nameless field for a plain
        string), `labels` (list of str) and `line` (int, where the record stands in the file).

    Raises:
        DataError: The file cannot be read, a field is missing, a text is empty or an id occurs twice.
    """
    path = Path(path)
    separator = label_separator if file_format(path) in ("csv", "tsv") else None
    return build_documents(
        read_records(path), source=str(path), fields=fields, label_separator=separator, labels=labels
    )


def build_documents(
    records: Iterable[Record],
    *,
    source: str,
    fields: Sequence[str] | None = None,
    label_separator: str | None = None,
    labels: bool = True,
) -> "Dataset":
    """Check (line, record) pairs and gather them in a dataset; see :func:`read_documents`.

    Raises:
        DataError: As :func:`read_documents`; `source` stands before the line number.
    """
    from datasets import Dataset, Features, List, Value

    columns: dict[str, list[Any]] = {"id": [], "text": [], "labels": [], "line": []}
    first_line: dict[str, int] = {}
    for document in iterate_documents(
        records, source=source, fields=fields, label_separator=label_separator, labels=labels
    ):
        identifier, line = document["id"], document["line"]
        if identifier in first_line:
            raise DataError(
                f"{source}:{line}: the id '{identifier}' stands on line {first_line[identifier]} already. Make ids "
                "unique."
            )
        first_line[identifier] = line
        for name, value in document.items():
            columns[name].append(value)
    if not columns["id"]:
        raise DataError(f"{source}: expected at least one document, found none.")
    features = Features(
        {
            "id": Value("string"),
            "text": List({"field": Value("string"), "value": Value("string")}),
            "labels": List(Value("string")),
            "line": Value("int64"),
        }
    )
    return Dataset.from_dict(columns, features=features)


def iterate_documents(
    records: Iterable[Record],
    *,
    source: str,
    fields: Sequence[str] | None = None,
    label_separator: str | None = None,
    labels: bool = True,
) -> Iterator[dict[str, Any]]:
    """Check (line, record) pairs one at a time: dictionaries with `id`, `text`, `labels` and `line`.

    Raises:
        DataError: A text is missing or empty; with `labels`, labels are missing or malformed. Without, none are read.
    """
    for line, record in records:
        where = f"{source}:{line}"
        yield {
            "id": _identifier(record, line),
            "text": _text(record, fields, where),
            "labels": _labels(record, label_separator, where) if labels else [],
            "line": line,
        }


def text_fields(documents: "Dataset") -> list[str]:
    """Names of the text fields in order of first appearance; `[""]` for plain strings."""
    seen: dict[str, None] = {}
    for text in documents["text"]:
        for part in text:
            seen.setdefault(part["field"])
    return list(seen)


def join_fields(text: Sequence[Mapping[str, str]]) -> str:
    """One string from the fields of a document, a line each.

    >>> join_fields([{"field": "title", "value": "Trees"}, {"field": "abstract", "value": "On growth."}])
    'Trees\\nOn growth.'
    """
    return FIELD_SEPARATOR.join(part["value"] for part in text if part["value"])


def _identifier(record: Mapping[str, Any], line: int) -> str:
    for column in ID_COLUMNS:
        if record.get(column) not in (None, ""):
            return str(record[column])
    return str(line)


def _text(record: Mapping[str, Any], fields: Sequence[str] | None, where: str) -> list[dict[str, str]]:
    value: Any = None
    prefix = ""
    if fields is None:
        column = next((name for name in TEXT_COLUMNS if name in record), None)
        value, prefix = (record[column], column) if column else (None, "")
        if column is None:
            value = {
                name: cell
                for name, cell in record.items()
                if name not in (*ID_COLUMNS, *LABEL_COLUMNS) and isinstance(cell, str)
            }
            if not value:
                found = ", ".join(repr(name) for name in record) or "no field at all"
                raise DataError(f"{where}: the field 'text' is missing; found {found}. Name the text's fields.")
    else:
        inner = record
        if isinstance(record.get("text"), dict):
            inner, prefix = record["text"], "text"
        missing = [name for name in fields if name not in inner]
        if missing:
            found = ", ".join(repr(name) for name in inner)
            raise DataError(f"{where}: the text field '{missing[0]}' is missing; found {found}.")
        value = {name: inner[name] for name in fields}
    parts = list(value.items()) if isinstance(value, dict) else [("", value)]
    for name, cell in parts:
        if cell is not None and not isinstance(cell, str):
            field = ".".join(part for part in (prefix, name) if part)
            raise DataError(f"{where}: the field '{field}' must be a string, found {type(cell).__name__}.")
    if not any(cell and cell.strip() for _, cell in parts):
        raise DataError(f"{where}: the text is empty. Remove this document or give it a text.")
    return [{"field": name, "value": cell or ""} for name, cell in parts]


def _labels(record: Mapping[str, Any], separator: str | None, where: str) -> list[str]:
    column = next((name for name in LABEL_COLUMNS if name in record), None)
    value = record[column] if column else None
    if value is None:
        found = ", ".join(repr(name) for name in record)
        raise DataError(f"{where}: the field 'labels' is missing; found {found}. An empty list stands for no label.")
    if isinstance(value, str):
        value = _split_cell(value, separator, where)
    if not isinstance(value, list) or not all(isinstance(label, str | Integral) for label in value):
        raise DataError(f"{where}: the field '{column}' must be a list of strings, found {repr(value)[:60]}.")
    return list(dict.fromkeys(str(label) for label in value))


def _split_cell(cell: str, separator: str | None, where: str) -> list[str]:
    if cell.lstrip().startswith("["):
        try:
            return json.loads(cell)
        except json.JSONDecodeError as error:
            raise DataError(f"{where}: the labels start like a JSON list but are none: {error.msg}.") from None
    parts = [cell] if separator is None else cell.split(separator)
    return [part.strip() for part in parts if part.strip()]
