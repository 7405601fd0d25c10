"""Rows of sets: membership, draws and pairs, a block of documents at a time and never one by one."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

NONE = -1
"""Fills rows that have fewer entries than the widest."""
BLOCK_ENTRIES = 1 << 20
"""Entries of all rows of a block together."""


def blocks(rows: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """`rows` in pieces, so that a matrix of `width` columns over one of them is small."""
    size = max(BLOCK_ENTRIES // max(width, 1), 1)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def binary_csr(matrix: sp.spmatrix) -> sp.csr_matrix:
    """A boolean CSR copy with sorted columns, each once; a stored zero is no entry."""
    out = sp.csr_matrix(matrix, copy=True)
    out.sum_duplicates()
    out.eliminate_zeros()
    return sp.csr_matrix((np.ones(out.nnz, dtype=bool), out.indices, out.indptr), shape=out.shape)


def share_entries(left: sp.csr_matrix, right: sp.csr_matrix, columns: np.ndarray) -> np.ndarray:
    """Whether row i of `left` and the rows of `right` named in row i of `columns` have a column in common.

    Row and column make one sorted number each, so that a whole block is one binary search.

    Shapes:
        - **left:** CSR `[B, G]`, **right:** CSR `[W, G]`, sorted columns, **columns:** `[B, C]`, int64
        - **output:** `[B, C]`, boolean; false for :data:`NONE`

    Example:
        >>> left, right = sp.csr_matrix([[1, 1, 0]]), sp.csr_matrix([[0, 1, 1], [0, 0, 1]])
        >>> share_entries(left, right, np.array([[0, 1, -1]]))
        array([[ True, False, False]])
    """
    given = columns >= 0
    target = columns[given]
    starts = right.indptr[target].astype(np.int64)
    ends = np.cumsum(right.indptr[target + 1] - starts)
    begins = np.append(0, ends[:-1])
    entry = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - begins, ends - begins)
    row = np.repeat(np.nonzero(given)[0], ends - begins)
    keys = np.repeat(np.arange(left.shape[0]), np.diff(left.indptr)) * left.shape[1] + left.indices
    keys = np.append(keys, left.shape[0] * left.shape[1])  # larger than any key that is looked for
    wanted = row * left.shape[1] + right.indices[entry]
    hits = np.append(0, np.cumsum(keys[np.searchsorted(keys, wanted)] == wanted))
    out = np.zeros(columns.shape, dtype=bool)
    out[given] = hits[ends] > hits[begins]
    return out


def are_in(columns: np.ndarray, others: np.ndarray, width: int) -> np.ndarray:
    """Whether each entry of a row of `columns` is in the same row of `others`; false for :data:`NONE`.

    Shapes:
        - **columns:** `[B, C]`, **others:** `[B, M]`, int64 below `width`
        - **output:** `[B, C]`, boolean
    """
    offset = np.arange(len(columns))[:, None] * width
    others = (others + offset)[others >= 0]
    return np.isin(columns + offset, others) & (columns >= 0)


def are_first(columns: np.ndarray) -> np.ndarray:
    """Where each entry occurs for the first time in its row; never at :data:`NONE`.

    Example:
        >>> are_first(np.array([[4, 2, 4, -1]]))
        array([[ True,  True, False, False]])
    """
    order = np.argsort(columns, axis=1, kind="stable")
    in_order = np.take_along_axis(columns, order, axis=1)
    new = np.ones_like(in_order, dtype=bool)
    new[:, 1:] = in_order[:, 1:] != in_order[:, :-1]
    out = np.empty_like(new)
    np.put_along_axis(out, order, new, axis=1)
    return out & (columns >= 0)


def draw_members(groups: sp.csr_matrix, members: sp.csr_matrix, size: int, rng: np.random.Generator) -> np.ndarray:
    """Members of the groups of each row: all of them, or `size` drawn with replacement where there are more.

    The lists are never written out, so that a row with a group of a million members costs no more than another.

    Args:
        groups: The groups of each row.
        members: The members of each group.
        size: Most members a row.
        rng: Draws.

    Shapes:
        - **groups:** CSR `[B, G]`, **members:** CSR `[G, W]`
        - **output:** `[B, S]`, int64, S at most `size`; :data:`NONE` where there are fewer, repeated members once

    Example:
        >>> groups, members = sp.csr_matrix([[1, 0], [1, 1]]), sp.csr_matrix([[1, 1, 0], [0, 1, 1]])
        >>> draw_members(groups, members, 4, np.random.default_rng(0))
        array([[ 0,  1, -1, -1],
               [ 0,  1, -1,  2]])
    """
    sizes = np.diff(members.indptr).astype(np.int64)[groups.indices]
    ends = np.cumsum(np.append(0, sizes))  # of the lists of all rows, one after the other
    starts = ends[groups.indptr]
    totals = np.diff(starts)  # [B]
    width = int(min(size, totals.max(initial=0)))
    position = np.broadcast_to(np.arange(width), (len(totals), width))
    many = totals > size
    drawn = (rng.random((int(many.sum()), width)) * totals[many, None]).astype(np.int64)
    position = position.copy()
    position[many] = drawn
    found = position < totals[:, None]
    place = np.where(found, position + starts[:-1, None], 0)
    group = np.minimum(np.searchsorted(ends, place, side="right") - 1, max(len(groups.indices) - 1, 0))
    out = np.full(place.shape, NONE, dtype=np.int64)
    if found.any():
        which = groups.indices[group[found]]
        out[found] = members.indices[members.indptr[which].astype(np.int64) + (place - ends[group])[found]]
    return np.where(are_first(out), out, NONE)


def draw_distinct(rows: int, size: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Different numbers below `width` in random order, drawn evenly for each row.

    Shapes:
        - **output:** `[rows, min(size, width)]`, int64; :data:`NONE` in the place of a number drawn twice
    """
    if size >= width:
        return np.argsort(rng.random((rows, width)), axis=1)
    out = rng.integers(0, width, (rows, size))
    return np.where(are_first(out), out, NONE)
