"""Label encoders whose layers go along a list of edges, for all labels or for some."""

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.conv import EdgeBlocks
from hgraph.nn.label_encoders.feature_rows import LabelFeatures
from hgraph.nn.label_encoders.graph_label_encoder import GraphLabelEncoder
from hgraph.nn.label_encoders.label_encoder import LabelEncoder
from hgraph.nn.label_sampling.label_subgraph import NeighbourSampler


class EdgeLabelEncoder(GraphLabelEncoder):
    """Base of the label encoders that are a stack of layers on a list of edges.

    Asked for some ``labels``, such an encoder computes these and what they hear of, layer by layer: the last layer for
    the labels alone, the one before for these and their neighbours, and so on. The result is that of the full pass.
    :class:`~hgraph.nn.CachedLabelEncoder` goes one step further and reads neighbours from a memory.

    A subclass has ``blocks`` and ``edges``, and says what one layer does (:meth:`layer`), what edges start from
    (:meth:`edge_states`), and what comes after the last layer (:meth:`finish`).
    """

    blocks: nn.ModuleList
    edges: Tensor | EdgeBlocks | None
    """All edges, or None in a form of the encoder in which every label listens to every other."""
    _sampler: NeighbourSampler | None = None

    @abstractmethod
    def layer(
        self, number: int, x: Tensor, edges: Tensor | EdgeBlocks | None, edge_attr: Any, num_targets: int
    ) -> tuple[Tensor, Any]:
        """The first ``num_targets`` of the labels ``x``, and the edges to them, after one layer."""

    def edge_states(self, edges: Tensor | None = None) -> Any:
        """What all edges, or those of these numbers, have before the first layer; None where edges are alike."""
        return None

    def finish(self, x: Tensor) -> Tensor:
        """Label vectors from what the last layer gives."""
        return x

    @property
    def partial(self) -> bool:
        """Where there is a list of edges, and each label starts by itself."""
        own = self.node_encoder is None or (isinstance(self.node_encoder, LabelEncoder) and self.node_encoder.partial)
        return self.edges is not None and own

    @property
    def edge_index(self) -> Tensor | None:
        """All edges from source to target, ``[2, E]``."""
        return self.edges.edge_index if isinstance(self.edges, EdgeBlocks) else self.edges

    @property
    def sampler(self) -> NeighbourSampler:
        """Finds the neighbourhood of labels; made on first use and after a move to another device."""
        edge_index = self.edge_index
        if edge_index is None:
            raise ConfigError(f"{type(self).__name__} has no edges to follow in this form: use form='edges'.")
        if self._sampler is None or self._sampler.device != edge_index.device:
            self._sampler = NeighbourSampler(edge_index, self.num_labels)
        return self._sampler

    def forward(self, features: LabelFeatures | None = None, *, labels: Tensor | None = None) -> Tensor:
        """The vector of each label, or of each of ``labels``."""
        if labels is None:
            return self.all_labels(features)
        if self.edges is None:
            return self.all_labels(features)[labels]
        depth = len(self.blocks)
        subgraph = self.sampler(labels, depth)
        x, edge_attr = self.start(features, subgraph.nodes), self.edge_states(subgraph.edges)
        for number in range(depth):
            num_targets = subgraph.num_nodes[depth - 1 - number]
            num_edges = subgraph.num_edges[depth - 1 - number]
            edge_attr = None if edge_attr is None else edge_attr[:num_edges]
            x, edge_attr = self.layer(number, x, subgraph.edge_index[:, :num_edges], edge_attr, num_targets)
        return self.finish(x)

    def all_labels(self, features: LabelFeatures | None) -> Tensor:
        """The vector of each label, by a full pass."""
        x, edge_attr = self.start(features), self.edge_states()
        for number in range(len(self.blocks)):
            x, edge_attr = self.layer(number, x, self.edges, edge_attr, self.num_labels)
        return self.finish(x)
