"""Training objectives: each is a pure function on tensors and a thin module around it."""

from hgraph.losses.all_slots_contrast import AllSlotsContrastLoss
from hgraph.losses.asymmetric import AsymmetricLoss, FocalLoss, asymmetric
from hgraph.losses.bce import BCELoss, binary_cross_entropy
from hgraph.losses.branches import BranchLoss
from hgraph.losses.class_balanced import ClassBalancedBCELoss, class_balanced_weights
from hgraph.losses.conditional import ConditionalLoss
from hgraph.losses.conditional_probabilities import ConditionalProbabilities, conditional_log_probabilities
from hgraph.losses.hilecon import HiLeConLoss, hilecon
from hgraph.losses.hmcl import HMCLLoss, hmcl_from_similarity
from hgraph.losses.instance_contrast import InstanceContrastLoss, SlotInstanceContrastLoss, instance_contrast
from hgraph.losses.level_margin import LevelMarginLoss, level_margin
from hgraph.losses.lorentz import exp0, lorentz_distance
from hgraph.losses.lorentz_tla import LorentzTLALoss
from hgraph.losses.max_constraint import MaxConstraint, MaxConstraintLoss
from hgraph.losses.nt_xent import NTXentLoss, nt_xent
from hgraph.losses.objective import Objective
from hgraph.losses.objective_list import ObjectiveList
from hgraph.losses.path_regularisation import PathRegularisation
from hgraph.losses.recursive_regularisation import RecursiveRegularisation, recursive_regularisation
from hgraph.losses.squared_hinge import SquaredHingeLoss, squared_hinge
from hgraph.losses.supcon import SupConLoss, supcon_from_similarity
from hgraph.losses.tla import TLALoss, tla_from_similarity
from hgraph.losses.zlpr import ZLPRLoss, zlpr

__all__ = [
    "AllSlotsContrastLoss",
    "AsymmetricLoss",
    "BCELoss",
    "BranchLoss",
    "ClassBalancedBCELoss",
    "ConditionalLoss",
    "ConditionalProbabilities",
    "FocalLoss",
    "HMCLLoss",
    "HiLeConLoss",
    "InstanceContrastLoss",
    "LevelMarginLoss",
    "LorentzTLALoss",
    "MaxConstraint",
    "MaxConstraintLoss",
    "NTXentLoss",
    "Objective",
    "ObjectiveList",
    "PathRegularisation",
    "RecursiveRegularisation",
    "SlotInstanceContrastLoss",
    "SquaredHingeLoss",
    "SupConLoss",
    "TLALoss",
    "ZLPRLoss",
    "asymmetric",
    "binary_cross_entropy",
    "class_balanced_weights",
    "conditional_log_probabilities",
    "exp0",
    "hilecon",
    "hmcl_from_similarity",
    "instance_contrast",
    "level_margin",
    "lorentz_distance",
    "nt_xent",
    "recursive_regularisation",
    "squared_hinge",
    "supcon_from_similarity",
    "tla_from_similarity",
    "zlpr",
]
