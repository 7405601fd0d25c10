"""Files of documents as a stream of (line number, raw record), with one clear error for every way they can break."""

import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

from hgraph.errors import DataError

FileFormat = Literal["jsonl", "csv", "tsv", "parquet"]
Record = tuple[int, dict[str, Any]]

SUFFIXES: dict[str, FileFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}


def file_format(path: Path) -> FileFormat:
    """The format that the name of `path` stands for; `.gz` may follow every suffix but `.parquet`.

    Raises:
        DataError: The suffix is none that hgraph reads, or `path` is a folder.
    """
    if path.is_dir():
        raise DataError(f"{path}: expected a file of documents, found a folder. Name a file in it.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    last = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])
    if last not in SUFFIXES or (suffixes[-1] == ".gz" and SUFFIXES[last] == "parquet"):
        choices = ", ".join(f"*{suffix}" for suffix in SUFFIXES)
        raise DataError(
            f"{path}: expected a file named {choices} (.gz may follow all but *.parquet), found '{path.name}'."
        )
    return SUFFIXES[last]


def read_records(path: Path) -> Iterator[Record]:
    """Yield (line number from 1, record) from a jsonl, csv, tsv or parquet file, gzip or not.

    Raises:
        DataError: The file is missing, unreadable, truncated, in another encoding or not of its format.
    """
    kind = file_format(path)
    try:
        yield from _read_parquet(path) if kind == "parquet" else _read_text(path, kind)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip data is damaged or cut short ({error}). Copy the file again.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from None


def _read_text(path: Path, kind: FileFormat) -> Iterator[Record]:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as stream:
        lines = decode_lines(stream, str(path))  # type: ignore[arg-type]
        yield from parse_jsonl(lines, str(path)) if kind == "jsonl" else _parse_csv(lines, path, kind)


def decode_lines(stream: BinaryIO, source: str) -> Iterator[str]:
    """Lines of a UTF-8 stream.

    Raises:
        DataError: Another encoding or binary content; `source` and the line number stand before it.
    """
    for number, raw in enumerate(stream, 1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{source}:{number}: expected UTF-8, found byte 0x{error.object[error.start]:02x} at column "
                f"{error.start + 1}. Save the file as UTF-8."
            ) from None
        if "\0" in line:
            raise DataError(f"{source}:{number}: expected text, found a zero byte. Is this a binary file?")
        yield line


def parse_jsonl(lines: Iterator[str], source: str) -> Iterator[Record]:
    """Yield (line number, record) from JSON lines; blank lines are passed over.

    Raises:
        DataError: A line is not a JSON object.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{source}:{number}: malformed JSON at column {error.colno}: {error.msg}. Expected one JSON object a "
                'line, such as {"text": "...", "labels": ["..."]}.'
            ) from None
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
            raise DataError(f"{source}:{number}: JSON that cannot be read: {error}.") from None
        if not isinstance(record, dict):
            raise DataError(f"{source}:{number}: expected a JSON object, found {type(record).__name__}.")
        if "\\ud" in line or "\\uD" in line:
            _check_surrogates(record, f"{source}:{number}")
        yield number, record


def _check_surrogates(record: dict[str, Any], where: str) -> None:
    """Refuse an escape such as `\\ud83d` without its other half, which no file can hold as UTF-8."""
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("unicode_escape").decode()
        raise DataError(f"{where}: the escape {half} is half a character. Write the whole character.") from None


def _parse_csv(lines: Iterator[str], path: Path, kind: FileFormat) -> Iterator[Record]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.DictReader(lines, delimiter="\t" if kind == "tsv" else ",", strict=True)
    try:
        if not reader.fieldnames or not all(name and name.strip() for name in reader.fieldnames):
            raise DataError(f"{path}:1: expected a header line that names every column, such as 'id,text,labels'.")
        twice = [name for name, count in Counter(reader.fieldnames).items() if count > 1]
        if twice:
            raise DataError(f"{path}:1: the column '{twice[0]}' stands in the header twice. Name each column once.")
        for record in reader:
            if None in record or None in record.values():
                found = len(reader.fieldnames) + len(record.get(None) or []) - list(record.values()).count(None)
                raise DataError(f"{path}:{reader.line_num}: expected {len(reader.fieldnames)} columns, found {found}.")
            yield reader.line_num, dict(record)
    except csv.Error as error:
        # The inner reader counts the line that broke; the outer one stands at the last good record.
        raise DataError(f"{path}:{reader.reader.line_num}: malformed {kind}: {error}.") from None


def _read_parquet(path: Path) -> Iterator[Record]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(path)
        number = 0
        for batch in table.iter_batches():
            for record in batch.to_pylist():
                number += 1
                yield number, record
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not a readable parquet file: {error}.") from None
