"""The options of rankers in a recipe."""

from dataclasses import dataclass
from typing import Literal

from hgraph.errors import ConfigError
from hgraph.recipes.checks import at_least

TreeHierarchy = Literal["pifa", "taxonomy", "hybrid", "flat"]
RankerNegatives = Literal["teacher", "matcher", "both"]
MatcherHead = Literal["parents", "fitted", "random"]


@dataclass(frozen=True)
class RankerOptions:
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
        beam_size: Clusters that the search keeps on each level. None follows from the training documents: twice the
            clusters that a document with many labels needs there, at least 10
            (:meth:`hgraph.ranking.RankerTree.beam`); and 10 where the search finds negatives.
        transform: How a margin becomes a score: `l3_hinge`, `l2_hinge`, `sigmoid`, ...
        dense_weight: How much the dense vector of a text counts beside n-grams.
        top_k: Labels that have a score.
    """

    name: str = ""
    hierarchy: TreeHierarchy = "pifa"
    branching: int = 16
    leaf_size: int | None = None
    negatives: RankerNegatives | None = None
    positive_cost: float = 1.0
    negative_cost: float = 1.0
    threshold: float = 0.1
    bias: float = 1.0
    beam_size: int | None = None
    transform: str = "l3_hinge"
    dense_weight: float = 1.0
    top_k: int = 100

    def __post_init__(self) -> None:
        at_least(self, 2, "branching")
        at_least(self, 1, "top_k")
        if self.beam_size is not None:
            at_least(self, 1, "beam_size")
        if self.leaf_size is not None:
            at_least(self, 2, "leaf_size")
        at_least(self, 0, "threshold", "bias", "dense_weight")
        for name in ("positive_cost", "negative_cost"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"'{name}' must be above 0, found {getattr(self, name)}.")


@dataclass(frozen=True)
class XRLinear(RankerOptions):
    """A ranker on n-grams, or on the vectors of a text encoder that is not trained, or on both."""

    name: Literal["xr_linear"] = "xr_linear"


@dataclass(frozen=True)
class XRTransformer(RankerOptions):
    """A ranker on n-grams and the vectors of a transformer that is fine-tuned level by level of a first tree.

    See :class:`hgraph.models.LevelMatcher` for a level; the first tree is made of n-grams alone, that of the ranker of
    n-grams and fine-tuned vectors.

    Attributes:
        matcher_leaf_size: Most labels of a cluster of the first tree; None follows from the number of labels.
        matcher_least: Levels of fewer nodes are passed over; the last level that is small enough is always trained.
        matcher_nodes: Levels of more nodes are left to the ranker.
        matcher_steps: Steps of all levels together; None follows from `training.epochs`.
        matcher_shares: How the steps are shared out among the levels, one number a level; None gives each level twice
            what the one above it has.
        matcher_negatives: Nodes that a document learns against, as in `negatives`: the siblings of its right nodes, or
            the children of the `matcher_beam` best nodes of the level above, or both.
        matcher_beam: See there.
        matcher_head: First weights of a level: those of the parents (`parents`), classifiers fitted to the vectors as
            they are (`fitted`), or random ones (`random`).
        weighting: Whether a right node counts as often as the document has labels below it (`labels`), or once
            (`nodes`).
    """

    name: Literal["xr_transformer"] = "xr_transformer"
    matcher_leaf_size: int | None = None
    matcher_least: int = 16
    matcher_nodes: int = 32_768
    matcher_steps: int | None = None
    matcher_shares: list[float] | None = None
    matcher_negatives: RankerNegatives = "both"
    matcher_beam: int = 10
    matcher_head: MatcherHead = "parents"
    weighting: Literal["labels", "nodes"] = "labels"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, 1, "matcher_least", "matcher_nodes", "matcher_beam")
        if self.matcher_leaf_size is not None:
            at_least(self, 2, "matcher_leaf_size")
        if self.matcher_steps is not None:
            at_least(self, 1, "matcher_steps")
        if self.matcher_shares is not None and not (self.matcher_shares and min(self.matcher_shares) > 0):
            raise ConfigError(f"'matcher_shares' must list numbers above 0, found {self.matcher_shares}.")
