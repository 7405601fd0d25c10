"""The options of scorers in a recipe."""

from dataclasses import dataclass
from typing import Literal

from hgraph.errors import ConfigError
from hgraph.recipes.checks import at_least, check_share


@dataclass(frozen=True)
class Linear:
    """One weight vector a label."""

    name: Literal["linear"] = "linear"


@dataclass(frozen=True)
class MLP:
    """A hidden layer, then one weight vector a label; see :class:`hgraph.scoring.MLPScorer`."""

    name: Literal["mlp"] = "mlp"
    hidden: int = 512
    dropout: float = 0.2

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden")
        check_share(self, "dropout")


@dataclass(frozen=True)
class Additive:
    """HTLA's scorer in closed form."""

    name: Literal["additive"] = "additive"


@dataclass(frozen=True)
class Dot:
    """Inner product or cosine of text and label vectors."""

    name: Literal["dot"] = "dot"
    similarity: Literal["dot", "cosine"] = "dot"


@dataclass(frozen=True)
class Bilinear:
    """Inner product after a learned linear map; see :class:`hgraph.scoring.BilinearScorer`."""

    name: Literal["bilinear"] = "bilinear"
    rank: int | None = None

    def __post_init__(self) -> None:
        if self.rank is not None:
            at_least(self, 1, "rank")


@dataclass(frozen=True)
class Shrunk:
    """A free weight vector a label, drawn to its label vector where documents are few."""

    name: Literal["shrunk"] = "shrunk"
    kappa: float = 10.0

    def __post_init__(self) -> None:
        if self.kappa <= 0:
            raise ConfigError(f"'kappa' must be above 0, found {self.kappa}.")


@dataclass(frozen=True)
class Gated:
    """Text and label vectors mixed by a gate."""

    name: Literal["gated"] = "gated"


@dataclass(frozen=True)
class Concat:
    """A hidden layer on text and label vectors side by side."""

    name: Literal["concat"] = "concat"
    hidden: int = 128

    def __post_init__(self) -> None:
        at_least(self, 1, "hidden")


@dataclass(frozen=True)
class LabelAttention:
    """Each label attends to the tokens; see :class:`hgraph.scoring.LabelAttentionScorer`."""

    name: Literal["label_attention"] = "label_attention"
    heads: int = 4
    query: Literal["label", "given", "learned"] = "label"
    projections: Literal["learned", "none"] = "learned"
    dropout: float = 0.0
    faithful: bool = False
    all_limit: int = 1000

    def __post_init__(self) -> None:
        at_least(self, 1, "heads", "all_limit")
        check_share(self, "dropout")


@dataclass(frozen=True)
class HMCN:
    """Local scores level by level, global scores, and both together; see :class:`hgraph.scoring.HMCNScorer`."""

    name: Literal["hmcn"] = "hmcn"
    heads: int = 4
    dropout: float = 0.1
    top: int = 32
    blend: float = 0.5
    integrator: bool = True
    faithful: bool = False

    def __post_init__(self) -> None:
        at_least(self, 1, "heads", "top")
        check_share(self, "dropout")
        if not 0 <= self.blend <= 1:
            raise ConfigError(f"'blend' must be a share from 0 to 1, found {self.blend}.")


@dataclass(frozen=True)
class HJCL:
    """Labels read the tokens, then weigh them by what they read; see :class:`hgraph.scoring.HJCLScorer`."""

    name: Literal["hjcl"] = "hjcl"
    heads: int = 4
    dropout: float = 0.3
    head_dropout: float = 0.1
    faithful: bool = False

    def __post_init__(self) -> None:
        at_least(self, 1, "heads")
        check_share(self, "dropout", "head_dropout")


ScorerOptions = Linear | MLP | Additive | Dot | Bilinear | Shrunk | Gated | Concat | LabelAttention | HMCN | HJCL
LABEL_VECTOR_SCORERS = (Additive, Dot, Bilinear, Shrunk, Gated, Concat, HJCL)
"""Those that read label vectors."""
TOKEN_SCORERS = (LabelAttention, HJCL)
"""Those that read token states, and say what a document tells about each label."""
