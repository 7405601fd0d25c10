"""Edges between labels that stand on the same documents."""

from __future__ import annotations

from typing import Any

from hgraph.graph.cooccurrence import CooccurrenceMeasure, cooccurrence
from hgraph.graph.transforms.edge_type import EdgeType, put_edges
from hgraph.graph.transforms.graph_transform import GraphTransform, hierarchy_of


class AddCooccurrenceEdges(GraphTransform):
    """Add the edges and weights of :func:`~hgraph.graph.cooccurrence.cooccurrence` to `typed_edges`.

    Their type is `COOCCURS_WITH`. Count on training documents only: an edge learned from test documents gives their
    labels away.

    Args:
        label_matrix: non-zero where a document has a label.
        measure: `count`, `conditional`, `jaccard`, `pmi` or `npmi`.
        min_count: fewest documents that must have both labels.
        min_weight: smallest weight.
        top_k: most edges into each label.
        related: whether a label and its ancestors are joined too; closed label sets join them by definition.

    Shapes:
        - **label_matrix:** sparse or dense `[N, L]`

    Raises:
        DataError: the matrix has not one column for each label.
        ConfigError: an option that :func:`~hgraph.graph.cooccurrence.cooccurrence` refuses.

    Example:
        >>> import numpy as np
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
        >>> graph = AddCooccurrenceEdges(graph.expand(np.array([[0, 1, 1], [0, 0, 1]])))(graph)
        >>> graph.typed_edges["edge_index"].tolist(), graph.typed_edges["edge_weight"].tolist()
        ([[2, 1], [1, 2]], [0.5, 1.0])
    """

    def __init__(
        self,
        label_matrix: Any,
        *,
        measure: CooccurrenceMeasure = "conditional",
        min_count: int = 1,
        min_weight: float | None = None,
        top_k: int | None = None,
        related: bool = False,
    ) -> None:
        self.label_matrix, self.measure, self.min_count = label_matrix, measure, min_count
        self.min_weight, self.top_k, self.related = min_weight, top_k, related

    def forward(self, data: Any) -> Any:
        """Count and add."""
        edge_index, weight = cooccurrence(
            self.label_matrix,
            measure=self.measure,
            min_count=self.min_count,
            min_weight=self.min_weight,
            top_k=self.top_k,
            graph=hierarchy_of(data),
            related=self.related,
        )
        return put_edges(data, EdgeType.COOCCURS_WITH, edge_index, weight)
