"""Finding labels by name, and all the paths that lead to one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from hgraph.errors import ConfigError, UnknownLabelError

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

SearchMode = Literal["words", "regex"]
SearchField = Literal["name", "id", "description"]


def search_labels(
    graph: LabelGraph,
    text: str,
    *,
    mode: SearchMode = "words",
    fields: tuple[SearchField, ...] = ("name", "id"),
) -> np.ndarray:
    """Labels that match, the best first: the text itself, then what begins with it, then the others; case is ignored.

    Args:
        graph: the hierarchy.
        text: what to look for.
        mode: `"words"`: every word of `text` stands somewhere in the fields; `"regex"`: a regular expression matches
            one of them.
        fields: where to look.

    Returns:
        Indices, int64 `[number of matches]`.

    Raises:
        ConfigError: no text, a broken regular expression, or an unknown mode or field.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_paths(["Animals > Sea bears", "Animals > Bears > Brown bear"])
        >>> [graph.name[label] for label in search_labels(graph, "BEAR", fields=("name",))]
        ['Bears', 'Sea bears', 'Brown bear']
    """
    if mode not in get_args(SearchMode):
        raise ConfigError(f"'mode' must be one of {', '.join(get_args(SearchMode))}, found {mode!r}.")
    wrong = [field for field in fields if field not in get_args(SearchField)]
    if wrong or not fields:
        found = repr(wrong[0]) if wrong else "none"
        raise ConfigError(f"'fields' must be some of {', '.join(get_args(SearchField))}, found {found}.")
    if not text.strip():
        raise ConfigError("'text' is empty. Give a part of a name.")
    matches = _matcher(text, mode)
    columns = {"name": graph.name, "id": graph.label_id, "description": graph.description}
    rows = zip(*(columns[field] for field in fields), strict=True)
    hits = [index for index, row in enumerate(rows) if matches(row)]
    wanted = " ".join(text.casefold().split())

    def rank(index: int) -> int:
        heads = (graph.name[index].casefold(), graph.label_id[index].casefold())
        return 0 if wanted in heads else 1 if any(head.startswith(wanted) for head in heads) else 2

    return np.array(sorted(hits, key=rank), dtype=np.int64)


def _matcher(text: str, mode: SearchMode) -> Callable[[tuple[str, ...]], bool]:
    if mode == "words":
        words = text.casefold().split()

        def has_words(row: tuple[str, ...]) -> bool:
            content = "\n".join(row).casefold()
            return all(word in content for word in words)

        return has_words
    try:
        pattern = re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise ConfigError(
            f"'text': {text!r} is no regular expression: {error}. Correct it, or search for words."
        ) from None
    return lambda row: any(pattern.search(content) is not None for content in row)


def label_paths(graph: LabelGraph, label: int | str, *, limit: int = 10) -> tuple[list[list[int]], int]:
    """The first paths from a root down to a label, through first listed parents first, and how many there are.

    The number of paths may be exponential in the number of labels above; only `limit` of them are walked.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])
        >>> label_paths(graph, "d")
        ([[0, 1, 3], [0, 2, 3]], 2)
    """
    node = graph.index(label) if isinstance(label, str) else int(label)
    if not 0 <= node < graph.num_labels:
        raise UnknownLabelError(f"There is no label {node}: labels are numbered 0 to {graph.num_labels - 1}.")
    above = _Above(graph)
    paths: list[list[int]] = []
    waiting: list[tuple[int, Any]] = [(node, (node, None))]  # a trail is (label, trail below it)
    while waiting and len(paths) < limit:
        here, trail = waiting.pop()
        parents = above(here)
        if not parents:
            paths.append(_unroll(trail))
        waiting.extend((parent, (parent, trail)) for parent in reversed(parents))
    return paths, _count_paths(node, above)


class _Above:
    """Parents of a label, the first listed one first."""

    def __init__(self, graph: LabelGraph) -> None:
        self.parents, self.first = graph.parents, graph._structure.primary_parent

    def __call__(self, node: int) -> list[int]:
        row = self.parents.indices[self.parents.indptr[node] : self.parents.indptr[node + 1]].tolist()
        return sorted(row, key=lambda parent: parent != self.first[node])


def _unroll(trail: Any) -> list[int]:
    path = []
    while trail is not None:
        path.append(trail[0])
        trail = trail[1]
    return path


def _count_paths(node: int, above: _Above) -> int:
    """Number of paths from a root to `node`: each label has as many as its parents together, without recursion."""
    count: dict[int, int] = {}
    waiting = [node]
    while waiting:
        here = waiting[-1]
        parents = above(here)
        missing = [parent for parent in parents if parent not in count]
        if missing:
            waiting.extend(missing)
        else:
            count[here] = sum(count[parent] for parent in parents) if parents else 1
            waiting.pop()
    return count[node]
