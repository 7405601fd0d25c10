"""The nodes of a `LevelPartition` as a `LabelGraph`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from hgraph.graph.edit.split import CLUSTER, LABEL

if TYPE_CHECKING:
    from hgraph.graph.edit.level_partition import LevelPartition
    from hgraph.graph.label_graph import LabelGraph

COPY = "copy"


def node_graph(partition: LevelPartition) -> LabelGraph:
    """See :meth:`LevelPartition.to_graph`."""
    graph, label = partition.graph, np.concatenate(partition.levels)
    description = graph.description
    copied, offsets = np.concatenate(partition.is_copy), np.cumsum([0, *partition.num_nodes])
    edges = [np.empty((2, 0), dtype=np.int64)]
    for level in range(2, partition.num_levels + 1):
        links = partition.parents(level).tocoo()
        edges.append(np.stack([links.col + offsets[level - 2], links.row + offsets[level - 1]]))
    kinds = np.array([CLUSTER, LABEL, COPY], dtype=object)
    return type(graph)(
        torch.from_numpy(np.concatenate(edges, axis=1)),
        _ids(partition, (~copied & (label >= 0)).tolist()),
        name=_names(partition),
        description=[description[of] if of >= 0 else "" for of in label.tolist()],
        title=graph.title,
        license=graph.license,
        source=graph.source,
        kind=kinds[np.where(copied, 2, (label >= 0).astype(int))].tolist(),
        label=torch.from_numpy(label),
    )


def _ids(partition: LevelPartition, is_own: list[bool]) -> list[str]:
    """The id of the label for its own node, and with level and position for copies and clusters."""
    known, texts, mark = partition.graph.id_to_index, partition.graph.label_id, "@"
    owners = [texts[label] for level in partition.owners for label in level.tolist()]
    places = [f"{level}.{at}" for level, size in enumerate(partition.num_nodes, start=1) for at in range(size)]
    while True:
        rows = zip(owners, places, is_own, strict=True)
        ids = [owner if own else f"{owner}{mark}{place}" for owner, place, own in rows]
        if not any(node in known for node, own in zip(ids, is_own, strict=True) if not own):
            return ids
        mark += "@"


def _names(partition: LevelPartition) -> list[str]:
    texts = partition.graph.name
    names = [texts[label] for level in partition.owners for label in level.tolist()]
    placed = partition._placement
    if placed.split is not None:
        bases, first = np.concatenate(partition._bases), placed.num_bases - len(placed.split.parent)
        for node in np.flatnonzero(bases >= first).tolist():
            cluster = bases[node] - first
            names[node] += f" [{placed.split.rank[cluster]}/{placed.split.total[cluster]}]"
    return names
