"""Probabilities from scores: two numbers fitted on validation data."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize
from scipy.special import expit

from hgraph.decoding.cells import binary, check_same_shape, find_hits, score_matrix


@dataclass(frozen=True)
class PlattScaling:
    r"""Platt's calibration, one for all labels: :math:`p = \sigma(a z + b)`.

    With :math:`a > 0` no ranking changes.

    Args:
        scale: :math:`a`.
        shift: :math:`b`.
    """

    scale: float = 1.0
    shift: float = 0.0


def fit_platt(logits: Any, truth: Any) -> PlattScaling:
    """Fit the two numbers by maximum likelihood on validation documents.

    Cells that are not stored count as certain negatives: each document should keep the scores of all its likely labels.

    Args:
        logits: CSR [N, L], each document's stored raw scores.
        truth: CSR [N, L], non-zero = label.

    Returns:
        The calibration; the identity where there is nothing to fit.

    Example:
        >>> from scipy import sparse
        >>> fit = fit_platt(sparse.csr_matrix([[4.0, -4.0], [4.0, -4.0], [4.0, -4.0]]), [[1, 0], [1, 0], [0, 1]])
        >>> float(round(expit(fit.scale * 4 + fit.shift), 3))
        0.667
    """
    matrix, target = score_matrix(logits), binary(truth, name="truth")
    check_same_shape(truth=target, scores=matrix)
    hits = find_hits(matrix, target).astype(np.float64)
    if not 0 < hits.sum() < len(hits):
        return PlattScaling()
    z = matrix.data.astype(np.float64)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale, shift = np.exp(parameters[0]), parameters[1]
        logit = scale * z + shift
        residual = expit(logit) - hits
        value = np.mean(np.logaddexp(0, logit) - hits * logit)
        return float(value), np.array([np.mean(residual * z) * scale, np.mean(residual)])

    # The scale is searched as its logarithm, so it stays positive and the order of labels with it.
    found = optimize.minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-5, 5), (-20, 20)])
    return PlattScaling(float(np.exp(found.x[0])), float(found.x[1]))
