"""What a format cannot hold: found before a file is written, with a line that says what to do."""

from __future__ import annotations

import re
from collections import Counter

from hgraph.errors import ConfigError
from hgraph.graph.files import PathLike
from hgraph.graph.label_graph import LabelGraph

XML_FORBIDDEN = "".join(map(chr, (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)))
"""Characters that XML 1.0 cannot hold, not even escaped."""


def check_ids_fit(graph: LabelGraph, path: PathLike, format: str, forbidden: str, *, single: bool = False) -> None:
    """Refuse ids with blanks at an end, a zero character or a forbidden one.

    Args:
        graph: what is to be written.
        path: where to.
        format: its format, for the message.
        forbidden: characters that no id may contain.
        single: refuse inner blanks other than single spaces, too.

    Raises:
        ConfigError: the first id that does not fit.
    """
    wrong = re.compile(f"[\\0{re.escape(forbidden)}]" + (r"|[^\S ]|\s\s" if single else ""))
    for label in graph.label_id:
        if label != label.strip() or wrong.search(label):
            raise ConfigError(f"{path}: format {format!r} cannot hold the id {label!r}. Write it as json.")


def check_tree(graph: LabelGraph, path: PathLike, format: str) -> None:
    """Refuse a label with several parents, where it would have to be written several times.

    Raises:
        ConfigError: the first such label.
    """
    if not graph.is_tree:
        child, times = Counter(graph.edge_index[1].tolist()).most_common(1)[0]
        raise ConfigError(
            f"{path}: format {format!r} holds trees only, but {graph.label_id[child]!r} has {times} parents. "
            "Write it as json or edges."
        )


def name_paths(graph: LabelGraph, path: PathLike, format: str, separator: str, forbidden: str) -> list[list[str]]:
    """Names from a root down to each label of a tree.

    Raises:
        ConfigError: no tree; two labels with one path; a name that is empty, holds the separator or a forbidden
            character, or begins or ends with a blank.
    """
    check_tree(graph, path, format)
    wrong = re.compile(f"[\\0{re.escape(forbidden)}]")
    parent_of = dict(zip(graph.edge_index[1].tolist(), graph.edge_index[0].tolist(), strict=True))
    paths: list[list[str]] = [[]] * graph.num_labels
    seen: dict[tuple[int, str], int] = {}
    for label in graph.topological_order.tolist():
        name, parent = graph.name[label], parent_of.get(label, -1)
        if not name or name != name.strip() or separator in f" {name} " or wrong.search(name):
            raise ConfigError(f"{path}: format {format!r} cannot hold the name {name!r}. Write it as json or edges.")
        other = seen.setdefault((parent, name), label)
        if other != label:
            both = f"{graph.label_id[other]!r} and {graph.label_id[label]!r}"
            raise ConfigError(
                f"{path}: format {format!r} names labels by their path, but {both} have the same one. "
                "Write it as json or edges."
            )
        paths[label] = [*paths[parent], name] if parent >= 0 else [name]
    return paths


def one_line_end(text: str) -> str:
    r"""The text with `\n` as its only line end, as every reader makes it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
