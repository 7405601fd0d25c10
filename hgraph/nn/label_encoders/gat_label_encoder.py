"""Label vectors that hear of their parents and children: graph attention, or any PyG layer, on the hierarchy."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GATv2Conv
from torch_geometric.utils import add_self_loops

from hgraph.errors import ConfigError
from hgraph.nn.conv import EdgeBlocks
from hgraph.nn.encodings import LabelStructure
from hgraph.nn.label_encoders.conv_block import ConvBlock
from hgraph.nn.label_encoders.edge_label_encoder import EdgeLabelEncoder


class GATLabelEncoder(EdgeLabelEncoder):
    r"""A stack of graph attention layers (`arXiv 2105.14491 <https://arxiv.org/abs/2105.14491>`_) on a hierarchy.

    Edges are those of the hierarchy in both directions, and one from each label to itself. Each layer is a
    :class:`~hgraph.nn.ConvBlock`, so after ``layers`` of them a label has heard of the labels that many edges away.
    Time and memory are linear in the edges. Direction and level of an edge are not told apart; where they matter, use
    :class:`~hgraph.nn.GPTransLabelEncoder` or :class:`~hgraph.nn.GraphormerLabelEncoder`.

    With ``faithful=True`` it is the label encoder of HJCL (`arXiv 2310.05128 <https://arxiv.org/abs/2310.05128>`_):
    per layer one-headed :class:`torch_geometric.nn.GATConv`, then

    .. math:: r \leftarrow \operatorname{LN}(u + \operatorname{Dropout}(W_2 \operatorname{GELU}(W_1 u))), \quad
        u = \operatorname{GAT}(r)

    with a hidden width of ``4 channels``; no residual around the layer and no activation after it. Its programs run 4
    layers. The default form adds what deep stacks miss there, the residual.

    Asking for some ``labels`` computes these and their neighbourhood of ``layers`` edges. That is exact for layers that
    look at a target and its edges (all attention layers, :class:`torch_geometric.nn.SAGEConv`); one that also reads
    how many edges the sources have, as :class:`torch_geometric.nn.GCNConv` does, sees those of the neighbourhood.

    Args:
        graph: the hierarchy, a :class:`~hgraph.nn.LabelStructure` or anything with ``edge_index`` (from parent to
            child) and ``num_nodes``.
        channels: the width of a label vector (default 768).
        conv: a PyG layer from ``channels`` to ``channels``, called as ``conv(x, edge_index)``, of which each block gets
            a copy with parameters of its own; or one for each block, used as they are. Default:
            :class:`torch_geometric.nn.GATv2Conv`.
        layers: the number of blocks (default 2, with ``faithful`` 4, or as many as ``conv`` has).
        heads: the attention heads of the default layer, a divisor of ``channels`` (default 8).
        dropout: in the blocks, and on the attention weights of the default layer (default 0.1).
        in_channels: the width of the features, if it is not ``channels``; they are projected then.
        node_encoder: any label encoder of ``channels`` outputs that makes the start of each label; it takes the place
            of ``in_channels``.
        ffn_ratio: the width of the feed-forward networks in multiples of ``channels`` (default 1).
        norm: where the LayerNorms are, ``"post"`` (default) or ``"pre"``, which adds one at the end.
        residual: whether labels carry on past the layer (default true).
        faithful: the form of HJCL; ``heads``, ``ffn_ratio``, ``norm`` and ``residual`` play no part then.

    Shapes:
        - features ``[L, in_channels]``, labels ``[S]`` or ``None``
        - output ``[L, channels]``, or ``[S, channels]`` with ``labels``

    Example:
        >>> from torch_geometric.data import Data
        >>> from torch_geometric.nn import TransformerConv
        >>> graph = Data(edge_index=torch.tensor([[0, 0], [1, 2]]), num_nodes=4)
        >>> encoder = GATLabelEncoder(graph, channels=16, conv=TransformerConv(16, 8, heads=2), layers=3)
        >>> encoder(torch.randn(4, 16)).shape
        torch.Size([4, 16])
    """

    def __init__(
        self,
        graph: Any,
        *,
        channels: int = 768,
        conv: nn.Module | Sequence[nn.Module] | None = None,
        layers: int | None = None,
        heads: int = 8,
        dropout: float = 0.1,
        in_channels: int | None = None,
        node_encoder: nn.Module | None = None,
        ffn_ratio: float = 1.0,
        norm: Literal["pre", "post"] = "post",
        residual: bool = True,
        faithful: bool = False,
    ) -> None:
        structure = LabelStructure.of(graph)
        super().__init__(structure, channels=channels, in_channels=in_channels, node_encoder=node_encoder)
        if faithful and conv is not None:
            raise ConfigError("'conv' must be None with faithful=True, which has the layer of HJCL.")
        if faithful:
            conv, layers = GATConv(channels, channels, add_self_loops=False), layers or 4
            ffn_ratio, norm, residual = 4.0, "post", False
        elif conv is None:
            conv = _default_conv(channels, heads, dropout)
        self.register_buffer("edges", _both_ways(structure), persistent=False)
        self.blocks = nn.ModuleList(
            ConvBlock(conv, channels, dropout=dropout, ffn_ratio=ffn_ratio, norm=norm, residual=residual)
            for conv in _convs(conv, layers, channels)
        )
        self.output_norm = nn.LayerNorm(channels) if norm == "pre" else nn.Identity()

    def reset_parameters(self) -> None:
        """Draw new parameters, those of ``node_encoder`` excepted."""
        for module in (self.projection, *self.blocks, self.output_norm):
            if isinstance(module, nn.Linear | ConvBlock | nn.LayerNorm):
                module.reset_parameters()

    def layer(
        self, number: int, x: Tensor, edges: Tensor | EdgeBlocks | None, edge_attr: Any, num_targets: int
    ) -> tuple[Tensor, None]:
        """See :class:`~hgraph.nn.EdgeLabelEncoder`."""
        return self.blocks[number](x, edges, num_targets), None

    def finish(self, x: Tensor) -> Tensor:
        """See :class:`~hgraph.nn.EdgeLabelEncoder`."""
        return self.output_norm(x)


def _both_ways(structure: LabelStructure) -> Tensor:
    """The edges in both directions and a loop at each label, sorted by target."""
    edge_index = torch.cat([structure.edge_index, structure.edge_index.flip(0)], dim=1)
    edge_index, _ = add_self_loops(edge_index, num_nodes=structure.num_labels)
    return edge_index[:, edge_index[1].argsort(stable=True)].contiguous()


def _default_conv(channels: int, heads: int, dropout: float) -> nn.Module:
    if heads < 1 or channels % heads:
        raise ConfigError(f"'channels' must be a multiple of 'heads', but got channels={channels}, heads={heads}.")
    return GATv2Conv(channels, channels // heads, heads=heads, dropout=dropout, add_self_loops=False)


def _convs(conv: nn.Module | Sequence[nn.Module], layers: int | None, channels: int) -> Sequence[nn.Module]:
    """One layer for each block, all of them from `channels` to `channels`."""
    if isinstance(conv, nn.Module) and not isinstance(conv, nn.ModuleList):
        layers = 2 if layers is None else layers
        if layers < 1:
            raise ConfigError(f"'layers' must be at least 1, but got {layers}.")
        _check_width(conv, channels)
        return [_fresh_copy(conv) for _ in range(layers)]
    if not len(conv) or layers not in (None, len(conv)):
        raise ConfigError(f"'conv' must hold one layer for each block, but got {len(conv)} and layers={layers}.")
    for one in conv:
        _check_width(one, channels)
    return list(conv)


def _fresh_copy(conv: nn.Module) -> nn.Module:
    copy = deepcopy(conv)
    reset = getattr(copy, "reset_parameters", None)
    if not callable(reset):
        raise ConfigError(
            f"'conv' must have reset_parameters(), but {type(conv).__name__} has none: pass a list of layers."
        )
    reset()
    return copy


@torch.no_grad()
def _check_width(conv: nn.Module, channels: int) -> None:
    """Raise an error where the layer does not take and give `channels`; two nodes go through it."""
    like = next(conv.parameters(), torch.empty(0))
    x = torch.zeros(2, channels, dtype=like.dtype, device=like.device)
    training = conv.training
    try:
        out = conv.eval()(x, torch.tensor([[0, 1, 0, 1], [0, 1, 1, 0]], device=like.device))
    except Exception as error:
        raise ConfigError(
            f"'conv' must take {channels} channels and be called as conv(x, edge_index), but {conv} failed: {error}"
        ) from error
    finally:
        conv.train(training)
    if not isinstance(out, Tensor) or out.shape != x.shape:
        found = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise ConfigError(
            f"'conv' must give {list(x.shape)} for 2 labels of {channels} channels, but {conv} gives {found}."
        )
