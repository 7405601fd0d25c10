"""Recipe -> objects: the one place where names become classes."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from hgraph.data.label_documents import LabelText, exchanged, label_texts
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import (
    AllSlotsContrastLoss,
    AsymmetricLoss,
    BCELoss,
    BranchLoss,
    ClassBalancedBCELoss,
    ConditionalLoss,
    HiLeConLoss,
    HMCLLoss,
    InstanceContrastLoss,
    LevelMarginLoss,
    LorentzTLALoss,
    MaxConstraintLoss,
    NTXentLoss,
    Objective,
    ObjectiveList,
    PathRegularisation,
    RecursiveRegularisation,
    SquaredHingeLoss,
    SupConLoss,
    TLALoss,
    ZLPRLoss,
)
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
from hgraph.recipes import objective_options as o
from hgraph.recipes import recipe as r
from hgraph.recipes import scorer_options as sc
from hgraph.recipes.label_encoder_options import LabelEncoderOptions
from hgraph.recipes.model_options import HBGL, CascadeXML
from hgraph.recipes.scorer_options import ScorerOptions
from hgraph.recipes.text_encoder_options import Bag, Frozen, TextEncoderOptions, Transformer
from hgraph.recipes.view_options import LabelGuided
from hgraph.retrieval import NeighbourScorer
from hgraph.sampling import ShortlistSampler, SupportWeights
from hgraph.scoring import (
    AdditiveScorer,
    BilinearScorer,
    ConcatScorer,
    DotScorer,
    GatedScorer,
    HJCLScorer,
    HMCNScorer,
    LabelAttentionScorer,
    LexicalScorer,
    LinearScorer,
    MLPScorer,
    Scorer,
    ShrunkLinearScorer,
)
from hgraph.text import (
    BagTextEncoder,
    ChunkedTextEncoder,
    EmbeddingCache,
    FieldTextEncoder,
    FrozenTextEncoder,
    LoRAOptions,
    Text,
    TextEncoder,
    TransformerTextEncoder,
    WideDeepTextEncoder,
)
from hgraph.text.vocabulary import NGrams

logger = logging.getLogger(__name__)

MANY_LABELS = 10_000
"""From so many labels on a step on a shortlist takes half the time of one on all labels or less, measured on a CPU."""


def build_text_encoder(recipe: r.Recipe, texts: Sequence[Text]) -> TextEncoder:
    """A text encoder ready to train; a bag learns its vocabulary from `texts`."""
    config, lexical = recipe.text_encoder, recipe.lexical
    encoder = _text_encoder(config, texts)
    if lexical is None or isinstance(config, Bag):
        return encoder
    wide = _bag(lexical.features(), texts)
    return WideDeepTextEncoder(wide, encoder)


def _text_encoder(config: TextEncoderOptions, texts: Sequence[Text]) -> TextEncoder:
    if isinstance(config, Bag):
        return _bag(config, texts)
    if isinstance(config, Transformer):
        encoder = TransformerTextEncoder.from_pretrained(
            config.model,
            pooling=config.pooling,
            max_length=config.max_length,
            dropout=config.dropout,
            gradient_checkpointing=config.gradient_checkpointing,
            lora=LoRAOptions(rank=config.lora_rank) if config.lora_rank else None,
        )
        overlap = min(32, config.max_length // 4)
        return ChunkedTextEncoder(encoder, windows=config.windows, overlap=overlap) if config.windows > 1 else encoder
    if isinstance(config, Frozen):
        inner = TransformerTextEncoder.from_pretrained(
            config.model, pooling=config.pooling, max_length=config.max_length, dropout=0.0
        )
        return FrozenTextEncoder(
            inner,
            cache=EmbeddingCache() if config.cache else None,
            channels=config.channels,
            dropout=config.dropout,
            normalize=config.normalize,
            center=config.center,
            precision=config.precision,
        )
    names = list(dict.fromkeys(name for text in texts if not isinstance(text, str) for name in text))
    return FieldTextEncoder(
        _text_encoder(config.encoder, texts),
        names,
        heads=config.heads,
        dropout=config.dropout,
        field_dropout=config.field_dropout,
        max_lengths=config.max_lengths,
    )


def _bag(config: Bag, texts: Sequence[Text]) -> BagTextEncoder:
    families = [
        NGrams("word", 1, config.word_ngrams, config.min_documents, config.max_features),
        *([NGrams("char_wb", 3, config.char_ngrams, 5, config.max_features)] if config.char_ngrams else []),
    ]
    return BagTextEncoder.fit(
        texts,
        families=families,
        num_buckets=config.buckets or None,
        channels=config.channels,
        dropout=config.dropout,
        weighting=config.weighting,
    )


def build_model(
    recipe: r.Recipe,
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
        scorer=_scorer(
            recipe.published(recipe.scorer),
            num_labels,
            channels,
            counts,
            graph=graph,
            label_channels=None if config is None else channels,
        ),
        label_encoder=_label_encoder(_label_options(recipe), graph, channels),
        label_names=_label_names(recipe, graph),
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


def _shortlist(recipe: r.Recipe, graph: LabelGraph, channels: int, support: Tensor) -> ShortlistSampler | None:
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


def _hbgl(recipe: r.Recipe, config: HBGL, graph: LabelGraph, text_encoder: TextEncoder, support: Tensor) -> HBGLModel:
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
    recipe: r.Recipe,
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


def recipe_label_texts(recipe: r.Recipe, graph: LabelGraph, content: LabelText = "name") -> list[str]:
    """One string a label, see :func:`hgraph.data.label_documents.label_texts`; of another label with `random_names`."""
    texts = label_texts(graph, content)
    return exchanged(texts, recipe.training.seed) if recipe.random_names else texts


def _label_names(recipe: r.Recipe, graph: LabelGraph) -> list[str] | None:
    """What the label encoder reads of labels, or None where it reads nothing."""
    content: labels.LabelText = getattr(recipe.label_encoder, "text", "none")
    return None if content == "none" else recipe_label_texts(recipe, graph, content)


def build_objectives(
    options: Sequence[o.ObjectiveOptions], graph: LabelGraph, channels: int, support: Tensor
) -> ObjectiveList:
    """The weighted sum of the objectives that `options` name."""
    return ObjectiveList([(option.weight, _objective(option, graph, channels, support)) for option in options])


def build_link(recipe: r.Recipe, graph: LabelGraph) -> nn.Module | None:
    """What makes log-odds of the scores that `recipe` trains, or None where they are log-odds."""
    return None if recipe.conditional is None else ConditionalLink(graph, kind=recipe.conditional.kind)


def _view(recipe: r.Recipe, text_encoder: TextEncoder) -> View | None:
    config = recipe.published(recipe.view)
    if not isinstance(config, LabelGuided):
        return None if config is None else DropoutView()
    _check_heads("view.heads", config.heads, text_encoder.channels)
    options = {field.name: getattr(config, field.name) for field in fields(config) if field.name != "name"}
    return LabelGuidedView(text_encoder.word_channels, text_encoder.channels, **options)


def _check_heads(key: str, heads: int, channels: int) -> None:
    """Refuse a number of attention heads that the text encoder's width cannot be cut into."""
    if channels % heads:
        fitting = max(number for number in range(1, heads) if channels % number == 0)
        raise ConfigError(
            f"'{key}' must divide the width of the text encoder, {channels}, but got {heads}. Add --set "
            f"{key}={fitting}."
        )


def _label_options(recipe: r.Recipe) -> LabelEncoderOptions | None:
    """The options of the label encoder; for shortlists in the form that computes some labels without the others."""
    config: LabelEncoderOptions | None = recipe.published(recipe.label_encoder)
    if recipe.shortlist is None or not isinstance(config, labels.GPTrans | labels.Graphormer):
        return config
    return replace(config, form="edges") if config.form == "auto" else config


def _label_encoder(config: LabelEncoderOptions | None, graph: LabelGraph, channels: int) -> LabelEncoder | None:
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
    _check_heads("label_encoder.heads", config.heads, channels)
    elsewhere = ("name", "text", "ids", "cached", "refresh", "samples")
    options = {field.name: getattr(config, field.name) for field in fields(config) if field.name not in elsewhere}
    if getattr(config, "cached", False) and options.get("form") == "auto":
        options["form"] = "edges"  # the one that computes some labels without the others
    encoder = kinds[type(config)](graph, channels=channels, node_encoder=names, **options)
    if isinstance(config, labels.TreeSweep) or not config.cached:
        return encoder
    return CachedLabelEncoder(encoder, refresh=config.refresh)


def _scorer(
    config: ScorerOptions | None,
    num_labels: int,
    channels: int,
    support: Tensor,
    *,
    graph: LabelGraph,
    label_channels: int | None,
) -> Scorer | None:
    if config is None or not channels:
        return None
    options = {field.name: getattr(config, field.name) for field in fields(config) if field.name != "name"}
    match config:
        case sc.Linear():
            return LinearScorer(num_labels, channels)
        case sc.MLP():
            return MLPScorer(num_labels, channels, **options)
        case sc.Additive():
            return AdditiveScorer(num_labels, channels)
        case sc.Dot():
            return DotScorer(channels, num_labels=num_labels, **options)
        case sc.Bilinear():
            return BilinearScorer(channels, num_labels=num_labels, **options)
        case sc.Shrunk():
            return ShrunkLinearScorer(num_labels, channels, support=support, **options)
        case sc.Gated():
            return GatedScorer(num_labels, channels)
        case sc.Concat():
            return ConcatScorer(channels, num_labels=num_labels, **options)
        case sc.HMCN():
            _check_heads("scorer.heads", config.heads, channels)
            return HMCNScorer(channels, level=graph.level.cpu(), label_channels=label_channels, **options)
        case sc.HJCL():
            return HJCLScorer(num_labels, channels, **options)
        case sc.LabelAttention():
            weight: Literal["own", "all"] = "all" if options.pop("faithful") else "own"
            return LabelAttentionScorer(channels, num_labels=num_labels, weight=weight, **options)


def _objective(config: o.ObjectiveOptions, graph: LabelGraph, channels: int, support: Tensor) -> Objective:
    elsewhere = ("name", "weight")
    options = {field.name: getattr(config, field.name) for field in fields(config) if field.name not in elsewhere}
    if isinstance(config, o.ClassBalancedBCE):
        return ClassBalancedBCELoss(support, **options)
    if isinstance(config, o.LorentzTLA):
        return LorentzTLALoss(graph, channels, **options)
    if isinstance(config, o.TLA):
        return TLALoss(graph=graph, **options)
    if isinstance(config, o.NTXent):
        return NTXentLoss(temperature=config.temperature, projection=channels if config.projection else None)
    if isinstance(config, o.InstanceContrast):
        contrast = AllSlotsContrastLoss if options.pop("faithful") else InstanceContrastLoss
        return contrast(graph, **options)
    if isinstance(config, o.BranchBCE):
        return BranchLoss(BCELoss(**options))
    if isinstance(config, o.HMCL):
        weights = SupportWeights(graph, support) if options.pop("support_weighted") else None
        return HMCLLoss(graph, negative_weights=weights, **options)
    if isinstance(config, o.Conditional):
        return ConditionalLoss(graph, support=support, **options)
    kind = _OBJECTIVES[type(config)]
    return kind(graph, **options) if isinstance(config, o.ON_GRAPH) else kind(**options)


_OBJECTIVES: dict[type, Callable[..., Objective]] = {
    o.BCE: BCELoss,
    o.Asymmetric: AsymmetricLoss,
    o.SquaredHinge: SquaredHingeLoss,
    o.ZLPR: ZLPRLoss,
    o.LevelMargin: LevelMarginLoss,
    o.HiLeCon: HiLeConLoss,
    o.SupCon: SupConLoss,
    o.PathRegularisation: PathRegularisation,
    o.MaxConstraint: MaxConstraintLoss,
    o.RecursiveRegularisation: RecursiveRegularisation,
}


def count_parameters(model: nn.Module) -> int:
    """Number of trained weights."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
