"""Training objectives: each is a pure function on tensors and a thin module around it."""

from hgraph.losses.bce import BCELoss, binary_cross_entropy
from hgraph.losses.objective import Objective
from hgraph.losses.objective_list import ObjectiveList
from hgraph.losses.squared_hinge import SquaredHingeLoss, squared_hinge
from hgraph.losses.tla import TLALoss, tla_from_similarity
from hgraph.losses.zlpr import ZLPRLoss, zlpr

__all__ = [
    "BCELoss",
    "Objective",
    "ObjectiveList",
    "SquaredHingeLoss",
    "TLALoss",
    "ZLPRLoss",
    "binary_cross_entropy",
    "squared_hinge",
    "tla_from_similarity",
    "zlpr",
]
