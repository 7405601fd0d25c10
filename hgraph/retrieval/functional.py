"""The arithmetic of exact search, as functions on tensors."""

from typing import Literal

import torch
from torch import Tensor

Precision = Literal["float64", "float32"]
_LOW = 0xFFFFFFFF


def unit_rows(vectors: Tensor) -> Tensor:
    """Rows of length one; a zero row stays zero, so that its cosine with anything is 0.

    Example:
        >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    norms = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors / norms.masked_fill(norms == 0, 1.0)


def exact_top_k(
    queries: Tensor,
    vectors: Tensor,
    k: int,
    *,
    normalize: bool = False,
    chunk: int = 4096,
    precision: Precision = "float64",
) -> tuple[Tensor, Tensor]:
    """The k largest inner products of each query, best first; ties go to the smaller index.

    Queries and vectors are compared in blocks of at most `chunk x chunk`, and only the best k of what a query has met
    are kept: memory is `chunk^2 + Q x k`, never `Q x N`. Products are summed in float64 and then rounded to float32.
    The order of summation, and with it the block size and the rest of the batch, is thereby lost in the rounding, and
    equal vectors tie. Score and index are ranked as one integer, because `topk` alone breaks ties arbitrarily.

    In float32 all takes about a third of the time, and the order of summation shows in the last digits. A block is then
    narrowed to its best k by `topk` on the scores, several times faster than on integers; what ties with the k-th of a
    block may be lost to a vector of a larger index, all else is ranked as before.

    Args:
        queries: One query a row.
        vectors: What is searched; fewer than 2^32.
        k: How many to keep; more than N keeps all N.
        normalize: Compare by cosine: both sides are scaled to length one, block by block.
        chunk: Rows a block.
        precision: In what products are summed.

    Shapes:
        - **queries**: `[Q, D]`, **vectors**: `[N, D]`
        - **returned**: scores `[Q, min(k, N)]` float32, indices `[Q, min(k, N)]` int64

    Example:
        >>> vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> scores, indices = exact_top_k(torch.tensor([[1.0, 2.0]]), vectors, 2)
        >>> indices
        tensor([[1, 2]])
    """
    k = min(k, len(vectors))
    keys = torch.empty(len(queries), k, dtype=torch.int64, device=queries.device)
    if k == 0:
        return keys.float(), keys
    for start in range(0, len(queries), chunk):
        block = _prepared(queries[start : start + chunk], normalize, precision)
        best = keys.new_empty(len(block), 0)
        for first in range(0, len(vectors), chunk):
            rows = _prepared(vectors[first : first + chunk], normalize, precision)
            met = torch.cat([best, _block_keys(block @ rows.t(), first, k)], dim=1)
            best = met.topk(min(k, met.shape[1]), dim=1).values
        keys[start : start + chunk] = best
    return _from_keys(keys)


def _prepared(rows: Tensor, normalize: bool, precision: Precision) -> Tensor:
    wide = rows.double()
    return (unit_rows(wide) if normalize else wide).to(getattr(torch, precision))


def _block_keys(scores: Tensor, first: int, k: int) -> Tensor:
    """Keys of all scores of a block, or in float32 of its best k alone."""
    columns = torch.arange(first, first + scores.shape[1], device=scores.device)
    if scores.dtype == torch.float32 and k < scores.shape[1]:
        scores, chosen = scores.topk(k, dim=1, sorted=False)
        columns = columns[chosen]
    return _to_keys(scores.float(), columns)


def _to_keys(scores: Tensor, indices: Tensor) -> Tensor:
    """Integers in the order of the scores, equal scores in reverse order of the indices."""
    # The bits of a positive float grow with it as an integer; those of a negative one shrink, so they are flipped.
    bits = (scores + 0.0).view(torch.int32)  # -0.0 + 0.0 is 0.0: both zeros tie
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return (ordered.long() << 32) + (_LOW - indices)


def _from_keys(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Scores and indices of :func:`_to_keys`."""
    ordered = (keys >> 32).int()
    bits = ordered ^ ((ordered >> 31) & 0x7FFFFFFF)
    return bits.view(torch.float32), _LOW - (keys & _LOW)
