"""Parent columns: CSV or TSV with one row a label and its parents in one cell."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.files import PathLike, write_text
from hgraph.graph.formats.builder import TaxonomyBuilder
from hgraph.graph.formats.edge_list import parents_in_order
from hgraph.graph.formats.guards import check_ids_fit, one_line_end
from hgraph.graph.formats.tables import Table, delimiter_of, find_columns, write_table
from hgraph.graph.label_graph import LabelGraph

EXAMPLE = """\
id,parents,name,description
s,,Science,
p,s,Physics,Matter and energy
c,s,Chemistry,
pc,p|c,Physical chemistry,"""

SEPARATOR = "|"
COLUMNS = {
    "id": ("id", "label_id", "label", "code", "child"),
    "parents": ("parents", "parent_ids", "parents_ids", "parent(s)", "parent", "parent_id"),
    "name": ("name", "label_name", "title"),
    "description": ("description", "definition", "desc"),
}


def _columns(header: Sequence[str]) -> dict[str, int]:
    found = find_columns(header, COLUMNS)
    return found if {"id", "parents"} <= found.keys() else {}


def has_header(line: str) -> bool:
    """Whether the line names a column of ids and one of several parents (`parents`, not `parent`)."""
    header = next(csv.reader([line], delimiter=delimiter_of(line)), [])
    plural = {"parents": COLUMNS["parents"][:4]}
    return bool(_columns(header) and find_columns(header, plural))


def read(path: PathLike, *, separator: str = SEPARATOR) -> LabelGraph:
    """Read one row a label; labels keep the order of rows, and a parent may have its row below.

    Args:
        path: the file; its header names the columns `id` and `parents`, perhaps `name` and `description`.
        separator: text between the parents of one cell.

    Raises:
        TaxonomyError: no such header, an empty or repeated id, a parent without a row, a self-loop, a cycle.
    """
    if not separator:
        raise TaxonomyError(f"{path}: 'separator' is empty. Give the text between two parents, such as '|'.")
    table, builder = Table(path), TaxonomyBuilder(path)
    columns: dict[str, int] = {}
    first_line: list[int] = []
    edges: list[tuple[str, str, int]] = []
    for row in table:
        if not columns:
            columns = _columns(row)
            if not columns:
                raise TaxonomyError(f"{table.where}: expected a header with 'id' and 'parents', found {row[:4]!r}.")
            continue
        label = row[columns["id"]].strip()
        if not label:
            raise TaxonomyError(f"{table.where}: the id is empty. Every row needs the id of a label.")
        index = builder.add(label)
        texts = [row[columns[key]].strip() if key in columns else "" for key in ("name", "description")]
        builder.describe(index, *texts, line=table.line)
        if index < len(first_line):
            raise TaxonomyError(f"{table.where}: {label!r} stands on line {first_line[index]} already. Join the rows.")
        first_line.append(table.line)
        parents = [parent.strip() for parent in row[columns["parents"]].split(separator)]
        edges.extend((parent, label, table.line) for parent in parents if parent)
    for parent, label, line in edges:
        if parent not in builder.ids:
            raise TaxonomyError(f"{path}:{line}: the parent {parent!r} of {label!r} has no row. Add one.")
        builder.add_edge(parent, label, line=line)
    return builder.build()


def write(graph: LabelGraph, path: PathLike, *, overwrite: bool = False) -> None:
    """Write one row a label, in order, with its parents joined by `|`, its name and its description.

    Raises:
        ConfigError: an id that a trimmed cell cannot hold, or a parent's id with `|`.
    """
    check_ids_fit(graph, path, "parents", "\r\n")
    ids = graph.label_id
    rows = [["id", "parents", "name", "description"]]
    for label, above in enumerate(parents_in_order(graph)):
        parents = [ids[parent] for parent in above]
        wrong = next((parent for parent in parents if SEPARATOR in parent), None)
        if wrong is not None:
            raise ConfigError(f"{path}: format 'parents' joins parents by '|', which {wrong!r} contains. Use edges.")
        name = "" if graph.name[label] == ids[label] else graph.name[label]
        rows.append([ids[label], SEPARATOR.join(parents), one_line_end(name), one_line_end(graph.description[label])])
    write_text(path, write_table(path, rows), overwrite=overwrite)
