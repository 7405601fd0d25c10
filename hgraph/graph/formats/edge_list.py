"""Edge lists: CSV or TSV with one parent,child pair a line, and optionally the child's name and description."""

from __future__ import annotations

import csv
import io

from hgraph.errors import TaxonomyError
from hgraph.graph.files import PathLike, read_text, stem
from hgraph.graph.label_graph import LabelGraph

EXAMPLE = """\
parent,child,name,description
,s,Science,
s,p,Physics,Matter and energy
s,b,Biology,"""

COLUMNS = {
    "parent": ("parent", "parent_id", "parentid", "source", "from", "broader", "head"),
    "child": ("child", "child_id", "childid", "target", "to", "narrower", "tail", "id", "label", "label_id"),
    "name": ("name", "child_name", "label_name", "title"),
    "description": ("description", "definition", "desc", "child_description"),
}


def delimiter_of(line: str) -> str:
    """Tab, semicolon or comma: the first one that the line has, in this order; comma if none."""
    return next((mark for mark in "\t;" if mark in line), ",")


def _columns(header: list[str]) -> dict[str, int]:
    cells = [cell.strip().lower().replace(" ", "_") for cell in header]
    found = {}
    for column, spellings in COLUMNS.items():
        position = next((cells.index(spelling) for spelling in spellings if spelling in cells), None)
        if position is not None:
            found[column] = position
    return found if {"parent", "child"} <= found.keys() else {}


def has_header(line: str) -> bool:
    """Whether the line names a parent and a child column."""
    return bool(_columns(next(csv.reader([line], delimiter=delimiter_of(line)), [])))


def read(path: PathLike, *, separator: str | None = None) -> LabelGraph:
    """Read an edge list; a row with an empty parent declares a root (or a label without edges).

    Args:
        path: the file, with a header that names the columns, or without one and with two columns.
        separator: one character between columns; by default tab, semicolon or comma.

    Raises:
        TaxonomyError: a row with another number of columns or without a child, two names for one id, a bad quote.
    """
    text = read_text(path)
    delimiter = separator or delimiter_of(text.lstrip("\n").split("\n", 1)[0])
    if len(delimiter) != 1:
        raise TaxonomyError(f"{path}: the column separator must be one character, found {delimiter!r}.")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: dict[str, int] = {}
    width = 0
    nodes: dict[str, None] = {}
    texts: dict[str, dict[str, str]] = {"name": {}, "description": {}}
    edges: list[tuple[str, str]] = []
    try:
        for row in reader:
            where = f"{path}:{reader.line_num}"
            if not any(cell.strip() for cell in row):
                continue
            if not width:
                width, columns = len(row), _columns(row)
                if columns:
                    continue
                if width != 2:
                    raise TaxonomyError(
                        f"{where}: expected a header with 'parent' and 'child', or two columns separated by "
                        f"{delimiter!r}, found {width} column{'s' * (width != 1)}."
                    )
                columns = {"parent": 0, "child": 1}
            if len(row) != width:
                raise TaxonomyError(f"{where}: expected {width} columns separated by {delimiter!r}, found {len(row)}.")
            parent, child = row[columns["parent"]].strip(), row[columns["child"]].strip()
            if not child:
                raise TaxonomyError(f"{where}: the child is empty. Every row needs the id of a label.")
            if parent:
                nodes[parent] = None
                edges.append((parent, child))
            nodes[child] = None
            for column, known in texts.items():
                cell = row[columns[column]].strip() if column in columns else ""
                if cell and known.setdefault(child, cell) != cell:
                    raise TaxonomyError(f"{where}: {child!r} has a second {column} {cell!r}, before {known[child]!r}.")
    except csv.Error as error:
        raise TaxonomyError(f"{path}:{reader.line_num}: malformed CSV: {error}.") from None
    try:
        return LabelGraph.from_edges(
            edges, nodes=nodes, names=texts["name"], descriptions=texts["description"], title=stem(path)
        )
    except TaxonomyError as error:
        raise TaxonomyError(f"{path}: {error}") from None
