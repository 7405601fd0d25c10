"""Where the vectors start that a graph then spreads."""

from typing import Any

from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.encodings import LabelStructure
from hgraph.nn.label_encoders.feature_rows import LabelFeatures
from hgraph.nn.label_encoders.label_encoder import LabelEncoder, chosen_rows


class GraphLabelEncoder(LabelEncoder):
    """Base of the label encoders that read the hierarchy: it says what each label starts from.

    A label starts from its features, from a projection of them (``in_channels``), or from another label encoder
    (``node_encoder``).

    Args:
        graph: the hierarchy, a :class:`~hgraph.nn.LabelStructure` (which several encoders may share) or anything with
            ``edge_index`` (from parent to child) and ``num_nodes``.
        channels: the width of a label vector.
        in_channels: the width of the features, if it is not ``channels``.
        node_encoder: any label encoder of ``channels`` outputs; it excludes ``in_channels``.

    Shapes:
        - as :class:`~hgraph.nn.LabelEncoder`
    """

    num_labels: int

    def __init__(
        self,
        graph: Any,
        *,
        channels: int,
        in_channels: int | None = None,
        node_encoder: nn.Module | None = None,
    ) -> None:
        structure = LabelStructure.of(graph)
        super().__init__(structure.num_labels, channels)
        if node_encoder is not None and in_channels is not None:
            raise ConfigError("'in_channels' and 'node_encoder' exclude each other: pass one of them.")
        if getattr(node_encoder, "channels", channels) != channels:
            raise ConfigError(f"'node_encoder' must have channels={channels}, but got {node_encoder!r}.")
        self.in_channels = in_channels or channels
        self.node_encoder = node_encoder
        self.projection = None if in_channels is None else nn.Linear(in_channels, channels)

    def start(self, features: LabelFeatures | None, labels: Tensor | None = None) -> Tensor:
        """What each label, or each of ``labels``, has before the first layer."""
        if isinstance(self.node_encoder, LabelEncoder):
            return self.node_encoder(features, labels=labels)
        if self.node_encoder is not None:
            return chosen_rows(self.node_encoder(features), labels)
        x = chosen_rows(self.require_features(features, self.in_channels), labels)
        return x if self.projection is None else self.projection(x)
