"""Compiled kernels of prediction: margins of the children of active parents, their values, and the best of them."""

import numpy as np
from numba import njit

from hgraph.ranking.block_kernels import FAST
from hgraph.ranking.transforms import HINGE, NOOP

SEARCH_STEPS = 4
"""Rows of a chunk entered into a table cost as much as one binary search over that many."""


@njit(cache=True, nogil=True)
def find_row(feature, low, high, wanted):
    """First row from `low` on whose feature is not below `wanted`, `high` if there is none."""
    while low < high:
        middle = (low + high) >> 1
        if feature[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True, fastmath=FAST)
def add_dense(margins, query, weights):
    """`margins_c += w_c . query` for the dense block of each sibling."""
    for child in range(len(margins)):
        total = np.float32(0)
        for column in range(len(query)):
            total += weights[child, column] * query[column]
        margins[child] += total


@njit(cache=True, nogil=True)
def add_entries(margins, value, offset, weight, begin, end):
    """Add one row of a chunk, times the value of its feature."""
    for entry in range(begin, end):
        margins[offset[entry]] += value * weight[entry]


@njit(cache=True, nogil=True)
def walk_chunk(queries, pair_ptr, bounds, chunk, query_rows, table, out):
    """Margins of the siblings of one chunk for all queries that reach it.

    Each query looks its features up in a table of the chunk's rows, or, where the queries are few and the chunk is
    large, by binary search; both add the same numbers in the same order.

    Args:
        queries: pairs (document, place in `pair_ptr`), `[m, 2]`.
        pair_ptr: where the margins of a pair begin in `out`.
        bounds: first and last row of the chunk.
        chunk: `feature`, `row_start`, `offset`, `weight` of the level, and the bias of the siblings.
        query_rows: `indptr`, `indices`, `data` of the documents.
        table: int32 `[F]` of zeros; left as zeros.
        out: margins.
    """
    feature, row_start, offset, weight, bias = chunk
    indptr, indices, data = query_rows
    first, last = bounds
    lookups = 0
    for q in range(len(queries)):
        lookups += indptr[queries[q, 0] + 1] - indptr[queries[q, 0]]
    by_table = last - first < SEARCH_STEPS * lookups
    if by_table:
        for row in range(first, last):
            table[feature[row]] = row - first + 1
    for q in range(len(queries)):
        document = queries[q, 0]
        place = pair_ptr[queries[q, 1]]
        margins = out[place : place + len(bias)]
        margins[:] = bias
        low = first
        for cell in range(indptr[document], indptr[document + 1]):
            if by_table:
                row = first + table[indices[cell]] - 1
                if row >= first:
                    add_entries(margins, data[cell], offset, weight, row_start[row], row_start[row + 1])
            else:
                low = find_row(feature, low, last, indices[cell])
                if low == last:
                    break
                if feature[low] == indices[cell]:
                    add_entries(margins, data[cell], offset, weight, row_start[low], row_start[low + 1])
    if by_table:
        for row in range(first, last):
            table[feature[row]] = 0


@njit(cache=True, nogil=True)
def sigmoid(margin):
    """`1 / (1 + exp(-margin))` without overflow."""
    if margin >= 0:
        return 1 / (1 + np.exp(-margin))
    return np.exp(margin) / (1 + np.exp(margin))


@njit(cache=True, nogil=True)
def combined(above, margin, kind, power, log):
    """Value of a node from its parent's value and its own margin (see `hgraph.ranking.transforms`)."""
    if kind == NOOP:
        return margin
    if kind == HINGE:
        gap = max(np.float32(0), np.float32(1) - margin)
        loss = gap
        for _ in range(power - 1):
            loss *= gap
        if log:
            return above - loss
        return above * np.exp(-loss)
    if log:
        return above + (min(margin, np.float32(0)) - np.log1p(np.exp(-abs(margin))))
    return above * sigmoid(margin)


@njit(cache=True, nogil=True)
def expand(documents, beam, level, transform, query_rows, dense, table):
    """All children of the nodes in the beam of each document.

    Shapes:
        - **documents:** first document, last + 1
        - **beam:** `beam_ptr [B + 1]`, `node`, `value`, `margin` `[m]`
        - **level:** arrays of `LevelWeights`, and `row_start`
        - **output:** `ptr [B + 1]`, `node`, `value`, `margin` of the children, in the order of the beam
    """
    beam_ptr, beam_node, beam_value, beam_margin = beam
    child_ptr, only_child, row_ptr, row_start, feature, offset, weight, bias, dense_weights = level
    kind, power, log = transform
    num_pairs = len(beam_node)
    pair_ptr = np.zeros(num_pairs + 1, dtype=np.int64)
    group_ptr = np.zeros(len(only_child) + 1, dtype=np.int64)
    for pair in range(num_pairs):
        parent = beam_node[pair]
        pair_ptr[pair + 1] = pair_ptr[pair] + child_ptr[parent + 1] - child_ptr[parent]
        group_ptr[parent + 1] += 1
    for parent in range(len(only_child)):
        group_ptr[parent + 1] += group_ptr[parent]
    place = group_ptr[:-1].copy()
    queries = np.empty((num_pairs, 2), dtype=np.int64)
    ptr = np.zeros(len(beam_ptr), dtype=np.int64)
    for row in range(len(beam_ptr) - 1):
        for pair in range(beam_ptr[row], beam_ptr[row + 1]):
            at = place[beam_node[pair]]
            place[beam_node[pair]] += 1
            queries[at, 0], queries[at, 1] = documents[0] + row, pair
        ptr[row + 1] = pair_ptr[beam_ptr[row + 1]]
    total = pair_ptr[num_pairs]
    node = np.empty(total, dtype=np.int32)
    margin = np.empty(total, dtype=np.float32)
    value = np.empty(total, dtype=np.float32)
    for parent in range(len(only_child)):
        group = queries[group_ptr[parent] : group_ptr[parent + 1]]
        if len(group) == 0:
            continue
        children = slice(child_ptr[parent], child_ptr[parent + 1])
        if not only_child[parent]:
            chunk = (feature, row_start, offset, weight, bias[children])
            walk_chunk(group, pair_ptr, (row_ptr[parent], row_ptr[parent + 1]), chunk, query_rows, table, margin)
        for q in range(len(group)):
            document, pair = group[q]
            begin, end = pair_ptr[pair], pair_ptr[pair + 1]
            if dense.shape[1] > 0 and not only_child[parent]:
                add_dense(margin[begin:end], dense[document], dense_weights[children])
            for at in range(begin, end):
                node[at] = child_ptr[parent] + at - begin
                if only_child[parent]:
                    margin[at] = beam_margin[pair]
                    value[at] = margin[at] if kind == NOOP else beam_value[pair]
                else:
                    value[at] = combined(beam_value[pair], margin[at], kind, power, log)
    return ptr, node, value, margin


@njit(cache=True, nogil=True)
def ranks_below(value, margin, node, other_value, other_margin, other_node):
    """Whether a candidate comes after another: a lower value, of equal ones a lower margin, then the larger number."""
    if value != other_value:
        return value < other_value
    if margin != other_margin:
        return margin < other_margin
    return node > other_node


@njit(cache=True, nogil=True)
def sift_down(values, margins, nodes, size, value, margin, node):
    """Put an entry into a heap in place of its root, the last in rank."""
    at = 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        right = child + 1
        if right < size and ranks_below(
            values[right], margins[right], nodes[right], values[child], margins[child], nodes[child]
        ):
            child = right
        if not ranks_below(values[child], margins[child], nodes[child], value, margin, node):
            break
        values[at], margins[at], nodes[at] = values[child], margins[child], nodes[child]
        at = child
    values[at], margins[at], nodes[at] = value, margin, node


@njit(cache=True, nogil=True)
def sift_up(values, margins, nodes, at, value, margin, node):
    """Add an entry to a heap of `at` entries."""
    while at > 0:
        above = (at - 1) >> 1
        if not ranks_below(value, margin, node, values[above], margins[above], nodes[above]):
            break
        values[at], margins[at], nodes[at] = values[above], margins[above], nodes[above]
        at = above
    values[at], margins[at], nodes[at] = value, margin, node


@njit(cache=True, nogil=True)
def best_of(node, value, margin, nodes, values, margins):
    """The candidates that are first in rank, best first, as many as the last three arrays hold."""
    size = len(nodes)
    for at in range(size):
        sift_up(values, margins, nodes, at, value[at], margin[at], node[at])
    for at in range(size, len(node)):
        if ranks_below(values[0], margins[0], nodes[0], value[at], margin[at], node[at]):
            sift_down(values, margins, nodes, size, value[at], margin[at], node[at])
    for last in range(size - 1, 0, -1):
        lowest = values[0], margins[0], nodes[0]
        sift_down(values, margins, nodes, last, values[last], margins[last], nodes[last])
        values[last], margins[last], nodes[last] = lowest


@njit(cache=True, nogil=True)
def select(candidates, k):
    """The `k` best candidates of each document, best first, in the form of a beam."""
    ptr, node, value, margin = candidates
    rows = len(ptr) - 1
    beam_ptr = np.zeros(rows + 1, dtype=np.int64)
    for row in range(rows):
        beam_ptr[row + 1] = beam_ptr[row] + min(k, ptr[row + 1] - ptr[row])
    beam_node = np.empty(beam_ptr[rows], dtype=np.int32)
    beam_value = np.empty(beam_ptr[rows], dtype=np.float32)
    beam_margin = np.empty(beam_ptr[rows], dtype=np.float32)
    for row in range(rows):
        found, kept = slice(ptr[row], ptr[row + 1]), slice(beam_ptr[row], beam_ptr[row + 1])
        best_of(node[found], value[found], margin[found], beam_node[kept], beam_value[kept], beam_margin[kept])
    return beam_ptr, beam_node, beam_value, beam_margin


@njit(cache=True, nogil=True)
def merge_copies(candidates, labels, num_labels):
    """Candidates that stand for labels: of several with one label the best stays."""
    ptr, node, value, margin = candidates
    new_ptr = np.zeros(len(ptr), dtype=np.int64)
    label = np.empty(len(node), dtype=np.int32)
    place = np.full(num_labels, -1, dtype=np.int64)
    at = 0
    for row in range(len(ptr) - 1):
        begin = at
        for candidate in range(ptr[row], ptr[row + 1]):
            found = labels[node[candidate]]
            old = place[found]
            if old < begin:
                place[found] = at
                label[at], value[at], margin[at] = found, value[candidate], margin[candidate]
                at += 1
            elif value[candidate] > value[old] or (value[candidate] == value[old] and margin[candidate] > margin[old]):
                value[old], margin[old] = value[candidate], margin[candidate]
        new_ptr[row + 1] = at
    return new_ptr, label[:at], value[:at], margin[:at]
