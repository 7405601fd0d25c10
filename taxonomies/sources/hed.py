"""`hed`: tags for events and experiments.

Read from `HED*.xml` of https://github.com/hed-standard/hed-schemas, `standard_schema/hedxml`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from .hierarchy import Hierarchy


def build(path: Path, version: str) -> Hierarchy:
    """All tags without placeholders and deprecated ones; the id is the tag, its name has spaces for hyphens."""
    nodes: dict[str, tuple[str, str]] = {}
    edges = []
    schema = ElementTree.parse(path).getroot().find("schema")
    waiting = [("", node) for node in reversed(schema.findall("node"))] if schema is not None else []
    while waiting:
        parent, node = waiting.pop()
        label = node.findtext("name", "")
        attributes = {attribute.findtext("name") for attribute in node.findall("attribute")}
        if label == "#" or "deprecatedFrom" in attributes:
            continue
        nodes[label] = (label.replace("-", " "), node.findtext("description", ""))
        if parent:
            edges.append((parent, label))
        waiting.extend((label, child) for child in reversed(node.findall("node")))
    return Hierarchy(
        name="hed",
        title="HED: tags of events and experiments",
        license="CC BY 4.0",
        source="HED standard schema, the HED Working Group, doi:10.5281/zenodo.7876037 (modified: tags without "
        "placeholders, descriptions shortened, in this layout).",
        url="https://www.hedtags.org",
        version=version,
        nodes=nodes,
        edges=edges,
    )
