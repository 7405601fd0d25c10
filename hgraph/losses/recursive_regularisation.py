"""The weights of a label near those of its parents."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.losses.objective import Objective
from hgraph.losses.precision import full_precision

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

MAX_ENTRIES = 1 << 24
"""Largest number of differences between two weights in memory at a time."""


def recursive_regularisation(weights: Tensor, edge_index: Tensor) -> Tensor:
    r"""Half the sum over the edges of squared distances between the weights of both ends.

    .. math:: \Omega = \frac{1}{2} \sum_{(a, c) \in E} \lVert w_a - w_c \rVert^2

    Time is ``E x D``; beside the weights and their gradient, memory is bounded by :data:`MAX_ENTRIES`.

    Shapes:
        - weights ``[L, D]``, edge_index ``[2, E]``
        - output: scalar

    Example:
        >>> recursive_regularisation(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0], [1]]))
        tensor(2.5000)
    """
    return _EdgeDistances.apply(weights, edge_index)


class _EdgeDistances(torch.autograd.Function):
    """The value keeps no difference for the backward pass, which computes them again, block by block."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, edge_index: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(weights, edge_index)
        total = full_precision(weights.new_zeros(()))
        for edges in _blocks(weights, edge_index):
            total = total + _differences(weights, edges).square().sum()
        return total / 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        weights, edge_index = ctx.saved_tensors
        out = torch.zeros_like(full_precision(weights))
        for edges in _blocks(weights, edge_index):
            pull = _differences(weights, edges) * grad
            out.index_add_(0, edges[0], pull).index_add_(0, edges[1], pull, alpha=-1)
        return out.to(weights.dtype), None


def _blocks(weights: Tensor, edge_index: Tensor) -> tuple[Tensor, ...]:
    return edge_index.split(max(MAX_ENTRIES // max(weights.size(1), 1), 1), dim=1)


def _differences(weights: Tensor, edges: Tensor) -> Tensor:
    return full_precision(weights[edges[0]]) - full_precision(weights[edges[1]])


class RecursiveRegularisation(Objective):
    """Recursive regularisation of a scorer's weights (Gopal and Yang 2013, https://doi.org/10.1145/2487575.2487644).

    Labels with few documents borrow from their parents. See :func:`recursive_regularisation`. The value is a sum over
    edges and coordinates: give it a small weight (1e-5 and below).

    Args:
        graph: the hierarchy.

    Shapes:
        - label_weights ``[L, D]``; nothing about documents is read
        - output: scalar

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> loss = RecursiveRegularisation(LabelGraph.from_edges([("a", "b"), ("a", "c")]))
        >>> loss(label_weights=torch.tensor([[1.0], [0.0], [3.0]]))
        tensor(2.5000)
    """

    name = "recursive_regularisation"
    edge_index: Tensor

    def __init__(self, graph: "LabelGraph") -> None:
        super().__init__()
        self.num_labels = graph.num_labels
        self.register_buffer("edge_index", graph.edge_index.cpu().clone(), persistent=False)

    def forward(self, *, label_weights: Tensor) -> Tensor:
        """The value for the weights as they are."""
        if label_weights.dim() != 2 or len(label_weights) != self.num_labels:
            raise ConfigError(
                f"'label_weights' must have a row for each of the {self.num_labels} labels of the hierarchy, but got "
                f"shape {list(label_weights.shape)}."
            )
        return recursive_regularisation(label_weights, self.edge_index)
