"""Taxonomy files: one reader a format, and `read_taxonomy`, which finds out the format itself."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.files import PathLike, read_text, suffix
from hgraph.graph.formats import edge_list, hgraph_json, htc_taxonomy, paths
from hgraph.graph.label_graph import LabelGraph

__all__ = ["FORMATS", "Format", "detect_format", "read_taxonomy"]


@dataclass(frozen=True)
class Format:
    """A file format: its reader, one line about it and an example of at most five lines."""

    read: Callable[..., LabelGraph]
    description: str
    example: str


FORMATS: dict[str, Format] = {
    "json": Format(hgraph_json.read, "hgraph JSON: ids, names, descriptions and edges.", hgraph_json.EXAMPLE),
    "edges": Format(edge_list.read, "CSV or TSV, one parent,child edge a line.", edge_list.EXAMPLE),
    "paths": Format(paths.read, "Text, one path of names from a root a line.", paths.EXAMPLE),
    "htc": Format(htc_taxonomy.read, "Tab-separated, a parent and its children a line.", htc_taxonomy.EXAMPLE),
}


def read_taxonomy(path: PathLike, *, format: str | None = None, separator: str | None = None) -> LabelGraph:
    """Read a taxonomy file, gzipped or not.

    Args:
        path: the file.
        format: a key of `FORMATS`; by default :func:`detect_format` decides.
        separator: text between two names of a path (default `" > "`), or the column separator of an edge list
            (default: tab or comma, whichever the first line has). It also selects the format: given, a `.txt` or
            `.csv` file whose lines are no edges is read as paths.

    Raises:
        TaxonomyError: the file is missing or malformed, with its name and line.
        ConfigError: there is no such format, or it has no separator.
    """
    if format is None:
        format = detect_format(path, separator=separator)
    if format not in FORMATS:
        raise ConfigError(f"'format' must be one of {', '.join(FORMATS)}, found {format!r}.")
    if separator is None:
        return FORMATS[format].read(path)
    if format in ("json", "htc"):
        raise ConfigError(f"'separator' has no meaning in format {format!r}. Leave it out.")
    return FORMATS[format].read(path, separator=separator)


def detect_format(path: PathLike, *, separator: str | None = None) -> str:
    """Key of `FORMATS` that fits the file, by its extension first and its content second.

    Raises:
        TaxonomyError: nothing fits; the message lists the formats.
    """
    extension = suffix(path)
    if extension == ".json":
        return "json"
    if extension == ".taxonomy":
        return "htc"
    text = read_text(path)
    if text.lstrip().startswith("{"):
        return "json"
    lines = [line for line in text.split("\n") if line.strip()]
    if edge_list.has_header(lines[0]):
        return "edges"
    if any((separator or paths.SEPARATOR) in line for line in lines[:100]) and separator not in ("\t", ","):
        return "paths"
    if lines[0].split("\t")[0].strip() == htc_taxonomy.ROOT or any(line.count("\t") > 1 for line in lines[:100]):
        return "htc"
    if all(len(row) == 2 for row in csv.reader(lines[:100], delimiter=edge_list.delimiter_of(lines[0]))):
        return "edges"
    if extension == ".txt" and not any("\t" in line or "," in line for line in lines[:100]):
        return "paths"
    raise TaxonomyError(
        f"{path}: the format is not clear from line 1, {json.dumps(lines[0][:60])}. "
        f"Name it: format= one of {', '.join(FORMATS)}."
    )
