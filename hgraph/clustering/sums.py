"""Compiled sums of document rows into label rows, in the order of the documents. Imports numba."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["add_dense", "count_columns", "keep_largest", "sketch_rows", "sum_rows"]

# Position of the only set bit of a word: a product with a de Bruijn sequence has another top for each position.
DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
BIT = np.empty(64, dtype=np.int64)
BIT[[((0x03F79D71B4CB0A89 << place) & 0xFFFFFFFFFFFFFFFF) >> 58 for place in range(64)]] = np.arange(64)


@njit(cache=True, nogil=True)
def _mark(column, words, blocks):
    """Note that a column is used: a bit of its word, and a bit of the block of 64 words."""
    word = column >> np.uint32(6)
    words[word] |= np.uint64(1) << np.uint64(column & np.uint32(63))
    blocks[word >> np.uint32(6)] |= np.uint64(1) << np.uint64(word & np.uint32(63))


@njit(cache=True, nogil=True)
def _collect(words, blocks, out, start):
    """Write the marked columns in ascending order and forget them; where they end."""
    end = start
    for block in range(len(blocks)):
        rest = blocks[block]
        while rest:
            lowest = rest & (~rest + np.uint64(1))
            rest ^= lowest
            word = (block << 6) + BIT[(lowest * DE_BRUIJN) >> np.uint64(58)]
            bits = words[word]
            while bits:
                bit = bits & (~bits + np.uint64(1))
                bits ^= bit
                if len(out):
                    out[end] = (word << 6) + BIT[(bit * DE_BRUIJN) >> np.uint64(58)]
                end += 1
            words[word] = 0
        blocks[block] = 0
    return end


@njit(cache=True, nogil=True)
def _mark_row(indptr, indices, row, words, blocks):
    for column in indices[indptr[row] : indptr[row + 1]]:
        _mark(np.uint32(column), words, blocks)


@njit(cache=True, nogil=True)
def count_columns(label_ptr, documents, indptr, indices, old_ptr, old_indices, first, last, num_columns, counts):
    """Number of columns of the sum of each label from `first` to `last`."""
    words = np.zeros((num_columns >> 6) + 1, dtype=np.uint64)
    blocks = np.zeros((len(words) >> 6) + 1, dtype=np.uint64)
    nothing = np.empty(0, dtype=np.int32)
    for label in range(first, last):
        _mark_row(old_ptr, old_indices, label, words, blocks)
        for place in range(label_ptr[label], label_ptr[label + 1]):
            _mark_row(indptr, indices, documents[place], words, blocks)
        counts[label] = _collect(words, blocks, nothing, 0)


@njit(cache=True, nogil=True)
def sum_rows(
    label_ptr, documents, weights, indptr, indices, data, old_ptr, old_indices, old_data, first, last, num_columns,
    out_ptr, out_indices, out_data,
):  # fmt: skip
    """The sum so far of each label from `first` to `last`, then its documents one after the other, times their weights.

    Shapes:
        - **label_ptr, documents:** the documents of label `l` are `documents[label_ptr[l]:label_ptr[l + 1]]`
        - **weights:** float32, one a document
    """
    words = np.zeros((num_columns >> 6) + 1, dtype=np.uint64)
    blocks = np.zeros((len(words) >> 6) + 1, dtype=np.uint64)
    total = np.zeros(num_columns, dtype=np.float32)
    for label in range(first, last):
        _mark_row(old_ptr, old_indices, label, words, blocks)
        for entry in range(old_ptr[label], old_ptr[label + 1]):
            total[old_indices[entry]] = old_data[entry]
        for place in range(label_ptr[label], label_ptr[label + 1]):
            document = documents[place]
            weight = weights[document]
            begin, stop = indptr[document], indptr[document + 1]
            columns, values = indices[begin:stop], data[begin:stop]
            for entry in range(len(values)):
                column = np.uint32(columns[entry])
                total[column] += weight * values[entry]
                _mark(column, words, blocks)
        start = out_ptr[label]
        end = _collect(words, blocks, out_indices, start)
        columns, values = out_indices[start:end], out_data[start:end]
        for entry in range(len(values)):
            column = np.uint32(columns[entry])
            values[entry] = total[column]
            total[column] = 0


@njit(cache=True, nogil=True)
def add_dense(label_ptr, documents, weights, vectors, first, last, total):
    """Add the documents of each label from `first` to `last` to its row of `total`."""
    for label in range(first, last):
        for place in range(label_ptr[label], label_ptr[label + 1]):
            document = documents[place]
            weight = weights[document]
            for column in range(vectors.shape[1]):
                total[label, column] += weight * vectors[document, column]


@njit(cache=True, nogil=True)
def keep_largest(indptr, data, most, first, last, keep):
    """Mark the `most` entries of largest size in each row from `first` to `last`; of equals the earlier ones."""
    for row in range(first, last):
        start, stop = indptr[row], indptr[row + 1]
        if stop - start <= most:
            keep[start:stop] = True
            continue
        sizes = np.abs(data[start:stop])
        border = np.sort(sizes)[len(sizes) - most]
        room = most - (sizes > border).sum()
        for entry in range(len(sizes)):
            if sizes[entry] > border:
                keep[start + entry] = True
            elif sizes[entry] == border and room > 0:
                keep[start + entry] = True
                room -= 1


@njit(cache=True, nogil=True)
def sketch_rows(indptr, indices, data, columns, signs, first, last, out):
    """Add each entry of the rows from `first` to `last`, with a sign, to several columns of `out`."""
    for row in range(first, last):
        for entry in range(indptr[row], indptr[row + 1]):
            feature, value = indices[entry], data[entry]
            for place in range(columns.shape[1]):
                out[row, columns[feature, place]] += signs[feature, place] * value
