"""Models of a recipe, put together from their parts."""

import logging
import os
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.models import (
    AlignmentModel,
    CascadeModel,
    ConditionalLink,
    DropoutView,
    HBGLModel,
    LabelGuidedView,
    LabelPretraining,
    View,
)
from hgraph.recipes.builders.heads import check_heads
from hgraph.recipes.builders.label_encoders import build_label_encoder, recipe_label_names, recipe_label_texts
from hgraph.recipes.builders.objectives import build_objectives
from hgraph.recipes.builders.scorers import build_scorer
from hgraph.recipes.model_options import HBGL, CascadeXML
from hgraph.recipes.recipe import Recipe
from hgraph.recipes.view_options import LabelGuided
from hgraph.retrieval import NeighbourScorer
from hgraph.sampling import ShortlistSampler
from hgraph.scoring import LexicalScorer
from hgraph.text import TextEncoder

logger = logging.getLogger(__name__)


MANY_LABELS = 10_000
"""From so many labels on a step on a shortlist takes half the time of one on all labels or less, measured on a CPU."""


def build_model(
    recipe: Recipe,
    graph: LabelGraph,
    text_encoder: TextEncoder,
    support: np.ndarray | None = None,
    *,
    tree: LabelGraph | None = None,
) -> AlignmentModel:
    """The model of `recipe` on `graph`, drawn from torch's current random state.

    `support` [L] counts the training documents of each label, for the scorers and objectives that weigh by it. `tree`
    is the hierarchy that a model searches, see :func:`hgraph.recipes.label_hierarchy.label_hierarchy`; by default
    `graph`.
    """
    channels, num_labels = text_encoder.channels, graph.num_labels
    config, neighbours = recipe.label_encoder, recipe.neighbours
    counts = torch.zeros(num_labels) if support is None else torch.from_numpy(support).float()
    if isinstance(recipe.model, CascadeXML):
        return _cascade(recipe, recipe.model, graph, text_encoder, counts, graph if tree is None else tree)
    if isinstance(recipe.model, HBGL):
        return _hbgl(recipe, recipe.model, graph, text_encoder, counts)
    return AlignmentModel(
        text_encoder=text_encoder,
        num_labels=num_labels,
        scorer=build_scorer(
            recipe.published(recipe.scorer),
            num_labels,
            channels,
            counts,
            graph=graph,
            label_channels=None if config is None else channels,
        ),
        label_encoder=build_label_encoder(recipe, graph, channels),
        label_names=recipe_label_names(recipe, graph),
        lexical_scorer=(
            LexicalScorer(text_encoder.num_features, num_labels, max_weights=recipe.lexical.max_weights)
            if recipe.lexical is not None and text_encoder.num_features
            else None
        ),
        neighbour_scorer=(
            NeighbourScorer(channels, num_labels, k=neighbours.k, temperature=neighbours.temperature)
            if neighbours is not None
            else None
        ),
        objectives=build_objectives(recipe.all_stages()[-1].objectives, graph, channels, counts),
        view=_view(recipe, text_encoder),
        link=build_link(recipe, graph),
        label_samples=getattr(config, "samples", 0),
        shortlist=_shortlist(recipe, graph, channels, counts),
        sparse_gradients=recipe.shortlist is not None and recipe.shortlist.sparse,
    )


def _shortlist(recipe: Recipe, graph: LabelGraph, channels: int, support: Tensor) -> ShortlistSampler | None:
    """What chooses the labels of a training step, or None where it looks at all."""
    config = recipe.shortlist
    if config is None:
        if recipe.label_encoder is not None and graph.num_labels >= MANY_LABELS:
            logger.info(
                "each training step encodes all %d labels; with `shortlist: {}` (--set shortlist={}) it looks at some",
                graph.num_labels,
            )
        return None
    for stage in recipe.all_stages():  # before the first of them is trained
        build_objectives(stage.objectives, graph, channels, support).check_shortlist()
    return ShortlistSampler(graph, random=config.random, siblings=config.siblings)


def _hbgl(recipe: Recipe, config: HBGL, graph: LabelGraph, text_encoder: TextEncoder, support: Tensor) -> HBGLModel:
    """The model that decodes labels level by level."""
    config = recipe.published(config)
    pretraining = LabelPretraining(
        steps=config.steps,
        copies=config.copies,
        learning_rate=config.label_learning_rate,
        mask_rate=config.mask_rate,
        last_mask_rate=config.last_mask_rate,
        max_labels=config.max_labels,
        self_loops=config.self_loops,
    )
    return HBGLModel(
        text_encoder=text_encoder,
        graph=graph,
        label_names=recipe_label_texts(recipe, graph),
        objectives=build_objectives(recipe.all_stages()[-1].objectives, graph, text_encoder.channels, support),
        view=_view(recipe, text_encoder),
        link=build_link(recipe, graph),
        corruption=config.corruption,
        threshold=config.threshold,
        constrained=config.constrained,
        pretraining=pretraining,
        faithful=config.faithful,
    )


def _cascade(
    recipe: Recipe,
    config: CascadeXML,
    graph: LabelGraph,
    text_encoder: TextEncoder,
    support: Tensor,
    tree: LabelGraph,
) -> CascadeModel:
    """The model that scores shortlists down a hierarchy."""
    if config.sparse and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "'sparse' of the model must be false where several processes train together, which exchange dense "
            "gradients alone. Add --set model.sparse=false."
        )
    config = recipe.published(config)
    elsewhere = ("name", "hierarchy", "branching", "leaf_size")
    options = {field.name: getattr(config, field.name) for field in fields(config) if field.name not in elsewhere}
    return CascadeModel(
        text_encoder=text_encoder,
        num_labels=graph.num_labels,
        tree=tree,
        objectives=build_objectives(recipe.all_stages()[-1].objectives, graph, text_encoder.channels, support),
        **options,
    )


def build_link(recipe: Recipe, graph: LabelGraph) -> nn.Module | None:
    """What makes log-odds of the scores that `recipe` trains, or None where they are log-odds."""
    return None if recipe.conditional is None else ConditionalLink(graph, kind=recipe.conditional.kind)


def _view(recipe: Recipe, text_encoder: TextEncoder) -> View | None:
    config = recipe.published(recipe.view)
    if not isinstance(config, LabelGuided):
        return None if config is None else DropoutView()
    check_heads("view.heads", config.heads, text_encoder.channels)
    options = {field.name: getattr(config, field.name) for field in fields(config) if field.name != "name"}
    return LabelGuidedView(text_encoder.word_channels, text_encoder.channels, **options)


def count_parameters(model: nn.Module) -> int:
    """Number of trained weights."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
