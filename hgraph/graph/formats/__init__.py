"""Taxonomy files: a reader and often a writer for each format, and functions that find out the format themselves."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.files import PathLike, suffix
from hgraph.graph.formats import (
    edge_list,
    graphml,
    hgraph_json,
    htc_taxonomy,
    label_list,
    levels,
    nested,
    obo,
    owl,
    parent_list,
    paths,
    rcv1,
    skos,
)
from hgraph.graph.formats.detect import detect_format
from hgraph.graph.formats.documents import from_documents
from hgraph.graph.formats.rdf import IriStyle
from hgraph.graph.label_graph import LabelGraph

__all__ = ["FORMATS", "Format", "detect_format", "from_documents", "read_taxonomy", "write_taxonomy"]

MAX_SHOWN = 5


@dataclass(frozen=True)
class Format:
    """A file format.

    Args:
        read: its reader.
        description: one line about it.
        example: a file of at most five lines.
        write: its writer, None for formats that hgraph only reads.
        extensions: usual extensions; the first format with one is written to it.
        options: options of :func:`read_taxonomy` that its reader takes.
    """

    read: Callable[..., LabelGraph]
    description: str
    example: str
    write: Callable[..., None] | None = None
    extensions: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    "json": Format(
        hgraph_json.read,
        "hgraph JSON: ids, names, descriptions and edges.",
        hgraph_json.EXAMPLE,
        hgraph_json.write,
        (".json",),
    ),
    "edges": Format(
        edge_list.read,
        "CSV or TSV, one parent,child edge a line.",
        edge_list.EXAMPLE,
        edge_list.write,
        (".csv", ".tsv"),
        ("separator",),
    ),
    "parents": Format(
        parent_list.read,
        "CSV or TSV, one label a line, its parents joined by '|'.",
        parent_list.EXAMPLE,
        parent_list.write,
        (".csv", ".tsv"),
        ("separator",),
    ),
    "paths": Format(
        paths.read,
        "Text, one path of names from a root a line.",
        paths.EXAMPLE,
        paths.write,
        (".txt", ".csv"),
        ("separator",),
    ),
    "levels": Format(
        levels.read,
        "CSV or TSV, one column a level, one path a line.",
        levels.EXAMPLE,
        levels.write,
        (".csv", ".tsv"),
        ("separator",),
    ),
    "nested": Format(
        nested.read,
        "YAML or JSON, a tree of objects with 'children' or of maps.",
        nested.EXAMPLE,
        nested.write,
        (".yaml", ".yml", ".json"),
    ),
    "htc": Format(
        htc_taxonomy.read,
        "Tab-separated, a parent and its children a line.",
        htc_taxonomy.EXAMPLE,
        htc_taxonomy.write,
        (".taxonomy",),
    ),
    "labels": Format(
        label_list.read,
        "Text, one label a line, perhaps with its number.",
        label_list.EXAMPLE,
        None,
        (".labels", ".txt"),
    ),
    "rcv1": Format(rcv1.read, "The hierarchy files of RCV1.", rcv1.EXAMPLE, None, (".hier",)),
    "obo": Format(obo.read, "OBO terms and their relations.", obo.EXAMPLE, obo.write, (".obo",), ("relations",)),
    "skos": Format(
        skos.read,
        "SKOS concepts in Turtle, N-Triples or RDF/XML.",
        skos.EXAMPLE,
        skos.write,
        (".ttl", ".rdf", ".nt", ".skos"),
        ("language", "iri"),
    ),
    "owl": Format(
        owl.read,
        "OWL or RDFS classes in RDF/XML, Turtle or N-Triples.",
        owl.EXAMPLE,
        None,
        (".owl", ".ttl", ".rdf", ".nt"),
        ("language", "iri"),
    ),
    "graphml": Format(
        graphml.read, "GraphML, a directed graph, parent -> child.", graphml.EXAMPLE, graphml.write, (".graphml",)
    ),
}


def read_taxonomy(
    path: PathLike,
    *,
    format: str | None = None,
    separator: str | None = None,
    language: str | None = None,
    relations: Sequence[str] | None = None,
    iri: IriStyle | None = None,
    single_root: bool = False,
) -> LabelGraph:
    """Read a taxonomy file, gzipped or not.

    Args:
        path: the file.
        format: a key of `FORMATS`; by default :func:`detect_format` decides.
        separator: text between two names of a path (by default found out), between two parents of one cell (default
            `|`), or the column separator of edge lists and level columns (default: tab, semicolon or comma). It also
            selects the format: given, a `.txt` or `.csv` file whose lines are no edges is read as paths.
        language: of names and descriptions in `skos` and `owl`, `"en"` by default; see their readers for what is taken
            where a text is missing.
        relations: relations of `obo` that lead from a term to its parents, `["is_a"]` by default.
        iri: `"short"` or `"full"` ids in `skos` and `owl`; by default short when all labels share a namespace.
        single_root: refuse a hierarchy with several roots.

    Raises:
        TaxonomyError: the file is missing or malformed, with its name and line; several roots where one is required.
        ConfigError: there is no such format, or it does not take one of the options, or its package is missing.
    """
    given = {"separator": separator, "language": language, "relations": relations, "iri": iri}
    options = {name: value for name, value in given.items() if value is not None}
    _check_options(options)
    if format is None:
        format = detect_format(path, separator=separator)
    _check_format(format)
    for name in options:
        if name not in FORMATS[format].options:
            raise ConfigError(f"{name!r} has no meaning in format {format!r}. Leave it out.")
    graph = FORMATS[format].read(path, **options)
    if single_root:
        check_single_root(graph, path)
    return graph


def check_single_root(graph: LabelGraph, source: PathLike) -> None:
    """Refuse a hierarchy with several roots.

    Raises:
        TaxonomyError: there are several; the first ones are named.
    """
    roots = [graph.label_id[root] for root in graph.roots[: MAX_SHOWN + 1].tolist()]
    if len(roots) > 1:
        shown = ", ".join(map(repr, roots[:MAX_SHOWN])) + (", ..." if len(roots) > MAX_SHOWN else "")
        raise TaxonomyError(f"{source}: expected one root, found {len(graph.roots)}: {shown}. Add a label above them.")


def write_taxonomy(graph: LabelGraph, path: PathLike, *, format: str | None = None, overwrite: bool = False) -> None:
    """Write a hierarchy to a file, all or nothing, gzipped when `path` ends in `.gz`.

    What each format keeps is in its writer: `json` keeps everything, `edges`, `parents`, `nested`, `obo`, `skos` and
    `graphml` keep ids, names and descriptions, `htc` keeps ids, `paths` and `levels` keep names.

    Args:
        graph: the hierarchy.
        path: where to.
        format: a key of `FORMATS`; by default the first that has the extension of `path` and can be written.
        overwrite: replace a file that exists.

    Raises:
        ConfigError: no such format, or one that is not written; something that the format cannot hold, such as a label
            with several parents; the file exists, or the system refuses.
    """
    if format is None:
        extension = suffix(path)
        format = written_format(path)
        if format is None:
            known = sorted({extension for each in FORMATS.values() if each.write for extension in each.extensions})
            raise ConfigError(
                f"{path}: no format is written to {extension or 'a name without an extension'}. Name the file "
                f"{', '.join(known)}, or give 'format'."
            )
    _check_format(format)
    writer = FORMATS[format].write
    if writer is None:
        written = ", ".join(key for key, each in FORMATS.items() if each.write)
        raise ConfigError(f"'format' {format!r} is only read. Formats that are written: {written}.")
    writer(graph, path, overwrite=overwrite)


def written_format(path: PathLike) -> str | None:
    """The first format that has the extension of `path`, None if it is not written or there is none."""
    extension = suffix(path)
    found = next((key for key, each in FORMATS.items() if extension in each.extensions), None)
    unambiguous = extension not in (".rdf", ".nt")  # Turtle is the one kind of RDF that is written
    return found if found and FORMATS[found].write and unambiguous else None


def _check_format(format: str) -> None:
    if format not in FORMATS:
        near = difflib.get_close_matches(str(format), FORMATS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"'format' must be one of {', '.join(FORMATS)}, found {format!r}.{hint}")


def _check_options(options: dict[str, Any]) -> None:
    relations = options.get("relations", ["is_a"])
    if isinstance(relations, str) or not relations or not all(isinstance(name, str) for name in relations):
        raise ConfigError(f"'relations' must be a list of relation names such as ['is_a'], found {relations!r}.")
    if options.get("iri", "full") not in ("short", "full"):
        raise ConfigError(f"'iri' must be 'short' or 'full', found {options['iri']!r}.")
    if not isinstance(options.get("language", "en"), str):
        raise ConfigError(f"'language' must be a language such as 'en', found {options['language']!r}.")
