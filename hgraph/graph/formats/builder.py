"""`TaxonomyBuilder`: collects labels, edges and texts as a reader meets them, and remembers where they stood."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import torch

from hgraph.errors import TaxonomyError
from hgraph.graph.files import PathLike, stem
from hgraph.graph.label_graph import LabelGraph
from hgraph.graph.structure import Structure, find_cycle

SEPARATOR = " > "
"""Between the names of a path, in ids and in files."""
MAX_SHOWN = 5


class TaxonomyBuilder:
    """Labels and edges of one file, in 24 bytes an edge beside the ids.

    Args:
        path: the file, which stands at the beginning of every message.

    Example:
        >>> builder = TaxonomyBuilder("toy.csv")
        >>> builder.add_edge("a", "b", line=1)
        >>> builder.describe(builder.add("b"), "Bee", line=1)
        >>> builder.build().name
        ['a', 'Bee']
    """

    def __init__(self, path: PathLike) -> None:
        self.path = path
        self.ids: dict[str, int] = {}
        self.parents, self.children, self.lines = array("q"), array("q"), array("q")
        self.texts: dict[str, dict[int, str]] = {"name": {}, "description": {}}

    def where(self, line: int = 0) -> str:
        """`file:line`, or the file alone."""
        return f"{self.path}:{line}" if line else f"{self.path}"

    def add(self, label: str) -> int:
        """Index of a label, a new one if need be."""
        return self.ids.setdefault(label, len(self.ids))

    def add_edge(self, parent: str, child: str, *, line: int = 0) -> None:
        """Add an edge and both of its labels.

        Raises:
            TaxonomyError: a self-loop.
        """
        if parent == child:
            raise self.loop_error(parent, line)
        self.parents.append(self.add(parent))
        self.children.append(self.add(child))
        self.lines.append(line)

    def loop_error(self, label: str, line: int = 0) -> TaxonomyError:
        """The error for an edge from a label to itself."""
        return TaxonomyError(f"{self.where(line)}: a self-loop: {label} -> {label}. Remove this edge.")

    def describe(self, label: int, name: str = "", description: str = "", *, line: int = 0) -> None:
        """Give a label a name, a description or both; empty ones are passed over.

        Raises:
            TaxonomyError: it has another one already.
        """
        for column, text in (("name", name), ("description", description)):
            if text and (known := self.texts[column].setdefault(label, text)) != text:
                shown = repr(self.label(label))
                raise TaxonomyError(f"{self.where(line)}: {shown} has a second {column} {text!r}, before {known!r}.")

    def label(self, index: int) -> str:
        """Id of an index; slow, for messages."""
        return next(label for label, position in self.ids.items() if position == index)

    def add_path(self, names: Sequence[str], *, separator: str = SEPARATOR, line: int = 0) -> None:
        """Add the labels and edges of a path of names from a root; the id of a label is its path.

        Raises:
            TaxonomyError: an empty name, or one that contains the separator.
        """
        parent = -1
        label = ""
        for name in names:
            if not name or separator in name:
                problem = f"the name {name!r} contains {separator!r}" if name else "an empty name"
                raise TaxonomyError(f"{self.where(line)}: {problem} in the path {list(names)!r}.")
            label = f"{label}{separator}{name}" if label else name
            known = self.ids.get(label, -1)
            if known < 0:
                known = self.add(label)
                self.texts["name"][known] = name
                if parent >= 0:
                    self.parents.append(parent)
                    self.children.append(known)
                    self.lines.append(line)
            parent = known

    def build(self, *, title: str = "", license: str = "", source: str = "") -> LabelGraph:
        """The graph; its title is that of the file by default.

        Raises:
            TaxonomyError: no label, or a cycle, with the lines of its edges.
        """
        if not self.ids:
            raise TaxonomyError(f"{self.path}: holds no label, expected at least one.")
        ids = list(self.ids)
        edges = np.stack([np.frombuffer(ends, dtype=np.int64) for ends in (self.parents, self.children)])
        try:
            return LabelGraph(
                torch.from_numpy(edges),
                ids,
                name=_filled(ids, self.texts["name"]),
                description=_filled([""] * len(ids), self.texts["description"]),
                title=title or stem(self.path),
                license=license,
                source=source,
            )
        except TaxonomyError as error:
            failure = TaxonomyError(f"{self.path}: {str(error).rstrip('.')}{self._cycle_lines(edges)}.")
            failure.edges = error.edges
            raise failure from None

    def _cycle_lines(self, edges: np.ndarray) -> str:
        """Where the edges of a cycle stand, if there is one and it is known."""
        structure = Structure(edges, len(self.ids))
        cycle = find_cycle(structure.parents, structure.level)
        steps = set(zip(cycle, cycle[1:] + cycle[:1], strict=True))
        found = zip(edges[0].tolist(), edges[1].tolist(), self.lines, strict=True)
        lines = sorted({line for parent, child, line in found if line and (parent, child) in steps})
        shown = ", ".join(map(str, lines[:MAX_SHOWN])) + ", ..." * (len(lines) > MAX_SHOWN)
        return f" (line{'s' * (len(lines) > 1)} {shown})" if lines else ""


def _filled(texts: list[str], known: dict[int, str]) -> list[str]:
    texts = list(texts)
    for index, text in known.items():
        texts[index] = text
    return texts
