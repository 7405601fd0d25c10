"""Eigenvectors of the graph Laplacian as positions of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from torch_geometric.data import Batch

from hgraph.errors import ConfigError
from hgraph.graph.label_graph import LabelGraph
from hgraph.graph.transforms.graph_transform import NodeTransform, hierarchy_of, undirected_adjacency

MAX_DENSE_LABELS = 256
"""Most labels whose eigenvectors are all computed; above, only those wanted."""
SHIFT = 1e-6
"""Added to all eigenvalues while the smallest are looked for; those of a million labels are about as small."""


class AddLaplacianEncoding(NodeTransform):
    r"""Add the eigenvectors of the `k` smallest eigenvalues but the first of :math:`I - D^{-1/2} A D^{-1/2}`.

    As in `Benchmarking Graph Neural Networks <https://arxiv.org/abs/2003.00982>`_ and in PyG's
    `AddLaplacianEigenvectorPE`, of the graph without directions. A hierarchy needs more care than that transform takes:

    - Several roots hang from one virtual root here, whose own row is left out. Without it, each component has an
      eigenvalue 0, and the first eigenvectors say no more than which label belongs to which component.
    - Hierarchies have small gaps between eigenvalues, for which the default solver does not converge; the
      shift-invert mode does.
    - The largest entry of each eigenvector is made positive, so that the same graph gives the same encoding. Flip signs
      at random while training: `x * torch.randint(0, 2, (k,)).mul(2).sub(1)`.
    - A graph of `k` or fewer labels gets columns of zeros at the end.

    Eigenvalues that occur several times, as with leaves of one parent, have no unique eigenvectors.

    Args:
        k: the number of eigenvectors.
        attr_name: where to write; None appends to `x`.

    Raises:
        ConfigError: `k` below 1, or a batch.

    Shapes:
        - **output:** float32 `[L, k]`

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = AddLaplacianEncoding(2)(LabelGraph.from_edges([("a", "b"), ("b", "c")]))
        >>> graph.laplacian_encoding.shape, graph.laplacian_encoding[1, 0].abs() < 1e-6
        (torch.Size([3, 2]), tensor(True))
    """

    def __init__(self, k: int, *, attr_name: str | None = "laplacian_encoding") -> None:
        super().__init__(attr_name)
        if k < 1:
            raise ConfigError(f"'k' must be at least 1, found {k}.")
        self.k = k

    def forward(self, data: Any) -> Any:
        """Add them."""
        graph = hierarchy_of(data)
        if isinstance(data, Batch):
            raise ConfigError("AddLaplacianEncoding would join the graphs of a batch. Apply it before batching.")
        laplacian = sp.csgraph.laplacian(_joined(graph), normed=True)
        vectors = _smallest_eigenvectors(laplacian, self.k)[: graph.num_labels]
        out = np.zeros((graph.num_labels, self.k), dtype=np.float32)
        if vectors.size:
            largest = vectors[np.abs(vectors).round(6).argmax(axis=0), np.arange(vectors.shape[1])]
            out[:, : vectors.shape[1]] = vectors * np.where(largest < 0, -1, 1)
        return self.write(data, out)


def _joined(graph: LabelGraph) -> sp.csr_matrix:
    """The graph without directions, and one more node joined with all roots where there are several."""
    adjacency, size = undirected_adjacency(graph), graph.num_labels
    if len(graph.roots) < 2:
        return adjacency
    row = sp.csr_matrix((np.ones(len(graph.roots)), (np.zeros_like(graph.roots), graph.roots)), (1, size))
    return sp.bmat([[adjacency, row.T], [row, None]], format="csr")


def _smallest_eigenvectors(laplacian: sp.csr_matrix, k: int) -> np.ndarray:
    """Eigenvectors `[num_nodes, at most k]` by growing eigenvalue, without the first."""
    size = laplacian.shape[0]
    if size <= max(MAX_DENSE_LABELS, 2 * k):
        return np.linalg.eigh(laplacian.toarray())[1][:, 1 : k + 1]
    # Shifted a little, the matrix is regular. Factors stay sparse with an ordering for symmetric matrices; by default
    # they would fill up. A fixed start makes the result repeatable.
    shifted = (laplacian + SHIFT * sp.identity(size)).tocsc()
    options = {"SymmetricMode": True}
    factors = sp.linalg.splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    inverse = sp.linalg.LinearOperator(laplacian.shape, factors.solve, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(size)
    values, vectors = sp.linalg.eigsh(laplacian, k=k + 1, sigma=-SHIFT, which="LM", OPinv=inverse, v0=start)
    return vectors[:, values.argsort()][:, 1:]
