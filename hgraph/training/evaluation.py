"""Scores of many documents as CSR, thresholds from them, and the report of both."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
import torch
from scipy.special import expit, logit
from torch import Tensor, nn

from hgraph.decoding import (
    PlattScaling,
    Thresholds,
    fit_platt,
    ranking_scores,
    scores_to_csr,
    shortlist_to_csr,
    threshold_decode,
    tune_global,
    tune_per_label,
)
from hgraph.graph import LabelGraph
from hgraph.metrics import evaluate

ThresholdKind = Literal["global", "per_label", "fixed"]
MAX_STORED_SCORES = 512
"""Scores kept for each document: all of them up to so many labels, else the best."""

SCORES_AT_ONCE = 2**24
"""Scores of all labels that are held at a time: 64 MB, and as much again for each step that is taken with them."""


def documents_at_once(batch_size: int, num_labels: int) -> int:
    """How many documents are scored at once: `batch_size`, or fewer where labels are many.

    Example:
        >>> documents_at_once(128, num_labels=1000), documents_at_once(128, num_labels=670_091)
        (128, 25)
    """
    return max(1, min(batch_size, SCORES_AT_ONCE // max(num_labels, 1)))


@torch.no_grad()
def predict_scores(
    model: Callable[..., Any], batches: Iterable[dict[str, Any]], num_labels: int, *, keep: int = MAX_STORED_SCORES
) -> sp.csr_matrix:
    """Probabilities of the best labels of each document.

    Args:
        model: Called with `text=`, and `candidates=` where batches have them; answers logits [B, L], alone or under the
            key `logits`; or, of a shortlist, `logits` [B, K] and `labels` [B, K], -1 where there is none. A label that
            is not on it has no score.
        batches: What a :class:`hgraph.data.Collator` gives.
        num_labels: Number L of labels.
        keep: Labels to keep for each document.

    Returns:
        float32 CSR [num_documents, num_labels].
    """
    training = model.training if isinstance(model, nn.Module) else False
    if isinstance(model, nn.Module):
        model.eval()
        device = next(chain(model.parameters(), model.buffers())).device  # a bag of n-grams has no weights
    else:
        device = torch.device("cpu")
    parts = []
    try:
        for batch in batches:
            given = {"candidates": batch["candidates"].to(device)} if "candidates" in batch else {}
            output = model(text={name: value.to(device) for name, value in batch["text"].items()}, **given)
            logits: Tensor = output["logits"] if isinstance(output, dict) else output
            scores = logits.float().sigmoid()
            if isinstance(output, dict) and "labels" in output:
                parts.append(shortlist_to_csr(output["labels"], scores, num_labels, keep))
            else:
                parts.append(scores_to_csr(scores, keep))
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


def calibrated(
    scores: sp.csr_matrix, truth: sp.csr_matrix, graph: LabelGraph, kind: ThresholdKind
) -> tuple["Evaluation", PlattScaling]:
    """Fit the probabilities of validation documents to their labels, then tune thresholds on them and measure."""
    logits = scores.copy()
    logits.data = logit(np.clip(scores.data.astype(np.float64), 1e-7, 1 - 1e-7))
    calibration = fit_platt(logits, truth)
    fitted = scores.copy()
    fitted.data = expit(calibration.scale * logits.data + calibration.shift).astype(np.float32)
    return Evaluation.of(fitted, truth, graph, tune_thresholds(fitted, truth, graph, kind)), calibration


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
