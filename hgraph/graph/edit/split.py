"""Splitting a fan-out: labels with too many children get nameless labels between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hgraph.errors import ConfigError
from hgraph.graph.edit.rebuild import gather, rebuild

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

Grouping = Literal["order", "name"] | Callable[[np.ndarray, int], np.ndarray]
LABEL, CLUSTER = "label", "cluster"


@dataclass
class Split:
    """Edges after a split, and where the clusters hang.

    Args:
        edges: parent over child `[2, E']`; clusters are numbered from `num_nodes` on, parents before children.
        source: position of each edge among the old ones, -1 for one to or from a cluster, `[E']`.
        parent: node above each cluster, `[C]`.
        rank: position of each cluster among the groups of its parent, from 1, `[C]`.
        total: number of groups of its parent, `[C]`.
    """

    edges: np.ndarray
    source: np.ndarray
    parent: np.ndarray
    rank: np.ndarray
    total: np.ndarray


def split_edges(
    edges: np.ndarray, num_nodes: int, limit: np.ndarray, max_children: int, group: Callable[..., np.ndarray]
) -> Split:
    """Put clusters between nodes and their children, round by round, until no fan-out is above its limit.

    A round makes the fewest groups of which each can still be split within the same depth. A group of one child needs
    no cluster.

    Args:
        edges: parent over child `[2, E]`; children of a node are split in this order.
        num_nodes: number of nodes.
        limit: most children of each node, `[num_nodes]`, at least 1.
        max_children: most children of a cluster, at least 2.
        group: (position in the fan-out, number of groups, size of the fan-out, children) of all edges to split ->
            group of each, from 0.
    """
    above, child = edges[0].copy(), edges[1]
    limit, count = limit.astype(np.int64), num_nodes
    made: list[np.ndarray] = []  # a row a round: parent, rank and total of each cluster
    while True:
        fan_out = np.bincount(above, minlength=count)
        # A node is split once: later rounds find the size of its groups, not the fan-out above them.
        wide = np.flatnonzero(fan_out[above] > limit[above])
        if not len(wide):
            break
        wide = wide[np.argsort(above[wide], kind="stable")]
        parent, first, sizes = np.unique(above[wide], return_index=True, return_counts=True)
        room = np.ones(len(parent), dtype=np.int64)
        while (small := limit[parent] * room < sizes).any():
            room[small] *= max_children
        groups = np.repeat(-(-sizes // room), sizes)
        position = np.arange(len(wide)) - np.repeat(first, sizes)
        number = group(position, groups, np.repeat(sizes, sizes), child[wide])
        key = np.repeat(np.arange(len(parent)), sizes) * (int(groups.max()) + 1) + number
        _, start, cluster, members = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
        several = members > 1
        new = np.where(several, count + np.cumsum(several) - 1, -1)[cluster]
        _one_group_is_no_split(members, sizes, groups[first], key[start] // (int(groups.max()) + 1))
        owner = np.repeat(parent, sizes)[start][several]
        made.append(np.stack([owner, number[start][several] + 1, groups[start][several]]))
        above[wide[new >= 0]] = new[new >= 0]
        # Singles stay with the parent; it has at most `groups` children now, itself within the limit.
        limit = np.concatenate([limit, np.full(several.sum(), max_children)])
        count += int(several.sum())
    parent, rank, total = np.concatenate(made, axis=1) if made else np.empty((3, 0), dtype=np.int64)
    moved = above != edges[0]
    links = np.stack([parent, np.arange(num_nodes, count)])
    source = np.concatenate([np.where(moved, -1, np.arange(len(above))), np.full(len(parent), -1)])
    return Split(np.concatenate([np.stack([above, child]), links], axis=1), source, parent, rank, total)


def _one_group_is_no_split(members: np.ndarray, sizes: np.ndarray, groups: np.ndarray, owner: np.ndarray) -> None:
    stuck = np.flatnonzero((members == sizes[owner]) & (groups[owner] > 1))
    if len(stuck):
        size, wanted = sizes[owner[stuck[0]]], groups[owner[stuck[0]]]
        raise ConfigError(f"'grouping' put all {size} children into one group, expected {wanted} groups.")


def grouper(grouping: Grouping, names: Callable[[], Sequence[str]]) -> Callable[..., np.ndarray]:
    """The function of :func:`split_edges` for a grouping; `names` gives the name of every node.

    Raises:
        ConfigError: there is no such grouping.
    """
    if callable(grouping):
        return lambda position, groups, sizes, child: _called(grouping, position, groups, child)
    if grouping == "order":
        return lambda position, groups, sizes, child: position * groups // sizes
    if grouping == "name":
        folded = [name.casefold() for name in names()]
        rank = np.empty(len(folded), dtype=np.int64)
        rank[sorted(range(len(folded)), key=folded.__getitem__)] = np.arange(len(folded))
        return lambda position, groups, sizes, child: _by_rank(position, rank[child]) * groups // sizes
    raise ConfigError(f"'grouping' must be 'order', 'name' or a function, found {grouping!r}.")


def _by_rank(position: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Position of each child among its siblings by rank."""
    block = np.cumsum(position == 0)
    out = np.empty_like(position)
    out[np.lexsort((rank, block))] = position  # blocks are contiguous: the n-th in order takes the n-th position
    return out


def _called(
    grouping: Callable[[np.ndarray, int], np.ndarray], position: np.ndarray, groups: np.ndarray, child: np.ndarray
) -> np.ndarray:
    """One call for each fan-out; a fan-out that stays in one group needs none."""
    starts = np.flatnonzero(position == 0)
    out = np.zeros(len(position), dtype=np.int64)
    for start, stop in zip(starts, np.append(starts[1:], len(position)), strict=True):
        wanted = int(groups[start])
        if wanted == 1:
            continue
        given = np.asarray(grouping(child[start:stop], wanted))
        if given.shape != (stop - start,) or given.dtype.kind not in "iu":
            found = f"{given.dtype} of shape {list(given.shape)}"
            raise ConfigError(f"'grouping' must return an integer for each of {stop - start} children, found {found}.")
        if given.min() < 0 or given.max() >= wanted:
            wrong = given.min() if given.min() < 0 else given.max()
            raise ConfigError(f"'grouping' must return numbers from 0 to {wanted - 1}, found {wrong}.")
        out[start:stop] = given
    return out


def cluster_texts(ids: Sequence[str], names: Sequence[str], split: Split) -> tuple[list[str], list[str]]:
    """Ids `parent/~1` and names `Parent [1/4]` of the clusters; more `~` where an id is taken already."""
    taken, mark = set(ids), "/~"
    rows = list(zip(split.parent.tolist(), split.rank.tolist(), split.total.tolist(), strict=True))
    all_names = list(names)
    for parent, rank, total in rows:  # in order: a cluster may hang below another one
        all_names.append(f"{all_names[parent]} [{rank}/{total}]")
    while True:
        all_ids = list(ids)
        for parent, rank, _ in rows:
            all_ids.append(f"{all_ids[parent]}{mark}{rank}")
        new = all_ids[len(ids) :]
        if taken.isdisjoint(new) and len(set(new)) == len(new):
            return new, all_names[len(names) :]
        mark += "~"


def check_max_children(max_children: int) -> None:
    """Raise a `ConfigError` unless `max_children` is an integer of at least 2."""
    if not isinstance(max_children, int | np.integer) or max_children < 2:
        raise ConfigError(f"'max_children' must be an integer of at least 2, found {max_children!r}.")


def split_fan_out(graph: LabelGraph, max_children: int, grouping: Grouping = "order") -> LabelGraph:
    """No label with more than `max_children` children; see :meth:`Editing.split_fan_out`."""
    check_max_children(max_children)
    size = graph.num_labels
    group = grouper(grouping, lambda: graph.name)
    split = split_edges(graph._structure.edges, size, np.full(size, max_children), max_children, group)
    ids, names = cluster_texts(graph.label_id, graph.name, split)
    labels = np.concatenate([np.arange(size), np.full(len(ids), -1)])
    kind = graph.kind if graph.get("kind") is not None else [LABEL] * size
    return rebuild(
        graph,
        labels,
        split.edges,
        edge_source=split.source,
        label_id=[*graph.label_id, *ids],
        name=[*graph.name, *names],
        description=gather(graph.description, labels),
        kind=[*kind, *[CLUSTER] * len(ids)],
    )
