"""hgraph's own JSON: the one format that keeps ids, names, descriptions, licence and source."""

from __future__ import annotations

import json
from typing import Any

import torch

from hgraph.errors import TaxonomyError
from hgraph.graph.files import PathLike, read_text, stem, write_text
from hgraph.graph.label_graph import LabelGraph

FORMAT, VERSION = "hgraph-taxonomy", 1
DEFAULT_KIND = "label"
EXAMPLE = """\
{"format": "hgraph-taxonomy", "version": 1, "name": "toy", "license": "CC0-1.0", "source": "",
 "nodes": [{"id": "s", "name": "Science", "description": ""},
           {"id": "p", "name": "Physics", "description": "Matter and energy"}],
 "edges": [["s", "p"]]}"""


def read(path: PathLike) -> LabelGraph:
    """Read a JSON taxonomy; only `nodes` and `edges` are required, and only `id` of a node.

    Raises:
        TaxonomyError: malformed JSON (with its line), a missing or wrong field, a newer version, or a fingerprint
            that does not fit the nodes and edges.
    """
    text = read_text(path)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise TaxonomyError(f"{path}:{error.lineno}: malformed JSON at column {error.colno}: {error.msg}.") from None
    except RecursionError:
        raise TaxonomyError(f"{path}: malformed JSON: nested too deeply.") from None
    if not isinstance(data, dict) or not {"nodes", "edges"} <= data.keys():
        raise TaxonomyError(f"{path}: expected a JSON object with 'nodes' and 'edges'.")
    _check_version(path, data)
    nodes = _list_of(path, data, "nodes")
    for position, node in enumerate(nodes):
        if not isinstance(node, dict) or not isinstance(node.get("id"), str):
            raise TaxonomyError(
                f"{path}: nodes[{position}] must be an object with a string 'id', found {_short(node)}."
            )
    edges = _list_of(path, data, "edges")
    for position, edge in enumerate(edges):
        if not isinstance(edge, list) or len(edge) != 2:
            raise TaxonomyError(f"{path}: edges[{position}] must be [parent id, child id], found {_short(edge)}.")
    try:
        graph = LabelGraph.from_edges(
            edges,
            nodes=[node["id"] for node in nodes],
            names=[node.get("name") or node["id"] for node in nodes],
            descriptions=[node.get("description") or "" for node in nodes],
            title=_text(path, data, "name") or stem(path),
            license=_text(path, data, "license"),
            source=_text(path, data, "source"),
        )
    except TaxonomyError as error:
        failure = TaxonomyError(f"{path}: {error}")
        failure.edges = error.edges
        raise failure from None
    _read_marks(path, graph, nodes)
    expected = data.get("fingerprint")
    if expected is not None and expected != graph.fingerprint:
        found = f"{graph.fingerprint}, but 'fingerprint' says {expected}"
        raise TaxonomyError(f"{path}: nodes and edges give {found}. If they were edited on purpose, delete the key.")
    return graph


def _read_marks(path: PathLike, graph: LabelGraph, nodes: list[dict[str, Any]]) -> None:
    """Which labels are only kept for their index, and which are not labels but groups of them, where any are."""
    gone = [node.get("tombstone", False) for node in nodes]
    kinds = [node.get("kind", DEFAULT_KIND) for node in nodes]
    for key, values, kind in (("tombstone", gone, bool), ("kind", kinds, str)):
        wrong = next((position for position, value in enumerate(values) if not isinstance(value, kind)), None)
        if wrong is not None:
            expected = "true or false" if kind is bool else "a string"
            raise TaxonomyError(f"{path}: 'nodes' item {wrong} has {key} {_short(values[wrong])}, expected {expected}.")
    if any(gone):
        graph.tombstone = torch.tensor(gone)
    if any(kind != DEFAULT_KIND for kind in kinds):
        graph.kind = kinds


def write(graph: LabelGraph, path: PathLike, *, overwrite: bool = False) -> None:
    """Write a graph, one node or edge a line, so that two versions can be compared line by line."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "name": graph.title,
        "license": graph.license,
        "source": graph.source,
        "fingerprint": graph.fingerprint,
    }
    rows = zip(graph.label_id, graph.name, graph.description, strict=True)
    nodes: list[dict[str, Any]] = [{"id": label, "name": name, "description": text} for label, name, text in rows]
    for node, gone in zip(nodes, graph["tombstone"].tolist() if "tombstone" in graph else [], strict=False):
        if gone:
            node["tombstone"] = True
    for node, kind in zip(nodes, graph.get("kind", []), strict=False):
        if kind != DEFAULT_KIND:
            node["kind"] = kind
    ids = graph.label_id
    edges = [[ids[parent], ids[child]] for parent, child in graph.edge_index.t().tolist()]
    fields = [f"{_dump(key)}: {_dump(value)}" for key, value in head.items()]
    fields += [f'"{key}": [\n{_lines(rows)}\n]' for key, rows in (("nodes", nodes), ("edges", edges))]
    write_text(path, "{\n" + ",\n".join(fields) + "\n}\n", overwrite=overwrite)


_dump = json.JSONEncoder(ensure_ascii=False).encode  # one encoder: json.dumps would make one for every row


def _lines(rows: list[Any]) -> str:
    return ",\n".join(map(_dump, rows))


def _short(value: Any) -> str:
    text = _dump(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _check_version(path: PathLike, data: dict[str, Any]) -> None:
    if data.get("format", FORMAT) != FORMAT:
        raise TaxonomyError(f"{path}: 'format' must be {FORMAT!r}, found {data['format']!r}.")
    version = data.get("version", VERSION)
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise TaxonomyError(
            f"{path}: 'version' must be {VERSION}, found {version!r}. Upgrade hgraph to read this file."
        )


def _list_of(path: PathLike, data: dict[str, Any], key: str) -> list[Any]:
    if not isinstance(data[key], list):
        raise TaxonomyError(f"{path}: {key!r} must be a list, found {type(data[key]).__name__}.")
    return data[key]


def _text(path: PathLike, data: dict[str, Any], key: str) -> str:
    value = data.get(key) or ""
    if not isinstance(value, str):
        raise TaxonomyError(f"{path}: {key!r} must be a string, found {_short(value)}.")
    return value
