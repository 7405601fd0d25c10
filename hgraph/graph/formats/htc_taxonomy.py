"""The `.taxonomy` files of the text classification literature: a parent and its children, separated by tabs, a line."""

from __future__ import annotations

from hgraph.errors import TaxonomyError
from hgraph.graph.files import PathLike, read_text, stem
from hgraph.graph.label_graph import LabelGraph

ROOT = "Root"
EXAMPLE = "Root\tCS\tMedical\nCS\tMachine learning\tSecurity\nMedical\tAsthma"


def read(path: PathLike) -> LabelGraph:
    """Read parent<tab>child<tab>child lines in any order; the artificial parent `Root` is dropped.

    The ids are the names.

    Raises:
        TaxonomyError: an empty field or a line without tabs, with its number; `Root` below another label.
    """
    nodes: dict[str, None] = {}
    edges: list[tuple[str, str]] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        parent, *children = (cell.strip() for cell in line.rstrip("\t\r\n ").split("\t"))
        if not parent or "" in children:
            raise TaxonomyError(f"{path}:{number}: empty label between tabs. Give every column a label.")
        if not children and parent != ROOT and parent not in nodes:
            raise TaxonomyError(f"{path}:{number}: expected parent<tab>child<tab>..., found {line.strip()[:60]!r}.")
        if ROOT in children:
            raise TaxonomyError(f"{path}:{number}: {ROOT!r} is the artificial root and cannot be a child.")
        if parent != ROOT:
            nodes[parent] = None
            edges.extend((parent, child) for child in children)
        nodes.update(dict.fromkeys(children))
    try:
        return LabelGraph.from_edges(edges, nodes=nodes, title=stem(path))
    except TaxonomyError as error:
        raise TaxonomyError(f"{path}: {error}") from None
