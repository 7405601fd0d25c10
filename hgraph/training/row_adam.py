"""Adam for tables of which a step touches some rows, in place."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SparseAdam

BLOCK = 4096
"""Rows that are moved at once; their moments stay in the processor's cache."""


class RowAdam(SparseAdam):
    r"""`torch.optim.SparseAdam` by blocks of rows: the same numbers in a fraction of its time and of its memory.

    The rows :math:`r` with a gradient :math:`g_r` move as in Adam (Kingma and Ba, `ICLR 2015
    <https://arxiv.org/abs/1412.6980>`_, algorithm 1), the others and their moments stay as they are:

    .. math:: m_r \leftarrow \beta_1 m_r + (1 - \beta_1) g_r, \quad
        v_r \leftarrow \beta_2 v_r + (1 - \beta_2) g_r^2, \quad
        w_r \leftarrow w_r - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m_r}{\sqrt{v_r} + \epsilon}

    A step takes time linear in the rows that it touches, and memory for their gradients. States are those of
    `SparseAdam`, which can go on from them.

    Args:
        params: Tables with sparse gradients, or groups of them.
        lr: Learning rate.
        betas: Decay of the two moments.
        eps: Added to the root.

    Example:
        >>> table = torch.nn.Embedding(1000, 4, sparse=True)
        >>> optimizer = RowAdam(table.parameters(), lr=0.1)
        >>> before = table.weight.detach().clone()
        >>> table(torch.tensor([3, 5])).sum().backward()
        >>> optimizer.step()
        >>> (table.weight != before).any(1).nonzero().flatten()
        tensor([3, 5])
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move the rows that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)
        return loss

    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        grad = parameter.grad
        assert grad is not None
        if not grad.is_sparse:
            raise RuntimeError("RowAdam takes sparse gradients alone; give the table sparse=True.")
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        (beta1, beta2), step = group["betas"], state["step"]
        rate = -float(group["lr"]) * (1 - beta2**step) ** 0.5 / (1 - beta1**step)
        grad = (-grad if group["maximize"] else grad).coalesce()
        for rows, values in zip(grad.indices()[0].split(BLOCK), grad.values().split(BLOCK), strict=True):
            first = state["exp_avg"][rows].lerp_(values, 1 - beta1)
            second = state["exp_avg_sq"][rows].mul_(beta2).addcmul_(values, values, value=1 - beta2)
            state["exp_avg"].index_copy_(0, rows, first)
            state["exp_avg_sq"].index_copy_(0, rows, second)
            parameter.index_add_(0, rows, first.div_(second.sqrt_().add_(group["eps"])), alpha=rate)
