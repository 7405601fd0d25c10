"""Weights of several sparse score matrices, such as of a linear and a neural model, learnt on validation data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit, logit

from hgraph.decoding.cells import binary, check_same_shape, find_hits
from hgraph.decoding.fusion import fit_fusion
from hgraph.decoding.union import BLOCK_CELLS, CellUnion, score_matrices, unions
from hgraph.errors import DataError

CLIP = 1e-6
"""Probabilities are kept so far from 0 and 1 before they become log odds."""


@dataclass(frozen=True)
class SparseFusion:
    r"""Late fusion of M score matrices in which a label may be missing from some.

    .. math:: p(l) = \sigma\Big(b + \sum_m [l \in S_m]\, a_m z_m(l) + [l \notin S_m]\, c_m\Big)

    :math:`S_m` are the labels that model m stored for the document, :math:`c_m` is what it counts for a label that is
    not among them. Scores that are probabilities enter as log odds.

    Args:
        weights: :math:`a_m \ge 0`, one for each matrix.
        missing: :math:`c_m`.
        shift: :math:`b`.
        probabilities: Whether the scores of a matrix are probabilities.
    """

    weights: tuple[float, ...]
    missing: tuple[float, ...]
    shift: float
    probabilities: tuple[bool, ...]

    def apply(self, matrices: Sequence[Any], *, block_cells: int = BLOCK_CELLS) -> sparse.csr_matrix:
        """Probabilities of all labels that a matrix stored.

        Args:
            matrices: CSR [N, L] each, in the order of fitting.
            block_cells: About how many stored cells to take at once; changes no result.

        Shapes:
            - **returns**: float32 CSR `[N, L]`

        Raises:
            DataError: The number of matrices is another one than in fitting, or their shapes differ.
        """
        checked = score_matrices(matrices)
        if len(checked) != len(self.weights):
            raise DataError(f"'matrices' must be {len(self.weights)}, as in fitting, found {len(checked)}.")
        parts = [union.with_values(self._probability(union)) for union in unions(checked, block_cells=block_cells)]
        empty = sparse.csr_matrix(checked[0].shape, dtype=np.float32)
        return sparse.vstack(parts, format="csr") if parts else empty

    def _probability(self, union: CellUnion) -> np.ndarray:
        total = np.full(len(union.rows), self.shift)
        settings = zip(self.weights, self.missing, self.probabilities, strict=True)
        for (weight, missing, probability), member, place in zip(settings, union.members, union.places, strict=True):
            part = np.full(len(total), missing)
            part[place] = weight * _evidence(member, probability)
            total += part
        return expit(total)


def fit_sparse_fusion(matrices: Sequence[Any], truth: Any) -> SparseFusion:
    """Fit a :class:`SparseFusion` by logistic regression on validation documents; convex and deterministic.

    The pairs of document and label that any matrix stores are the examples. Where a model stored all of
    them, nothing says what a missing score of it means, and the lowest evidence that it gave stands for it. The same
    holds for all models where no pair is true, or each: then all weights are 1.

    Memory is linear in the number of stored cells times that of matrices.

    Args:
        matrices: Scores of validation documents, CSR [N, L] each. One whose scores are all within 0 and 1 is taken for
            probabilities.
        truth: CSR [N, L], non-zero = label.

    Raises:
        ConfigError: No matrix.
        DataError: The shapes differ, or a score is not finite.

    Example:
        >>> good, poor = [[3.0, -3.0, 0.0], [-2.0, 2.0, 1.0]], [[1.0, 0.0, 1.0], [1.0, -1.0, -1.0]]
        >>> fusion = fit_sparse_fusion([good, poor], [[1, 0, 0], [0, 1, 1]])
        >>> fusion.weights[0] > fusion.weights[1]
        True
    """
    checked, target = score_matrices(matrices), binary(truth, name="truth")
    check_same_shape(truth=target, scores=checked[0])
    probabilities = tuple(_are_probabilities(matrix) for matrix in checked)
    lowest = [_lowest(matrix, probability) for matrix, probability in zip(checked, probabilities, strict=True)]
    blocks = [_examples(union, probabilities, target_rows) for union, target_rows in _with_rows(checked, target)]
    count = len(checked)
    table = np.concatenate(blocks, axis=1) if blocks else np.zeros((2 * count + 1, 0))
    found, shift = fit_fusion(table[:count], table[-1], indicators=table[count:-1])
    hits = table[-1].sum()
    known = (table[count:-1].sum(axis=1) > 0) & (0 < hits < table.shape[1])
    missing = np.where(known, found[count:], found[:count] * lowest)
    return SparseFusion(tuple(found[:count].tolist()), tuple(missing.tolist()), float(shift), probabilities)


def _with_rows(checked: list[sparse.csr_matrix], target: sparse.csr_matrix) -> Any:
    """Unions of cells, each with its rows of the truth."""
    start = 0
    for union in unions(checked):
        stop = start + union.cells.shape[0]
        yield union, target[start:stop]
        start = stop


def _examples(union: CellUnion, probabilities: tuple[bool, ...], target: sparse.csr_matrix) -> np.ndarray:
    """Evidence of each model, whether it is missing, and the truth, [2 M + 1, U]."""
    count = len(union.members)
    table = np.zeros((2 * count + 1, len(union.rows)))
    table[count:-1] = 1
    for number, (member, place) in enumerate(zip(union.members, union.places, strict=True)):
        table[number, place] = _evidence(member, probabilities[number])
        table[count + number, place] = 0
    table[-1] = find_hits(union.cells, target)
    return table


def _evidence(matrix: sparse.csr_matrix, probability: bool) -> np.ndarray:
    """Scores as they add up: log odds of probabilities, raw scores as they are, [nnz]."""
    values = matrix.data.astype(np.float64)
    return logit(np.clip(values, CLIP, 1 - CLIP)) if probability else values


def _are_probabilities(matrix: sparse.csr_matrix) -> bool:
    return bool(matrix.nnz) and bool((matrix.data >= 0).all()) and bool((matrix.data <= 1).all())


def _lowest(matrix: sparse.csr_matrix, probability: bool) -> float:
    return float(_evidence(matrix, probability).min()) if matrix.nnz else 0.0
