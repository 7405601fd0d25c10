"""Label encoders of a recipe, and the texts they read."""

from dataclasses import fields, replace

from hgraph.data.label_documents import LabelText, exchanged, label_texts
from hgraph.graph import LabelGraph
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
from hgraph.recipes import label_encoder_options as labels
from hgraph.recipes.builders.heads import check_heads
from hgraph.recipes.label_encoder_options import LabelEncoderOptions
from hgraph.recipes.recipe import Recipe


def recipe_label_texts(recipe: Recipe, graph: LabelGraph, content: LabelText = "name") -> list[str]:
    """One string a label, see :func:`hgraph.data.label_documents.label_texts`; of another label with `random_names`."""
    texts = label_texts(graph, content)
    return exchanged(texts, recipe.training.seed) if recipe.random_names else texts


def recipe_label_names(recipe: Recipe, graph: LabelGraph) -> list[str] | None:
    """What the label encoder reads of labels, or None where it reads nothing."""
    content: labels.LabelText = getattr(recipe.label_encoder, "text", "none")
    return None if content == "none" else recipe_label_texts(recipe, graph, content)


def _label_options(recipe: Recipe) -> LabelEncoderOptions | None:
    """The options of the label encoder; for shortlists in the form that computes some labels without the others."""
    config: LabelEncoderOptions | None = recipe.published(recipe.label_encoder)
    if recipe.shortlist is None or not isinstance(config, labels.GPTrans | labels.Graphormer):
        return config
    return replace(config, form="edges") if config.form == "auto" else config


def build_label_encoder(recipe: Recipe, graph: LabelGraph, channels: int) -> LabelEncoder | None:
    """The label encoder of `recipe`, or None where its labels have no vectors."""
    config = _label_options(recipe)
    if config is None:
        return None
    if isinstance(config, labels.Learned):
        return LearnedLabelEncoder(graph.num_labels, channels)
    if isinstance(config, labels.Features):
        return FeatureLabelEncoder(
            graph.num_labels,
            channels,
            text_channels=None if config.text == "none" else channels,
            structure=graph if config.structure else None,
            id_channels=config.id_channels or None,
        )
    names: LabelEncoder = LearnedLabelEncoder(graph.num_labels, channels)
    if config.text != "none":
        names = NameLabelEncoder(channels, channels, num_labels=graph.num_labels if config.ids else None)
    if isinstance(config, labels.Names):
        return names
    # HJCL's program gives the names to its GAT as they are.
    plain = isinstance(config, labels.GAT) and config.faithful and not config.ids and config.text != "none"
    return _graph_encoder(config, graph, channels, None if plain else names)


def _graph_encoder(
    config: labels.GAT | labels.Graphormer | labels.GPTrans | labels.TreeSweep,
    graph: LabelGraph,
    channels: int,
    names: LabelEncoder | None,
) -> LabelEncoder:
    """A label encoder on the hierarchy; its arguments have the names of the options."""
    kinds = {
        labels.GAT: GATLabelEncoder,
        labels.Graphormer: GraphormerLabelEncoder,
        labels.GPTrans: GPTransLabelEncoder,
        labels.TreeSweep: TreeSweepEncoder,
    }
    check_heads("label_encoder.heads", config.heads, channels)
    elsewhere = ("name", "text", "ids", "cached", "refresh", "samples")
    options = {field.name: getattr(config, field.name) for field in fields(config) if field.name not in elsewhere}
    if getattr(config, "cached", False) and options.get("form") == "auto":
        options["form"] = "edges"  # the one that computes some labels without the others
    encoder = kinds[type(config)](graph, channels=channels, node_encoder=names, **options)
    if isinstance(config, labels.TreeSweep) or not config.cached:
        return encoder
    return CachedLabelEncoder(encoder, refresh=config.refresh)
