"""Compiled dual coordinate descent for the L2-regularised squared hinge, with shrinking.

The dual of `min_w 1/2 |w|^2 + sum_i c_i max(0, 1 - s_i w.x_i)^2` is solved one coordinate `a_i >= 0` at a time, with
`w = sum_i a_i s_i x_i` kept up to date (Hsieh et al. 2008, A Dual Coordinate Descent Method for Large-scale Linear SVM,
algorithms 1 and 3, https://icml.cc/Conferences/2008/papers/166.pdf). After the first sweep a coordinate that stands at
0 and would go below it is left out; once the projected gradients of those that are left lie within `tolerance` of each
other, all come back, until a sweep over all of them finds the same. Visits are bounded by `max_sweeps` for each
coordinate.

Two forms of the same steps: `solve_rows` keeps `w`; `solve_gram` keeps all margins `w.x_i` instead, for which it reads
a row of the Gram matrix a step. The second pays on small blocks: siblings share the matrix, and a coordinate that does
not move costs nothing.

Columns are read as unsigned numbers, which numba does not ask whether they count from the end: a third less time.
"""

import numpy as np
from numba import njit

from hgraph.ranking.block_kernels import FAST

MULTIPLIER, INCREMENT = np.uint64(6364136223846793005), np.uint64(1442695040888963407)
STEP = 1e-12
RUN = 32
"""Rows that follow each other in memory and are visited in this order in a sweep over all of them."""


@njit(cache=True, nogil=True)
def shuffle(index, size, state):
    """Bring the first entries into a random order; the next state of the generator."""
    for i in range(size):
        state = state * MULTIPLIER + INCREMENT
        j = i + np.int64((state >> np.uint64(33)) % np.uint64(size - i))
        index[i], index[j] = index[j], index[i]
    return state


@njit(cache=True, nogil=True)
def shuffle_runs(index, order, state):
    """Write the runs of `RUN` entries of `index` into `order` in a random order: random, yet read in long stretches."""
    starts = np.arange(0, len(index), RUN)
    state, at = shuffle(starts, len(starts), state), 0
    for start in starts:
        for place in range(RUN):
            if start + place < len(index):
                order[at] = index[start + place]
                at += 1
    return state


@njit(cache=True, nogil=True, fastmath=FAST)
def row_dot(weights, local, values, begin, end, dense_weights, dense, i):
    """`w.x` of row `i`, whose cells are from `begin` to `end`."""
    total, columns, cells = 0.0, local[begin:end], values[begin:end]
    for cell in range(len(cells)):
        total += weights[np.uint32(columns[cell])] * cells[cell]
    for column in range(len(dense_weights)):
        total += dense_weights[column] * dense[i, column]
    return total


@njit(cache=True, nogil=True, fastmath=FAST)
def add_row(weights, local, values, begin, end, dense_weights, dense, i, step):
    """`w += step x` for row `i`, whose cells are from `begin` to `end`."""
    columns, cells = local[begin:end], values[begin:end]
    for cell in range(len(cells)):
        weights[np.uint32(columns[cell])] += step * cells[cell]
    for column in range(len(dense_weights)):
        dense_weights[column] += step * dense[i, column]


@njit(cache=True, nogil=True, fastmath=FAST)
def row_squares(local_ptr, values, dense):
    """`x.x` of each row, float64 `[n]`."""
    squares = np.zeros(len(local_ptr) - 1)
    for i in range(len(squares)):
        for cell in range(local_ptr[i], local_ptr[i + 1]):
            squares[i] += values[cell] * values[cell]
        for column in range(dense.shape[1]):
            squares[i] += dense[i, column] * dense[i, column]
    return squares


@njit(cache=True, nogil=True, fastmath=FAST)
def add_gram_row(margins, products, step):
    """`margins += step * products`."""
    for i in range(len(margins)):
        margins[i] += step * products[i]


@njit(cache=True, nogil=True)
def row_states(signs, ridge, squares):
    """What a step reads of a row, side by side: `a_i`, `s_i`, `1 / (2 c_i)` and the curvature, float64 `[n, 4]`."""
    states = np.zeros((len(signs), 4))
    for i in range(len(signs)):
        states[i, 1], states[i, 2], states[i, 3] = signs[i], ridge[i], squares[i] + ridge[i]
    return states


@njit(cache=True, nogil=True)
def solve_rows(block, dense, states, index, max_sweeps, tolerance, seed):
    """Solve on sparse rows.

    Shapes:
        - **block:** `local_ptr [n + 1]`, `local [m]`, `values [m]`, `features [f]`; **dense:** `[n, d]`
        - **states:** `[n, 4]` of `row_states`, changed in place; **index:** the rows that count
        - **output:** weights float32 `[f]` and `[d]`
    """
    local_ptr, local, values, features = block
    weights, dense_weights = np.zeros(len(features), dtype=np.float32), np.zeros(dense.shape[1], dtype=np.float32)
    active, state, limit, budget = len(index), seed, np.inf, max_sweeps * len(index)
    order = index.copy()
    while budget > 0:
        budget -= active
        everywhere, highest, lowest, at = active == len(index), 0.0, 0.0, 0
        state = shuffle_runs(index, order, state) if everywhere else shuffle(order, active, state)
        while at < active:
            i = order[at]
            alpha, sign = states[i, 0], states[i, 1]
            begin, end = local_ptr[i], local_ptr[i + 1]
            margin = row_dot(weights, local, values, begin, end, dense_weights, dense, i)
            gradient = sign * margin - 1 + states[i, 2] * alpha
            if alpha == 0 and gradient >= 0:
                if gradient > limit:
                    active -= 1
                    order[at], order[active] = order[active], order[at]
                else:
                    at += 1
                continue
            highest, lowest = max(highest, gradient), min(lowest, gradient)
            if abs(gradient) > STEP:
                moved = max(alpha - gradient / states[i, 3], 0.0)
                step = (moved - alpha) * sign
                add_row(weights, local, values, begin, end, dense_weights, dense, i, step)
                states[i, 0] = moved
            at += 1
        limit = 0.0
        if highest - lowest <= tolerance:
            if everywhere:
                break
            active = len(index)
    return weights, dense_weights


@njit(cache=True, nogil=True)
def solve_gram(gram, states, index, max_sweeps, tolerance, seed):
    """Solve on the Gram matrix float32 `[n, n]`; the output is `a_i s_i`, float64 `[n]`."""
    margins = np.zeros(len(states))
    active, state, limit, budget = len(index), seed, np.inf, max_sweeps * len(index)
    while budget > 0:
        budget -= active
        state = shuffle(index, active, state)
        everywhere, highest, lowest, at = active == len(index), 0.0, 0.0, 0
        while at < active:
            i = index[at]
            alpha, sign = states[i, 0], states[i, 1]
            gradient = sign * margins[i] - 1 + states[i, 2] * alpha
            if alpha == 0 and gradient >= 0:
                if gradient > limit:
                    active -= 1
                    index[at], index[active] = index[active], index[at]
                else:
                    at += 1
                continue
            highest, lowest = max(highest, gradient), min(lowest, gradient)
            if abs(gradient) > STEP:
                moved = max(alpha - gradient / states[i, 3], 0.0)
                add_gram_row(margins, gram[i], (moved - alpha) * sign)
                states[i, 0] = moved
            at += 1
        limit = 0.0
        if highest - lowest <= tolerance:
            if everywhere:
                break
            active = len(index)
    return states[:, 0] * states[:, 1]
