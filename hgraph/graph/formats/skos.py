"""SKOS vocabularies in Turtle, N-Triples or RDF/XML, read with `rdflib`."""

from __future__ import annotations

import re
from urllib.parse import quote

from hgraph.graph.files import PathLike, write_text
from hgraph.graph.formats.edge_list import parents_in_order
from hgraph.graph.formats.guards import check_ids_fit, one_line_end
from hgraph.graph.formats.rdf import (
    OWL,
    RDFS,
    SCHEME_PREDICATES,
    SKOS,
    IriStyle,
    Statements,
    build_vocabulary,
    read_statements,
)
from hgraph.graph.label_graph import LabelGraph

EXAMPLE = """\
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix ex: <http://example.org/> .
ex:science a skos:Concept ; skos:prefLabel "Science"@en , "Wissenschaft"@de .
ex:physics a skos:Concept ; skos:broader ex:science ; skos:prefLabel "Physics"@en ;
    skos:definition "Matter and energy."@en ."""

NAMESPACE = "urn:hgraph:label/"
PREDICATES = (
    *SCHEME_PREDICATES,
    *(SKOS + term for term in ("broader", "narrower", "broaderTransitive", "narrowerTransitive")),
    *(SKOS + term for term in ("prefLabel", "definition", "scopeNote")),
    OWL + "deprecated",
)


def read(path: PathLike, *, language: str = "en", iri: IriStyle | None = None) -> LabelGraph:
    """Read concepts, `skos:broader` and `skos:narrower`; deprecated concepts are left out and counted.

    A concept is what has the type `skos:Concept` or stands in one of these relations. The transitive relations are used
    only where a file has no other. Names come from `skos:prefLabel` (or `rdfs:label`), descriptions from
    `skos:definition` (or `skos:scopeNote`).

    Args:
        path: the file.
        language: of names and descriptions; where there is none, one without a language, then the first in the
            alphabet.
        iri: `"short"` or `"full"` ids; by default short when all concepts share a namespace.

    Raises:
        TaxonomyError: malformed RDF, an entity in XML, a relative IRI, a self-loop, a cycle.
        ConfigError: the package `rdflib` is missing.
    """
    statements = read_statements(path, PREDICATES)
    edges = _edges(statements, "broader", "narrower") or _edges(statements, "broaderTransitive", "narrowerTransitive")
    found = statements.of_type([SKOS + "Concept"])
    found.update(dict.fromkeys(concept for edge in edges for concept in edge))
    return build_vocabulary(
        statements,
        path,
        terms=found,
        edges=edges,
        names=(SKOS + "prefLabel", RDFS + "label"),
        descriptions=(SKOS + "definition", SKOS + "scopeNote"),
        scheme=SKOS + "ConceptScheme",
        language=language,
        iri=iri,
        what="concepts",
    )


def _edges(statements: Statements, broader: str, narrower: str) -> list[tuple[str, str]]:
    up = [(parent, child) for child, parent in statements.links(SKOS + broader)]
    return list(dict.fromkeys(up + list(statements.links(SKOS + narrower))))


def write(graph: LabelGraph, path: PathLike, *, overwrite: bool = False) -> None:
    """Write Turtle: one concept a label, `skos:broader` to its parents, and a scheme with title and licence.

    Ids that are all IRIs stay as they are; otherwise each becomes `urn:hgraph:label/` and the id, percent-encoded,
    which reading turns back.

    Raises:
        ConfigError: an id with a zero character or blanks at an end.
    """
    check_ids_fit(graph, path, "skos", "")
    iris = all(re.fullmatch(r"(https?://|urn:)[^\s<>\"{}|^`\\\x00-\x20]+", label) for label in graph.label_id)
    terms = [f"<{label if iris else NAMESPACE + quote(label, safe='')}>" for label in graph.label_id]
    lines = [f"@prefix skos: <{SKOS}> .", "@prefix dct: <http://purl.org/dc/terms/> .", ""]
    facts = [
        f"dct:{key} {_literal(text)}" for key, text in (("title", graph.title), ("license", graph.license)) if text
    ]
    lines.append(" ;\n    ".join(["<urn:hgraph:scheme> a skos:ConceptScheme", *facts]) + " .")
    for label, above in enumerate(parents_in_order(graph)):
        facts = [f"{terms[label]} a skos:Concept", f"skos:prefLabel {_literal(graph.name[label])}"]
        if graph.description[label]:
            facts.append(f"skos:definition {_literal(graph.description[label])}")
        if above:
            facts.append(f"skos:broader {', '.join(terms[parent] for parent in above)}")
        lines.append(" ;\n    ".join(facts) + " .")
    write_text(path, "\n".join(lines) + "\n", overwrite=overwrite)


def _literal(text: str) -> str:
    text = re.sub(r'([\\"])', r"\\\1", one_line_end(text)).replace("\n", "\\n")
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04X}", text) + '"'
