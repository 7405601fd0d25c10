"""Ranges of numbers, one after the other, as a tensor."""

import torch
from torch import Tensor


def ranges(start: Tensor, length: Tensor) -> Tensor:
    """The numbers ``start, start + 1, ...`` of each range, `length` of them, one range after the other.

    Example:
        >>> ranges(torch.tensor([7, 0]), torch.tensor([2, 3]))
        tensor([7, 8, 0, 1, 2])
    """
    first = length.cumsum(0) - length
    return torch.arange(int(length.sum()), device=start.device) + (start - first).repeat_interleave(length)
