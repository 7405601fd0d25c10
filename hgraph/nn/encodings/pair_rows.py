"""States of all pairs of labels that are computed a few rows at a time, when attention asks for them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.nn.workspace import Workspace


class PairRows(ABC):
    """A state of every pair of nodes, ``[n, n, K]``, of which no more exists than the rows in use.

    Attention over all pairs goes through its targets in blocks, and asks for the rows of each block; in the backward
    pass it asks again. So the states of 50,000 labels, which would fill a hundred gigabytes, take some megabytes.

    :class:`~hgraph.nn.GraphormerConv` and :class:`~hgraph.nn.GPTransConv` take one in place of a dense ``edge_attr``.
    """

    num_nodes: int
    """The number ``n`` of nodes."""
    channels: int
    """The width ``K`` of a state."""
    num_by_row: int = 0
    """How many of the first :meth:`tensors` have a row a target, ``[*, n, ...]`` of three dimensions."""

    @abstractmethod
    def tensors(self) -> tuple[Tensor, ...]:
        """What the rows are computed from and gradients flow to."""

    @abstractmethod
    def rows(self, start: int, stop: int, *tensors: Tensor) -> Tensor:
        """The states of the pairs whose targets are ``start`` to ``stop - 1``, differentiable in `tensors`.

        Args:
            start: the first target.
            stop: the target after the last.
            tensors: what :meth:`tensors` returned, or copies of it; of those with a row a target, the rows of these.

        Shapes:
            - output ``[K, stop - start, n]``
        """

    def add_rows(self, total: Tensor, start: int, stop: int, tensors: Sequence[Tensor], workspace: Workspace) -> None:
        """Add :meth:`rows` to ``total [*, H, stop - start, n]`` in place, without a record; ``K`` is ``H`` or 1."""
        total += self.rows(start, stop, *tensors)

    def add_gradients(
        self,
        back: Tensor,
        start: int,
        stop: int,
        tensors: Sequence[Tensor],
        gradients: Sequence[Tensor | None],
        workspace: Workspace,
    ) -> None:
        """Add to the gradients of `tensors` what comes back to :meth:`add_rows`.

        Args:
            back: the gradient of the total.
            start: the first target.
            stop: the target after the last.
            tensors: as :meth:`rows` got them.
            gradients: places to add to, None where none is wanted.
            workspace: memory to use.
        """
        leaves = [
            tensor.detach().requires_grad_(place is not None) for tensor, place in zip(tensors, gradients, strict=True)
        ]
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        if not wanted:
            return
        with torch.enable_grad():
            rows = self.rows(start, stop, *leaves)
        found = torch.autograd.grad(rows, wanted, back.sum_to_size(rows.shape).to(rows.dtype))
        for place, part in zip((place for place in gradients if place is not None), found, strict=True):
            place += part

    @abstractmethod
    def project(self, weight: Tensor, bias: Tensor | None = None) -> "PairRows":
        """The same pairs after a linear map of their channels: ``[K', K]`` and ``[K']``."""

    def dense(self) -> Tensor:
        """All states at once, ``[n, n, K]``."""
        return self.rows(0, self.num_nodes, *self.tensors()).movedim(0, -1)


class DenseRows(PairRows):
    """Rows of a tensor that holds the states of all pairs; leading dimensions are graphs of a batch.

    Args:
        pairs: the states.
        weight: a linear map of the channels, applied to the rows when they are asked for.
        bias: its constant.

    Shapes:
        - pairs ``[*, n, n, K]``, weight ``[K', K]``, bias ``[K']``
        - rows ``[*, K', stop - start, n]``
    """

    num_by_row = 1

    def __init__(self, pairs: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> None:
        self.pairs, self.weight, self.bias = pairs, weight, bias
        self.num_nodes = pairs.shape[-2]
        self.channels = pairs.shape[-1] if weight is None else weight.shape[0]

    def tensors(self) -> tuple[Tensor, ...]:
        """The states and the linear map."""
        return tuple(tensor for tensor in (self.pairs, self.weight, self.bias) if tensor is not None)

    def rows(self, start: int, stop: int, *tensors: Tensor) -> Tensor:
        """See :class:`PairRows`."""
        pairs, *linear = tensors
        return (F.linear(pairs, *linear) if linear else pairs).movedim(-1, -3)

    def project(self, weight: Tensor, bias: Tensor | None = None) -> "DenseRows":
        """See :class:`PairRows`."""
        if self.weight is not None:
            bias = compose_bias(weight, self.bias, bias)
            weight = weight @ self.weight
        return DenseRows(self.pairs, weight, bias)

    def dense(self) -> Tensor:
        """The states."""
        return self.pairs if self.weight is None else F.linear(self.pairs, self.weight, self.bias)


def compose_bias(weight: Tensor, inner: Tensor | None, outer: Tensor | None) -> Tensor | None:
    """The constant of two linear maps, one after the other."""
    if inner is None:
        return outer
    mapped = weight @ inner
    return mapped if outer is None else mapped + outer


def row_blocks(num_rows: int, row_bytes: int, budget: int) -> list[tuple[int, int]]:
    """Bounds of blocks of rows that take about `budget` bytes each.

    Example:
        >>> row_blocks(10, row_bytes=100, budget=400)
        [(0, 4), (4, 8), (8, 10)]
    """
    step = max(1, budget // max(row_bytes, 1))
    return [(start, min(start + step, num_rows)) for start in range(0, num_rows, step)] or [(0, num_rows)]


def needs_gradient(*tensors: Tensor) -> bool:
    """Whether a backward pass may come."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
