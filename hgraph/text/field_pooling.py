"""One vector from those of several fields."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.text.attention_pooling import AttentionPooling


class FieldPooling(nn.Module):
    r"""Self-attention between fields, then a learned weighted mean of them.

    .. math::
        H' = H + \mathrm{MHA}(H), \quad h = \sum_f \alpha_f H'_f, \quad
        \alpha = \mathrm{softmax}_f(u^\top \tanh(W H'_f + b))

    Args:
        channels: Width D of the vectors.
        heads: Attention heads; they divide `channels`.
        dropout: On attention weights and on h.

    Shapes:
        - input: vectors [B, F, D], mask [B, F], True where a document has the field (at least once a document)
        - output: h [B, D] and H' [B, F, D], zeros where `mask` is False
    """

    def __init__(self, channels: int, *, heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ConfigError(f"'heads' must divide the width of the vectors, {channels}, but got {heads}.")
        self.heads = heads
        self.to_heads = nn.Linear(channels, 3 * channels)
        self.from_heads = nn.Linear(channels, channels)
        self.attention = AttentionPooling(channels)
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the maps anew."""
        for linear in (self.to_heads, self.from_heads):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        self.attention.reset_parameters()

    def forward(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool; see the class for shapes."""
        fields = (vectors + self._attend(vectors, mask)) * mask.unsqueeze(-1)
        return self.dropout(self.attention(fields, mask)), fields

    def _attend(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Multi-head self-attention between the fields of a document, [B, F, D]."""
        batch, fields, channels = vectors.shape
        heads = self.to_heads(vectors).view(batch, fields, 3, self.heads, channels // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each [B, heads, F, D / heads]
        dropout = self.dropout.p if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, mask[:, None, None, :], dropout_p=dropout)
        return self.from_heads(attended.transpose(1, 2).reshape(batch, fields, channels))


def drop_fields(mask: Tensor, share: float) -> Tensor:
    """Leave each field of a document out with probability `share`, but never all.

    Example:
        >>> mask = torch.tensor([[True, False], [True, True]])
        >>> drop_fields(mask, 0.999).sum(1).tolist()
        [1, 1]
    """
    draw = torch.rand(mask.shape, device=mask.device).masked_fill(~mask, -1.0)
    # The largest draw is the last to fall below the share; keeping it whatever it is leaves one field.
    kept = (draw >= share).scatter(1, draw.argmax(1, keepdim=True), True)
    return kept & mask
