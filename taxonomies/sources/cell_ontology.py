"""`cl` and `mondo`: cell types and diseases.

Both ontologies are published at https://obofoundry.org (`cl.owl`, `mondo.owl`). Read from the JSON that
https://github.com/chanzuckerberg/cellxgene-ontology-guide makes of them (`CL-ontology-*.json.zst`,
`MONDO-ontology-*.json.zst`, unpacked), which gives each term its ancestors and how far above they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .hierarchy import Hierarchy, below


def build_cl(path: Path, version: str) -> Hierarchy:
    """Live cell types below `cell`, which is left out: it holds for every label."""
    terms, edges = _read(path)
    wanted = below(["CL:0000000"], edges) - {"CL:0000000"}
    return Hierarchy(
        name="cl",
        title="Cell Ontology: cell types",
        license="CC BY 4.0",
        source="Cell Ontology, the Cell Ontology developers (Diehl et al. 2016) (modified: live cell types and their "
        "subclass relations only, definitions shortened, in this layout).",
        url="https://obofoundry.org/ontology/cl.html",
        version=version,
        nodes=_nodes(terms, wanted),
        edges=[edge for edge in edges if edge[0] in wanted],
        packed=True,
    )


def build_mondo(path: Path, version: str) -> Hierarchy:
    """Live diseases of humans; `human disease` itself is left out: it holds for every label."""
    terms, edges = _read(path)
    wanted = below(["MONDO:0700096"], edges) - {"MONDO:0700096"}
    return Hierarchy(
        name="mondo",
        title="Mondo: human diseases",
        license="CC BY 4.0",
        source="Mondo Disease Ontology, the Monarch Initiative (Vasilevsky et al. 2022) (modified: live human diseases "
        "and their subclass relations only, definitions shortened, in this layout).",
        url="https://mondo.monarchinitiative.org",
        version=version,
        nodes=_nodes(terms, wanted),
        edges=[edge for edge in edges if edge[0] in wanted and edge[1] in wanted],
        packed=True,
    )


def _read(path: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    terms = {term: content[term] for term in sorted(content) if not content[term]["deprecated"]}
    above = ((term, entry["ancestors"].items()) for term, entry in terms.items())
    return terms, [(parent, term) for term, ancestors in above for parent, hops in sorted(ancestors) if hops == 1]


def _nodes(terms: dict[str, Any], wanted: set[str]) -> dict[str, tuple[str, str]]:
    return {term: (entry["label"], entry.get("description") or "") for term, entry in terms.items() if term in wanted}
