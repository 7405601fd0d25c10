"""Models, each composed of the floors below."""

from hgraph.models.alignment_model import AlignmentModel
from hgraph.models.cascade import CascadeModel, FrozenCascade
from hgraph.models.frozen_model import FrozenModel
from hgraph.models.hbgl import FrozenHBGL, HBGLModel, LabelPretraining
from hgraph.models.label_guided_view import LabelGuidedView
from hgraph.models.level_matcher import LevelMatcher
from hgraph.models.links import ConditionalLink
from hgraph.models.ranked_model import RankedModel
from hgraph.models.views import DropoutView, View

__all__ = [
    "AlignmentModel",
    "CascadeModel",
    "ConditionalLink",
    "DropoutView",
    "FrozenCascade",
    "FrozenHBGL",
    "FrozenModel",
    "HBGLModel",
    "LabelGuidedView",
    "LabelPretraining",
    "LevelMatcher",
    "RankedModel",
    "View",
]
