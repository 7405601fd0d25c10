"""How much each of several scores counts: weights fitted on validation data."""

import numpy as np
from scipy import optimize
from scipy.special import expit

from hgraph.errors import DataError


def fit_fusion(
    scores: np.ndarray, truth: np.ndarray, *, indicators: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    r"""Weights of several scores by logistic regression: :math:`p = \sigma(\sum_k a_k z_k + b)`, :math:`a_k \ge 0`.

    Late fusion: each score was made by a model of its own, and validation documents say how far each is to be trusted.
    The maximum of the likelihood is unique, as the problem is convex.

    Args:
        scores: [K, M], the K scores of M pairs of document and label.
        truth: [M], whether the document has the label.
        indicators: [J, M], ones and zeros that say something else of the pairs; their weights may be negative.

    Returns:
        The weights, float64 [K + J], and the shift. Where all pairs are true, or none: ones for the scores, else 0.

    Raises:
        DataError: Wrong shapes, or scores that are not finite.

    Example:
        >>> good, poor = [2.0, -2.0, 1.0, -1.0, -2.0, 1.0], [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]
        >>> weights, shift = fit_fusion(np.array([good, poor]), np.array([1, 0, 1, 1, 0, 0]))
        >>> bool(weights[0] > 0 and weights[1] >= 0)
        True
    """
    scores, truth = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if scores.ndim != 2 or truth.shape != scores.shape[1:]:
        raise DataError(f"'scores' must be [K, M] and 'truth' [M], found {scores.shape} and {truth.shape}.")
    if not np.isfinite(scores).all():
        raise DataError("'scores' contain NaN or infinity. Check the models that made them.")
    free = np.zeros((0, len(truth))) if indicators is None else np.asarray(indicators, dtype=np.float64)
    if free.ndim != 2 or free.shape[1] != len(truth):
        raise DataError(f"'indicators' must be [J, {len(truth)}], found {free.shape}.")
    start = np.concatenate([np.ones(len(scores)), np.zeros(len(free) + 1)])
    if not 0 < truth.sum() < len(truth):
        return start[:-1], 0.0
    bounds = [(0.0, 100.0)] * len(scores) + [(-100.0, 100.0)] * (len(free) + 1)
    scores = np.concatenate([scores, free])
    # In units of its own spread each score pulls alike, and the search needs few steps.
    spread = scores.std(axis=1)
    spread[spread < 1e-12] = 1.0
    scaled = scores / spread[:, None]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        logit = parameters[:-1] @ scaled + parameters[-1]
        residual = expit(logit) - truth
        value = np.mean(np.logaddexp(0, logit) - truth * logit)
        return float(value), np.append(scaled @ residual, residual.sum()) / len(truth)

    # A negative weight of a score would mean that it argues against its own label: validation noise.
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x[:-1] / spread, float(found.x[-1])
