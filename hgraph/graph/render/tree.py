"""A hierarchy as lines of text, drawn like a folder tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hgraph.errors import UnknownLabelError
from hgraph.graph.render.counts import count_descendants, document_counts

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

BOX = {"fork": "├── ", "last": "└── ", "bar": "│   ", "gap": "    "}
ASCII = {"fork": "|-- ", "last": "`-- ", "bar": "|   ", "gap": "    "}
# Control characters could move a terminal's cursor, and marks of direction turn around what follows.
_UNPRINTABLE = dict.fromkeys([*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


@dataclass(frozen=True)
class TreeLine:
    """One line of a drawn tree; `str(line)` is the plain text.

    Args:
        prefix: the drawn branches.
        label: index of the label, -1 on a line that only says how many are left out.
        name: its name, safe to print.
        id: its id, empty when it is not shown.
        note: counts, and where else the label stands.
    """

    prefix: str
    label: int
    name: str
    id: str = ""
    note: str = ""

    def __str__(self) -> str:
        return self.prefix + "  ".join(part for part in (self.name, self.id, self.note) if part)


class _Row(NamedTuple):
    """What is still to be drawn: a label below a parent, or how many are left out."""

    label: int
    more: int
    parent: int
    prefix: str
    deeper: str
    level: int


def printable(text: str) -> str:
    """A text on one line, without characters that do something to a terminal.

    Example:
        >>> printable("a\\n\\tb\\x1b[31m")
        'a b[31m'
    """
    return " ".join(" ".join(text.split()).translate(_UNPRINTABLE).split())


def tree_lines(
    graph: LabelGraph,
    *,
    depth: int = 2,
    limit: int = 20,
    root: int | str | None = None,
    documents: Any = None,
    ids: bool = False,
    ascii_only: bool = False,
) -> Iterator[TreeLine]:
    """Draw the hierarchy from the top down, one line at a time.

    A label with several parents stands below each of them, and what is below it only where it stands first.

    Args:
        graph: the hierarchy.
        depth: number of levels to draw, 0 for all.
        limit: number of children to draw below a label (and of roots), 0 for all.
        root: draw what is below this label (index or id) alone.
        documents: number of documents of each label, `[L]`.
        ids: whether to show the ids of labels whose name is another.
        ascii_only: draw with `|` and `-`, for terminals without box characters.

    Raises:
        UnknownLabelError: there is no such root.
        DataError: `documents` is not one count for each label.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e")])
        >>> print(*tree_lines(graph, depth=0), sep="\\n")
        a  (4 below)
        ├── b  (2 below)
        │   └── d  (1 below, also under c)
        │       └── e
        └── c  (2 below)
            └── d  (1 below, also under b; see above)
    """
    marks, below, counts = ASCII if ascii_only else BOX, count_descendants(graph), document_counts(graph, documents)
    tops = graph.roots if root is None else np.array([_index(graph, root)])
    opened: set[int] = set()
    waiting: list[_Row] = []

    def push(labels: np.ndarray, parent: int, prefix: str, level: int) -> None:
        shown = labels[:limit].tolist() if limit else labels.tolist()
        left_out = len(labels) - len(shown)
        rows = [*((label, 0) for label in shown), *([(-1, left_out)] if left_out else [])]
        forks = [(marks["fork"], marks["bar"])] * (len(rows) - 1) + [(marks["last"], marks["gap"])]
        for (label, more), (fork, bar) in reversed(
            list(zip(rows, forks if level > 1 else [("", "")] * len(rows), strict=True))
        ):
            waiting.append(_Row(label, more, parent, prefix + fork, prefix + bar, level))

    push(tops, -1, "", 1)
    while waiting:
        label, more, parent, prefix, deeper, level = waiting.pop()
        if more:
            yield TreeLine(prefix, -1, f"... {more:,} more")
            continue
        children = graph.children.indices[graph.children.indptr[label] : graph.children.indptr[label + 1]]
        yield TreeLine(
            prefix,
            label,
            printable(graph.name[label]) or "(no name)",
            printable(graph.label_id[label]) if ids and graph.label_id[label] != graph.name[label] else "",
            _note(graph, label, parent, int(below[label]), counts, seen=label in opened),
        )
        if len(children) and label not in opened and (level < depth or not depth):
            opened.add(label)
            push(children, label, deeper, level + 1)


def _index(graph: LabelGraph, label: int | str) -> int:
    if isinstance(label, str):
        return graph.index(label)
    if not 0 <= label < graph.num_labels:
        raise UnknownLabelError(f"There is no label {label}: labels are numbered 0 to {graph.num_labels - 1}.")
    return int(label)


def _note(graph: LabelGraph, label: int, parent: int, below: int, counts: np.ndarray | None, *, seen: bool) -> str:
    """`(12 below, 345 documents, also under X; see above)`."""
    parts = [f"{below:,} below"] if below else []
    if counts is not None:
        parts.append(f"{counts[label]:,} document{'' if counts[label] == 1 else 's'}")
    row = graph.parents.indices[graph.parents.indptr[label] : graph.parents.indptr[label + 1]].tolist()
    others = [printable(graph.name[other]) or graph.label_id[other] for other in row if other != parent]
    if parent >= 0 and others:
        more = f" and {len(others) - 2} more" if len(others) > 3 else ""
        shown = others[:2] if more else others
        parts.append(f"also under {', '.join(shown)}{more}")
    text = ", ".join(parts) + ("; see above" if seen else "")
    return f"({text})" if text else ""
