"""Compiled steps of the balanced 2-means: sums of rows, scores, cuts. Imports numba; import it where it is needed.

Vectors are three arrays `(indptr, indices, data)`. They are a CSR matrix, or dense rows one after the other when
`indices` is empty. Columns are read as unsigned numbers: for a signed one each access asks first whether it counts from
the end, which makes a sparse product almost three times as slow.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = [
    "add_rows",
    "add_side",
    "central_rows",
    "choose_seeds",
    "cut",
    "direction",
    "fill_clusters",
    "score_rows",
]

REASSOCIATE = {"reassoc", "contract", "nsz"}  # every row is summed by the same code: the same bits each time


@njit(cache=True, nogil=True, fastmath=REASSOCIATE)
def _dot(indices, data, start, stop, vector):
    total = np.float32(0)
    values = data[start:stop]
    if len(indices) == 0:
        for place in range(len(values)):
            total += values[place] * vector[place]
        return total
    columns = indices[start:stop]
    for place in range(len(values)):
        total += values[place] * vector[np.uint32(columns[place])]
    return total


@njit(cache=True, nogil=True)
def _add(indices, data, start, stop, sign, total):
    values = data[start:stop]
    if len(indices) == 0:
        for place in range(len(values)):
            total[place] += sign * values[place]
    else:
        columns = indices[start:stop]
        for place in range(len(values)):
            total[np.uint32(columns[place])] += sign * values[place]


@njit(cache=True, nogil=True)
def _random(state):
    """The next number of splitmix64 (Steele, Lea and Flood 2014, https://doi.org/10.1145/2714064.2660195)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    value = state[0]
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def choose_seeds(seed, node, size):
    """Two distinct positions below `size`, for the node with this number in the tree."""
    state = np.array([seed], dtype=np.uint64)
    state[0] = _random(state) ^ np.uint64(node)
    _random(state)
    first = np.int64(_random(state) % np.uint64(size))
    second = np.int64(_random(state) % np.uint64(size - 1))
    return first, second + (second >= first)


@njit(cache=True, nogil=True)
def add_rows(indptr, indices, data, rows, sign, total):
    """Add rows, times a sign, to `total`."""
    for row in rows:
        _add(indices, data, indptr[row], indptr[row + 1], sign, total)


@njit(cache=True, nogil=True)
def add_side(indptr, indices, data, rows, before, after, side, total):
    """Bring the sum of one side up to date: rows that came to it are added, rows that left it are taken away."""
    for position in range(len(rows)):
        if before[position] != after[position]:
            row = rows[position]
            if after[position] == side:
                _add(indices, data, indptr[row], indptr[row + 1], 1.0, total)
            elif before[position] == side:
                _add(indices, data, indptr[row], indptr[row + 1], -1.0, total)


@njit(cache=True, nogil=True)
def direction(left, right, size, out):
    """`right / |right| - left / |left|`, where a zero sum stays zero."""
    squares = np.zeros(2)
    for column in range(size):
        squares[0] += left[column] * left[column]
        squares[1] += right[column] * right[column]
    by_left = 1 / np.sqrt(squares[0]) if squares[0] > 0 else 1.0
    by_right = 1 / np.sqrt(squares[1]) if squares[1] > 0 else 1.0
    for column in range(size):
        out[column] = right[column] * by_right - left[column] * by_left


@njit(cache=True, nogil=True)
def score_rows(indptr, indices, data, rows, vector, first, last, keys):
    """A key for each row from `first` to `last`: its score, as an integer in the same order, then its position."""
    score = np.empty(1, dtype=np.float32)
    as_integer = score.view(np.int32)
    for position in range(first, last):
        row = rows[position]
        score[0] = _dot(indices, data, indptr[row], indptr[row + 1], vector) + np.float32(0)  # no negative zero
        bits = np.int64(as_integer[0])
        if bits < 0:
            bits ^= np.int64(0x7FFFFFFF)
        keys[position] = (bits << 32) | position


@njit(cache=True, nogil=True)
def _smallest(keys, count):
    """The key with `count` smaller ones; reorders `keys` (Hoare's selection, median of three)."""
    low, high = 0, len(keys) - 1
    while low < high:
        middle = (low + high) // 2
        first, second, third = keys[low], keys[middle], keys[high]
        pivot = max(min(first, second), min(max(first, second), third))
        left, right = low, high
        while left <= right:
            while keys[left] < pivot:
                left += 1
            while keys[right] > pivot:
                right -= 1
            if left <= right:
                keys[left], keys[right] = keys[right], keys[left]
                left += 1
                right -= 1
        if count <= right:
            high = right
        elif count >= left:
            low = left
        else:
            break
    return keys[count]


@njit(cache=True, nogil=True)
def cut(keys, spare, num_left, before, after):
    """Set `after` to 0 for the `num_left` lowest keys and to 1 for the others; whether it differs from `before`."""
    size = len(keys)
    spare[:size] = keys
    border = _smallest(spare[:size], num_left)
    changed = False
    for position in range(size):
        side = np.int8(keys[position] >= border)
        after[position] = side
        changed |= side != before[position]
    return changed


@njit(cache=True, nogil=True)
def central_rows(indptr, indices, data, size, rows, bounds, first, last, chosen):
    """The rows nearest to the sum of each cluster from `first` to `last`, the nearest first; -1 where there are fewer.

    Shapes:
        - **rows:** the rows of cluster `i` are `rows[bounds[i]:bounds[i + 1]]`
        - **chosen:** `[num_clusters, count]`
    """
    total, vector = np.zeros(size), np.zeros(size, np.float32)
    is_dense, count = len(indices) == 0, chosen.shape[1]
    best = np.empty(count, np.float32)
    for cluster in range(first, last):
        members = rows[bounds[cluster] : bounds[cluster + 1]]
        add_rows(indptr, indices, data, members, 1.0, total)
        if is_dense:
            vector[:] = total
            total[:] = 0
        else:
            for row in members:
                for column in indices[indptr[row] : indptr[row + 1]]:
                    vector[np.uint32(column)] = total[np.uint32(column)]
        best[:] = -np.inf
        for row in members:
            score = _dot(indices, data, indptr[row], indptr[row + 1], vector)
            place = count
            while place > 0 and score > best[place - 1]:
                place -= 1
            for later in range(count - 1, place, -1):
                best[later], chosen[cluster, later] = best[later - 1], chosen[cluster, later - 1]
            if place < count:
                best[place], chosen[cluster, place] = score, row
        if not is_dense:
            for row in members:
                for column in indices[indptr[row] : indptr[row + 1]]:
                    total[np.uint32(column)] = 0


@njit(cache=True, nogil=True)
def fill_clusters(pairs, room, out):
    """Give each row the first of its pairs whose cluster still has room; a pair is `row * num_clusters + cluster`."""
    count = len(room)
    for pair in pairs:
        row, cluster = pair // count, pair % count
        if out[row] < 0 and room[cluster] > 0:
            out[row] = cluster
            room[cluster] -= 1
