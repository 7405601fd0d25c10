"""Tables of text: CSV with any delimiter, read row by row in bounded memory, and written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hgraph.errors import TaxonomyError
from hgraph.graph.files import Lines, PathLike, read_head, split_lines, suffix

MAX_ROW = 2**24
"""Most characters that one row may take, over several lines."""

Columns = Mapping[str, tuple[str, ...]]


def delimiter_of(line: str) -> str:
    """Tab, semicolon or comma: the first one that the line has, in this order; comma if none."""
    return next((mark for mark in "\t;" if mark in line), ",")


def sniff_delimiter(path: PathLike) -> str:
    """Delimiter of a file, by its first line that is not blank."""
    head, _ = read_head(path)
    return delimiter_of(next(line for line in head.split("\n") if line.strip()))


def find_columns(header: Sequence[str], columns: Columns) -> dict[str, int]:
    """Positions of the columns that a header names, by their spellings, whatever the case."""
    cells = [cell.strip().lower().replace(" ", "_") for cell in header]
    found = {}
    for column, spellings in columns.items():
        position = next((cells.index(spelling) for spelling in spellings if spelling in cells), None)
        if position is not None:
            found[column] = position
    return found


class Table:
    """The rows of a CSV file that are not blank; every row must be as wide as the first.

    Args:
        path: the file.
        delimiter: one character between columns; by default tab, semicolon or comma.
        ragged: allow rows narrower than the first.

    Raises:
        TaxonomyError: while iterating: what :class:`hgraph.graph.files.Lines` raises, a bad quote, a row that runs on
            for more than `MAX_ROW` characters, a row of another width; each with its line.
    """

    def __init__(self, path: PathLike, *, delimiter: str | None = None, ragged: bool = False) -> None:
        self.path, self.ragged = path, ragged
        self.delimiter = sniff_delimiter(path) if delimiter is None else delimiter
        if len(self.delimiter) != 1:
            raise TaxonomyError(f"{path}: the column separator must be one character, found {self.delimiter!r}.")
        self.line = 0  # where the current row ends
        self.width = 0

    @property
    def where(self) -> str:
        """`file:line` of the current row."""
        return f"{self.path}:{self.line}"

    def __iter__(self) -> Iterator[list[str]]:
        reader = csv.reader(self._lines(), delimiter=self.delimiter, strict=True)
        try:
            for row in reader:
                self.line = reader.line_num
                if len(row) != self.width:
                    if not any(cell.strip() for cell in row):
                        continue
                    if not self.width:
                        self.width = len(row)
                    elif len(row) > self.width or not self.ragged:
                        expected = f"expected {self.width} columns separated by {self.delimiter!r}"
                        raise TaxonomyError(f"{self.where}: {expected}, found {len(row)}.")
                yield row
        except csv.Error as error:
            raise TaxonomyError(f"{self.path}:{self.line + 1}: malformed CSV: {error}.") from None

    def _lines(self) -> Iterator[str]:
        last, pending = -1, 0
        for block in Lines(self.path).blocks():
            pending = pending + len(block) if self.line == last else 0
            last = self.line
            if pending > MAX_ROW:
                raise TaxonomyError(
                    f"{self.path}:{last + 1}: a row of more than {MAX_ROW:,} characters. Is a quote never closed?"
                )
            yield from split_lines(block)


def write_table(path: PathLike, rows: Iterable[Sequence[str]]) -> str:
    """The text of a table: tabs between columns when `path` is named `.tsv`, else commas."""
    out = io.StringIO()
    csv.writer(out, delimiter="\t" if suffix(path) == ".tsv" else ",", lineterminator="\n").writerows(rows)
    return out.getvalue()
