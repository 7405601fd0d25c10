"""Attention with a structural bias."""

from typing import Any, Optional, get_args

import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.nn.dense.linear import Linear
from torch_geometric.typing import OptTensor
from torch_geometric.utils import softmax

from hgraph.errors import ConfigError
from hgraph.nn.conv.attention import attend_rows, check_heads, edge_states, source_and_target
from hgraph.nn.conv.block_propagation import propagate_blocks
from hgraph.nn.conv.edge_blocks import EdgeBlocks
from hgraph.nn.conv.flex import Backend, try_flex_rows, wants_flex
from hgraph.nn.conv.gptrans_conv import MAX_SCATTER_EDGES
from hgraph.nn.encodings.pair_rows import DenseRows, PairRows
from hgraph.nn.encodings.tree_rows import TreeRows


class GraphormerConv(MessagePassing):
    r"""The attention of Graphormer (`arXiv 2106.05234 <https://arxiv.org/abs/2106.05234>`_).

    Attention of each node to its neighbours, with a bias :math:`b_{ij}` that says where the two stand in the graph:

    .. math::
        A^h_{ij} = \langle q^h_i, k^h_j \rangle / \sqrt{C / H} + b^h_{ij}, \qquad
        x'_i = W_o \big\Vert_h \sum_{j \in \mathcal{N}(i)} \operatorname{softmax}_j(A^h_{ij}) \, v^h_j + b_o

    The paper has all pairs of nodes in :math:`\mathcal{N}`: pass ``None`` for the edges. With edges the maths is the
    same over the edges of each target, so on a complete set of edges (self-loops included) both agree. Many edges go
    through :class:`~hgraph.nn.EdgeBlocks`, as in :class:`~hgraph.nn.GPTransConv`. Residuals and normalisation are the
    business of :class:`~hgraph.nn.GraphormerBlock`.

    Args:
        in_channels: the width of a node; a pair for sources and targets of a bipartite graph; -1 is found out from the
            first input.
        out_channels: the width :math:`C` of a new node.
        heads: the number :math:`H` of attention heads, a divisor of ``out_channels`` (default 8).
        edge_channels: with it, edges have states of this width and :math:`b_{ij}` is a linear map of them; without
            (default) they are the bias itself, one number a head or one for all heads.
        dropout: on the attention weights and on the output (default 0).
        backend: how all pairs of a tree (:class:`~hgraph.nn.TreeRows`) are attended to: ``chunked``, some targets at a
            time; ``flex``, in a kernel that PyTorch's `flex_attention` makes; ``auto`` (default) takes the kernel on
            CUDA for 2,048 nodes and more. With dropout or padding, with gradients on a CPU, and where no kernel can be
            made, it is ``chunked``.
        bias: whether queries, keys, values and the output have a bias (default true).
        kwargs: further arguments of :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - with edges: x ``[N, in]`` or ``([N_src, in], [N_dst, in])``, edge_index ``[2, E]`` from source to target,
          edge_attr ``[E, H]``, ``[E, 1]`` or ``[E, edge_channels]``; output ``[N_dst, C]``
        - all pairs: x ``[*, n, in]``, edge_attr ``[*, n, n, H]`` (target, source), the other widths likewise, or
          :class:`~hgraph.nn.PairRows`, mask ``[*, n]`` (true for nodes, false for padding); output ``[*, n, C]``,
          zero at padding

    Example:
        >>> import torch
        >>> conv = GraphormerConv(16, 16, heads=2)
        >>> conv(torch.randn(3, 16), torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.randn(3, 2)).shape
        torch.Size([3, 16])
        >>> conv(torch.randn(3, 16), None, torch.randn(3, 3, 1)).shape
        torch.Size([3, 16])
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        *,
        heads: int = 8,
        edge_channels: int | None = None,
        dropout: float = 0.0,
        backend: Backend = "auto",
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "add", "node_dim": 0, **kwargs})
        check_heads(out_channels, heads)
        self.in_channels, self.out_channels, self.edge_channels = in_channels, out_channels, edge_channels
        if backend not in get_args(Backend):
            raise ConfigError(f"'backend' must be one of {', '.join(get_args(Backend))}, but got {backend!r}.")
        self.heads, self.dropout, self.backend = heads, dropout, backend
        from_source, from_target = (in_channels, in_channels) if isinstance(in_channels, int) else in_channels
        self.lin_query = Linear(from_target, out_channels, bias=bias)
        self.lin_key_value = Linear(from_source, 2 * out_channels, bias=bias)
        self.lin_edge = None if edge_channels is None else nn.Linear(edge_channels, heads, bias=False)
        self.lin_out = nn.Linear(out_channels, out_channels, bias=bias)

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        super().reset_parameters()
        for layer in (self.lin_query, self.lin_key_value, self.lin_edge, self.lin_out):
            if layer is not None:
                layer.reset_parameters()

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        edge_index: Tensor | EdgeBlocks | None,
        edge_attr: Tensor | PairRows | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """The new nodes, without residuals."""
        source, target = source_and_target(x)
        # Heads before channels; the scale of the logits is put on the queries, which are fewest.
        query = self.lin_query(target).unflatten(-1, (self.heads, -1)) * (self.out_channels / self.heads) ** -0.5
        key_value = self.lin_key_value(source).unflatten(-1, (2, self.heads, -1))  # [*, N, 2, H, C / H]
        self._check_channels(edge_attr)
        dropout = self.dropout if self.training else 0.0
        if edge_index is None:
            pairs = DenseRows(edge_attr) if isinstance(edge_attr, Tensor) else edge_attr
            if pairs is not None and self.lin_edge is not None:
                pairs = pairs.project(self.lin_edge.weight)
            nodes = self._all_pairs(query, key_value, pairs, mask, dropout)
        else:
            nodes = self._edges(query, key_value, edge_index, edge_attr, dropout)
        nodes = F.dropout(self.lin_out(nodes.flatten(-2)), self.dropout, self.training)
        return nodes if mask is None or edge_index is not None else nodes * mask.unsqueeze(-1)

    def _all_pairs(
        self, query: Tensor, key_value: Tensor, pairs: PairRows | None, mask: Tensor | None, dropout: float
    ) -> Tensor:
        """Every node listens to every node."""
        nodes = None
        if isinstance(pairs, TreeRows) and wants_flex(self.backend, query, pairs, mask, dropout):
            nodes = try_flex_rows(query, key_value, pairs)
        return attend_rows(query, key_value, pairs, mask, dropout=dropout).nodes if nodes is None else nodes

    def _edges(
        self,
        query: Tensor,
        key_value: Tensor,
        edge_index: Tensor | EdgeBlocks,
        edge_attr: Tensor | PairRows | None,
        dropout: float,
    ) -> Tensor:
        """Every node listens to the sources of its edges."""
        bias = None
        if edge_attr is not None:
            width = edge_attr.channels if isinstance(edge_attr, PairRows) else edge_attr.shape[-1]
            bias = edge_states(edge_index, edge_attr, width)
            bias = bias if self.lin_edge is None else self.lin_edge(bias)
        if isinstance(edge_index, Tensor) and edge_index.shape[-1] * self.out_channels > MAX_SCATTER_EDGES:
            edge_index = EdgeBlocks(edge_index, len(query))
        if isinstance(edge_index, EdgeBlocks):
            return propagate_blocks(_Block(dropout), edge_index, query, key_value, bias, random=dropout > 0)[0]
        size = (len(key_value), len(query))
        return self.propagate(edge_index, size=size, query=query, key_value=key_value, bias=bias)

    def _check_channels(self, edge_attr: Tensor | PairRows | None) -> None:
        if edge_attr is None:
            return
        found = edge_attr.channels if isinstance(edge_attr, PairRows) else edge_attr.shape[-1]
        expected = {1, self.heads} if self.edge_channels is None else {self.edge_channels}
        if found not in expected:
            choice = " or ".join(str(width) for width in sorted(expected))
            raise ConfigError(f"'edge_attr' must have {choice} channels, but got {found}.")

    def message(
        self,
        query_i: Tensor,
        key_value_j: Tensor,
        bias: OptTensor,
        index: Tensor,
        ptr: OptTensor,
        size_i: Optional[int],
    ) -> Tensor:
        """What sources tell their targets, ``[E, H, C / H]``."""
        logits = (query_i * key_value_j[:, 0]).sum(-1)
        weights = softmax(logits if bias is None else logits + bias, index, ptr, size_i)
        return F.dropout(weights, self.dropout, self.training).unsqueeze(-1) * key_value_j[:, 1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, {self.out_channels}, heads={self.heads})"


class _Block:
    """The layer on the edges of some targets, for :func:`propagate_blocks`."""

    def __init__(self, dropout: float) -> None:
        self.dropout = dropout

    def __call__(self, query: Tensor, key_value: Tensor, bias: Tensor | None) -> tuple[Tensor, None]:
        # query [m, H, d], key_value [w, m, 2, H, d], bias [w, m, H or 1]; softmax over w
        key, value = key_value.unbind(2)
        logits = (query * key).sum(-1)
        weights = (logits if bias is None else logits + bias).softmax(0)
        weights = F.dropout(weights, self.dropout, self.dropout > 0)
        return (weights.unsqueeze(-1) * value).sum(0), None
