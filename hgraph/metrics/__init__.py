"""Measures of label sets and rankings, on sparse matrices."""

from hgraph.metrics.f1 import label_counts, macro_f1, micro_f1, per_label_f1
from hgraph.metrics.hierarchy import (
    hierarchical_scores,
    per_level,
    violation_rate,
    violation_rates,
)
from hgraph.metrics.ranking import RankedCells, ndcg_at_k, precision_at_k, r_precision, rank_labels, recall_at_k
from hgraph.metrics.report import evaluate

__all__ = [
    "RankedCells",
    "evaluate",
    "hierarchical_scores",
    "label_counts",
    "macro_f1",
    "micro_f1",
    "ndcg_at_k",
    "per_label_f1",
    "per_level",
    "precision_at_k",
    "r_precision",
    "rank_labels",
    "recall_at_k",
    "violation_rate",
    "violation_rates",
]
