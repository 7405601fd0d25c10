"""The options of label encoders in a recipe."""

from dataclasses import dataclass
from typing import Literal

from hgraph.recipes.checks import at_least, check_share

LabelText = Literal["name", "name+description", "path", "none"]
"""What stands for a label; with `none` a label is a free vector alone."""


@dataclass(frozen=True)
class Learned:
    """A free vector a label."""

    name: Literal["learned"] = "learned"


@dataclass(frozen=True)
class Names:
    """Label vectors from label names."""

    name: Literal["names"] = "names"
    text: LabelText = "name"
    ids: bool = False


@dataclass(frozen=True)
class Features:
    """Label names and the place in the hierarchy in a few numbers; see :class:`hgraph.nn.FeatureLabelEncoder`."""

    name: Literal["features"] = "features"
    text: LabelText = "name"
    structure: bool = True
    id_channels: int = 0

    def __post_init__(self) -> None:
        at_least(self, 0, "id_channels")


@dataclass(frozen=True)
class GAT:
    """Graph attention along the edges of the hierarchy; see :class:`hgraph.nn.GATLabelEncoder`."""

    name: Literal["gat"] = "gat"
    text: LabelText = "name"
    ids: bool = True
    heads: int = 8
    layers: int = 2
    dropout: float = 0.1
    norm: Literal["pre", "post"] = "post"
    faithful: bool = False
    cached: bool = False
    refresh: int = 4096
    samples: int = 1024

    def __post_init__(self) -> None:
        at_least(self, 1, "heads", "layers", "refresh")
        at_least(self, 0, "samples")
        check_share(self, "dropout")


@dataclass(frozen=True)
class Graphormer:
    """Attention among labels, biased by distance and path; see :class:`hgraph.nn.GraphormerLabelEncoder`."""

    name: Literal["graphormer"] = "graphormer"
    text: LabelText = "name"
    ids: bool = True
    heads: int = 12
    layers: int = 1
    dropout: float = 0.1
    path: bool = True
    distance: bool = True
    norm: Literal["pre", "post"] = "pre"
    faithful: bool = False
    program: Literal["hgclr", "htla_n"] = "hgclr"
    form: Literal["auto", "dense", "all_pairs", "edges"] = "auto"
    dense_limit: int = 4000
    all_pairs_limit: int = 50_000
    cached: bool = False
    refresh: int = 4096
    samples: int = 1024

    def __post_init__(self) -> None:
        at_least(self, 1, "heads", "layers", "dense_limit", "all_pairs_limit", "refresh")
        at_least(self, 0, "samples")
        check_share(self, "dropout")


@dataclass(frozen=True)
class GPTrans:
    """Attention among labels in which pairs of labels have states too; see :class:`hgraph.nn.GPTransLabelEncoder`."""

    name: Literal["gptrans"] = "gptrans"
    text: LabelText = "name"
    ids: bool = True
    edge_channels: int = 30
    heads: int = 12
    layers: int = 1
    dropout: float = 0.1
    path: bool = True
    distance: bool = True
    norm: Literal["pre", "post"] = "pre"
    faithful: bool = False
    form: Literal["auto", "dense", "all_pairs", "edges"] = "auto"
    dense_limit: int = 4000
    all_pairs_limit: int = 50_000
    cached: bool = False
    refresh: int = 4096
    samples: int = 1024

    def __post_init__(self) -> None:
        at_least(self, 1, "edge_channels", "heads", "layers", "dense_limit", "all_pairs_limit", "refresh")
        at_least(self, 0, "samples")
        check_share(self, "dropout")


@dataclass(frozen=True)
class TreeSweep:
    """Attention up and down the hierarchy; see :class:`hgraph.nn.TreeSweepEncoder`."""

    name: Literal["tree_sweep"] = "tree_sweep"
    text: LabelText = "name"
    ids: bool = True
    heads: int = 8
    layers: int = 1
    dropout: float = 0.1

    def __post_init__(self) -> None:
        at_least(self, 1, "heads", "layers")
        check_share(self, "dropout")


LabelEncoderOptions = Learned | Names | Features | GAT | Graphormer | GPTrans | TreeSweep
