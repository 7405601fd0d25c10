"""Compiled kernel that trains the classifiers of a list of (parent, children) work items."""

import numpy as np
from numba import njit

from hgraph.ranking.block_kernels import gather_rows, gram_matrix, postings
from hgraph.ranking.solver_kernels import row_squares, row_states, solve_gram, solve_rows

SWEEPS = 6.0
"""Sweeps that a classifier takes, more or less."""


@njit(cache=True, nogil=True)
def prefers_gram(size, cells, feature_ptr, width, children):
    """Whether the Gram matrix of a block costs less than sweeps over its rows do."""
    products = size * size * width / 16.0
    for feature in range(len(feature_ptr) - 1):
        found = float(feature_ptr[feature + 1] - feature_ptr[feature])
        products += 0.5 * found * found
    by_rows = children * SWEEPS * 3.0 * (cells + size * width / 8.0)
    by_gram = products + children * (1.5 * size * size / 8.0 + SWEEPS * 3.0 * size + cells)
    return by_gram < by_rows


@njit(cache=True, nogil=True)
def weighted_rows(block, dense, coefficients):
    """`sum_i coefficient_i x_i`, float32 `[f]` and `[d]`."""
    local_ptr, local, values, features = block
    weights, dense_weights = np.zeros(len(features), dtype=np.float32), np.zeros(dense.shape[1], dtype=np.float32)
    for i in range(len(coefficients)):
        if coefficients[i] != 0:
            for cell in range(local_ptr[i], local_ptr[i + 1]):
                weights[local[cell]] += coefficients[i] * values[cell]
            for column in range(dense.shape[1]):
                dense_weights[column] += coefficients[i] * dense[i, column]
    return weights, dense_weights


@njit(cache=True, nogil=True)
def lower_limit(weights, dense_weights, threshold, keep):
    """The smallest size of a weight that stays: `threshold`, or the size of the `keep`-th largest if that is more."""
    if keep >= len(weights) - 1 + len(dense_weights):
        return threshold
    sizes = np.abs(np.concatenate((weights[1:], dense_weights)))
    place = len(sizes) - keep
    return max(threshold, np.partition(sizes, place)[place])


@njit(cache=True, nogil=True)
def grown(array, size):
    """The array, or a longer copy if it is shorter than `size`."""
    if size <= len(array):
        return array
    longer = np.empty(max(size, 2 * len(array)), dtype=array.dtype)
    longer[: len(array)] = array
    return longer


@njit(cache=True, nogil=True)
def train_items(items, child_ptr, blocks, sparse, dense, targets, costs, options, seed, counts, biases, dense_out):
    """Train the classifiers of work items one after the other.

    Shapes:
        - **items:** `[n, 3]` parent, first child, last child + 1
        - **child_ptr:** `[P + 1]`; **blocks:** `block_ptr [P + 1]`, documents ascending in each block, and for each
          whether it is a negative of every child (if not, it counts only for children that it is a positive of)
        - **sparse:** `indptr`, `indices`, `data`; **targets:** `target_ptr [n_d + 1]`, documents ascending, relevance
        - **costs:** `cp, cn, bias`; **options:** `threshold, keep, max_sweeps, tolerance, num_features, gram_rows`
        - **output:** features and weights of the children in the order of the items; `counts [n_d]`, `biases [n_d]`
          and `dense_out [n_d, d]` are filled in
    """
    block_ptr, block_rows, in_all = blocks
    indptr, indices, data = sparse
    target_ptr, target_rows, relevance = targets
    cp, cn, bias = costs
    threshold, keep, max_sweeps, tolerance, num_features, gram_rows = options
    seen = np.zeros(num_features, dtype=np.int32)
    out_features, out_weights, filled = np.empty(1024, dtype=np.int32), np.empty(1024, dtype=np.float32), 0
    for item in range(len(items)):
        parent, first, last = items[item]
        rows = block_rows[block_ptr[parent] : block_ptr[parent + 1]]
        always = in_all[block_ptr[parent] : block_ptr[parent + 1]]
        block = gather_rows(rows, indptr, indices, data, bias, seen)
        local_ptr, local, values, features = block
        block_dense = dense[rows] if dense.shape[1] else np.empty((len(rows), 0), dtype=np.float32)
        squares = row_squares(local_ptr, values, block_dense)
        use_gram, gram = False, np.empty((0, 0), dtype=np.float32)
        if len(rows) <= gram_rows:
            by_feature = postings(local_ptr, local, values, len(features))
            use_gram = prefers_gram(len(rows), len(local), by_feature[0], dense.shape[1], last - first)
            if use_gram:
                gram = gram_matrix(local_ptr, local, values, by_feature, block_dense)
        order = np.argsort(features)
        for child in range(first, last):
            signs, ridge = np.full(len(rows), -1.0), np.full(len(rows), 0.5 / cn)
            counted = always.copy()
            at = 0
            for cell in range(target_ptr[child], target_ptr[child + 1]):
                while rows[at] != target_rows[cell]:
                    at += 1
                signs[at], counted[at] = 1.0, True
                ridge[at] = 0.5 / (cp * relevance[cell])
            index = np.flatnonzero(counted)
            state = np.uint64(seed) * np.uint64(1000003) + np.uint64(child) * np.uint64(7919) + np.uint64(1)
            states = row_states(signs, ridge, squares)
            if use_gram:
                coefficients = solve_gram(gram, states, index, max_sweeps, tolerance, state)
                weights, dense_weights = weighted_rows(block, block_dense, coefficients)
            else:
                weights, dense_weights = solve_rows(block, block_dense, states, index, max_sweeps, tolerance, state)
            limit = lower_limit(weights, dense_weights, threshold, keep)
            out_features = grown(out_features, filled + len(features))
            out_weights = grown(out_weights, filled + len(features))
            before = filled
            for number in order[1:]:
                if abs(weights[number]) >= limit and weights[number] != 0:
                    out_features[filled] = features[number]
                    out_weights[filled] = weights[number]
                    filled += 1
            counts[child] = filled - before
            biases[child] = weights[0] * bias
            for column in range(dense.shape[1]):
                if abs(dense_weights[column]) >= limit:
                    dense_out[child, column] = dense_weights[column]
    return out_features[:filled], out_weights[:filled]
