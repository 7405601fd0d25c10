"""Memory that is used again and again."""

import torch
from torch import Tensor


class Workspace:
    """Named tensors whose memory is kept for the next time they are asked for.

    A block of attention needs some tensors of megabytes for some milliseconds. Allocated anew for each block, such
    tensors cost more time on a CPU than the arithmetic on them: the system hands out fresh pages each time.

    Args:
        like: a tensor on the device in question; results are in its precision, at least single.

    Example:
        >>> workspace = Workspace(torch.zeros(1, dtype=torch.bfloat16))
        >>> first = workspace.take("logits", (2, 3))
        >>> workspace.take("logits", (3, 1)).data_ptr() == first.data_ptr(), first.dtype
        (True, torch.float32)
    """

    def __init__(self, like: Tensor) -> None:
        self.device, self.dtype = like.device, torch.promote_types(like.dtype, torch.float32)
        self._flat: dict[str, Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The tensor of this name, in this shape; it holds anything."""
        size = 1
        for length in shape:
            size *= length
        flat = self._flat.get(name)
        if flat is None or len(flat) < size:
            flat = self._flat[name] = torch.empty(size, dtype=self.dtype, device=self.device)
        return flat[:size].view(shape)

    def product(self, name: str, left: Tensor, right: Tensor) -> Tensor:
        """The matrix product of two tensors, in the memory of this name."""
        out = self.take(name, (*left.shape[:-1], right.shape[-1]))
        if left.dtype == right.dtype == out.dtype:
            return torch.matmul(left, right, out=out)
        return out.copy_(left @ right)
