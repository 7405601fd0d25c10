"""Ordinary PyG graphs in the dense form that :class:`~hgraph.nn.GPTransConv` reads."""

from typing import NamedTuple

from torch import Tensor
from torch_geometric.utils import to_dense_batch

from hgraph.nn.encodings.hop_distance import hop_distance


class DenseGraph(NamedTuple):
    """A batch of graphs, padded to the size of the largest."""

    x: Tensor
    """Node features, ``[B, n, C]``."""
    distance: Tensor
    """Hop distances, ``[B, n, n]`` (long)."""
    mask: Tensor
    """True for nodes, false for padding, ``[B, n]``."""


def to_dense_graph(x: Tensor, edge_index: Tensor, batch: Tensor | None = None, *, max_distance: int = 20) -> DenseGraph:
    """The nodes of a PyG graph or batch, and the hop distances within each graph, in padded form.

    Args:
        x: node features.
        edge_index: edges; their direction does not matter.
        batch: the graph of each node, as in a PyG batch; without it there is one graph.
        max_distance: farther nodes, and nodes that cannot be reached, are this far away (default 20).

    Shapes:
        - x ``[N, C]``, edge_index ``[2, E]``, batch ``[N]``

    Example:
        >>> import torch
        >>> from hgraph.nn import GPTransBlock
        >>> edge_index, batch = torch.tensor([[0, 1, 3], [1, 2, 4]]), torch.tensor([0, 0, 0, 1, 1])
        >>> graph = to_dense_graph(torch.randn(5, 8), edge_index, batch)
        >>> pair_state = torch.nn.Embedding(21, 4)(graph.distance)
        >>> nodes, pair_state = GPTransBlock(8, 4, heads=2)(graph.x, None, pair_state, graph.mask)
        >>> nodes[graph.mask].shape  # back in the order of x
        torch.Size([5, 8])
    """
    distance = hop_distance(edge_index, x.shape[0], max_distance=max_distance, batch=batch)
    nodes, mask = to_dense_batch(x, batch)
    return DenseGraph(nodes, to_dense_batch(distance, batch)[0], mask)
