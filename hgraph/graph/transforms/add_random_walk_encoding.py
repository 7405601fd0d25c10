"""How often a random walk comes back, as positions of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError
from hgraph.graph.transforms.graph_transform import NodeTransform, hierarchy_of, undirected_adjacency

MAX_LABELS = 50_000
"""Most labels: time is labels x edges x walk_length."""
MAX_CELLS = 1 << 24
"""Cells of the label x label matrices held at once."""


class AddRandomWalkEncoding(NodeTransform):
    r"""Add the probabilities that a random walk from a label is back after 1, 2, ..., `walk_length` steps.

    As in `Graph Neural Networks with Learnable Structural and Positional Representations
    <https://arxiv.org/abs/2110.07875>`_ and with the same numbers as PyG's `AddRandomWalkPE` on the graph without
    directions. In a tree a walk comes back after an even number of steps only: every other column is 0.

    With :math:`S = D^{-1/2} A D^{-1/2}` the diagonal of :math:`(D^{-1} A)^{2m}` is
    :math:`\lVert S^m e_l \rVert^2`, and that of the next power :math:`\langle S^m e_l, S^{m+1} e_l \rangle`, so half
    the steps suffice, some labels at a time, and no power of the matrix is kept.

    Args:
        walk_length: the number of steps.
        attr_name: where to write; None appends to `x`.

    Shapes:
        - **output:** float32 `[L, walk_length]`

    Raises:
        ConfigError: more than `MAX_LABELS` labels.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = AddRandomWalkEncoding(3)(LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "c")]))
        >>> graph.random_walk_encoding[0].tolist()
        [0.0, 0.5, 0.25]
    """

    def __init__(self, walk_length: int, *, attr_name: str | None = "random_walk_encoding") -> None:
        super().__init__(attr_name)
        if walk_length < 1:
            raise ConfigError(f"'walk_length' must be at least 1, found {walk_length}.")
        self.walk_length = walk_length

    def forward(self, data: Any) -> Any:
        """Add them."""
        graph = hierarchy_of(data)
        size = graph.num_labels
        if size > MAX_LABELS:
            raise ConfigError(f"AddRandomWalkEncoding is for at most {MAX_LABELS:,} labels, found {size:,}.")
        adjacency = undirected_adjacency(graph)
        degree = np.diff(adjacency.indptr)
        scale = sp.diags(1 / np.sqrt(np.maximum(degree, 1)))
        step = (scale @ adjacency @ scale).tocsr()
        out = np.zeros((size, self.walk_length), dtype=np.float32)
        width = max(1, MAX_CELLS // max(size, 1))
        for start in range(0, size, width):
            labels = np.arange(start, min(start + width, size))
            here = np.zeros((size, len(labels)))
            here[labels, np.arange(len(labels))] = 1
            for length in range(1, self.walk_length + 1):
                if length % 2:
                    there = step @ here
                    out[labels, length - 1] = np.einsum("ij,ij->j", here, there)
                else:
                    here = there
                    out[labels, length - 1] = np.einsum("ij,ij->j", here, here)
        return self.write(data, out)
