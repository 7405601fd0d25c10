"""Graph propagation attention: nodes and the edges between them inform each other."""

from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.nn.dense.linear import Linear
from torch_geometric.typing import OptTensor
from torch_geometric.utils import scatter, softmax

from hgraph.errors import ConfigError
from hgraph.nn.conv.attention import attend_rows, check_heads, edge_states, source_and_target
from hgraph.nn.conv.block_propagation import propagate_blocks
from hgraph.nn.conv.edge_blocks import EdgeBlocks
from hgraph.nn.conv.self_weighted_sum import self_weighted_sum
from hgraph.nn.encodings.pair_rows import DenseRows, PairRows

MAX_SCATTER_EDGES = 2**22
"""From so many numbers in the messages on, edges are gone through in blocks."""


class GPTransConv(MessagePassing):
    r"""Graph propagation attention of GPTrans (`arXiv 2305.11424 <https://arxiv.org/abs/2305.11424>`_).

    Attention of each node to its neighbours, biased by a state :math:`e_{ij}` of each edge, which in turn is updated.
    For target :math:`i`, sources :math:`j \in \mathcal{N}(i)`, each head :math:`h` and each channel :math:`c` of the
    edge state:

    .. math::
        A^h_{ij} &= \langle q^h_i, k^h_j \rangle / \sqrt{C / H} + (R e_{ij} + r)_h \\
        P^h_{ij} &= \operatorname{softmax}_j(A^h_{ij}) \\
        e'_{ij} &= S (P_{ij} + A_{ij}) + s \\
        m_{ic} &= \sum_j \operatorname{softmax}_j(e'_{ijc}) \, e'_{ijc} \\
        x'_i &= W_o \Big( \big\Vert_h \sum_j P^h_{ij} v^h_j + F m_i + f \Big) + b_o

    that is, from node to node, from node to edge, and from edge to node. The result is bare: residuals and
    normalisation are the business of :class:`~hgraph.nn.GPTransBlock`.

    The paper has all pairs of nodes in :math:`\mathcal{N}`: pass ``None`` for the edges. With edges the maths is the
    same over the edges of each target, so on a complete set of edges (self-loops included) both agree. Edges go
    through scatter operations where they are few, and through :class:`~hgraph.nn.EdgeBlocks` where they are many or
    where such blocks are passed; memory beyond the results then does not depend on their number.

    Args:
        in_channels: the width of a node; a pair for sources and targets of a bipartite graph; -1 is found out from the
            first input.
        out_channels: the width :math:`C` of a new node.
        edge_channels: the width :math:`D_e` of an edge state.
        heads: the number :math:`H` of attention heads, a divisor of ``out_channels`` (default 8).
        dropout: on the attention weights and on the output (default 0).
        bias: whether queries, keys, values and the output have a bias (default true).
        update_edges: whether :math:`e'` is returned. Without (the last layer of a model needs none), the edge states
            come back as they were, and memory is saved.
        kwargs: further arguments of :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - with edges: x ``[N, in]`` or ``([N_src, in], [N_dst, in])``, edge_index ``[2, E]`` from source to target,
          edge_attr ``[E, De]``; output ``[N_dst, C]`` and ``[E, De]``
        - all pairs: x ``[*, n, in]``, edge_attr ``[*, n, n, De]`` (target, source) or
          :class:`~hgraph.nn.PairRows`, mask ``[*, n]`` (true for nodes, false for padding); output ``[*, n, C]`` and
          ``[*, n, n, De]``, both zero at padding

    Example:
        >>> conv = GPTransConv(16, 16, edge_channels=4, heads=2)
        >>> edge_index = torch.tensor([[0, 1, 2, 2], [1, 2, 0, 2]])
        >>> x, edge_attr = conv(torch.randn(3, 16), edge_index, torch.randn(4, 4))
        >>> x.shape, edge_attr.shape
        (torch.Size([3, 16]), torch.Size([4, 4]))
        >>> x, edge_attr = conv(torch.randn(3, 16), None, torch.randn(3, 3, 4))
        >>> x.shape, edge_attr.shape
        (torch.Size([3, 16]), torch.Size([3, 3, 4]))
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        edge_channels: int,
        *,
        heads: int = 8,
        dropout: float = 0.0,
        bias: bool = True,
        update_edges: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"aggr": "add", "node_dim": 0, **kwargs})
        check_heads(out_channels, heads)
        if edge_channels < 1:
            raise ConfigError(f"'edge_channels' must be at least 1, but got {edge_channels}.")
        self.in_channels, self.out_channels, self.edge_channels = in_channels, out_channels, edge_channels
        self.heads, self.dropout, self.update_edges = heads, dropout, update_edges
        from_source, from_target = (in_channels, in_channels) if isinstance(in_channels, int) else in_channels
        self.lin_query = Linear(from_target, out_channels, bias=bias)
        self.lin_key_value = Linear(from_source, 2 * out_channels, bias=bias)
        self.reduce = nn.Linear(edge_channels, heads)
        self.expand = nn.Linear(heads, edge_channels)
        self.edge_to_node = nn.Linear(edge_channels, out_channels)
        self.lin_out = nn.Linear(out_channels, out_channels, bias=bias)

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        super().reset_parameters()
        for layer in (
            self.lin_query,
            self.lin_key_value,
            self.reduce,
            self.expand,
            self.edge_to_node,
            self.lin_out,
        ):
            layer.reset_parameters()

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        edge_index: Tensor | EdgeBlocks | None,
        edge_attr: Tensor | PairRows,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | PairRows]:
        """The new nodes and the new edge states, without residuals."""
        source, target = source_and_target(x)
        # Heads before channels; the scale of the logits is put on the queries, which are fewest.
        query = self.lin_query(target).unflatten(-1, (self.heads, -1)) * (self.out_channels / self.heads) ** -0.5
        key_value = self.lin_key_value(source).unflatten(-1, (2, self.heads, -1))  # [*, N, 2, H, C / H]
        if edge_index is None:
            nodes, message, update = self._all_pairs(query, key_value, edge_attr, mask)
        else:
            nodes, message, update = self._edges(query, key_value, edge_index, edge_attr)
        del query, key_value  # the largest tensors of a large graph
        nodes = self.lin_out(self.edge_to_node(message).add_(nodes.flatten(-2)))
        nodes = F.dropout(nodes, self.dropout, self.training)
        if edge_index is None and mask is not None:
            nodes = nodes * mask.unsqueeze(-1)
        return nodes, edge_attr if update is None else update

    def _all_pairs(
        self, query: Tensor, key_value: Tensor, edge_attr: Tensor | PairRows, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Every node listens to every node."""
        pairs = edge_attr if isinstance(edge_attr, PairRows) else DenseRows(edge_attr)
        if pairs.channels != self.edge_channels:
            raise ConfigError(f"'edge_attr' must have {self.edge_channels} channels, but got {pairs.channels}.")
        return attend_rows(
            query,
            key_value,
            pairs.project(self.reduce.weight, self.reduce.bias),
            mask,
            expand=self.expand,
            keep_pairs=self.update_edges,
            dropout=self.dropout if self.training else 0.0,
        )

    def _edges(
        self, query: Tensor, key_value: Tensor, edge_index: Tensor | EdgeBlocks, edge_attr: Tensor | PairRows
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Every node listens to the sources of its edges."""
        states = edge_states(edge_index, edge_attr, self.edge_channels)
        if isinstance(edge_index, Tensor) and states.shape[0] * self.out_channels > MAX_SCATTER_EDGES:
            edge_index = EdgeBlocks(edge_index, len(query))
        if not isinstance(edge_index, EdgeBlocks):
            weights, update = self.edge_updater(edge_index, query=query, key_value=key_value, edge_attr=states)
            size = (len(key_value), len(query))
            nodes, message = self.propagate(edge_index, size=size, key_value=key_value, weights=weights, update=update)
            return nodes, message, update if self.update_edges else None
        linear = (self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias)
        dropout = self.dropout if self.training else 0.0
        joined, update = propagate_blocks(
            _Block(dropout, self.update_edges), edge_index, query, key_value, states, *linear, random=dropout > 0
        )
        nodes, message = joined.split([self.out_channels, self.edge_channels], dim=-1)
        return nodes.unflatten(-1, (self.heads, -1)), message, update

    def edge_update(
        self,
        query_i: Tensor,
        key_value_j: Tensor,
        edge_attr: Tensor,
        index: Tensor,
        ptr: OptTensor,
        size_i: Optional[int],
    ) -> tuple[Tensor, Tensor]:
        """Attention weights ``[E, H]`` and new edge states ``[E, De]``."""
        logits = (query_i * key_value_j[:, 0]).sum(-1) + self.reduce(edge_attr)
        weights = F.dropout(softmax(logits, index, ptr, size_i), self.dropout, self.training)
        return weights, self.expand(weights + logits)

    def message(
        self,
        key_value_j: Tensor,
        weights: Tensor,
        update: Tensor,
        index: Tensor,
        ptr: OptTensor,
        size_i: Optional[int],
    ) -> tuple[Tensor, Tensor]:
        """What sources ``[E, H, C / H]`` and edges ``[E, De]`` tell their targets."""
        # Each channel picks the edges it listens to.
        return weights.unsqueeze(-1) * key_value_j[:, 1], softmax(update, index, ptr, size_i) * update

    def aggregate(
        self, inputs: tuple[Tensor, Tensor], index: Tensor, ptr: OptTensor = None, dim_size: Optional[int] = None
    ) -> tuple[Tensor, Tensor]:
        """The sums of both over the edges of each target."""
        return tuple(scatter(part, index, dim=0, dim_size=dim_size) for part in inputs)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, {self.edge_channels}, heads={self.heads})"
        )


class _Block:
    """The layer on the edges of some targets, for :func:`propagate_blocks`."""

    def __init__(self, dropout: float, update_edges: bool) -> None:
        self.dropout, self.update_edges = dropout, update_edges

    def __call__(self, query: Tensor, key_value: Tensor, edge: Tensor, *linear: Tensor) -> tuple[Tensor, Tensor | None]:
        # query [m, H, d], key_value [w, m, 2, H, d], edge [w, m, De]; softmaxes over w
        key, value = key_value.unbind(2)
        logits = (query * key).sum(-1) + F.linear(edge, *linear[:2])  # [w, m, H]
        weights = F.dropout(logits.softmax(0), self.dropout, self.dropout > 0)
        nodes = (weights.unsqueeze(-1) * value).sum(0)  # [m, H, d]
        update = F.linear(weights + logits, *linear[2:])  # [w, m, De]
        message = self_weighted_sum(update, 0)  # [m, De]
        return torch.cat([nodes.flatten(1), message], dim=1), update if self.update_edges else None
