"""Compiled kernels that turn the weights of siblings, one list a child, into one chunk sorted by feature."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def count_rows(first, last, child_ptr, starts, counts, features, num_features, rows):
    """Number of different features of each chunk from `first` to `last`, into `rows [P]`."""
    seen = np.full(num_features, -1, dtype=np.int32)
    for parent in range(first, last):
        for child in range(child_ptr[parent], child_ptr[parent + 1]):
            for cell in range(starts[child], starts[child] + counts[child]):
                if seen[features[cell]] != parent:
                    seen[features[cell]] = parent
                    rows[parent] += 1


@njit(cache=True, nogil=True)
def fill_chunks(first, last, child_ptr, starts, counts, features, weights, num_features, pointers, out):
    """Write the chunks from `first` to `last`.

    Shapes:
        - **child_ptr:** `[P + 1]`; **starts, counts:** `[n_d]`, where the list of each child begins, and its length
        - **features, weights:** the lists
        - **pointers:** `row_ptr [P + 1]`, `entry_ptr [P + 1]`
        - **out:** `feature [R]`, `count [R]`, `offset [E]`, `weight [E]`, filled in
    """
    row_ptr, entry_ptr = pointers
    out_feature, out_count, out_offset, out_weight = out
    place = np.zeros(num_features, dtype=np.int64)
    for parent in range(first, last):
        begin, known = row_ptr[parent], 0
        found = np.empty(row_ptr[parent + 1] - begin, dtype=np.int64)
        for child in range(child_ptr[parent], child_ptr[parent + 1]):
            for cell in range(starts[child], starts[child] + counts[child]):
                if place[features[cell]] == 0:
                    found[known] = features[cell]
                    known += 1
                place[features[cell]] += 1
        found.sort()
        at = entry_ptr[parent]
        for row in range(len(found)):
            size = place[found[row]]
            out_feature[begin + row] = found[row]
            out_count[begin + row] = size
            place[found[row]] = at
            at += size
        for child in range(child_ptr[parent], child_ptr[parent + 1]):
            for cell in range(starts[child], starts[child] + counts[child]):
                at = place[features[cell]]
                place[features[cell]] += 1
                out_offset[at] = child - child_ptr[parent]
                out_weight[at] = weights[cell]
        for row in range(len(found)):
            place[found[row]] = 0
