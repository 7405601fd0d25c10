"""YAML as nested lists, maps and strings, by events: no recursion, no tags, no aliases, and `no` stays a string."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from hgraph.errors import TaxonomyError
from hgraph.graph.files import PathLike

MAX_DEPTH = 200
"""Most levels of a nested file; Python's JSON parser recurses."""

NULLS = ("", "~", "null", "Null", "NULL")
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Pairs:
    """A map as a list of (key, value), with its line where it is known."""

    def __init__(self, items: list[tuple[str, Any]], line: int = 0) -> None:
        self.items, self.line = items, line


class Scalar(str):
    """A string that knows its line."""

    __slots__ = ("line",)
    line: int


def line_of(value: Any) -> int:
    """Line of a map or a string, 0 where it is not known."""
    return getattr(value, "line", 0)


def parse_yaml(text: str, path: PathLike) -> Any:
    """Nested lists, :class:`Pairs`, strings and None of the one document in `text`.

    Every scalar is a string, so that a label `no` or `1.0` keeps its spelling; plain `~`, `null` or nothing is None.

    Raises:
        TaxonomyError: malformed, an alias (which a small file can use to stand for gigabytes), a repeated key, a key
            that is no string, several documents; each with its line.
    """
    try:
        return _build(yaml.parse(text, Loader=LOADER), path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(f"{error.problem or error.context}".split())
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        raise TaxonomyError(f"{where}: malformed YAML: {problem}.") from None
    except yaml.YAMLError as error:
        raise TaxonomyError(f"{path}: malformed YAML: {' '.join(str(error).split())}.") from None


def _build(events: Iterator[Any], path: PathLike) -> Any:
    root: list[Any] = []
    open_values: list[Any] = [root]
    keys: list[Any] = [None]  # of each open map: the key that waits for its value; the set of its keys
    seen: list[set[str]] = [set()]
    for event in events:
        where = f"{path}:{event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            raise TaxonomyError(f"{where}: the alias *{event.anchor} is not allowed. Write the labels out.")
        if isinstance(event, yaml.DocumentStartEvent) and root:
            raise TaxonomyError(f"{where}: a second YAML document. Put all labels in one.")
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            open_values.pop()
            keys.pop()
            seen.pop()
            continue
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            value = Pairs([], event.start_mark.line + 1 if event.start_mark else 0)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
        else:
            continue
        top = open_values[-1]
        if isinstance(top, Pairs) and keys[-1] is None:
            if not isinstance(value, str):
                raise TaxonomyError(f"{where}: a key must be a string. Quote it.")
            if value in seen[-1]:
                raise TaxonomyError(f"{where}: the map has the key {value[:60]!r} twice. Join them.")
            seen[-1].add(value)
            keys[-1] = value
            continue
        if isinstance(top, Pairs):
            top.items.append((keys[-1], value))
            keys[-1] = None
        else:
            top.append(value)
        if not isinstance(event, yaml.ScalarEvent):
            if len(open_values) > 2 * MAX_DEPTH + 2:
                raise TaxonomyError(f"{where}: nested more than {MAX_DEPTH} levels deep.")
            open_values.append(value)
            keys.append(None)
            seen.append(set())
    return root[0] if root else None


def _scalar(event: Any) -> Scalar | None:
    if not event.style and event.value in NULLS:
        return None
    value = Scalar(event.value)
    value.line = event.start_mark.line + 1
    return value


def write_yaml(nodes: list[dict[str, Any]]) -> str:
    """YAML of lists of maps of strings and such lists, without recursion."""
    return yaml.emit(_events(nodes), Dumper=DUMPER, allow_unicode=True, width=1_000_000)


def _events(content: Any) -> Iterator[Any]:
    yield yaml.StreamStartEvent(encoding=None)
    yield yaml.DocumentStartEvent(explicit=False)
    waiting: list[Any] = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, yaml.Event):
            yield value
        elif isinstance(value, str):
            plain = value not in NULLS
            yield yaml.ScalarEvent(None, None, (plain, True), value, style=None if plain else '"')
        elif isinstance(value, dict):
            yield yaml.MappingStartEvent(None, None, True, flow_style=False)
            waiting.append(yaml.MappingEndEvent())
            for key, item in reversed(value.items()):
                waiting += [item, key]
        else:
            yield yaml.SequenceStartEvent(None, None, True, flow_style=False)
            waiting.append(yaml.SequenceEndEvent())
            waiting += reversed(value)
    yield yaml.DocumentEndEvent(explicit=False)
    yield yaml.StreamEndEvent()
