"""Label vectors from sweeps up and down a hierarchy: all labels hear of all others in one layer, at linear cost."""

from typing import Any

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.encodings import LabelStructure
from hgraph.nn.label_encoders.feature_rows import LabelFeatures
from hgraph.nn.label_encoders.graph_label_encoder import GraphLabelEncoder
from hgraph.nn.label_encoders.label_encoder import chosen_rows
from hgraph.nn.label_encoders.tree_sweep import SweepPlan, TreeSweep


class TreeSweepEncoder(GraphLabelEncoder):
    r"""Layers of attention that follow the hierarchy, up from the leaves to the roots and down again.

    Each layer is a sweep up, in which labels attend to their children, a sweep down, in which they attend to their
    parents, and a feed-forward network, all with residuals and pre-norm (:class:`~hgraph.nn.TreeSweep`). The roots have
    a learned virtual root above them. So every label reaches every other within one layer, over their lowest common
    ancestor, whatever their distance; time and memory are linear in the edges. The levels come one after the other,
    hence many of them (a chain of thousands of labels) are slow. With several parents, all of them are listened to.

    Args:
        graph: the hierarchy, a :class:`~hgraph.nn.LabelStructure` or anything with ``edge_index`` (from parent to
            child) and ``num_nodes``.
        channels: the width of a label vector (default 768).
        layers: the number of layers (default 1).
        heads: the number of attention heads, a divisor of ``channels`` (default 8).
        dropout: on what labels hear and on the feed-forward network (default 0.1).
        in_channels: the width of the features, if it is not ``channels``; they are projected then.
        node_encoder: any label encoder of ``channels`` outputs that makes the start of each label; it takes the place
            of ``in_channels``.
        ffn_ratio: the width of the feed-forward networks in multiples of ``channels`` (default 1).

    Shapes:
        - features ``[L, in_channels]``, labels ``[S]`` or ``None`` (all labels are computed in any case)
        - output ``[L, channels]``, or ``[S, channels]`` with ``labels``

    Example:
        >>> from torch_geometric.data import Data
        >>> graph = Data(edge_index=torch.tensor([[0, 0], [1, 2]]), num_nodes=4)
        >>> TreeSweepEncoder(graph, channels=16, heads=2)(torch.randn(4, 16)).shape
        torch.Size([4, 16])
    """

    level_order: Tensor
    place: Tensor

    def __init__(
        self,
        graph: Any,
        *,
        channels: int = 768,
        layers: int = 1,
        heads: int = 8,
        dropout: float = 0.1,
        in_channels: int | None = None,
        node_encoder: nn.Module | None = None,
        ffn_ratio: float = 1.0,
    ) -> None:
        structure = LabelStructure.of(graph)
        super().__init__(structure, channels=channels, in_channels=in_channels, node_encoder=node_encoder)
        if layers < 1:
            raise ConfigError(f"'layers' must be at least 1, but got {layers}.")
        order = structure.level.argsort(stable=True)
        self.register_buffer("level_order", order, persistent=False)
        self.register_buffer("place", order.argsort(), persistent=False)
        self.level_sizes = torch.bincount(structure.level)[1:].tolist()
        self.up, self.down = SweepPlan(structure, up=True), SweepPlan(structure, up=False)
        self.virtual_root = nn.Parameter(torch.empty(1, channels))
        self.layers = nn.ModuleList(
            _Layer(channels, heads=heads, dropout=dropout, ffn_ratio=ffn_ratio) for _ in range(layers)
        )
        self.output_norm = nn.LayerNorm(channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters, those of ``node_encoder`` excepted."""
        nn.init.normal_(self.virtual_root, std=0.02)
        for module in (self.projection, *self.layers, self.output_norm):
            if module is not None:
                module.reset_parameters()

    def forward(self, features: LabelFeatures | None = None, *, labels: Tensor | None = None) -> Tensor:
        """The vector of each label, or of each of ``labels``."""
        x = self.start(features)[self.level_order]
        levels = [self.virtual_root.to(x.dtype), *x.split(self.level_sizes)]
        for layer in self.layers:
            levels = layer(levels, self.up, self.down)
        return chosen_rows(self.output_norm(torch.cat(levels[1:]))[self.place], labels)


class _Layer(nn.Module):
    """Up, down, and a feed-forward network."""

    def __init__(self, channels: int, *, heads: int, dropout: float, ffn_ratio: float) -> None:
        super().__init__()
        hidden = max(1, round(channels * ffn_ratio))
        self.up = TreeSweep(channels, heads=heads, dropout=dropout, own=False)
        self.down = TreeSweep(channels, heads=heads, dropout=dropout, own=True)
        self.ffn = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, channels),
            nn.Dropout(dropout),
        )

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        for module in (self.up, self.down, *self.ffn):
            if isinstance(module, TreeSweep | nn.LayerNorm | nn.Linear):
                module.reset_parameters()

    def forward(self, levels: list[Tensor], up: SweepPlan, down: SweepPlan) -> list[Tensor]:
        """All levels after the layer, the virtual root first."""
        x = torch.cat(levels := self.down(self.up(levels, up), down))
        sizes = [len(level) for level in levels]
        return list((x + self.ffn(x)).split(sizes))
