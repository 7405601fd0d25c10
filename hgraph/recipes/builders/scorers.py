"""Scorers of a recipe."""

from dataclasses import fields
from typing import Literal

from torch import Tensor

from hgraph.graph import LabelGraph
from hgraph.recipes import scorer_options as sc
from hgraph.recipes.builders.heads import check_heads
from hgraph.scoring import (
    AdditiveScorer,
    BilinearScorer,
    ConcatScorer,
    DotScorer,
    GatedScorer,
    HJCLScorer,
    HMCNScorer,
    LabelAttentionScorer,
    LinearScorer,
    MLPScorer,
    Scorer,
    ShrunkLinearScorer,
)


def build_scorer(
    config: sc.ScorerOptions | None,
    num_labels: int,
    channels: int,
    support: Tensor,
    *,
    graph: LabelGraph,
    label_channels: int | None,
) -> Scorer | None:
    """The scorer that `config` names, or None where labels are not scored or texts have no vectors."""
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
            check_heads("scorer.heads", config.heads, channels)
            return HMCNScorer(channels, level=graph.level.cpu(), label_channels=label_channels, **options)
        case sc.HJCL():
            return HJCLScorer(num_labels, channels, **options)
        case sc.LabelAttention():
            weight: Literal["own", "all"] = "all" if options.pop("faithful") else "own"
            return LabelAttentionScorer(channels, num_labels=num_labels, weight=weight, **options)
