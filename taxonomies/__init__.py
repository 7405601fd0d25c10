"""Ready label hierarchies, one JSON file each, with their licence and source.

Example:
    >>> from hgraph import taxonomies
    >>> taxonomies.names()
    ['aapd', 'arxiv', 'bgc', 'edam', 'onet', 'rcv1', 'wos']
    >>> taxonomies.load("rcv1").path_names("C1511")
    'Corporate/industrial > Performance > Accounts/earnings > Annual results'
    >>> taxonomies.info("wos")["levels"]
    [7, 134]
"""

from __future__ import annotations

import difflib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from hgraph.errors import TaxonomyError

if TYPE_CHECKING:
    from hgraph.graph import LabelGraph

__all__ = ["info", "load", "names"]


def names() -> list[str]:
    """Names of the hierarchies that come with hgraph, sorted."""
    entries = (entry.name for entry in files(__name__).joinpath("data").iterdir())
    return sorted(entry.removesuffix(".json") for entry in entries if entry.endswith(".json"))


def load(name: str) -> LabelGraph:
    """One of the hierarchies as a graph.

    Args:
        name: one of :func:`names`.

    Raises:
        TaxonomyError: there is no hierarchy of that name; the message lists those there are.
    """
    # Imported here because the graph brings torch, and listing hierarchies should not.
    from hgraph.graph import LabelGraph

    with as_file(_file(name)) as path:
        return LabelGraph.load(path)


def info(name: str) -> dict[str, Any]:
    """What a hierarchy is, without building its graph or importing torch.

    Args:
        name: one of :func:`names`.

    Returns:
        `name`, `title`, `license`, `source` and `url` (strings); `labels` and `edges` (counts); `levels`, the number of
        labels on each level, where a label is one level below its lowest parent; `structure`, "tree" or "dag".

    Raises:
        TaxonomyError: there is no hierarchy of that name; the message lists those there are.
    """
    content = json.loads(_file(name).read_text(encoding="utf-8"))
    edges = content["edges"]
    ids = [node["id"] for node in content["nodes"]]
    is_tree = len({child for _, child in edges}) == len(edges)
    return {
        **{key: content.get(key, "") for key in ("name", "title", "license", "source", "url")},
        "labels": len(ids),
        "edges": len(edges),
        "levels": _labels_per_level(ids, edges),
        "structure": "tree" if is_tree else "dag",
    }


def _file(name: str) -> Traversable:
    available = names()
    if name not in available:
        close = difflib.get_close_matches(str(name).casefold(), available, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise TaxonomyError(f"'name' must be one of {', '.join(available)}, but got {name!r}.{hint}")
    return files(__name__).joinpath("data", f"{name}.json")


def _labels_per_level(ids: Sequence[str], edges: Sequence[Sequence[str]]) -> list[int]:
    """Number of labels at each longest distance from a root; takes the labels in topological order."""
    children = defaultdict(list)
    for parent, child in edges:
        children[parent].append(child)
    waiting = Counter(child for _, child in edges)
    level = dict.fromkeys(ids, 0)
    ready = [label for label in ids if not waiting[label]]
    while ready:
        parent = ready.pop()
        for child in children[parent]:
            level[child] = max(level[child], level[parent] + 1)
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    counts = Counter(level.values())
    return [counts[depth] for depth in range(len(counts))]
