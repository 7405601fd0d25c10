"""hgraph: multi-label text classification when the labels form a hierarchy.

The label hierarchy is a PyTorch Geometric graph (:class:`LabelGraph`); text and labels are encoded, scored against each
other and decoded into a consistent set of labels. Names below are imported on first use, so ``import hgraph`` is cheap.
"""

import importlib
from typing import TYPE_CHECKING, Any

from hgraph.version import __version__

_LAZY = {
    "LabelGraph": "hgraph.graph",
    "read_taxonomy": "hgraph.graph",
    "Predictor": "hgraph.predictor",
    "AlignmentModel": "hgraph.models",
    "Recipe": "hgraph.recipes",
    "train": "hgraph.recipes",
    "HGraphError": "hgraph.errors",
    "TaxonomyError": "hgraph.errors",
    "UnknownLabelError": "hgraph.errors",
    "DataError": "hgraph.errors",
    "ConfigError": "hgraph.errors",
}

__all__ = ["__version__", *_LAZY]

if TYPE_CHECKING:
    from hgraph.errors import ConfigError, DataError, HGraphError, TaxonomyError, UnknownLabelError
    from hgraph.graph import LabelGraph, read_taxonomy
    from hgraph.models import AlignmentModel
    from hgraph.predictor import Predictor
    from hgraph.recipes import Recipe, train


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module 'hgraph' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
