"""GraphML, as networkx, Gephi and yEd write it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.files import MAX_BYTES, ByteSource, PathLike, stem, write_text
from hgraph.graph.formats.builder import TaxonomyBuilder
from hgraph.graph.formats.guards import XML_FORBIDDEN, check_ids_fit, one_line_end
from hgraph.graph.formats.xml_scan import scan_xml
from hgraph.graph.label_graph import LabelGraph

EXAMPLE = """\
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="n" for="node" attr.name="name" attr.type="string"/><graph edgedefault="directed">
<node id="s"><data key="n">Science</data></node>
<node id="p"><data key="n">Physics</data></node>
<edge source="s" target="p"/></graph></graphml>"""

NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
NAMES, DESCRIPTIONS = ("name", "label", "title"), ("description", "definition", "desc")


class _Checks:
    """What networkx would pass over: repeated nodes, edges to nodes that are not there, a graph without directions."""

    def __init__(self, path: PathLike) -> None:
        self.path = path
        self.builder = TaxonomyBuilder(path)
        self.lines: list[int] = []
        self.ends: list[tuple[str, str, int]] = []
        self.root = ""

    def start(self, tag: str, attributes: Mapping[str, str], line: int) -> None:
        tag, where = tag.rpartition(":")[2], f"{self.path}:{line}"
        if not self.root and tag != "graphml":
            raise TaxonomyError(f"{where}: expected <graphml>, found <{tag[:40]}>.")
        if tag == "graphml" and NAMESPACE not in attributes.values():
            raise TaxonomyError(f'{where}: expected <graphml xmlns="{NAMESPACE}">, found another namespace or none.')
        self.root = self.root or tag
        if tag == "graph" and attributes.get("edgedefault") != "directed":
            found = attributes.get("edgedefault", "none")
            raise TaxonomyError(f"{where}: 'edgedefault' must be 'directed' (parent -> child), found {found!r}.")
        if tag == "edge" and attributes.get("directed", "true") not in ("true", "1"):
            raise TaxonomyError(f"{where}: an undirected edge. Every edge must point from parent to child.")
        if tag == "hyperedge":
            raise TaxonomyError(f"{where}: a hyperedge has no parent and child. Write edges.")
        if tag == "node":
            label = attributes.get("id", "")
            if not label.strip():
                raise TaxonomyError(f"{where}: a node without an id. Give every node one.")
            index = self.builder.add(label)
            if index < len(self.lines):
                raise TaxonomyError(f"{where}: the node {label!r} stands on line {self.lines[index]} already.")
            self.lines.append(line)
        elif tag == "edge":
            if not {"source", "target"} <= attributes.keys():
                raise TaxonomyError(f"{where}: an edge needs 'source' and 'target'.")
            self.ends.append((attributes["source"], attributes["target"], line))


def read(path: PathLike) -> LabelGraph:
    """Read a directed graph, parent -> child; ids of nodes become ids of labels.

    Node data `name` (or `label`, `title`) and `description` are used, whatever else there is is passed over.

    Raises:
        TaxonomyError: what :func:`hgraph.graph.formats.xml_scan.scan_xml` raises; an undirected graph or edge, a
            hyperedge, a node without an id or a repeated one, an edge to a node that is not there, a self-loop, a
            cycle.
    """
    import networkx as nx

    checks = _Checks(path)
    scan_xml(path, checks.start)
    builder = checks.builder
    for parent, child, line in checks.ends:
        missing = next((label for label in (parent, child) if label not in builder.ids), None)
        if missing is not None:
            raise TaxonomyError(f"{path}:{line}: the edge names {missing!r}, but there is no such node.")
        builder.add_edge(parent, child, line=line)
    try:
        with ByteSource(path, limit=MAX_BYTES) as source, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of ports and of keys without a type, which do not matter here
            graph = nx.read_graphml(source, force_multigraph=True)
    except (nx.NetworkXError, SyntaxError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise TaxonomyError(f"{path}: malformed GraphML: {' '.join(str(error).split()) or repr(error)}.") from None
    for label, data in graph.nodes(data=True):
        if label in builder.ids:
            fields = {str(key).lower(): value for key, value in data.items() if value is not None}
            name = next((str(fields[key]).strip() for key in NAMES if key in fields), "")
            text = next((str(fields[key]) for key in DESCRIPTIONS if key in fields), "")
            builder.describe(builder.ids[label], name, text)
    return builder.build(title=str(graph.graph.get("name") or stem(path)))


def write(graph: LabelGraph, path: PathLike, *, overwrite: bool = False) -> None:
    """Write a directed graph with `name` and `description` of its nodes, and the title as `name` of the graph.

    Raises:
        ConfigError: a control character, which XML cannot hold.
    """
    check_ids_fit(graph, path, "graphml", XML_FORBIDDEN + "\r")
    for text in (*graph.name, *graph.description, graph.title):
        if wrong := next((mark for mark in text if mark in XML_FORBIDDEN), None):
            raise ConfigError(f"{path}: XML cannot hold the character {wrong!r} of {text[:60]!r}. Write it as json.")
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<graphml xmlns="{NAMESPACE}">',
        *(f'<key id="{key}" for="node" attr.name="{key}" attr.type="string"/>' for key in ("name", "description")),
        '<key id="title" for="graph" attr.name="name" attr.type="string"/>',
        '<graph edgedefault="directed">',
        *_data("title", graph.title),
    ]
    for label, name, description in zip(graph.label_id, graph.name, graph.description, strict=True):
        data = "".join([*_data("name", name), *_data("description", description)])
        lines.append(f"<node id={_quoted(label)}>{data}</node>")
    ids = [_quoted(label) for label in graph.label_id]
    edges = graph.edge_index.t().tolist()  # in their order, which networkx would change
    lines += [f"<edge source={ids[parent]} target={ids[child]}/>" for parent, child in edges]
    write_text(path, "\n".join([*lines, "</graph>", "</graphml>", ""]), overwrite=overwrite)


def _data(key: str, text: str) -> list[str]:
    return [f'<data key="{key}">{escape(one_line_end(text))}</data>'] if text else []


def _quoted(text: str) -> str:
    return quoteattr(text)
