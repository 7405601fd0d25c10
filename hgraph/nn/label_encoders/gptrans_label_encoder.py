"""Label vectors that know where their label stands in the hierarchy: GPTrans over all pairs of labels."""

from typing import Any

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.encodings import DenseEdgeEncoding, TreePaths, hierarchy_distance, tree_paths
from hgraph.nn.gptrans_block import GPTransBlock
from hgraph.nn.label_encoders.label_encoder import LabelEncoder


class GPTransLabelEncoder(LabelEncoder):
    r"""GPTrans (`arXiv 2305.11424 <https://arxiv.org/abs/2305.11424>`_) on a label hierarchy, as HTLA uses it.

    Each label starts from its features plus embeddings of its numbers of parents and of children; each pair of labels
    from :class:`~hgraph.nn.DenseEdgeEncoding`. Blocks of graph propagation attention
    (:class:`~hgraph.nn.GPTransBlock`) update both, and a last LayerNorm gives the label vectors.

    Changed against HTLA (`arXiv 2409.00788 <https://arxiv.org/abs/2409.00788>`_), whose program lost parts of GPTrans:
    pair states are not scrambled between pairs; the blocks have their pre-norm and residuals; pair states are carried
    from block to block; degrees are encoded. Label ids play no part: permuting the labels permutes the result.

    Time and memory grow with the square of the number of labels, hence ``max_labels``.

    Args:
        graph: the hierarchy, anything with ``edge_index`` (from parent to child) and ``num_nodes``.
        channels: the width of a label vector (default 768).
        edge_channels: the width of a pair state (default 30).
        heads: the number of attention heads (default 12).
        layers: the number of blocks (default 1).
        dropout: throughout the blocks and on the input (default 0.1).
        max_distance: labels farther apart are treated as this far apart (default 20).
        in_channels: the width of the features, if it is not ``channels``; they are projected then.
        node_encoder: any label encoder of ``channels`` outputs that makes the start of each label, for example
            ``NameLabelEncoder(768, 768, num_labels=graph.num_nodes)`` for names plus a free vector a label. It takes
            the place of ``in_channels``.
        ffn_ratio: the width of the feed-forward networks in multiples of ``channels`` (default 1).
        max_degree: more parents or children than this count as this many (default 64); ``None`` leaves degrees out.
        max_labels: the largest number of labels that is taken on (default 4000).

    Shapes:
        - features ``[L, in_channels]``
        - output ``[L, channels]``

    Example:
        >>> from torch_geometric.data import Data
        >>> graph = Data(edge_index=torch.tensor([[0, 0], [1, 2]]), num_nodes=4)
        >>> encoder = GPTransLabelEncoder(graph, channels=16, heads=2, in_channels=8)
        >>> encoder(torch.randn(4, 8)).shape
        torch.Size([4, 16])
    """

    num_labels: int
    distance: Tensor
    depth: Tensor
    lca: Tensor
    closure: Tensor
    degrees: Tensor

    def __init__(
        self,
        graph: Any,
        *,
        channels: int = 768,
        edge_channels: int = 30,
        heads: int = 12,
        layers: int = 1,
        dropout: float = 0.1,
        max_distance: int = 20,
        in_channels: int | None = None,
        node_encoder: nn.Module | None = None,
        ffn_ratio: float = 1.0,
        max_degree: int | None = 64,
        max_labels: int = 4000,
    ) -> None:
        num_labels = int(graph.num_nodes)
        super().__init__(num_labels, channels)
        if num_labels > max_labels:
            size = pair_memory(num_labels, edge_channels=edge_channels, heads=heads, layers=layers) / 2**30
            raise ConfigError(
                f"'graph' has {num_labels} labels, but GPTransLabelEncoder works on all pairs of labels and takes at "
                f"most max_labels={max_labels}: a training step would hold about {size:.1f} GiB of pairs. Use "
                "NameLabelEncoder or LearnedLabelEncoder, whose cost is linear, or raise 'max_labels'."
            )
        if node_encoder is not None and in_channels is not None:
            raise ConfigError("'in_channels' and 'node_encoder' exclude each other: pass one of them.")
        if getattr(node_encoder, "channels", channels) != channels:
            raise ConfigError(f"'node_encoder' must have channels={channels}, but got {node_encoder!r}.")
        if layers < 1:
            raise ConfigError(f"'layers' must be at least 1, but got {layers}.")
        self.in_channels = in_channels or channels
        self.max_degree = max_degree
        self._cache_structure(graph.edge_index, max_distance)
        self.node_encoder = node_encoder
        self.projection = None if in_channels is None else nn.Linear(in_channels, channels)
        # One table for parents and, behind it, one for children.
        self.degree_embedding = None if max_degree is None else nn.Embedding(2 * (max_degree + 1), channels)
        self.input_norm = nn.LayerNorm(channels)
        self.input_dropout = nn.Dropout(dropout)
        self.edge_encoding = DenseEdgeEncoding(num_labels, edge_channels, max_distance=max_distance)
        self.blocks = nn.ModuleList(
            GPTransBlock(channels, edge_channels, heads=heads, dropout=dropout, ffn_ratio=ffn_ratio)
            for _ in range(layers)
        )
        self.output_norm = nn.LayerNorm(channels)
        self.reset_parameters()

    def _cache_structure(self, edge_index: Tensor, max_distance: int) -> None:
        """Compute once what depends on the graph alone. It follows from the graph, so checkpoints leave it out."""
        paths = tree_paths(edge_index, self.num_labels)
        distance = hierarchy_distance(edge_index, self.num_labels, max_distance=max_distance)
        top = self.max_degree or 0
        parents, children = (
            torch.bincount(edge_index[end], minlength=self.num_labels).clamp(max=top) for end in (1, 0)
        )
        structure = {
            "distance": distance.int(),
            "degrees": torch.stack([parents, children + top + 1]),
            **paths._asdict(),
        }
        for name, value in structure.items():
            self.register_buffer(name, value, persistent=False)

    def reset_parameters(self) -> None:
        """Draw new parameters, those of ``node_encoder`` excepted."""
        for module in (self.projection, self.input_norm, self.edge_encoding, *self.blocks, self.output_norm):
            if module is not None:
                module.reset_parameters()
        if self.degree_embedding is not None:
            nn.init.normal_(self.degree_embedding.weight, std=0.02)

    def forward(self, features: Tensor | None = None) -> Tensor:
        """The vector of each label."""
        if self.node_encoder is not None:
            x = self.node_encoder(features)
        else:
            x = self.require_features(features, self.in_channels)
            x = x if self.projection is None else self.projection(x)
        if self.degree_embedding is not None:
            x = x + self.degree_embedding(self.degrees).sum(0)
        x = self.input_dropout(self.input_norm(x))  # [L, C]
        pair_state = self.edge_encoding(self.distance, TreePaths(self.depth, self.lca, self.closure))  # [L, L, De]
        for block in self.blocks:
            x, pair_state = block(x, pair_state)
        return self.output_norm(x)


def pair_memory(num_labels: int, *, edge_channels: int, heads: int, layers: int) -> int:
    """About how many bytes of float32 pair tensors a training step of GPTrans holds.

    A layer keeps four tensors of the width of the pair state (old, update, softmax, product) and four of the width of
    the heads (logits, softmax, dropout, sum) for its backward pass.

    Example:
        >>> pair_memory(1000, edge_channels=30, heads=12, layers=1)
        672000000
    """
    return 4 * 4 * (edge_channels + heads) * layers * num_labels**2
