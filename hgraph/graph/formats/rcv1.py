"""The hierarchy files of RCV1, `rcv1.topics.hier.orig` and its like: keys and values aligned by spaces."""

from __future__ import annotations

import re

from hgraph.errors import TaxonomyError
from hgraph.graph.files import Lines, PathLike
from hgraph.graph.formats.builder import TaxonomyBuilder
from hgraph.graph.label_graph import LabelGraph

NONE, ROOT = "None", "Root"
EXAMPLE = """\
parent: None   child: Root   child-description: Root
parent: Root   child: CCAT   child-description: CORPORATE/INDUSTRIAL
parent: CCAT   child: C11    child-description: STRATEGY/PLANS"""

LINE = re.compile(r"parent:[ \t]*(\S+)[ \t]+child:[ \t]*(\S+)(?:[ \t]+child-description:(.*))?")


def is_line(line: str) -> bool:
    """Whether a line looks like `parent: P child: C child-description: D`."""
    return LINE.fullmatch(line.strip()) is not None


def read(path: PathLike) -> LabelGraph:
    """Read one edge a line; the description of a child is its name, and the artificial `Root` is dropped.

    Raises:
        TaxonomyError: a line of another shape, a second description for a label, a self-loop, a cycle.
    """
    builder = TaxonomyBuilder(path)
    for number, line in Lines(path).numbered():
        match = LINE.fullmatch(line)
        if match is None:
            expected = "'parent: P child: C child-description: D'"
            raise TaxonomyError(f"{path}:{number}: expected {expected}, found {line[:60]!r}.")
        parent, child, name = match[1], match[2], (match[3] or "").strip()
        if child == ROOT:
            if parent != NONE:
                raise TaxonomyError(f"{path}:{number}: {ROOT!r} is the artificial root and cannot be a child.")
            continue
        if parent not in (NONE, ROOT):
            builder.add_edge(parent, child, line=number)
        builder.describe(builder.add(child), name, line=number)
    return builder.build()
