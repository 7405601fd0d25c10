"""The graph layer of HTLA as its program has it."""

from torch import Tensor, nn

from hgraph.nn.conv import GPTransConv


class HTLABlock(nn.Module):
    r"""Graph propagation attention as in the program of HTLA (`arXiv 2409.00788 <https://arxiv.org/abs/2409.00788>`_).

    It differs from GPTrans (:class:`~hgraph.nn.GPTransBlock`) in that

    - the table of pair states, ``[L * L, De]``, is *reshaped* to ``[De, L, L]`` where it should be transposed, so each
      pair reads numbers of other pairs;
    - there is neither a residual nor a LayerNorm around the attention, and queries, keys and values have no bias;
    - the updated pair states are thrown away: each layer reads those of the first;
    - after the last layer comes a feed-forward network of four times the width,
      :math:`\operatorname{LN}(x + W_2 \operatorname{GELU}(W_1 x))`.

    It is here to compare with published numbers.

    Args:
        channels: the width of a label.
        edge_channels: the width of a pair state.
        heads: the number of attention heads.
        dropout: on attention weights and output, and in the feed-forward network.
        last: whether this is the last layer, which has the feed-forward network.

    Shapes:
        - x ``[L, channels]``, pair_state ``[L, L, edge_channels]``; output likewise

    Example:
        >>> import torch
        >>> block = HTLABlock(16, 4, heads=2, dropout=0.1, last=True)
        >>> block(torch.randn(3, 16), None, torch.randn(3, 3, 4))[0].shape
        torch.Size([3, 16])
    """

    def __init__(self, channels: int, edge_channels: int, *, heads: int, dropout: float, last: bool) -> None:
        super().__init__()
        self.attention = GPTransConv(
            channels, channels, edge_channels, heads=heads, dropout=dropout, bias=False, update_edges=False
        )
        # Of the four maps of the attention, the program gives the output one a bias.
        self.attention.lin_out = nn.Linear(channels, channels)
        self.ffn = feed_forward(channels, dropout) if last else None
        self.ffn_norm = nn.LayerNorm(channels) if last else None

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        for module in (self.attention, *(self.ffn or ()), self.ffn_norm):
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()

    def forward(self, x: Tensor, edge_index: None, pair_state: Tensor) -> tuple[Tensor, Tensor]:
        """The labels after one layer, and the pair states as they were."""
        x, _ = self.attention(x, edge_index, scrambled(pair_state))
        if self.ffn is not None and self.ffn_norm is not None:
            x = self.ffn_norm(x + self.ffn(x))
        return x, pair_state


def scrambled(pair_state: Tensor) -> Tensor:
    """The states ``[L, L, De]`` as HTLA's program reads them, in the same shape.

    Example:
        >>> import torch
        >>> scrambled(torch.arange(8).view(2, 2, 2))[0, 1]  # and not [2, 3]
        tensor([1, 5])
    """
    size, channels = pair_state.shape[-2:]
    return pair_state.reshape(channels, size, size).movedim(0, -1)


def feed_forward(channels: int, dropout: float) -> nn.Sequential:
    """A feed-forward network of four times the width."""
    return nn.Sequential(
        nn.Linear(channels, 4 * channels),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(4 * channels, channels),
        nn.Dropout(dropout),
    )
