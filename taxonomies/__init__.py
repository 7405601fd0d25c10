"""Ready label hierarchies, one JSON file each, with their licence and source.

Example:
    >>> from hgraph import taxonomies
    >>> taxonomies.names()[:8]
    ['aapd', 'arxiv', 'attack', 'bgc', 'brick', 'cl', 'cwe', 'edam']
    >>> taxonomies.load("rcv1").path_names("C1511")
    'Corporate/industrial > Performance > Accounts/earnings > Annual results'
    >>> taxonomies.info("wos")["levels"]
    [7, 134]
"""

from __future__ import annotations

import copy
import difflib
import functools
import json
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from hgraph.errors import TaxonomyError

if TYPE_CHECKING:
    from hgraph.graph import LabelGraph

__all__ = ["elsewhere", "info", "load", "names"]


def names() -> list[str]:
    """Names of the hierarchies that come with hgraph, sorted."""
    return sorted(_index())


def load(name: str) -> LabelGraph:
    """One of the hierarchies as a graph.

    Args:
        name: one of :func:`names`.

    Raises:
        TaxonomyError: there is no hierarchy of that name; the message lists those there are.
    """
    # Imported here because the graph brings torch, and listing hierarchies should not.
    from hgraph.graph import LabelGraph

    with as_file(_data(_entry(name)["file"])) as path:
        return LabelGraph.load(path)


def info(name: str) -> dict[str, Any]:
    """What a hierarchy is, without reading it, building its graph or importing torch.

    Args:
        name: one of :func:`names`.

    Returns:
        `name`, `title`, `license`, `source`, `url` and `version` (strings); `labels` and `edges` (counts); `levels`,
        the number of labels on each level, where a label is one level below its lowest parent; `structure`, "tree" or
        "dag"; `num_roots`, and `roots`, the names of the first twelve; `examples`, the paths of a few leaves by id;
        `fingerprint`, of ids and edges.

    Raises:
        TaxonomyError: there is no hierarchy of that name; the message lists those there are.
    """
    entry = copy.deepcopy(_entry(name))
    del entry["file"]
    return entry


def elsewhere() -> list[dict[str, str]]:
    """Well-known hierarchies that do not come with hgraph, sorted by name.

    Returns:
        For each its `name`; `what` it describes; the `format` of :func:`hgraph.graph.formats.read_taxonomy` that reads
        `file`, or the file made of it; the publisher's `terms` in brief; and the `url` that offers it. What the
        publisher says at the time counts.

    Example:
        >>> [entry["format"] for entry in elsewhere() if entry["name"] == "EuroVoc"]
        ['skos']
    """
    return json.loads(_data("elsewhere.json").read_text(encoding="utf-8"))


@functools.cache
def _index() -> dict[str, dict[str, Any]]:
    """The content of `data/index.json`, one entry for each hierarchy by its name."""
    return json.loads(_data("index.json").read_text(encoding="utf-8"))


def _data(file: str) -> Traversable:
    return files(__name__).joinpath("data", file)


def _entry(name: str) -> dict[str, Any]:
    available = names()
    if name not in available:
        wanted = str(name).casefold()
        close = [label for label in available if wanted and label.startswith(wanted)]
        close = close or difflib.get_close_matches(wanted, available, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise TaxonomyError(f"'name' must be one of {', '.join(available)}, but got {name!r}.{hint}")
    return _index()[name]
