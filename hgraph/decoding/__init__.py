"""Decoding: scores to label sets that agree with the hierarchy."""

from hgraph.decoding.calibration import PlattScaling, fit_platt
from hgraph.decoding.consistency import close_upward_scores, ranking_scores, threshold_decode, top_k_decode
from hgraph.decoding.ensembles import ensemble
from hgraph.decoding.fusion import fit_fusion
from hgraph.decoding.score_files import ScoreFile, read_scores, write_scores
from hgraph.decoding.sparse_fusion import SparseFusion, fit_sparse_fusion
from hgraph.decoding.thresholds import Thresholds, tune_global, tune_per_label
from hgraph.decoding.topk import scores_to_csr, shortlist_to_csr

__all__ = [
    "PlattScaling",
    "ScoreFile",
    "SparseFusion",
    "Thresholds",
    "close_upward_scores",
    "ensemble",
    "fit_fusion",
    "fit_platt",
    "fit_sparse_fusion",
    "ranking_scores",
    "read_scores",
    "scores_to_csr",
    "shortlist_to_csr",
    "threshold_decode",
    "top_k_decode",
    "tune_global",
    "tune_per_label",
    "write_scores",
]
