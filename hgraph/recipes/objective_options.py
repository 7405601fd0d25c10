"""The options of objectives in a recipe; their arguments have the names of those of `hgraph.losses`."""

from dataclasses import dataclass
from typing import Literal

from hgraph.errors import ConfigError
from hgraph.recipes.checks import at_least, check_share

Reduction = Literal["mean", "sum"]
TextNegativesName = Literal["all", "level", "sibling", "parent"]


def above_zero(config: object, *names: str) -> None:
    """Raise an error where an option is not above zero."""
    for name in names:
        if getattr(config, name) <= 0:
            raise ConfigError(f"'{name}' must be above 0, found {getattr(config, name)}.")


@dataclass(frozen=True)
class BCE:
    """Binary cross-entropy."""

    name: Literal["bce"] = "bce"
    weight: float = 1.0
    reduction: Reduction = "sum"


@dataclass(frozen=True)
class ClassBalancedBCE:
    """Binary cross-entropy, labels weighted by their effective number of documents."""

    name: Literal["class_balanced_bce"] = "class_balanced_bce"
    weight: float = 1.0
    reduction: Reduction = "sum"
    beta: float = 0.9999

    def __post_init__(self) -> None:
        check_share(self, "beta")


@dataclass(frozen=True)
class Asymmetric:
    """Binary cross-entropy in which easy pairs, negative ones above all, count less."""

    name: Literal["asymmetric"] = "asymmetric"
    weight: float = 1.0
    reduction: Reduction = "sum"
    gamma_pos: float = 0.0
    gamma_neg: float = 4.0
    clip: float = 0.05

    def __post_init__(self) -> None:
        at_least(self, 0, "gamma_pos", "gamma_neg")
        check_share(self, "clip")


@dataclass(frozen=True)
class SquaredHinge:
    """Squared hinge, the loss of linear support vector machines."""

    name: Literal["squared_hinge"] = "squared_hinge"
    weight: float = 1.0
    reduction: Reduction = "sum"


@dataclass(frozen=True)
class ZLPR:
    """Zero-bounded log-sum-exp pairwise ranking loss."""

    name: Literal["zlpr"] = "zlpr"
    weight: float = 1.0


@dataclass(frozen=True)
class TLA:
    """HTLA's text-label alignment loss."""

    name: Literal["tla"] = "tla"
    weight: float = 1.0
    temperature: float = 0.07
    similarity: Literal["cosine", "dot"] = "cosine"
    negatives: Literal["all", "level", "sibling", "parent", "descendant", "mined"] = "all"
    choice: Literal["hardest", "semi_hard", "random", "all"] = "hardest"
    num_negatives: int | None = None

    def __post_init__(self) -> None:
        above_zero(self, "temperature")
        if self.num_negatives is not None:
            at_least(self, 1, "num_negatives")


@dataclass(frozen=True)
class LevelMargin:
    """A margin between labels and the hardest others of their level (HTLA^n)."""

    name: Literal["level_margin"] = "level_margin"
    weight: float = 1.0
    margin: float = 0.1
    levels: list[int] | None = None

    def __post_init__(self) -> None:
        at_least(self, 0, "margin")


@dataclass(frozen=True)
class LorentzTLA:
    """Text-label alignment in hyperbolic space (HyILR)."""

    name: Literal["lorentz_tla"] = "lorentz_tla"
    weight: float = 1.0
    temperature: float = 0.07

    def __post_init__(self) -> None:
        above_zero(self, "temperature")


@dataclass(frozen=True)
class HiLeCon:
    """HJCL's contrast of what documents say about a label; it needs the scorer `hjcl` or `label_attention`."""

    name: Literal["hilecon"] = "hilecon"
    weight: float = 1.0
    temperature: float = 1.0
    faithful: bool = False

    def __post_init__(self) -> None:
        above_zero(self, "temperature")


@dataclass(frozen=True)
class InstanceContrast:
    """HJCL's contrast of documents with equal labels, level by level."""

    name: Literal["instance_contrast"] = "instance_contrast"
    weight: float = 1.0
    temperature: float = 0.1
    faithful: bool = False

    def __post_init__(self) -> None:
        above_zero(self, "temperature")


@dataclass(frozen=True)
class SupCon:
    """Supervised contrast of documents."""

    name: Literal["supcon"] = "supcon"
    weight: float = 1.0
    temperature: float = 0.1
    positives: Literal["identical", "any", "jaccard"] = "identical"

    def __post_init__(self) -> None:
        above_zero(self, "temperature")


@dataclass(frozen=True)
class HMCL:
    """Contrast of documents level by level (HMCN's pre-training)."""

    name: Literal["hmcl"] = "hmcl"
    weight: float = 1.0
    temperature: float = 0.07
    negatives: TextNegativesName = "level"
    support_weighted: bool = False

    def __post_init__(self) -> None:
        above_zero(self, "temperature")


@dataclass(frozen=True)
class NTXent:
    """Contrast of two views of each document."""

    name: Literal["nt_xent"] = "nt_xent"
    weight: float = 1.0
    temperature: float = 1.0
    projection: bool = False

    def __post_init__(self) -> None:
        above_zero(self, "temperature")


@dataclass(frozen=True)
class PathRegularisation:
    """A price for labels that are more probable than their parents."""

    name: Literal["path_regularisation"] = "path_regularisation"
    weight: float = 1.0
    power: Literal[1, 2] = 1


@dataclass(frozen=True)
class MaxConstraint:
    """Binary cross-entropy of probabilities that are closed upward (C-HMCNN)."""

    name: Literal["max_constraint"] = "max_constraint"
    weight: float = 1.0


@dataclass(frozen=True)
class RecursiveRegularisation:
    """Weights of a label close to those of its parents."""

    name: Literal["recursive_regularisation"] = "recursive_regularisation"
    weight: float = 1.0


@dataclass(frozen=True)
class BranchBCE:
    """Binary cross-entropy of what a model scores beside its final scores: parts of a scorer, and a view."""

    name: Literal["branch_bce"] = "branch_bce"
    weight: float = 1.0
    reduction: Reduction = "sum"


@dataclass(frozen=True)
class Conditional:
    """Cross-entropy of a label given its parents; predictions are products down the hierarchy."""

    name: Literal["conditional"] = "conditional"
    weight: float = 1.0
    kind: Literal["sigmoid", "softmax"] = "sigmoid"
    tau: float = 0.0

    def __post_init__(self) -> None:
        if self.tau and self.kind != "softmax":
            raise ConfigError(f"'tau' must be 0 unless 'kind' is softmax, found {self.tau} with {self.kind}.")


ObjectiveOptions = (
    BCE
    | ClassBalancedBCE
    | Asymmetric
    | SquaredHinge
    | ZLPR
    | TLA
    | LevelMargin
    | LorentzTLA
    | HiLeCon
    | InstanceContrast
    | SupCon
    | HMCL
    | NTXent
    | PathRegularisation
    | MaxConstraint
    | RecursiveRegularisation
    | BranchBCE
    | Conditional
)
LABEL_VECTOR_OBJECTIVES = (TLA, LevelMargin, LorentzTLA)
"""Those that compare document vectors with label vectors."""
ON_GRAPH = (
    LevelMargin,
    HiLeCon,
    InstanceContrast,
    PathRegularisation,
    MaxConstraint,
    RecursiveRegularisation,
)
"""Those that are made on a hierarchy."""
