"""Distances between all labels, or between those that are close."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hgraph.errors import ConfigError
from hgraph.graph.transforms.graph_transform import (
    GraphTransform,
    NodeTransform,
    check_attr_name,
    hierarchy_of,
)

MAX_DENSE_LABELS = 5_000
"""Most labels for which all pairs are written (200 MB)."""


class AddShortestPathDistance(NodeTransform):
    """Add the number of edges on a shortest path between every two labels, whichever way the edges point.

    The dense form that Graphormer-like layers read. Graphs of different sizes cannot be batched with it, and a subgraph
    keeps its rows but not its columns: :class:`AddDistancePairs` has neither limit, and
    :func:`hgraph.nn.hop_distance` works on batches.

    Args:
        max_distance: distances above count as this; by default none do.
        attr_name: where to write.

    Shapes:
        - **output:** long `[L, L]`, -1 where no path joins two labels

    Raises:
        ConfigError: more than `MAX_DENSE_LABELS` labels.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> AddShortestPathDistance()(LabelGraph.from_edges([("a", "b"), ("b", "c")])).shortest_path_distance.tolist()
        [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    """

    def __init__(self, *, max_distance: int | None = None, attr_name: str = "shortest_path_distance") -> None:
        super().__init__(attr_name)
        if max_distance is not None and max_distance < 1:
            raise ConfigError(f"'max_distance' must be at least 1, found {max_distance}.")
        self.max_distance = max_distance

    def forward(self, data: Any) -> Any:
        """Add them."""
        graph = hierarchy_of(data)
        size = graph.num_labels
        if size > MAX_DENSE_LABELS:
            raise ConfigError(
                f"AddShortestPathDistance is for at most {MAX_DENSE_LABELS:,} labels, found {size:,}. "
                "Use AddDistancePairs(max_hops)."
            )
        out = graph.distance_matrix().astype(np.int64)
        return self.write(data, out if self.max_distance is None else np.minimum(out, self.max_distance))


class AddDistancePairs(GraphTransform):
    """Add the pairs of labels at most `max_hops` edges apart, whichever way the edges point, and how far they are.

    A dictionary of `edge_index` and `hops`, for layers that attend to a neighbourhood; as a dictionary it goes through
    `Batch` and is never taken for an attribute of the edges.

    Args:
        max_hops: the largest distance.
        attr_name: where to write.

    Shapes:
        - **edge_index:** long `[2, P]`, both directions, no label with itself
        - **hops:** long `[P]`, 1 to `max_hops`

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> pairs = AddDistancePairs(2)(LabelGraph.from_edges([("a", "b"), ("b", "c")])).distance_pairs
        >>> pairs["edge_index"].tolist(), pairs["hops"].tolist()
        ([[0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]], [1, 2, 1, 1, 2, 1])
    """

    def __init__(self, max_hops: int, *, attr_name: str = "distance_pairs") -> None:
        if max_hops < 1:
            raise ConfigError(f"'max_hops' must be at least 1, found {max_hops}.")
        self.max_hops, self.attr_name = max_hops, check_attr_name(attr_name)

    def forward(self, data: Any) -> Any:
        """Add them."""
        pairs = hierarchy_of(data).hop_distances(self.max_hops).tocoo()
        device = data.edge_index.device
        edge_index = torch.from_numpy(np.stack([pairs.row, pairs.col]).astype(np.int64))
        hops = torch.from_numpy(pairs.data.astype(np.int64))
        assert self.attr_name is not None
        data[self.attr_name] = {"edge_index": edge_index.to(device), "hops": hops.to(device)}
        return data
