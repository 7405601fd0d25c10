"""Hop distances between all nodes of a graph."""

import torch
from torch import Tensor

from hgraph.errors import ConfigError


def hop_distance(edge_index: Tensor, num_nodes: int, *, max_distance: int = 20, batch: Tensor | None = None) -> Tensor:
    """Number of edges on a shortest path between nodes, whichever way the edges point, cut off at ``max_distance``.

    All nodes search at once, one hop a step, as a product of the sparse adjacency with the dense set of nodes reached;
    time is ``edges x nodes x max_distance``, memory ``nodes x nodes`` of the largest graph.

    Args:
        edge_index: edges, in any direction and order.
        num_nodes: the number of nodes ``N``.
        max_distance: farther nodes, and nodes that cannot be reached, are this far away (default 20).
        batch: the graph of each node, ascending, for a PyG batch of several graphs; without it there is one graph.

    Shapes:
        - edge_index ``[2, E]``, batch ``[N]``
        - output ``[N, n]`` (long): column ``j`` is node ``j`` of the graph of the row, ``n`` the size of the largest
          graph; columns beyond a smaller graph hold ``max_distance``

    Example:
        >>> hop_distance(torch.tensor([[0, 1], [1, 2]]), num_nodes=4, max_distance=9)
        tensor([[0, 1, 2, 9],
                [1, 0, 1, 9],
                [2, 1, 0, 9],
                [9, 9, 9, 0]])
    """
    if max_distance < 1:
        raise ConfigError(f"'max_distance' must be at least 1, but got {max_distance}.")
    device = edge_index.device
    if batch is None:
        batch = torch.zeros(num_nodes, dtype=torch.long, device=device)
    sizes = torch.bincount(batch)
    column = torch.arange(num_nodes, device=device) - (sizes.cumsum(0) - sizes)[batch]

    distance = torch.full((num_nodes, int(sizes.max()) if num_nodes else 0), max_distance, device=device)
    distance.scatter_(1, column.unsqueeze(1), 0)
    both = torch.cat([edge_index, edge_index.flip(0)], dim=1)
    ones = torch.ones(both.shape[1], device=device)
    adjacency = torch.sparse_coo_tensor(both, ones, (num_nodes, num_nodes), check_invariants=False).coalesce()
    frontier = distance == 0
    for step in range(1, max_distance):
        frontier = (torch.sparse.mm(adjacency, frontier.float()) > 0) & (distance == max_distance)
        if not frontier.any():
            break
        distance[frontier] = step
    return distance


def hierarchy_distance(edge_index: Tensor, num_nodes: int, *, max_distance: int = 20) -> Tensor:
    """Hop distances between the labels of a hierarchy, all of whose roots hang from one virtual root.

    In a forest, labels of different trees are as far apart as the sum of their depths (a root has depth 1). In a
    hierarchy whose labels have several parents, it is the shortest path over any of them.

    Args:
        edge_index: edges from parent to child, in any order; label ids need not follow the hierarchy.
        num_nodes: the number of labels ``L``.
        max_distance: farther labels are this far away (default 20).

    Shapes:
        - edge_index ``[2, E]``
        - output ``[L, L]`` (long)

    Example:
        >>> edge_index = torch.tensor([[0, 0], [1, 2]])  # label 0 is the parent of 1 and 2, label 3 stands alone
        >>> hierarchy_distance(edge_index, num_nodes=4)
        tensor([[0, 1, 1, 2],
                [1, 0, 2, 3],
                [1, 2, 0, 3],
                [2, 3, 3, 0]])
    """
    is_root = torch.ones(num_nodes, dtype=torch.bool, device=edge_index.device)
    is_root[edge_index[1]] = False
    roots = is_root.nonzero().squeeze(1)
    from_virtual_root = torch.stack([torch.full_like(roots, num_nodes), roots])
    joined = torch.cat([edge_index, from_virtual_root], dim=1)
    return hop_distance(joined, num_nodes + 1, max_distance=max_distance)[:num_nodes, :num_nodes]
