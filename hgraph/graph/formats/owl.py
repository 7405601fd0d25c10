"""OWL ontologies in RDF/XML, Turtle or N-Triples: `rdfs:subClassOf` between named classes, read with `rdflib`."""

from __future__ import annotations

from hgraph.graph.files import PathLike
from hgraph.graph.formats.rdf import OWL, RDFS, SCHEME_PREDICATES, SKOS, IriStyle, build_vocabulary, read_statements
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
    return build_vocabulary(
        statements,
        path,
        terms=[label for label in found if label not in TOP],
        edges=edges,
        names=(RDFS + "label", SKOS + "prefLabel"),
        descriptions=(DEFINITION, SKOS + "definition", RDFS + "comment"),
        scheme=OWL + "Ontology",
        language=language,
        iri=iri,
        what="classes",
    )
