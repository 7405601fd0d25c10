"""`go`: the Gene Ontology.

Read from `go.obo` of https://geneontology.org/docs/download-ontology, gzipped or not.
"""

from __future__ import annotations

import gzip
from pathlib import Path

from .hierarchy import Hierarchy


def build(path: Path, version: str) -> Hierarchy:
    """Live terms and their `is_a` relations; the three aspects are the roots."""
    import obonet

    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8") as stream:
        terms = obonet.read_obo(stream)  # leaves obsolete terms out
    nodes = {}
    for term in sorted(terms.nodes):
        if term.startswith("GO:") and "name" in terms.nodes[term]:  # else known only as the end of a relation
            nodes[term] = (terms.nodes[term]["name"].replace("_", " "), "")
    edges = [(above, below) for below, above, kind in sorted(terms.edges) if kind == "is_a"]
    return Hierarchy(
        name="go",
        title="Gene Ontology: processes, functions and components",
        license="CC BY 4.0",
        source="Gene Ontology, the Gene Ontology Consortium (Ashburner et al. 2000; The Gene Ontology Consortium 2023) "
        "(modified: live terms and is_a relations only, without definitions, in this layout).",
        url="https://geneontology.org",
        version=version,
        nodes=nodes,
        edges=[edge for edge in edges if edge[0] in nodes and edge[1] in nodes],
        packed=True,
    )
