"""What the label encoders of Graphormer and GPTrans have in common: forms, degrees, normalisation at both ends."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.conv import EdgeBlocks
from hgraph.nn.encodings import EdgeEncoding, LabelEdges, LabelStructure, PairRows
from hgraph.nn.label_encoders.edge_label_encoder import EdgeLabelEncoder
from hgraph.nn.label_encoders.feature_rows import LabelFeatures
from hgraph.nn.label_encoders.pair_encoding import PairEncoding

Form = Literal["auto", "dense", "all_pairs", "edges"]


class TransformerLabelEncoder(EdgeLabelEncoder):
    """Base of the label encoders in which labels attend to labels, biased by where the two stand to each other.

    Each label starts from its features plus embeddings of its numbers of parents and of children. What it attends to
    depends on the form: all labels, with states of all pairs in one tensor (``dense``) or computed a few rows at a time
    (``all_pairs``), or the sources of a typed list of edges (``edges``).

    Args:
        structure: the hierarchy.
        channels: the width of a label vector.
        state_channels: the width of the state of a pair or edge.
        form: one of the forms but ``auto``.
        dropout: on the start of each label.
        max_distance: labels farther apart are treated as this far apart.
        path: whether the edges between two labels say something of the pair.
        distance: whether their distance does; in the form ``edges``, the difference of their levels.
        in_channels: see :class:`~hgraph.nn.label_encoders.graph_label_encoder.GraphLabelEncoder`.
        node_encoder: likewise.
        max_degree: more parents or children than this count as this many; ``None`` leaves degrees out.
        edges: the edges of the form ``edges``, else ``None``.
        plain: no degrees, and no normalisation or dropout at either end, as in published programs.
    """

    degrees: Tensor
    kind: Tensor
    level_difference: Tensor

    def __init__(
        self,
        structure: LabelStructure,
        *,
        channels: int,
        state_channels: int,
        form: Form,
        dropout: float,
        max_distance: int,
        path: bool,
        distance: bool,
        in_channels: int | None,
        node_encoder: nn.Module | None,
        max_degree: int | None,
        edges: LabelEdges | None,
        plain: bool,
    ) -> None:
        super().__init__(structure, channels=channels, in_channels=in_channels, node_encoder=node_encoder)
        if max_distance < 1:
            raise ConfigError(f"'max_distance' must be at least 1, but got {max_distance}.")
        self.form = form
        self.max_degree = None if plain else max_degree
        # One table for parents and, behind it, one for children.
        self.degree_embedding = None
        if self.max_degree is not None:
            self.degree_embedding = nn.Embedding(2 * (self.max_degree + 1), channels)
            self.register_buffer("degrees", _degrees(structure, self.max_degree), persistent=False)
        self.input_norm = nn.Identity() if plain else nn.LayerNorm(channels)
        self.input_dropout = nn.Dropout(0.0 if plain else dropout)
        self.output_norm = nn.Identity() if plain else nn.LayerNorm(channels)
        self.edge_encoding: nn.Module
        if edges is not None:
            self.edges = EdgeBlocks(edges.edge_index, structure.num_labels)
            self.register_buffer("kind", edges.kind, persistent=False)
            self.register_buffer("level_difference", edges.level_difference, persistent=False)
            self.edge_encoding = EdgeEncoding(state_channels, levels=distance)
        else:
            self.edges = None
            self.edge_encoding = PairEncoding(
                structure,
                state_channels,
                max_distance=max_distance,
                path=path,
                rows=form == "all_pairs",
                distance=distance,
            )

    def reset_parameters(self) -> None:
        """Draw new parameters, those of ``node_encoder`` excepted."""
        for module in (self.projection, self.input_norm, self.edge_encoding, *self.blocks, self.output_norm):
            if module is not None and not isinstance(module, nn.Identity):
                module.reset_parameters()
        if self.degree_embedding is not None:
            nn.init.normal_(self.degree_embedding.weight, std=0.02)

    def start(self, features: LabelFeatures | None, labels: Tensor | None = None) -> Tensor:
        """What each label, or each of ``labels``, has before the first layer."""
        x = super().start(features, labels)
        if self.degree_embedding is not None:
            degrees = self.degrees if labels is None else self.degrees[:, labels]
            x = x + self.degree_embedding(degrees).sum(0)
        return self.input_dropout(self.input_norm(x))

    def edge_states(self, edges: Tensor | None = None) -> Tensor | PairRows:
        """See :class:`~hgraph.nn.EdgeLabelEncoder`; in the forms without edges, the states of all pairs."""
        if self.edges is None:
            return self.edge_encoding()
        if edges is None:
            return self.edge_encoding(self.kind, self.level_difference)
        return self.edge_encoding(self.kind[edges], self.level_difference[edges])

    def finish(self, x: Tensor) -> Tensor:
        """See :class:`~hgraph.nn.EdgeLabelEncoder`."""
        return self.output_norm(x)


def check_form(
    form: Form,
    edges: LabelEdges | None,
    num_labels: int,
    limits: dict[str, int],
    memory: dict[str, int],
    encoder: str,
) -> None:
    """Refuse forms that do not exist, and forms over all pairs of more labels than their limits.

    Args:
        form: what was asked for.
        edges: edges of one's own, which only one form has.
        num_labels: the number of labels ``L``.
        limits: the most labels of the forms over all pairs.
        memory: about how many bytes a training step takes in these forms.
        encoder: the name of the encoder, for messages.
    """
    if form not in get_args(Form):
        raise ConfigError(f"'form' must be one of {', '.join(get_args(Form))}, but got {form!r}.")
    if edges is not None and form != "edges":
        raise ConfigError(f"'edges' must be None with form={form!r}: only form='edges' has edges of its own.")
    if num_labels > limits.get(form, num_labels):
        raise ConfigError(
            f"'graph' has {num_labels} labels, but {encoder} with form={form!r} takes at most "
            f"{form}_limit={limits[form]}: a training step would hold about {memory[form] / 2**30:.1f} GiB. Use "
            f"form='edges', whose cost is linear, or raise '{form}_limit'."
        )


def source_and_target(x: Tensor, num_targets: int) -> Tensor | tuple[Tensor, Tensor]:
    """Labels as a layer reads them: alike, or sources and targets, which are the first sources."""
    return x if num_targets == len(x) else (x, x[:num_targets])


def _degrees(structure: LabelStructure, top: int) -> Tensor:
    """Rows of the table of degrees: of parents, and of children behind them."""
    return torch.stack([structure.in_degree.clamp(max=top), structure.out_degree.clamp(max=top) + top + 1])
