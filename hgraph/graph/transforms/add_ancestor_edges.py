"""Edges between labels and all labels above them."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import torch

from hgraph.errors import ConfigError
from hgraph.graph.transforms.edge_type import EdgeType, put_edges
from hgraph.graph.transforms.graph_transform import GraphTransform, hierarchy_of

AncestorDirection = Literal["down", "up", "both"]


class AddAncestorEdges(GraphTransform):
    """Add edges between each label and its ancestors to `typed_edges`.

    Their number is that of all (label, ancestor) pairs, about labels x depth.

    Args:
        direction: `down` from ancestors, type `ANCESTOR_OF`; `up` to ancestors, type `DESCENDANT_OF`; or `both`.
        parents: whether parents, which `edge_index` has already, count as ancestors here too.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("a", "b"), ("b", "c")])
        >>> AddAncestorEdges(direction="up")(graph).typed_edges["edge_index"].tolist()
        [[2], [0]]
        >>> AddAncestorEdges(direction="up", parents=True)(graph).typed_edges["edge_index"].tolist()
        [[1, 2, 2], [0, 0, 1]]
    """

    def __init__(self, *, direction: AncestorDirection = "both", parents: bool = False) -> None:
        if direction not in get_args(AncestorDirection):
            choices = ", ".join(get_args(AncestorDirection))
            raise ConfigError(f"'direction' must be one of {choices}, found {direction!r}.")
        self.direction, self.parents = direction, parents

    def forward(self, data: Any) -> Any:
        """Add them."""
        graph = hierarchy_of(data)
        above = graph.ancestors if self.parents else graph.ancestors > graph.parents
        pairs = above.tocoo()
        upward = torch.from_numpy(np.stack([pairs.row, pairs.col]).astype(np.int64))
        if self.direction != "up":
            data = put_edges(data, EdgeType.ANCESTOR_OF, upward.flip(0))
        if self.direction != "down":
            data = put_edges(data, EdgeType.DESCENDANT_OF, upward)
        return data
