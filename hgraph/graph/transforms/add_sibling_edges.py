"""Edges between labels that share a parent."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from hgraph.errors import ConfigError
from hgraph.graph.label_graph import LabelGraph
from hgraph.graph.structure import adjacency
from hgraph.graph.transforms.edge_type import EdgeType, put_edges
from hgraph.graph.transforms.graph_transform import GraphTransform, hierarchy_of

MAX_EDGES = 50_000_000
"""Most sibling edges (1.2 GB)."""


class AddSiblingEdges(GraphTransform):
    """Add edges between labels that share a parent to `typed_edges`, both ways, as type `SIBLING_OF`.

    A parent of `f` children makes `f (f - 1)` of them, so broad hierarchies want a window. Roots are no siblings; put
    :class:`AddVirtualRoot` before to make them so.

    Args:
        window: join each child of a parent with so many children before and after it, in the order of their indices,
            and no others; by default with all.

    Raises:
        ConfigError: `window` below 1, or more than `MAX_EDGES` edges.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("a", "d")])
        >>> AddSiblingEdges()(graph).typed_edges["edge_index"].tolist()
        [[1, 1, 2, 2, 3, 3], [2, 3, 1, 3, 1, 2]]
        >>> AddSiblingEdges(window=1)(graph).typed_edges["edge_index"].tolist()
        [[1, 2, 2, 3], [2, 1, 3, 2]]
    """

    def __init__(self, *, window: int | None = None) -> None:
        if window is not None and window < 1:
            raise ConfigError(f"'window' must be at least 1, found {window}.")
        self.window = window

    def forward(self, data: Any) -> Any:
        """Add them."""
        graph = hierarchy_of(data)
        fan_out = np.diff(graph.children.indptr).astype(np.int64)
        window = int(fan_out.max(initial=0)) if self.window is None else self.window
        near = np.minimum(fan_out - 1, window)
        edges = int((near * (2 * fan_out - near - 1))[fan_out > 1].sum())
        if edges > MAX_EDGES:
            raise ConfigError(
                f"AddSiblingEdges would add {edges:,} edges, more than {MAX_EDGES:,}: one label has {fan_out.max():,} "
                f"children. Join each with fewer of them, such as window=5."
            )
        joined = graph.siblings if self.window is None else _neighbours_in_order(graph, window)
        pairs = joined.tocoo()
        edge_index = torch.from_numpy(np.stack([pairs.row, pairs.col]).astype(np.int64))
        return put_edges(data, EdgeType.SIBLING_OF, edge_index)


def _neighbours_in_order(graph: LabelGraph, window: int) -> sp.csr_matrix:
    """Boolean CSR of the children at most `window` places apart below a parent."""
    children = graph.children
    child, parent = children.indices, np.repeat(np.arange(graph.num_labels), np.diff(children.indptr))
    lefts, rights = [np.empty(0, dtype=child.dtype)], [np.empty(0, dtype=child.dtype)]
    for offset in range(1, min(window, max(len(child) - 1, 0)) + 1):
        together = np.flatnonzero(parent[:-offset] == parent[offset:])
        if not len(together):
            break
        lefts.append(child[together])
        rights.append(child[together + offset])
    left, right = np.concatenate(lefts), np.concatenate(rights)
    return adjacency(np.concatenate([left, right]), np.concatenate([right, left]), graph.num_labels)
