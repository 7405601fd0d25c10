"""Edge lists: CSV or TSV with one parent,child pair a line, and optionally the child's name and description."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

import numpy as np

from hgraph.errors import TaxonomyError
from hgraph.graph.files import PathLike, write_text
from hgraph.graph.formats.builder import TaxonomyBuilder
from hgraph.graph.formats.guards import check_ids_fit, one_line_end
from hgraph.graph.formats.plain_edges import read_plain
from hgraph.graph.formats.tables import Table, delimiter_of, find_columns, write_table
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


def _columns(header: Sequence[str]) -> dict[str, int]:
    found = find_columns(header, COLUMNS)
    return found if {"parent", "child"} <= found.keys() else {}


def has_header(line: str) -> bool:
    """Whether the line names a parent and a child column."""
    return bool(_columns(next(csv.reader([line], delimiter=delimiter_of(line)), [])))


def read(path: PathLike, *, separator: str | None = None) -> LabelGraph:
    """Read an edge list row by row; a row with an empty parent declares a root (or a label without edges).

    Args:
        path: the file, with a header that names the columns, or without one and with two columns.
        separator: one character between columns; by default tab, semicolon or comma.

    Raises:
        TaxonomyError: a row with another number of columns or without a child, a self-loop, two names for one id, a
            bad quote, a cycle.
    """
    table, builder = Table(path, delimiter=separator), TaxonomyBuilder(path)
    rows = iter(table)
    first = next(rows, None)
    columns = _columns(first or [])
    if first and not columns:
        if len(first) != 2:
            raise TaxonomyError(
                f"{table.where}: expected a header with 'parent' and 'child', or two columns separated by "
                f"{table.delimiter!r}, found {len(first)} column{'s' * (len(first) != 1)}."
            )
        columns = {"parent": 0, "child": 1}
        _add(builder, table, *first)
    if columns == {"parent": 0, "child": 1} and table.width == 2:
        graph = read_plain(path, delimiter=table.delimiter, header=not builder.ids)
        if graph is not None:
            return graph
        _read_pairs(builder, table, rows)
    else:
        _read_rows(builder, table, rows, columns)
    return builder.build()


def _read_pairs(builder: TaxonomyBuilder, table: Table, rows: Iterator[list[str]]) -> None:
    """The loop for a million edges: no texts, no calls but those into C."""
    ids, index_of = builder.ids, builder.ids.setdefault
    add_parent, add_child, add_line = builder.parents.append, builder.children.append, builder.lines.append
    for parent, child in rows:
        parent, child = parent.strip(), child.strip()
        if parent and child and parent != child:
            add_parent(index_of(parent, len(ids)))
            add_child(index_of(child, len(ids)))
            add_line(table.line)
        else:
            _add(builder, table, parent, child)


def _read_rows(builder: TaxonomyBuilder, table: Table, rows: Iterator[list[str]], columns: dict[str, int]) -> None:
    parent, child = columns["parent"], columns["child"]
    name, description = columns.get("name", -1), columns.get("description", -1)
    for row in rows:
        label = _add(builder, table, row[parent], row[child])
        if label >= 0:
            texts = [row[column].strip() if column >= 0 else "" for column in (name, description)]
            builder.describe(label, *texts, line=table.line)


def _add(builder: TaxonomyBuilder, table: Table, parent: str, child: str) -> int:
    """Add one row; index of its child, -1 for a row of two empty cells."""
    parent, child = parent.strip(), child.strip()
    if not child:
        if not parent:
            return -1
        raise TaxonomyError(f"{table.where}: the child is empty. Every row needs the id of a label.")
    if parent:
        builder.add_edge(parent, child, line=table.line)
    return builder.add(child)


def write(graph: LabelGraph, path: PathLike, *, overwrite: bool = False) -> None:
    """Write one edge a row and keep the order of labels; names and descriptions where there are any.

    Raises:
        ConfigError: an id that a trimmed cell cannot hold.
    """
    check_ids_fit(graph, path, "edges", "\r\n")
    names = [name if name != label else "" for label, name in zip(graph.label_id, graph.name, strict=True)]
    texts = [column for column in (names, graph.description) if any(column)]
    titles = [title for title, column in (("name", names), ("description", graph.description)) if any(column)]
    rows = [["parent", "child", *titles]]
    later: list[list[str]] = []
    ids = graph.label_id
    parents = parents_in_order(graph)
    for label, above in enumerate(parents):
        ready = above and max(above) < label  # all of them have a row already, so ids keep their order
        first = [one_line_end(column[label]) for column in texts]
        blank = [""] * len(texts)
        edges = [[ids[parent], ids[label], *blank] for parent in above]
        if ready:
            edges[0][2:] = first
            rows.extend(edges)
        else:
            rows.append(["", ids[label], *first])
            later.extend(edges)
    write_text(path, write_table(path, rows + later), overwrite=overwrite)


def parents_in_order(graph: LabelGraph) -> list[list[int]]:
    """Parents of every label, in the order of its edges."""
    parent, child = graph.edge_index.cpu().numpy()
    order = np.argsort(child, kind="stable")
    bounds = np.searchsorted(child[order], np.arange(graph.num_labels + 1))
    sources = parent[order].tolist()
    return [sources[start:stop] for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]
