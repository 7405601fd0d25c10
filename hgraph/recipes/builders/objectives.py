"""Objectives of a recipe."""

from collections.abc import Callable, Sequence
from dataclasses import fields

from torch import Tensor

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
from hgraph.recipes import objective_options as o
from hgraph.sampling import SupportWeights


def build_objectives(
    options: Sequence[o.ObjectiveOptions], graph: LabelGraph, channels: int, support: Tensor
) -> ObjectiveList:
    """The weighted sum of the objectives that `options` name."""
    return ObjectiveList([(option.weight, _objective(option, graph, channels, support)) for option in options])


def _objective(config: o.ObjectiveOptions, graph: LabelGraph, channels: int, support: Tensor) -> Objective:
    """One objective, without its weight."""
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
