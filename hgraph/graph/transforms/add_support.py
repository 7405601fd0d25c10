"""How many documents have each label."""

from __future__ import annotations

from typing import Any

import numpy as np

from hgraph.errors import DataError
from hgraph.graph.build import as_binary
from hgraph.graph.transforms.graph_transform import NodeTransform, hierarchy_of


class AddSupport(NodeTransform):
    """Add the number of documents that have each label or one of its descendants.

    Args:
        label_matrix: non-zero where a document has a label; or the counts themselves, which are taken as they are.
        closed: whether the descendants of a label count for it too; only for a label matrix.
        attr_name: where to write; None appends to `x`.

    Shapes:
        - **label_matrix:** sparse or dense `[N, L]`, or counts `[L]`
        - **output:** long `[L]`, or the dtype of the counts

    Raises:
        DataError: another number of labels than the graph has.

    Example:
        >>> import numpy as np
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
        >>> AddSupport(np.array([[0, 1, 1], [0, 0, 1]]))(graph).support.tolist()
        [2, 1, 2]
    """

    def __init__(self, label_matrix: Any, *, closed: bool = True, attr_name: str | None = "support") -> None:
        super().__init__(attr_name)
        self.label_matrix, self.closed = label_matrix, closed

    def forward(self, data: Any) -> Any:
        """Add it."""
        graph = hierarchy_of(data)
        if len(np.shape(self.label_matrix)) == 1:
            counts = np.asarray(self.label_matrix)
            if len(counts) != graph.num_labels:
                raise DataError(f"'label_matrix' must hold {graph.num_labels} counts, found {len(counts)}.")
            return self.write(data, counts)
        matrix = graph.expand(self.label_matrix) if self.closed else as_binary(self.label_matrix, graph.num_labels)[0]
        return self.write(data, np.bincount(matrix.indices, minlength=graph.num_labels))
