"""Recipe -> objects: the one place where names become classes."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hgraph.data.label_documents import label_texts
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import BCELoss, Objective, ObjectiveList, SquaredHingeLoss, TLALoss, ZLPRLoss
from hgraph.models import AlignmentModel
from hgraph.nn import (
    CachedLabelEncoder,
    FeatureLabelEncoder,
    GATLabelEncoder,
    GPTransLabelEncoder,
    GraphormerLabelEncoder,
    LabelEncoder,
    LearnedLabelEncoder,
    NameLabelEncoder,
    TreeSweepEncoder,
)
from hgraph.recipes import recipe as r
from hgraph.scoring import AdditiveScorer, DotScorer, LexicalScorer, LinearScorer, Scorer
from hgraph.text import BagTextEncoder, TextEncoder, TransformerTextEncoder
from hgraph.text.vocabulary import NGrams, TfidfFeatures


def build_text_encoder(config: r.Bag | r.Transformer, texts: Sequence[str]) -> TextEncoder:
    """A text encoder ready to train; a bag learns its vocabulary from `texts`."""
    if isinstance(config, r.Transformer):
        return TransformerTextEncoder.from_pretrained(config.model, **_transformer_options(config))
    families = [
        NGrams("word", 1, config.word_ngrams, config.min_documents, config.max_features),
        *([NGrams("char_wb", 3, config.char_ngrams, 5, config.max_features)] if config.char_ngrams else []),
    ]
    return BagTextEncoder.fit(texts, families=families, channels=config.channels, dropout=config.dropout)


def restore_text_encoder(config: r.Bag | r.Transformer, folder: Path, state: dict[str, torch.Tensor]) -> TextEncoder:
    """The same from what `save_assets` wrote; `state` holds the encoder's weights, which the caller loads."""
    if isinstance(config, r.Transformer):
        return TransformerTextEncoder.from_assets(folder, **_transformer_options(config))
    features = TfidfFeatures.load(folder, state["idf"].numpy())
    return BagTextEncoder(features, channels=config.channels, dropout=config.dropout)


def build_model(recipe: r.Recipe, graph: LabelGraph, text_encoder: TextEncoder) -> AlignmentModel:
    """The model of `recipe` on `graph`, drawn from torch's current random state."""
    channels, num_labels = text_encoder.channels, graph.num_labels
    config = recipe.label_encoder
    return AlignmentModel(
        text_encoder=text_encoder,
        num_labels=num_labels,
        scorer=_scorer(recipe.scorer, num_labels, channels),
        label_encoder=_label_encoder(config, graph, channels),
        label_names=None if config is None or isinstance(config, r.Learned) else label_texts(graph, config.text),
        lexical_scorer=(
            LexicalScorer(text_encoder.num_features, num_labels, max_weights=recipe.lexical.max_weights)
            if recipe.lexical is not None and text_encoder.num_features
            else None
        ),
        objectives=ObjectiveList([(objective.weight, _objective(objective)) for objective in recipe.objectives]),
        label_samples=getattr(config, "samples", 0),
    )


def _transformer_options(config: r.Transformer) -> dict[str, Any]:
    return {"pooling": config.pooling, "max_length": config.max_length, "dropout": config.dropout}


def _label_encoder(config: r.LabelEncoderOptions | None, graph: LabelGraph, channels: int) -> LabelEncoder | None:
    if config is None:
        return None
    if isinstance(config, r.Learned):
        return LearnedLabelEncoder(graph.num_labels, channels)
    if isinstance(config, r.Features):
        return FeatureLabelEncoder(
            graph.num_labels,
            channels,
            text_channels=channels,
            structure=graph if config.structure else None,
            id_channels=config.id_channels or None,
        )
    names = NameLabelEncoder(channels, channels, num_labels=graph.num_labels if config.ids else None)
    if isinstance(config, r.Names):
        return names
    return _graph_encoder(config, graph, channels, names)


def _graph_encoder(
    config: r.GAT | r.Graphormer | r.GPTrans | r.TreeSweep, graph: LabelGraph, channels: int, names: NameLabelEncoder
) -> LabelEncoder:
    """A label encoder on the hierarchy; its arguments have the names of the options."""
    kinds = {
        r.GAT: GATLabelEncoder,
        r.Graphormer: GraphormerLabelEncoder,
        r.GPTrans: GPTransLabelEncoder,
        r.TreeSweep: TreeSweepEncoder,
    }
    if channels % config.heads:
        fitting = max(heads for heads in range(1, config.heads) if channels % heads == 0)
        raise ConfigError(
            f"'label_encoder.heads' must divide the width of the text encoder, {channels}, but got {config.heads}. Add "
            f"--set label_encoder.heads={fitting}."
        )
    elsewhere = ("name", "text", "ids", "cached", "refresh", "samples")
    options = {field.name: getattr(config, field.name) for field in fields(config) if field.name not in elsewhere}
    if getattr(config, "cached", False) and options.get("form") == "auto":
        options["form"] = "edges"  # the one that computes some labels without the others
    encoder = kinds[type(config)](graph, channels=channels, node_encoder=names, **options)
    if isinstance(config, r.TreeSweep) or not config.cached:
        return encoder
    return CachedLabelEncoder(encoder, refresh=config.refresh)


def _scorer(config: r.Linear | r.Additive | r.Dot | None, num_labels: int, channels: int) -> Scorer | None:
    if config is None or not channels:
        return None
    if isinstance(config, r.Dot):
        return DotScorer(channels, num_labels=num_labels, similarity=config.similarity)
    return (AdditiveScorer if isinstance(config, r.Additive) else LinearScorer)(num_labels, channels)


def _objective(config: r.BCE | r.SquaredHinge | r.ZLPR | r.TLA) -> Objective:
    if isinstance(config, r.TLA):
        return TLALoss(temperature=config.temperature)
    if isinstance(config, r.ZLPR):
        return ZLPRLoss()
    return (SquaredHingeLoss if isinstance(config, r.SquaredHinge) else BCELoss)(reduction=config.reduction)


def count_parameters(model: nn.Module) -> int:
    """Number of trained weights."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
