"""OWL ontologies in RDF/XML, Turtle or N-Triples: `rdfs:subClassOf` between named classes, read with `rdflib`."""

from __future__ import annotations

import logging

from hgraph.graph.files import PathLike, stem
from hgraph.graph.formats.builder import TaxonomyBuilder
from hgraph.graph.formats.rdf import (
    OWL,
    RDFS,
    SCHEME_PREDICATES,
    SKOS,
    IriStyle,
    check_absolute,
    label_ids,
    local_name,
    read_statements,
    vocabulary_title,
)
from hgraph.graph.label_graph import LabelGraph

EXAMPLE = """\
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix ex: <http://example.org/> .
ex:Science a owl:Class ; rdfs:label "Science" .
ex:Physics a owl:Class ; rdfs:subClassOf ex:Science ; rdfs:comment "Matter and energy." ."""

TOP = {OWL + "Thing", RDFS + "Resource", OWL + "Nothing"}
DEFINITION = "http://purl.obolibrary.org/obo/IAO_0000115"
PREDICATES = (
    *SCHEME_PREDICATES,
    *(RDFS + "subClassOf", RDFS + "comment", SKOS + "prefLabel", SKOS + "definition", DEFINITION, OWL + "deprecated"),
)

logger = logging.getLogger(__name__)


def read(path: PathLike, *, language: str = "en", iri: IriStyle | None = None) -> LabelGraph:
    """Read named classes and `rdfs:subClassOf` between them; restrictions and `owl:equivalentClass` are passed over.

    `owl:Thing` is dropped; deprecated classes are left out and counted. Names come from `rdfs:label` (or
    `skos:prefLabel`), descriptions from `IAO_0000115`, `skos:definition` or `rdfs:comment`, the first of them.

    Args:
        path: the file; imports are not followed.
        language: of names and descriptions; where there is none, one without a language, then the first in the
            alphabet.
        iri: `"short"` or `"full"` ids; by default short when all classes share a namespace.

    Raises:
        TaxonomyError: malformed RDF, an entity in XML, a relative IRI, a self-loop, a cycle.
        ConfigError: the package `rdflib` is missing.
    """
    statements = read_statements(path, PREDICATES)
    edges = list(dict.fromkeys((parent, child) for child, parent in statements.links(RDFS + "subClassOf")))
    found = statements.of_type([OWL + "Class", RDFS + "Class"])
    found.update(dict.fromkeys(label for edge in edges for label in edge))
    found = {label: None for label in found if label not in TOP}
    check_absolute(path, found)
    gone = statements.deprecated() & found.keys()
    names = statements.texts((RDFS + "label", SKOS + "prefLabel"), language)
    texts = statements.texts((DEFINITION, SKOS + "definition", RDFS + "comment"), language)
    title, license = vocabulary_title(statements, [OWL + "Ontology"], language)
    builder = TaxonomyBuilder(path)
    ids = label_ids((label for label in found if label not in gone), iri, path)
    for label, short in ids.items():
        builder.describe(builder.add(short), names.get(label) or local_name(label), texts.get(label, ""))
    for parent, child in edges:
        if parent in ids and child in ids:
            builder.add_edge(ids[parent], ids[child])
    out = builder.build(title=title or stem(path), license=license)
    if gone:
        logger.warning("%s: deprecated classes left out: %d", path, len(gone))
    return out
