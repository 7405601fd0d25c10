"""Decoding: scores to label sets that agree with the hierarchy."""

from hgraph.decoding.calibration import PlattScaling, fit_platt
from hgraph.decoding.consistency import close_upward_scores, ranking_scores, threshold_decode, top_k_decode
from hgraph.decoding.fusion import fit_fusion
from hgraph.decoding.thresholds import Thresholds, tune_global, tune_per_label
from hgraph.decoding.topk import scores_to_csr

__all__ = [
    "PlattScaling",
    "Thresholds",
    "close_upward_scores",
    "fit_fusion",
    "fit_platt",
    "ranking_scores",
    "scores_to_csr",
    "threshold_decode",
    "top_k_decode",
    "tune_global",
    "tune_per_label",
]
