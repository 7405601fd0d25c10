"""Exact threshold sweeps: the cut of a sorted score list with the highest F1.

With the cells of a list sorted by score, the F1 of predicting the first k of them is `2 tp_k / (k + support)`, so one
sort and one running count try every threshold there is. Cells of equal score are never cut apart.
"""

import numpy as np


def sweep_f1(
    groups: np.ndarray,
    scores: np.ndarray,
    hits: np.ndarray,
    *,
    support: np.ndarray,
    given_hits: np.ndarray | None = None,
    given_cells: np.ndarray | None = None,
) -> np.ndarray:
    r"""Threshold with the highest F1 for each of G groups of cells (a label each, or all cells in one group).

    .. math:: F_1(k) = \frac{2 (tp_k + tp_{given})}{k + n_{given} + support}

    Among equally good cuts the one that predicts fewest cells wins. "No cell" is a cut too, worth it when the given
    cells alone score best. A threshold lies halfway between the scores on both sides of the cut; below the last score
    stands 0, above the first stands 1.

    Args:
        groups: Group of every cell, 0..G-1.
        scores: Score of every cell, float32.
        hits: Whether the cell is true.
        support: True cells of every group, stored or not.
        given_hits: True cells that are predicted whatever the threshold (default none).
        given_cells: Cells that are predicted whatever the threshold, not among `groups` (default none).

    Shapes:
        - **groups, scores, hits**: `[nnz]`
        - **support, given_hits, given_cells**: `[G]`
        - **returns**: float32 `[G]`; NaN where there is no cell or no threshold gets an F1 above 0

    Example:
        >>> scores = np.array([0.75, 0.5, 0.25], dtype=np.float32)
        >>> sweep_f1(np.zeros(3, dtype=int), scores, np.array([True, True, False]), support=np.array([2]))
        array([0.375], dtype=float32)
    """
    num_groups = len(support)
    given_hits = np.zeros(num_groups) if given_hits is None else given_hits
    given_cells = np.zeros(num_groups) if given_cells is None else given_cells
    thresholds = np.full(num_groups, np.nan, dtype=np.float32)
    if len(groups) == 0:
        return thresholds

    order = np.lexsort((-scores, groups))
    groups, scores, hits = groups[order], scores[order], hits[order]
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    present = groups[starts]  # groups that have cells
    ends = np.append(starts[1:], len(groups)) - 1

    first = np.repeat(starts, ends - starts + 1)  # start of each cell's own group
    running = np.cumsum(hits)
    true_positives = running - (running - hits)[first] + given_hits[groups]
    predicted = np.arange(1, len(groups) + 1) - first + given_cells[groups]
    f1 = 2 * true_positives / (predicted + support[groups])

    below = np.append(scores[1:], np.float32(0))  # next lower score of the group
    below[ends] = 0
    last_of_group = np.zeros(len(groups), dtype=bool)
    last_of_group[ends] = True
    f1[(below == scores) & ~last_of_group] = -1  # a tie must not be cut

    best = np.maximum.reduceat(f1, starts)
    place = np.where(f1 == np.repeat(best, ends - starts + 1), np.arange(len(f1)), len(f1))
    cut = np.minimum.reduceat(place, starts)
    thresholds[present] = between(below[cut], scores[cut])

    denominator = given_cells + support
    without = np.divide(2 * given_hits, denominator, out=np.zeros(num_groups), where=denominator > 0)[present]
    top = scores[starts]
    none = np.maximum(between(top, np.ones_like(top)), np.nextafter(top, np.float32(np.inf)))
    thresholds[present] = np.where(without >= best, none, thresholds[present])
    thresholds[present[np.maximum(best, without) <= 0]] = np.nan
    return thresholds


def sweep_macro_f1(groups: np.ndarray, scores: np.ndarray, hits: np.ndarray, *, support: np.ndarray) -> float:
    """One threshold for all groups with the highest mean F1 over them; NaN when none gets above 0.

    Adding a cell changes the F1 of its own group alone, so the mean is a running sum of these changes in score order.

    Args:
        groups: Group of every cell, 0..G-1.
        scores: Score of every cell, float32.
        hits: Whether the cell is true.
        support: True cells of every group, `[G]`.
    """
    if len(groups) == 0:
        return float("nan")
    order = np.lexsort((-scores, groups))
    groups, scores, hits = groups[order], scores[order], hits[order]
    starts_here = np.concatenate([[True], groups[1:] != groups[:-1]])
    starts = np.flatnonzero(starts_here)
    first = np.repeat(starts, np.diff(np.append(starts, len(groups))))
    running = np.cumsum(hits)
    f1 = 2 * (running - (running - hits)[first]) / (np.arange(1, len(groups) + 1) - first + support[groups])
    change = f1 - np.where(starts_here, 0.0, np.append(0.0, f1[:-1]))

    order = np.argsort(-scores, kind="stable")
    scores, total = scores[order], np.cumsum(change[order])
    below = np.append(scores[1:], np.float32(0))
    total[:-1][scores[:-1] == scores[1:]] = -1
    cut = int(np.argmax(total))
    return float(between(below[cut], scores[cut])) if total[cut] > 0 else float("nan")


def between(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Midpoint in float32, but never `low` itself: `score >= midpoint` parts even neighbouring floats."""
    middle = ((np.asarray(low, dtype=np.float64) + high) / 2).astype(np.float32)
    return np.where(middle > low, middle, high).astype(np.float32)
