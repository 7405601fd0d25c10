"""`brick`: classes of the Brick schema of buildings.

Read from `Brick.ttl` of https://github.com/BrickSchema/Brick/releases.
"""

from __future__ import annotations

from pathlib import Path

from .hierarchy import Hierarchy

TECHNICAL = {"Class", "Entity", "Tag"}
PREFIX = "https://brickschema.org/schema/Brick#"


def build(path: Path, version: str) -> Hierarchy:
    """Live classes, one of each group of equivalent ones: the one with a definition, or the longest name."""
    from rdflib import OWL, RDF, RDFS, SKOS, Graph

    graph = Graph().parse(path)
    old = set(graph.subjects(OWL.deprecated, None))
    classes = sorted(
        {c for c in graph.subjects(RDF.type, OWL.Class) if str(c).startswith(PREFIX) and c not in old}, key=str
    )
    rank = {c: ((c, SKOS.definition, None) in graph, len(str(c)), str(c)) for c in classes}
    chosen = {c: c for c in classes}
    for c in classes:
        same = {*graph.objects(c, OWL.equivalentClass), *graph.subjects(OWL.equivalentClass, c)}
        chosen[c] = max([c, *(other for other in same if other in rank)], key=rank.__getitem__)
    short = {c: str(chosen[c]).removeprefix(PREFIX) for c in classes}
    edges = sorted({(short[p], short[c]) for c in classes for p in graph.objects(c, RDFS.subClassOf) if p in short})
    wanted = {short[c] for c in classes} - TECHNICAL
    edges = [edge for edge in edges if edge[0] in wanted and edge[1] in wanted and edge[0] != edge[1]]
    wanted = {label for edge in edges for label in edge}  # without the few classes that stand alone
    nodes = {}
    for c in classes:
        if chosen[c] == c and short[c] in wanted:
            name = str(graph.value(c, RDFS.label) or short[c]).replace("_", " ")
            nodes[short[c]] = (name, str(graph.value(c, SKOS.definition) or ""))
    return Hierarchy(
        name="brick",
        title="Brick: equipment, systems and measurements of buildings",
        license="BSD-3-Clause",
        source="Brick schema, Copyright (c) 2016-2021, Brick Development Team, all rights reserved (modified: live "
        "classes of the Brick namespace and their subclass relations only, one of several equivalent classes, "
        "definitions shortened, in this layout). The license is in NOTICES.md.",
        url="https://brickschema.org",
        version=version,
        nodes=nodes,
        edges=edges,
    )
