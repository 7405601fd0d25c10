"""A hierarchy with its licence and source, and how it becomes a file of `taxonomies/data`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hgraph.graph import LabelGraph

DATA = Path(__file__).parents[1] / "data"
DESCRIPTION_LIMIT = 300
_dump = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True)
class Hierarchy:
    """Everything a file holds.

    Args:
        name: name of the file.
        title: one line for a list.
        license: licence, short.
        source: who made it, what was changed, and any notice that the licence asks for.
        url: where it is published.
        version: version of the data, as its publisher writes it.
        nodes: name and description by id, in the order of the file.
        edges: (parent id, child id) pairs.
        packed: whether the file is gzipped.
    """

    name: str
    title: str
    license: str
    source: str
    url: str
    version: str
    nodes: dict[str, tuple[str, str]]
    edges: list[tuple[str, str]]
    packed: bool = False

    def save(self) -> Path:
        """Check the hierarchy and write it to `taxonomies/data`, one node or edge a line."""
        nodes = {label: (tidy(name), shorten(text)) for label, (name, text) in self.nodes.items()}
        graph = LabelGraph.from_edges(self.edges, nodes=nodes)
        edges = [[graph.label_id[parent], graph.label_id[child]] for parent, child in graph.edge_index.t().tolist()]
        content = {
            "format": "hgraph-taxonomy",
            "version": 1,
            "name": self.name,
            "title": self.title,
            "license": self.license,
            "source": self.source,
            "url": self.url,
            "data_version": self.version,
            "fingerprint": graph.fingerprint,
            "nodes": [{"id": label, "name": name, "description": text} for label, (name, text) in nodes.items()],
            "edges": edges,
        }
        data = layout(content).encode()
        path = DATA / f"{self.name}.json{'.gz' if self.packed else ''}"
        path.write_bytes(gzip.compress(data, compresslevel=9, mtime=0) if self.packed else data)
        return path


def layout(content: dict[str, Any]) -> str:
    """JSON text with one key a line, and one node or edge a line, so that versions compare line by line."""
    fields = []
    for key, value in content.items():
        text = "[\n" + ",\n".join(map(_dump, value)) + "\n]" if key in ("nodes", "edges") else _dump(value)
        fields.append(f"{_dump(key)}: {text}")
    return "{\n" + ",\n".join(fields) + "\n}\n"


def tidy(text: str) -> str:
    """Text on one line with single spaces."""
    return " ".join(text.split())


def shorten(text: str, limit: int = DESCRIPTION_LIMIT) -> str:
    """Whole sentences up to `limit` characters, or, when the first is longer, whole words and an ellipsis.

    Example:
        >>> shorten("One sentence. Another one.", 20)
        'One sentence.'
        >>> shorten("A long sentence without end", 12)
        'A long...'
    """
    text = tidy(text)
    if len(text) <= limit and not text.endswith("..."):  # cut off by whoever published it
        return text
    end = text.rfind(". ", 0, limit)
    return text[: end + 1] if end > 0 else text[: text.rfind(" ", 0, limit - 2)].rstrip(",;:") + "..."


def below(roots: Iterable[str], edges: Iterable[tuple[str, str]]) -> set[str]:
    """The roots and everything below them."""
    children: dict[str, list[str]] = {}
    for parent, child in edges:
        children.setdefault(parent, []).append(child)
    found, waiting = set(roots), list(roots)
    while waiting:
        new = [child for child in children.get(waiting.pop(), []) if child not in found]
        found.update(new)
        waiting.extend(new)
    return found
