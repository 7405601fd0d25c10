"""The sum of values that are weighted by the softmax of themselves."""

from typing import Any

import torch
from torch import Tensor


def self_weighted_sum(values: Tensor, dim: int, mask: Tensor | None = None) -> Tensor:
    r"""A smooth maximum: :math:`y = \sum_j w_j v_j` with :math:`w = \operatorname{softmax}(v)`.

    Its derivative, :math:`\partial y / \partial v_j = w_j (1 + v_j - y)`, needs neither the products nor a softmax
    backward pass, which autograd would keep and take.

    Args:
        values: the values :math:`v`.
        dim: the dimension of :math:`j`.
        mask: false where a value is left out, in a shape that goes with that of the values.

    Shapes:
        - output: `values` without `dim`

    Example:
        >>> self_weighted_sum(torch.tensor([[0.0, 0.0], [1.0, 3.0]]), dim=1)
        tensor([0.0000, 2.7616])
    """
    return _SelfWeightedSum.apply(values, dim, mask)


class _SelfWeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, dim: int, mask: Tensor | None) -> Tensor:
        # Not -inf: where everything is left out, the sum is of no use, but it must not be NaN.
        kept = values if mask is None else values.masked_fill(~mask, torch.finfo(values.dtype).min)
        weights = kept.softmax(dim)
        total = (weights * values).sum(dim)
        ctx.dim = dim
        ctx.save_for_backward(values, weights, total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        values, weights, total = ctx.saved_tensors
        slope = (values - (total - 1).unsqueeze(ctx.dim)) * weights
        return slope * gradient.unsqueeze(ctx.dim), None, None
