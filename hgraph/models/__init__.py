"""Models, each composed of the floors below."""

from hgraph.models.alignment_model import AlignmentModel
from hgraph.models.frozen_model import FrozenModel
from hgraph.models.links import ConditionalLink
from hgraph.models.views import DropoutView, View

__all__ = ["AlignmentModel", "ConditionalLink", "DropoutView", "FrozenModel", "View"]
