"""The options of rankers in a recipe."""

from dataclasses import dataclass
from typing import Literal

from hgraph.errors import ConfigError
from hgraph.recipes.checks import at_least

TreeHierarchy = Literal["pifa", "taxonomy", "hybrid", "flat"]
RankerNegatives = Literal["teacher", "matcher", "both"]


@dataclass(frozen=True)
class XRLinear:
    """A sparse linear ranker on a label tree; see :class:`hgraph.ranking.LinearRanker`.

    Attributes:
        hierarchy: The tree that is searched: `pifa` (clusters of labels whose documents are alike), `taxonomy` (the
            hierarchy itself), `hybrid` (the hierarchy, wide fan-outs split by clusters) or `flat` (none).
        branching: Children of a cluster.
        leaf_size: Most labels of a cluster; None follows from the number of labels.
        negatives: Documents that a label learns against: `teacher` (those of its cluster), `matcher` (those that the
            search takes there) or `both`; None is `teacher`, and `both` on the last level.
        positive_cost: Cost of a positive document.
        negative_cost: Cost of a negative one.
        threshold: Weights below are left out.
        bias: Value of the constant feature; 0 has none.
        beam_size: Clusters that the search keeps on each level.
        transform: How a margin becomes a score: `l3_hinge`, `l2_hinge`, `sigmoid`, ...
        dense_weight: How much the dense vector of a text counts beside n-grams.
        top_k: Labels that have a score.
    """

    name: Literal["xr_linear"] = "xr_linear"
    hierarchy: TreeHierarchy = "pifa"
    branching: int = 16
    leaf_size: int | None = None
    negatives: RankerNegatives | None = None
    positive_cost: float = 1.0
    negative_cost: float = 1.0
    threshold: float = 0.1
    bias: float = 1.0
    beam_size: int = 10
    transform: str = "l3_hinge"
    dense_weight: float = 1.0
    top_k: int = 100

    def __post_init__(self) -> None:
        at_least(self, 2, "branching")
        at_least(self, 1, "beam_size", "top_k")
        if self.leaf_size is not None:
            at_least(self, 2, "leaf_size")
        at_least(self, 0, "threshold", "bias", "dense_weight")
        for name in ("positive_cost", "negative_cost"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"'{name}' must be above 0, found {getattr(self, name)}.")
