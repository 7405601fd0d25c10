"""Models, each composed of the floors below."""

from hgraph.models.alignment_model import AlignmentModel
from hgraph.models.frozen_model import FrozenModel

__all__ = ["AlignmentModel", "FrozenModel"]
