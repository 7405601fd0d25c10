"""Ensembles of sparse predictions: several models' scores of the same documents as one matrix of scores."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
from scipy import sparse
from scipy.special import expit

from hgraph.decoding.cells import cell_rows, rank_cells
from hgraph.decoding.union import BLOCK_CELLS, CellUnion, score_matrices, unions
from hgraph.errors import ConfigError

Method = Literal["mean", "rank", "sigmoid", "softmax", "round_robin"]
Missing = Literal["zero", "lowest"]


def ensemble(
    matrices: Sequence[Any],
    method: Method = "mean",
    *,
    missing: Missing = "zero",
    block_cells: int = BLOCK_CELLS,
) -> sparse.csr_matrix:
    r"""Combine score matrices that each store some labels of a document.

    The labels of a document are those that any model stored. Of M models with scores :math:`s_m`, where
    :math:`S_m` are the labels that model m stored for the document:

    - `mean`: :math:`\frac{1}{M} \sum_m s_m(l)`, for probabilities
    - `rank`: the mean of reversed ranks: a model's best label counts K, the next one K - 1, with K the length of the
      longest list that a model has for this document, so that each model's best label counts alike
    - `sigmoid`: the mean of :math:`\sigma(s_m(l))`, for raw scores
    - `softmax`: the mean of :math:`e^{s_m(l)} / \sum_{j \in S_m} e^{s_m(j)}`, for raw scores of unlike height
    - `round_robin`: the first model's best label, the second's best, ..., the first's second and so on, each label
      once; the label at place p (from 0) scores :math:`1 / (1 + p)`

    A model that stores no score of a label says that the score is low, not what it is. `missing="zero"` counts 0, which
    is below all stored scores in every method but `mean`; `missing="lowest"` counts the lowest that the model
    stored for the document, after the method's map: an upper bound, for means of raw scores. A model without any label
    for a document counts 0 there, for all labels alike.

    Every document is combined on its own. Time is O(c log c) for c stored cells; memory beside matrices and result is
    bounded by `block_cells`.

    Args:
        matrices: For each model CSR [N, L].
        method: How to combine, see above.
        missing: What a label counts where a model has no score of it.
        block_cells: About how many stored cells to combine at once; changes no result.

    Shapes:
        - **returns**: float32 CSR `[N, L]`, zeros stored

    Raises:
        ConfigError: No matrix or an unknown method; or `mean` of negative scores with `missing="zero"` where models
            stored different labels, because a missing label would rank above them.
        DataError: The shapes differ, or a score is not finite.

    Example:
        >>> first, second = [[0.5, 0.25, 0.0]], [[0.0, 0.75, 0.5]]
        >>> ensemble([first, second], "mean").toarray()
        array([[0.25, 0.5 , 0.25]], dtype=float32)
        >>> ensemble([first, second], "rank").toarray()
        array([[1. , 1.5, 0.5]], dtype=float32)
        >>> ensemble([first, second], "round_robin").toarray()
        array([[1.        , 0.5       , 0.33333334]], dtype=float32)
    """
    if method not in get_args(Method) or missing not in get_args(Missing):
        choices = ", ".join(get_args(Method))
        raise ConfigError(
            f"'method' is {method!r} and 'missing' {missing!r}, expected one of {choices}, and zero or lowest."
        )
    if method == "round_robin" and missing != "zero":
        raise ConfigError("'missing' has no meaning for round_robin, which looks at stored labels. Leave it out.")
    checked = score_matrices(matrices)
    parts = [_combined(union, method, missing) for union in unions(checked, block_cells=block_cells)]
    empty = sparse.csr_matrix(checked[0].shape, dtype=np.float32)
    return sparse.vstack(parts, format="csr") if parts else empty


def _combined(union: CellUnion, method: Method, missing: Missing) -> sparse.csr_matrix:
    if method == "round_robin":
        return union.with_values(_round_robin(union))
    longest = np.max([np.diff(member.indptr) for member in union.members], axis=0)
    total = np.zeros(len(union.rows))
    for number, (member, place) in enumerate(zip(union.members, union.places, strict=True)):
        values = _MAPS[method](member, longest)
        if method == "mean" and missing == "zero" and len(place) < len(total) and (values < 0).any():
            raise ConfigError(
                f"'matrices[{number}]' has negative scores, and 0 for a label that it does not store would rank above "
                "them. Take missing='lowest', or the method sigmoid, softmax or rank."
            )
        part = np.zeros(len(total)) if missing == "zero" else _row_lowest(member, values)[union.rows]
        part[place] = values
        total += part
    return union.with_values(total / len(union.members))


def _mean(member: sparse.csr_matrix, longest: np.ndarray) -> np.ndarray:
    return member.data.astype(np.float64)


def _rank(member: sparse.csr_matrix, longest: np.ndarray) -> np.ndarray:
    return (longest[cell_rows(member)] - rank_cells(member)).astype(np.float64)


def _sigmoid(member: sparse.csr_matrix, longest: np.ndarray) -> np.ndarray:
    return expit(member.data.astype(np.float64))


def _softmax(member: sparse.csr_matrix, longest: np.ndarray) -> np.ndarray:
    rows, values = cell_rows(member), member.data.astype(np.float64)
    powers = np.exp(values + _row_lowest(member, -values)[rows])
    return powers / np.bincount(rows, powers, minlength=member.shape[0])[rows]


_MAPS: dict[Method, Callable[[sparse.csr_matrix, np.ndarray], np.ndarray]] = {
    "mean": _mean,
    "rank": _rank,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
}


def _row_lowest(member: sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    """The lowest of the values of each row's cells, [rows]; 0 for a row without cells."""
    lowest = np.zeros(member.shape[0])
    filled = np.diff(member.indptr) > 0
    if filled.any():
        lowest[filled] = np.minimum.reduceat(values, member.indptr[:-1][filled])
    return lowest


def _round_robin(union: CellUnion) -> np.ndarray:
    count = len(union.members)
    turn = np.full(len(union.rows), np.iinfo(np.int64).max)
    for number, (member, place) in enumerate(zip(union.members, union.places, strict=True)):
        turn[place] = np.minimum(turn[place], rank_cells(member) * count + number)
    order = np.lexsort((turn, union.rows))
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order)) - union.cells.indptr[union.rows]
    return 1 / (1 + position)
