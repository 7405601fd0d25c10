"""HBGL: label vectors that know the hierarchy, and labels decoded level by level."""

from hgraph.models.hbgl.frozen import FrozenHBGL
from hgraph.models.hbgl.label_pretraining import LabelPretraining
from hgraph.models.hbgl.level_scorer import LevelScorer
from hgraph.models.hbgl.masks import hierarchy_mask, stream_mask
from hgraph.models.hbgl.model import HBGLModel

__all__ = ["FrozenHBGL", "HBGLModel", "LabelPretraining", "LevelScorer", "hierarchy_mask", "stream_mask"]
