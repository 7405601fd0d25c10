"""The trained layer behind vectors that are given."""

import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.errors import ConfigError


class VectorHead(nn.Module):
    r"""Given vectors -> vectors of another space.

    .. math:: h = \mathrm{GELU}(\mathrm{LayerNorm}(W x + b))

    Args:
        in_channels: Width D of the given vectors.
        channels: Width of the result.

    Shapes:
        - input: [..., D]
        - output: [..., channels]

    Example:
        >>> import torch
        >>> VectorHead(8, 4)(torch.zeros(2, 8)).shape
        torch.Size([2, 4])
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        if in_channels < 1 or channels < 1:
            raise ConfigError(f"'channels' of a head must be at least 1, but got {in_channels} -> {channels}.")
        super().__init__()
        self.linear = nn.Linear(in_channels, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, vectors: Tensor) -> Tensor:
        """Project; see the class for shapes."""
        # Vectors come from disk in float32, whatever precision the head is in.
        return F.gelu(self.norm(self.linear(vectors.to(self.linear.weight.dtype))))
