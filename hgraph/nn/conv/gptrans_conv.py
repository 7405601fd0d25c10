"""Graph propagation attention: nodes and pairs of nodes inform each other."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.errors import ConfigError


class GPTransConv(nn.Module):
    r"""Graph propagation attention of GPTrans (`arXiv 2305.11424 <https://arxiv.org/abs/2305.11424>`_), dense form.

    Attention among all nodes, biased by a state :math:`e_{ij}` of each pair of nodes, which in turn is updated. For
    each head :math:`h` and each channel :math:`c` of the pair state:

    .. math::
        A^h_{ij} &= \langle q^h_i, k^h_j \rangle / \sqrt{C / H} + (R e_{ij} + r)_h \\
        P^h_{ij} &= \operatorname{softmax}_j(A^h_{ij}) \\
        e'_{ij} &= S (P_{ij} + A_{ij}) + s \\
        m_{ic} &= \sum_j \operatorname{softmax}_j(e'_{ijc}) \, e'_{ijc} \\
        x'_i &= W_o \Big( \big\Vert_h \sum_j P^h_{ij} v^h_j + F m_i + f \Big) + b_o

    that is, from node to node, from node to edge, and from edge to node. The result is bare: residuals and
    normalisation are the business of :class:`~hgraph.nn.GPTransBlock`. The pair states are also what brings the graph
    in: fill them from :class:`~hgraph.nn.DenseEdgeEncoding` for a label hierarchy, or from an embedding of
    :func:`~hgraph.nn.to_dense_graph` for an ordinary PyG batch.

    Args:
        channels: the width :math:`C` of a node.
        edge_channels: the width :math:`D_e` of a pair state.
        heads: the number :math:`H` of attention heads, a divisor of ``channels`` (default 8).
        dropout: on the attention weights and on the output (default 0).
        bias: whether queries, keys, values and the output have a bias (default true).

    Shapes:
        - x ``[*, n, C]``, edge_state ``[*, n, n, De]``, mask ``[*, n]`` (true for nodes, false for padding)
        - output: ``[*, n, C]`` and ``[*, n, n, De]``; both are zero at padding

    Example:
        >>> conv = GPTransConv(channels=16, edge_channels=4, heads=2)
        >>> x, edge_state = conv(torch.randn(3, 5, 16), torch.randn(3, 5, 5, 4))
        >>> x.shape, edge_state.shape
        (torch.Size([3, 5, 16]), torch.Size([3, 5, 5, 4]))
    """

    def __init__(
        self, channels: int, edge_channels: int, *, heads: int = 8, dropout: float = 0.0, bias: bool = True
    ) -> None:
        super().__init__()
        if heads < 1 or channels < 1 or channels % heads:
            raise ConfigError(f"'channels' must be a multiple of 'heads', but got channels={channels}, heads={heads}.")
        if edge_channels < 1:
            raise ConfigError(f"'edge_channels' must be at least 1, but got {edge_channels}.")
        self.channels = channels
        self.edge_channels = edge_channels
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(channels, 3 * channels, bias=bias)
        self.reduce = nn.Linear(edge_channels, heads)
        self.expand = nn.Linear(heads, edge_channels)
        self.edge_to_node = nn.Linear(edge_channels, channels)
        self.out = nn.Linear(channels, channels, bias=bias)

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        for layer in (self.qkv, self.reduce, self.expand, self.edge_to_node, self.out):
            layer.reset_parameters()

    def forward(self, x: Tensor, edge_state: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The new nodes and the new pair states, without residuals."""
        # Node to node. Heads go last, next to the channels of the pair state, so no pair tensor is ever transposed.
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(-3)  # [*, n, H, C / H]
        logits = torch.einsum("...ihd,...jhd->...ijh", query * query.shape[-1] ** -0.5, key)
        logits = logits + self.reduce(edge_state)  # [*, n, n, H]
        weights = F.dropout(_softmax_over_keys(logits, mask), self.dropout, self.training)
        nodes = torch.einsum("...ijh,...jhd->...ihd", weights, value).flatten(-2)  # [*, n, C]

        # Node to edge: the weights plus the raw logits, which padding has not touched.
        edge_update = self.expand(weights + logits)  # [*, n, n, De]

        # Edge to node: each channel picks the pairs it listens to.
        message = (_softmax_over_keys(edge_update, mask) * edge_update).sum(-2)  # [*, n, De]
        nodes = F.dropout(self.out(nodes + self.edge_to_node(message)), self.dropout, self.training)
        if mask is None:
            return nodes, edge_update
        pairs = mask.unsqueeze(-1) & mask.unsqueeze(-2)
        return nodes * mask.unsqueeze(-1), edge_update * pairs.unsqueeze(-1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.channels}, {self.edge_channels}, heads={self.heads})"


def _softmax_over_keys(values: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the second-last axis ``j`` of ``[*, i, j, c]``, with padded keys left out."""
    if mask is not None:
        # The lowest finite number rather than -inf: a graph without any node gives zeros in the end, not NaN.
        values = values.masked_fill(~mask[..., None, :, None], torch.finfo(values.dtype).min)
    return values.softmax(-2)
