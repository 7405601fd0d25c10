"""Compiled cuts of whole nodes for the balanced 2-means. Imports numba; import it where it is needed.

Vectors are those of :mod:`hgraph.clustering.kernels`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hgraph.clustering.kernels import add_rows, add_side, choose_seeds, cut, direction, score_rows

__all__ = ["partition", "split_nodes"]


@njit(cache=True, nogil=True)
def _compact(indptr, indices, data, rows, number, columns, starts, places, values):
    """Copy rows next to each other, with columns numbered in the order of first use; the number of columns."""
    used, end = 0, 0
    for position in range(len(rows)):
        starts[position] = end
        for entry in range(indptr[rows[position]], indptr[rows[position] + 1]):
            column = indices[entry]
            if number[column] < 0:
                number[column] = used
                columns[used] = column
                used += 1
            places[end], values[end] = number[column], data[entry]
            end += 1
    starts[len(rows)] = end
    number[columns[:used]] = -1
    return used


@njit(cache=True, nogil=True)
def split_node(
    indptr, indices, data, rows, size, num_left, seed, node, rounds, left, right, vector, keys, spare, sides
):
    """Cut `rows` in two (see :mod:`hgraph.clustering.two_means`); the sides are in `sides[0]`, 0 or 1 for each."""
    count = len(rows)
    before, after = sides[0, :count], sides[1, :count]
    before[:] = -1
    left[:size], right[:size] = 0, 0
    first, second = choose_seeds(seed, node, count)
    add_rows(indptr, indices, data, rows[first : first + 1], 1.0, right)
    add_rows(indptr, indices, data, rows[second : second + 1], 1.0, left)
    for column in range(size):
        vector[column] = right[column] - left[column]
    left[:size], right[:size] = 0, 0
    for step in range(rounds):
        if step:
            direction(left, right, size, vector)
        score_rows(indptr, indices, data, rows, vector, 0, count, keys)
        if not cut(keys[:count], spare, num_left, before, after):
            break
        if step + 1 < rounds:
            add_side(indptr, indices, data, rows, before, after, 0, left)
            add_side(indptr, indices, data, rows, before, after, 1, right)
        before[:] = after


@njit(cache=True, nogil=True)
def partition(rows, sides, spare):
    """Rows of side 0 first, then those of side 1, each in their old order."""
    end, rest = 0, 0
    for position in range(len(rows)):
        if sides[position] == 0:
            rows[end] = rows[position]
            end += 1
        else:
            spare[rest] = rows[position]
            rest += 1
    rows[end:] = spare[:rest]


@njit(cache=True, nogil=True)
def split_nodes(indptr, indices, data, size, order, bounds, num_left, nodes, chosen, seed, rounds):
    """Cut some nodes in two, in place.

    A node is copied first, so that its rows lie side by side and its sums and its direction have only the columns that
    occur in it: what is read again and again fits in the cache.

    Shapes:
        - **order:** the rows of node `i` are `order[bounds[i]:bounds[i + 1]]`
        - **num_left, nodes:** how many go left, and the number in the tree, of each node
        - **chosen:** which nodes to cut
    """
    most_rows, most_entries = 1, 1
    for node in chosen:
        entries = 0
        for position in range(bounds[node], bounds[node + 1]):
            entries += indptr[order[position] + 1] - indptr[order[position]]
        most_rows = max(most_rows, bounds[node + 1] - bounds[node])
        most_entries = max(most_entries, entries)
    is_dense = len(indices) == 0
    width = size if is_dense else min(size, most_entries)
    left, right, vector = np.empty(width), np.empty(width), np.empty(width, np.float32)
    keys, spare, sides = np.empty(most_rows, np.int64), np.empty(most_rows, np.int64), np.empty((2, most_rows), np.int8)
    number = np.full(0 if is_dense else size, -1, np.int32)
    columns = np.empty(0 if is_dense else width, np.int32)
    starts, local = np.empty(most_rows + 1, np.int64), np.arange(most_rows)
    places = np.empty(0 if is_dense else most_entries, np.int32)
    values = np.empty(0 if is_dense else most_entries, np.float32)
    for node in chosen:
        rows = order[bounds[node] : bounds[node + 1]]
        count = len(rows)
        if is_dense:
            split_node(indptr, indices, data, rows, size, num_left[node], seed, nodes[node], rounds,
                       left, right, vector, keys, spare, sides)  # fmt: skip
        else:
            used = _compact(indptr, indices, data, rows, number, columns, starts, places, values)
            split_node(starts, places, values, local[:count], used, num_left[node], seed, nodes[node], rounds,
                       left, right, vector, keys, spare, sides)  # fmt: skip
        partition(rows, sides[0], spare)
