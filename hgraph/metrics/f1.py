"""Precision, recall and F1 of label sets, on sparse matrices.

Every measure comes from three counts a label: true positives, predicted documents and documents that have it. 0/0 is
0, as in scikit-learn with `zero_division=0`.
"""

from typing import Any, Literal, NamedTuple

import numpy as np

from hgraph.decoding.cells import binary, check_same_shape
from hgraph.errors import ConfigError


class LabelCounts(NamedTuple):
    """Counts of every label over all documents, int64 [L] each."""

    true_positives: np.ndarray
    predicted: np.ndarray
    support: np.ndarray

    def select(self, labels: np.ndarray) -> "LabelCounts":
        """Counts of some labels only (a boolean mask or indices)."""
        return LabelCounts(*(counts[labels] for counts in self))


def label_counts(truth: Any, predictions: Any) -> LabelCounts:
    """Count true positives, predictions and support of every label.

    Args:
        truth: CSR [N, L], non-zero = the document has the label.
        predictions: CSR [N, L], non-zero = the label is predicted.

    Example:
        >>> label_counts([[1, 1], [1, 0]], [[1, 0], [1, 1]])
        LabelCounts(true_positives=array([2, 0]), predicted=array([2, 1]), support=array([2, 1]))
    """
    target, guess = binary(truth, name="truth"), binary(predictions, name="predictions")
    check_same_shape(truth=target, predictions=guess)
    common = target.multiply(guess).tocsr()
    return LabelCounts(*(np.bincount(m.indices, minlength=target.shape[1]) for m in (common, guess, target)))


def divide(numerator: Any, denominator: Any) -> np.ndarray:
    """Elementwise quotient in float64 with 0/0 = 0."""
    numerator, denominator = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)


def f1_of_counts(counts: LabelCounts) -> np.ndarray:
    """F1 of every label, `2 tp / (predicted + support)`, float64 [L]."""
    return divide(2 * counts.true_positives, counts.predicted + counts.support)


def micro_of_counts(counts: LabelCounts) -> tuple[float, float, float]:
    """Precision, recall and F1 over all cells of these labels together."""
    hits, predicted, support = (int(values.sum()) for values in counts)
    return float(divide(hits, predicted)), float(divide(hits, support)), float(divide(2 * hits, predicted + support))


def macro_of_counts(counts: LabelCounts, *, over: Literal["all", "supported"] = "all") -> float:
    """Mean F1 of these labels; see `macro_f1` for `over`. 0 when there is no label to average."""
    f1 = f1_of_counts(counts)
    if over == "supported":
        f1 = f1[counts.support > 0]
    elif over != "all":
        raise ConfigError(f"'over' is {over!r}, expected 'all' or 'supported'.")
    return float(f1.mean()) if len(f1) else 0.0


def micro_f1(truth: Any, predictions: Any) -> float:
    """F1 over all (document, label) cells together.

    Args:
        truth: CSR [N, L], non-zero = the document has the label.
        predictions: CSR [N, L], non-zero = the label is predicted.

    Example:
        >>> micro_f1([[1, 1], [1, 0]], [[1, 0], [1, 0]])
        0.8
    """
    return micro_of_counts(label_counts(truth, predictions))[2]


def macro_f1(truth: Any, predictions: Any, *, over: Literal["all", "supported"] = "all") -> float:
    """Mean of the labels' F1.

    Published numbers differ in which labels count, so report both.

    Args:
        truth: CSR [N, L], non-zero = the document has the label.
        predictions: CSR [N, L], non-zero = the label is predicted.
        over: "all" labels, where one with neither truth nor prediction has F1 0; or the labels "supported" by at least
            one document of `truth`.

    Example:
        >>> truth, predictions = [[1, 0], [1, 0]], [[1, 0], [1, 0]]
        >>> macro_f1(truth, predictions), macro_f1(truth, predictions, over="supported")
        (0.5, 1.0)
    """
    return macro_of_counts(label_counts(truth, predictions), over=over)


def per_label_f1(truth: Any, predictions: Any) -> np.ndarray:
    """F1 of every label, float64 [L].

    Example:
        >>> per_label_f1([[1, 1], [1, 0]], [[1, 0], [1, 0]])
        array([1., 0.])
    """
    return f1_of_counts(label_counts(truth, predictions))
