"""One level of HMCN: the state of a text reads fields and labels, and goes down."""

import torch
from torch import Tensor, nn


class HMCNLevel(nn.Module):
    r"""One step down: the state reads keys by attention, then passes a feed-forward network.

    .. math:: h \leftarrow \operatorname{LN}(h + \operatorname{MHA}(h, K, K)), \qquad
        h \leftarrow \operatorname{LN}(h + \operatorname{FFN}(h))

    Key :math:`k_n` comes with a weight :math:`w_n \ge 0`: its share of the attention of a query q is proportional to
    :math:`w_n \exp(q^\top k_n / \sqrt{d})`, d the width of a head, so that a key of weight 0 is not there.

    Keys and values have no biases: the first cancels in the softmax, the second is part of the bias of the output. As
    there is one query, its map to the keys and that of what it reads are multiplied instead of every key and value.

    Args:
        channels: the width D of all vectors.
        heads: attention heads, a divisor of ``channels``.
        dropout: inside the feed-forward network.

    Shapes:
        - state ``[B, D]``, keys ``[B, N, D]``, log_weight ``[B, N]``, float32 or better, finite somewhere in each row
        - output ``[B, D]``

    Example:
        >>> level = HMCNLevel(4, heads=2, dropout=0.0)
        >>> level(torch.zeros(3, 4), torch.randn(3, 2, 4), torch.zeros(3, 2)).shape
        torch.Size([3, 4])
    """

    def __init__(self, channels: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels, bias=False)
        self.output = nn.Linear(channels, channels)
        self.attention_norm = nn.LayerNorm(channels)
        self.ffn = mlp(channels, channels, dropout)
        self.ffn_norm = nn.LayerNorm(channels)

    def forward(self, state: Tensor, keys: Tensor, log_weight: Tensor) -> Tensor:
        """The next state; see the class for shapes."""
        state = self.attention_norm(state + self.output(self._attend(state, keys, log_weight)))
        final: Tensor = self.ffn_norm(state + self.ffn(state))
        return final

    def _attend(self, state: Tensor, keys: Tensor, log_weight: Tensor) -> Tensor:
        batch, _, channels = keys.shape
        width = channels // self.heads
        query = self.query(state).view(batch, self.heads, width)
        key, value = self.key_value.weight.view(2, self.heads, width, channels)
        looked_for = torch.einsum("bhd,hdc->bhc", query, key)
        scores = looked_for @ keys.transpose(1, 2) * width**-0.5  # [B, heads, N]
        weights = (scores + log_weight.unsqueeze(1)).softmax(-1).to(scores.dtype)
        return torch.einsum("bhc,hdc->bhd", weights @ keys, value).reshape(batch, channels)


def hidden_layer(channels: int, dropout: float) -> nn.Sequential:
    """What comes before the rows of the labels: D to D, GELU, dropout."""
    return nn.Sequential(nn.Linear(channels, channels), nn.GELU(), nn.Dropout(dropout))


def mlp(channels: int, out: int, dropout: float) -> nn.Sequential:
    """D to D to `out`."""
    return nn.Sequential(*hidden_layer(channels, dropout), nn.Linear(channels, out))
