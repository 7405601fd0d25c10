"""Compiled kernels that lay out the documents of one parent for the solver: local feature ids, and a Gram matrix."""

import numpy as np
from numba import njit

FAST = {"reassoc", "contract", "nsz"}
"""Sums may be reordered at compile time, always in the same way: the result depends on the numbers alone."""


@njit(cache=True, nogil=True)
def gather_rows(rows, indptr, indices, data, bias, seen):
    """The sparse rows of a block with features renumbered in the order in which they turn up; the bias is number 0.

    Shapes:
        - **rows:** `[n]` documents
        - **seen:** int32 `[F]` of zeros; left as zeros
        - **output:** `local_ptr [n + 1]`, `local [m]`, `values [m]`, `features [f]` with -1 for the bias
    """
    size = len(rows)
    total = size
    for row in rows:
        total += indptr[row + 1] - indptr[row]
    local_ptr = np.empty(size + 1, dtype=np.int64)
    local = np.empty(total, dtype=np.int32)
    values = np.empty(total, dtype=np.float32)
    features = np.empty(min(total, len(seen)) + 1, dtype=np.int32)
    features[0] = -1
    known, at = 1, 0
    for i in range(size):
        local_ptr[i] = at
        if bias > 0:
            local[at] = 0
            values[at] = bias
            at += 1
        for cell in range(indptr[rows[i]], indptr[rows[i] + 1]):
            feature = indices[cell]
            number = seen[feature]
            if number == 0:
                number = known
                seen[feature] = known
                features[known] = feature
                known += 1
            local[at] = number
            values[at] = data[cell]
            at += 1
    local_ptr[size] = at
    for number in range(1, known):
        seen[features[number]] = 0
    return local_ptr, local[:at], values[:at], features[:known]


@njit(cache=True, nogil=True)
def postings(local_ptr, local, values, num_features):
    """The block by feature: `feature_ptr [f + 1]`, `row [m]` ascending, `value [m]`."""
    feature_ptr = np.zeros(num_features + 1, dtype=np.int64)
    for feature in local:
        feature_ptr[feature + 1] += 1
    for feature in range(num_features):
        feature_ptr[feature + 1] += feature_ptr[feature]
    place = feature_ptr[:-1].copy()
    row = np.empty(len(local), dtype=np.int32)
    value = np.empty(len(local), dtype=np.float32)
    for i in range(len(local_ptr) - 1):
        for cell in range(local_ptr[i], local_ptr[i + 1]):
            at = place[local[cell]]
            place[local[cell]] += 1
            row[at] = i
            value[at] = values[cell]
    return feature_ptr, row, value


@njit(cache=True, nogil=True, fastmath=FAST)
def gram_matrix(local_ptr, local, values, by_feature, dense):
    """All inner products of the rows of a block, float32 `[n, n]`, by the postings of each row's features."""
    feature_ptr, row, value = by_feature
    size, width = len(local_ptr) - 1, dense.shape[1]
    gram = np.zeros((size, size), dtype=np.float32)
    for i in range(size):
        products = gram[i]
        for cell in range(local_ptr[i], local_ptr[i + 1]):
            weight, feature = values[cell], np.uint32(local[cell])
            begin, end = feature_ptr[feature], feature_ptr[feature + 1]
            others, theirs = row[begin:end], value[begin:end]
            for at in range(len(others)):
                if others[at] > i:
                    break
                products[np.uint32(others[at])] += weight * theirs[at]
        if width:
            for j in range(i + 1):
                product = np.float32(0)
                for column in range(width):
                    product += dense[i, column] * dense[j, column]
                products[j] += product
        for j in range(i):
            gram[j, i] = products[j]
    return gram
