"""Edges from children to parents."""

from __future__ import annotations

from typing import Any

from hgraph.graph.transforms.edge_type import EdgeType, put_edges
from hgraph.graph.transforms.graph_transform import GraphTransform, hierarchy_of


class AddReverseEdges(GraphTransform):
    """Add an edge from each child to each of its parents to `typed_edges`, as type `CHILD_OF`.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> AddReverseEdges()(LabelGraph.from_edges([("a", "b"), ("a", "c")])).typed_edges["edge_index"].tolist()
        [[1, 2], [0, 0]]
    """

    def forward(self, data: Any) -> Any:
        """Add them."""
        hierarchy_of(data)
        return put_edges(data, EdgeType.CHILD_OF, data.edge_index.flip(0))
