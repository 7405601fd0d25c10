"""Models, each composed of the floors below."""

from hgraph.models.alignment_model import AlignmentModel
from hgraph.models.frozen_model import FrozenModel
from hgraph.models.hbgl import FrozenHBGL, HBGLModel, LabelPretraining
from hgraph.models.label_guided_view import LabelGuidedView
from hgraph.models.links import ConditionalLink
from hgraph.models.views import DropoutView, View

__all__ = [
    "AlignmentModel",
    "ConditionalLink",
    "DropoutView",
    "FrozenHBGL",
    "FrozenModel",
    "HBGLModel",
    "LabelGuidedView",
    "LabelPretraining",
    "View",
]
