"""The options of models in a recipe that are more than text encoder, label encoder and scorer side by side."""

from dataclasses import dataclass, field
from typing import Literal

from hgraph.errors import ConfigError
from hgraph.recipes.checks import at_least
from hgraph.recipes.ranker_options import XRLinear, XRTransformer


@dataclass(frozen=True)
class HBGL:
    """Labels decoded level by level by the transformer that reads the text; see :class:`hgraph.models.HBGLModel`.

    Attributes:
        corruption: Probability with which training masks a step.
        threshold: Probability from which a prediction feeds a label to the next step.
        constrained: Whether a label is fed only below one that was fed.
        steps: Steps of the pre-training of label vectors; 0 has none.
        copies: Masked sequences of such a step.
        label_learning_rate: Its learning rate.
        mask_rate: Share of the labels that it masks, at first.
        last_mask_rate: The share at its end; None is `mask_rate`.
        max_labels: Hierarchies of more labels pass it in branches of at most so many.
        self_loops: Whether a label attends to itself there.
        faithful: The published form, mistakes included.
    """

    name: Literal["hbgl"] = "hbgl"
    corruption: float = 0.5
    threshold: float = 0.5
    constrained: bool = True
    steps: int = 300
    copies: int = 32
    label_learning_rate: float = 1e-3
    mask_rate: float = 0.15
    last_mask_rate: float | None = None
    max_labels: int = 480
    self_loops: bool = True
    faithful: bool = False

    def __post_init__(self) -> None:
        at_least(self, 0, "steps")
        at_least(self, 1, "copies")
        at_least(self, 2, "max_labels")
        if not 0 <= self.corruption <= 1:
            raise ConfigError(f"'corruption' must be a share from 0 to 1, found {self.corruption}.")
        if not 0 <= self.threshold < 1:
            raise ConfigError(f"'threshold' must be a share from 0 to below 1, found {self.threshold}.")
        for name in ("mask_rate", "last_mask_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ConfigError(f"'{name}' must be a share above 0 and below 1, found {value}.")
        if self.label_learning_rate <= 0:
            raise ConfigError(f"'label_learning_rate' must be above 0, found {self.label_learning_rate}.")


@dataclass(frozen=True)
class CascadeXML:
    """Levels of a hierarchy scored by layers of a transformer, from shortlists.

    See :class:`hgraph.models.CascadeModel`.

    Attributes:
        hierarchy: What is searched: `taxonomy`, the hierarchy of the labels; `pifa`, a tree of clusters made of the
            training documents; `hybrid`, the hierarchy with fan-outs of more than `leaf_size` split into clusters.
        branching: Most children of a cluster of `pifa` that has clusters below it, a power of two.
        leaf_size: Most labels of a cluster, of `hybrid` most children of a node; None follows from the number of labels
            with `pifa`, and is 100 with `hybrid`.
        topk: Nodes that are selected on each level, one number for all levels above the labels, or one a level.
        layers: For each level, the labels' last, the layers it reads; None spreads the upper half of them.
        dropouts: On the vector of each level, the labels' last; None rises from 0.2 to 0.5.
        level_weights: How much the loss of each level counts, the labels' last; None is 1 for all.
        scores: A label's probability: by its own score (`level`), times its parent's (`weighted`), or times that of all
            nodes on the way (`path`).
        sparse: Whether gradients of the tables are sparse: a step costs what its candidates cost.
        faithful: The published form, mistakes included.
    """

    name: Literal["cascade_xml"] = "cascade_xml"
    hierarchy: Literal["taxonomy", "pifa", "hybrid"] = "pifa"
    branching: int = 16
    leaf_size: int | None = None
    topk: list[int] = field(default_factory=lambda: [64])
    layers: list[list[int]] | None = None
    dropouts: list[float] | None = None
    level_weights: list[float] | None = None
    scores: Literal["level", "weighted", "path"] = "weighted"
    sparse: bool = False
    faithful: bool = False

    def __post_init__(self) -> None:
        at_least(self, 2, "branching")
        if self.leaf_size is not None:
            at_least(self, 2, "leaf_size")
        if not self.topk or min(self.topk) < 1:
            raise ConfigError(f"'topk' must list numbers of at least 1, found {self.topk}.")
        if self.layers is not None and not all(self.layers):
            raise ConfigError(f"'layers' must name at least one layer for each level, found {self.layers}.")
        if not all(0 <= rate < 1 for rate in self.dropouts or []):
            raise ConfigError(f"'dropouts' must be shares from 0 to below 1, found {self.dropouts}.")
        if not all(weight >= 0 for weight in self.level_weights or []):
            raise ConfigError(f"'level_weights' must not be negative, found {self.level_weights}.")


ModelOptions = HBGL | CascadeXML | XRLinear | XRTransformer
