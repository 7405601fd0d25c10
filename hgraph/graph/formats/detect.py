"""Which format a file has, found out from its name and its first 64 KiB."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence

from hgraph.errors import TaxonomyError
from hgraph.graph.files import PathLike, read_head, suffix
from hgraph.graph.formats import edge_list, htc_taxonomy, label_list, levels, parent_list, paths, rcv1
from hgraph.graph.formats.rdf import XML_START
from hgraph.graph.formats.tables import delimiter_of

BY_EXTENSION = {
    ".taxonomy": "htc",
    ".obo": "obo",
    ".graphml": "graphml",
    ".yaml": "nested",
    ".yml": "nested",
    ".hier": "rcv1",
    ".labels": "labels",
    ".skos": "skos",
}
RDF_EXTENSIONS = (".ttl", ".rdf", ".owl", ".nt", ".n3", ".xml")
DOCUMENTS = (".jsonl", ".ndjson", ".parquet")

OWN_JSON = re.compile(r'"(nodes|edges)"\s*:\s*\[|"format"\s*:\s*"hgraph-taxonomy"')
JSON_START = re.compile(r'\s*(\{|\[\s*["\[{])')
OBO_START = re.compile(r"^(\[Term\]|format-version:|data-version:)", re.MULTILINE)
TURTLE_START = re.compile(r"^\s*(@prefix|@base|PREFIX\s|BASE\s|<[^<>\s]+>\s+(a|<[^<>\s]+>|\w*:\w+)\s)", re.MULTILINE)
SKOS_TERM = re.compile(r"\b(?:broader|narrower)(?:Transitive)?\b|\b(?:prefLabel|ConceptScheme)\b|[:#]Concept\b")
OWL_TERM = re.compile(r"\bsubClassOf\b|[:#]Class\b")
OTHER_OWL = re.compile(r"\s*(Prefix\(|Ontology\(|Prefix:|Ontology:)")
NUM_LINES = 100


def detect_format(path: PathLike, *, separator: str | None = None) -> str:
    """Key of :data:`hgraph.graph.FORMATS` that fits the file, by its name first and its first 64 KiB second.

    Args:
        path: the file.
        separator: between the names of a path; given, a text whose lines are no edges is taken for paths.

    Raises:
        TaxonomyError: nothing fits, or the file cannot be read; the message lists the formats.
    """
    label_list.refuse_pickle(path)
    extension = suffix(path)
    head, whole = read_head(path)
    if extension in DOCUMENTS:
        raise TaxonomyError(
            f"{path}: documents, expected a taxonomy. `hgraph build-taxonomy --from-documents` makes one of them."
        )
    if extension in BY_EXTENSION:
        return BY_EXTENSION[extension]
    if extension == ".json" or JSON_START.match(head):
        return "json" if OWN_JSON.search(head) or head.strip() in ("{", "{}") else "nested"
    if XML_START.match(head):
        return "graphml" if "<graphml" in head else _rdf_format(path, head, extension)
    if extension in RDF_EXTENSIONS:
        return _rdf_format(path, head, extension)
    lines = [line for line in head.split("\n") if line.strip()]
    return _text_format(path, lines, head, whole, separator, extension) or _unclear(path, lines[0])


def _rdf_format(path: PathLike, head: str, extension: str) -> str:
    if OTHER_OWL.match(head):
        raise TaxonomyError(f"{path}: OWL in functional or Manchester syntax. Save it as RDF/XML or Turtle.")
    skos, owl = len(SKOS_TERM.findall(head)), len(OWL_TERM.findall(head))
    # What declares entities is refused by either reader, with the reason.
    if skos or owl or extension == ".owl" or "<!ENTITY" in head:
        return "skos" if skos >= owl and skos else "owl"
    raise TaxonomyError(
        f"{path}: neither SKOS (skos:Concept, skos:broader) nor OWL (rdfs:subClassOf) at the beginning. "
        "Name it: format= one of skos, owl."
    )


def _text_format(
    path: PathLike, lines: Sequence[str], head: str, whole: bool, separator: str | None, extension: str
) -> str:
    first, delimiter = lines[0], delimiter_of(lines[0])
    if rcv1.is_line(first):
        return "rcv1"
    if OBO_START.search(head):
        return "obo"
    if TURTLE_START.search(head):
        return _rdf_format(path, head, ".owl" if not SKOS_TERM.search(head) else ".ttl")
    if parent_list.has_header(first):
        return "parents"
    if edge_list.has_header(first):
        return "edges"
    if levels.has_header(first):
        return "levels"
    if any((separator or paths.SEPARATOR) in line for line in lines[:NUM_LINES]) and separator not in ("\t", ","):
        return "paths"
    if first.split("\t")[0].strip() == htc_taxonomy.ROOT or any(line.count("\t") > 1 for line in lines[:NUM_LINES]):
        return "htc"
    if _is_numbered(lines, whole):
        return "labels"
    if _is_pairs(lines[:NUM_LINES], delimiter):
        return "edges"
    unspaced = paths.find_separator(lines) != paths.SEPARATOR
    if unspaced or (extension == ".txt" and not any("\t" in line or "," in line for line in lines[:NUM_LINES])):
        return "paths"
    return ""


def _is_numbered(lines: Sequence[str], whole: bool) -> bool:
    """Whether each line is a number and a label, no number comes twice, and those of a whole file count from 0 or 1."""
    rows = [[cell.strip() for cell in line.strip().split("\t")] for line in lines]
    columns = {label_list.number_column(row) for row in rows}
    if len(columns) > 1 or -1 in columns:
        return False
    column = columns.pop()
    numbers = [int(row[column][:18]) for row in rows]
    distinct = len(set(numbers)) == len({row[1 - column] for row in rows}) == len(rows)
    return distinct and (not whole or (max(numbers) == len(rows) - (min(numbers) == 0) and min(numbers) < 2))


def _is_pairs(lines: Sequence[str], delimiter: str) -> bool:
    try:
        return all(len(row) == 2 for row in csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return False


def _unclear(path: PathLike, line: str) -> str:
    from hgraph.graph.formats import FORMATS

    raise TaxonomyError(
        f"{path}: the format is not clear from line 1, {json.dumps(line[:60])}. "
        f"Name it: format= one of {', '.join(FORMATS)}."
    )
