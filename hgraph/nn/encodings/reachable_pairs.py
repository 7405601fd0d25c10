"""What can be reached from some nodes of an acyclic graph, hop by hop, in time of about the size of the answer."""

from collections.abc import Iterator

import torch
from torch import Tensor

from hgraph.nn.encodings.ranges import ranges


def reachable_pairs(
    edge_index: Tensor, num_nodes: int, start: Tensor, *, single_paths: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs (start, node reached), each once, in the hop of its shortest path.

    All starts search at once. What was reached in earlier hops is kept as a few sorted lists of growing length, so a
    graph of many hops costs no more than a flat one with as many pairs.

    Args:
        edge_index: edges of an acyclic graph.
        num_nodes: the number of nodes.
        start: where to start.
        single_paths: no two paths lead from a start to the same node, as on a tree; spares the comparison.

    Yields:
        For one hop, two hops, ...: the starts and the nodes reached, each ``[pairs]``.

    Shapes:
        - edge_index ``[2, E]``, start ``[S]``

    Example:
        >>> edge_index = torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]])
        >>> [pairs[1].tolist() for pairs in reachable_pairs(edge_index, 4, torch.tensor([0]))]
        [[1, 2], [3]]
    """
    by_source = torch.argsort(edge_index[0], stable=True)
    targets = edge_index[1][by_source]
    degree = torch.bincount(edge_index[0], minlength=num_nodes)
    first = degree.cumsum(0) - degree
    node, seen = start, list[Tensor]()
    while True:
        start, node = start.repeat_interleave(degree[node]), targets[ranges(first[node], degree[node])]
        if not single_paths:
            keys = _unseen((start * num_nodes + node).unique(), seen)
            _add(keys, seen)
            start, node = keys // num_nodes, keys % num_nodes
        if not len(node):
            return
        yield start, node


def _unseen(keys: Tensor, seen: list[Tensor]) -> Tensor:
    """The keys that are in none of the sorted lists."""
    for part in seen:
        place = torch.searchsorted(part, keys).clamp(max=len(part) - 1)
        keys = keys[part[place] != keys]
    return keys


def _add(keys: Tensor, seen: list[Tensor]) -> None:
    """Add a sorted list; lists of about the same length become one, so that there are only logarithmically many."""
    if len(keys):
        seen.append(keys)
    while len(seen) > 1 and len(seen[-2]) < 2 * len(seen[-1]):
        last = seen.pop()
        seen[-1] = torch.cat([seen[-1], last]).sort().values
