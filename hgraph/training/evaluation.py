"""Scores of many documents as CSR, thresholds from them, and the report of both."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from hgraph.decoding import Thresholds, ranking_scores, scores_to_csr, threshold_decode, tune_global, tune_per_label
from hgraph.graph import LabelGraph
from hgraph.metrics import evaluate

ThresholdKind = Literal["global", "per_label", "fixed"]
MAX_STORED_SCORES = 512
"""Scores kept for each document: all of them up to so many labels, else the best."""


@torch.no_grad()
def predict_scores(
    model: Callable[..., Any], batches: Iterable[dict[str, Any]], num_labels: int, *, keep: int = MAX_STORED_SCORES
) -> sp.csr_matrix:
    """Probabilities of the best labels of each document.

    Args:
        model: Called with `text=`; answers logits [B, L], alone or under the key `logits`.
        batches: What a :class:`hgraph.data.Collator` gives.
        num_labels: Number L of labels.
        keep: Labels to keep for each document.

    Returns:
        float32 CSR [num_documents, num_labels].
    """
    training = model.training if isinstance(model, nn.Module) else False
    if isinstance(model, nn.Module):
        model.eval()
        device = next(model.parameters()).device
    else:
        device = torch.device("cpu")
    parts = []
    try:
        for batch in batches:
            output = model(text={name: value.to(device) for name, value in batch["text"].items()})
            logits: Tensor = output["logits"] if isinstance(output, dict) else output
            parts.append(scores_to_csr(logits.float().sigmoid(), keep))
    finally:
        if isinstance(model, nn.Module):
            model.train(training)
    return sp.vstack(parts, format="csr") if parts else sp.csr_matrix((0, num_labels), dtype=np.float32)


def tune_thresholds(
    scores: sp.csr_matrix, truth: sp.csr_matrix, graph: LabelGraph, kind: ThresholdKind = "global"
) -> Thresholds:
    """Thresholds with the best F1 on validation data after closing upward; `"fixed"` is 0.5 for every label."""
    if kind == "fixed":
        return Thresholds(value=0.5)
    return tune_global(scores, truth, graph) if kind == "global" else tune_per_label(scores, truth, graph)


@dataclass(frozen=True)
class Evaluation:
    """Scores of a corpus, the thresholds they were cut at and the figures.

    Attributes:
        scores: CSR [N, L] of probabilities.
        thresholds: Where scores become predictions.
        report: See :func:`hgraph.metrics.evaluate`.
    """

    scores: sp.csr_matrix
    thresholds: Thresholds
    report: dict[str, Any]

    @classmethod
    def of(cls, scores: sp.csr_matrix, truth: sp.csr_matrix, graph: LabelGraph, thresholds: Thresholds) -> "Evaluation":
        """Measure `scores` cut at `thresholds` against `truth`."""
        raw = threshold_decode(scores, thresholds)
        # Labels are ranked as they are predicted: an ancestor is at least as probable as what is below it.
        return cls(scores, thresholds, evaluate(truth, ranking_scores(scores, graph), raw, graph))
