"""A learned weighted mean of some vectors of a document: of its windows, of its fields."""

import torch
from torch import Tensor, nn

from hgraph.text.pooling import masked_softmax


class AttentionPooling(nn.Module):
    r"""Weighted mean :math:`\sum_k \alpha_k h_k`, :math:`\alpha = \mathrm{softmax}_k(u^\top \tanh(W h_k + b))`.

    Args:
        channels: Width D of the vectors.

    Shapes:
        - input: vectors [B, K, D], mask [B, K], True at real vectors
        - output: [B, D], zeros where there is no real vector
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.map = nn.Linear(channels, channels)
        self.query = nn.Linear(channels, 1, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the map anew; the query starts at zero, which makes the first result the mean."""
        self.map.reset_parameters()
        nn.init.zeros_(self.query.weight)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Pool; see the class for shapes."""
        scores = self.query(torch.tanh(self.map(vectors))).squeeze(-1)
        weights = masked_softmax(scores, mask).to(vectors.dtype)
        return (weights.unsqueeze(-1) * vectors).sum(1)
