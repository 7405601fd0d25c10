"""The `.taxonomy` files of the text classification literature: a parent and its children, separated by tabs, a line."""

from __future__ import annotations

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.files import Lines, PathLike, write_text
from hgraph.graph.formats.builder import TaxonomyBuilder
from hgraph.graph.formats.guards import check_ids_fit
from hgraph.graph.label_graph import LabelGraph

ROOT = "Root"
EXAMPLE = "Root\tCS\tMedical\nCS\tMachine learning\tSecurity\nMedical\tAsthma"


def read(path: PathLike) -> LabelGraph:
    """Read parent<tab>child<tab>child lines in any order; the artificial parent `Root` is dropped.

    The ids are the names.

    Raises:
        TaxonomyError: an empty field or a line without tabs, with its number; `Root` below another label.
    """
    builder = TaxonomyBuilder(path)
    for number, line in enumerate(Lines(path), start=1):
        if not line.strip():
            continue
        parent, *children = (cell.strip() for cell in line.rstrip("\t\r\n ").split("\t"))
        if not parent or "" in children:
            raise TaxonomyError(f"{path}:{number}: empty label between tabs. Give every column a label.")
        if not children and parent != ROOT and parent not in builder.ids:
            raise TaxonomyError(f"{path}:{number}: expected parent<tab>child<tab>..., found {line.strip()[:60]!r}.")
        if ROOT in children:
            raise TaxonomyError(f"{path}:{number}: {ROOT!r} is the artificial root and cannot be a child.")
        for child in children:
            if parent == ROOT:
                builder.add(child)
            else:
                builder.add_edge(parent, child, line=number)
    return builder.build()


def write(graph: LabelGraph, path: PathLike, *, overwrite: bool = False) -> None:
    """Write the roots below `Root`, then every parent and its children; ids stand for names, descriptions are left out.

    Raises:
        ConfigError: an id with a tab or a line end, or `Root`.
    """
    check_ids_fit(graph, path, "htc", "\t\r\n")
    ids = graph.label_id
    if ROOT in ids:
        raise ConfigError(f"{path}: format 'htc' drops the label {ROOT!r}. Write it as json or edges.")
    lines = ["\t".join([ROOT, *(ids[label] for label in graph.roots.tolist())])]
    children = graph.children
    for label in graph.topological_order.tolist():
        below = children.indices[children.indptr[label] : children.indptr[label + 1]]
        if len(below):
            lines.append("\t".join([ids[label], *(ids[child] for child in below.tolist())]))
    write_text(path, "\n".join(lines) + "\n", overwrite=overwrite)
