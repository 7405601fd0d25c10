"""Edges in an order in which softmaxes over the neighbours of a node are plain dense ones."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError


class EdgeBlock(NamedTuple):
    """Some targets that have the same number ``w`` of edges."""

    targets: Tensor
    """The targets, ``[m]``."""
    edges: Tensor
    """The edges of each target: their numbers in `edge_index`, ``[w, m]``."""
    sources: Tensor
    """Where these come from, ``[w, m]``."""


class EdgeBlocks(nn.Module):
    """The edges of a graph, sorted into blocks of targets with the same number of edges.

    Within a block the edges form a matrix ``[edges of a target, targets]``, so that softmaxes and sums over the edges
    of a target run over its first dimension: no scatter, no padding, and blocks as small as memory wants them.
    :class:`~hgraph.nn.GPTransConv` and :class:`~hgraph.nn.GraphormerConv` take one in place of an ``edge_index``, and
    make one themselves where a graph is large. Build it once where the edges stay the same.

    It is a module only so that it moves to a device together with the model that holds it; it has no parameters and
    leaves nothing in checkpoints.

    Args:
        edge_index: edges from source to target, in any order.
        num_targets: the number of targets.

    Shapes:
        - edge_index ``[2, E]``

    Raises:
        ConfigError: `edge_index` is no pair of rows, or has a target that is not there.

    Example:
        >>> blocks = EdgeBlocks(torch.tensor([[0, 1, 2, 0], [1, 2, 1, 0]]), num_targets=3)
        >>> [(block.targets.tolist(), block.sources.tolist()) for block in blocks.blocks(max_edges=100)]
        [([0, 2], [[0, 1]]), ([1], [[0], [2]])]
    """

    edge_index: Tensor
    node_order: Tensor
    edge_order: Tensor

    def __init__(self, edge_index: Tensor, num_targets: int) -> None:
        super().__init__()
        if edge_index.dim() != 2 or edge_index.shape[0] != 2:
            raise ConfigError(f"'edge_index' must have shape [2, E], but got {list(edge_index.shape)}.")
        target = edge_index[1]
        if target.numel() and (int(target.min()) < 0 or int(target.max()) >= num_targets):
            raise ConfigError(
                f"'edge_index' must hold targets from 0 to {num_targets - 1}, but got {int(target.min())} to "
                f"{int(target.max())}."
            )
        self.num_targets = num_targets
        degree = torch.bincount(target, minlength=num_targets)
        node_order = degree.argsort(stable=True)
        by_target = target.argsort(stable=True)  # the edges of a target stay in their order
        first = degree.cumsum(0) - degree
        edge_order, self.runs, position = torch.empty_like(by_target), [], 0
        widths, counts = torch.unique_consecutive(degree[node_order], return_counts=True)
        stop = 0
        for width, count in zip(widths.tolist(), counts.tolist(), strict=True):
            start, stop = stop, stop + count
            if width == 0:
                continue
            nodes = node_order[start:stop]
            places = first[nodes] + torch.arange(width, device=nodes.device).unsqueeze(1)  # [w, m]
            edge_order[position : position + width * count] = by_target[places].flatten()
            self.runs.append((width, start, stop, position))
            position += width * count
        for name, value in (("edge_index", edge_index), ("node_order", node_order), ("edge_order", edge_order)):
            self.register_buffer(name, value, persistent=False)

    @property
    def num_edges(self) -> int:
        """The number ``E`` of edges."""
        return self.edge_index.shape[1]

    def blocks(self, max_edges: int) -> Iterator[EdgeBlock]:
        """All edges, in blocks of at most `max_edges`, or of one target where that has more."""
        for width, start, stop, position in self.runs:
            edges = self.edge_order[position : position + width * (stop - start)].view(width, -1)
            step = max(1, max_edges // width)
            for begin in range(0, stop - start, step):
                chosen = edges[:, begin : begin + step]
                yield EdgeBlock(
                    self.node_order[start + begin : min(start + begin + step, stop)],
                    chosen,
                    self.edge_index[0][chosen],
                )

    def extra_repr(self) -> str:
        """Sizes."""
        return f"num_edges={self.num_edges}, num_targets={self.num_targets}"
