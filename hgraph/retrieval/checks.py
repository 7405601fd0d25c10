"""Input checks that every index shares."""

import math
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from hgraph.errors import ConfigError, DataError
from hgraph.retrieval.vector_index import Similarity


def as_vectors(value: Any, name: str, *, channels: int | None = None) -> Tensor:
    """A float32 copy of a matrix, so that an index does not change when the caller's array does.

    Args:
        value: Torch tensor (any float type, stays on its device), NumPy array, or nested lists.
        name: What errors call it.
        channels: The width it must have; by default any but 0.

    Shapes:
        - **value**: `[N, D]`
        - **returned**: `[N, D]`, contiguous, without a gradient

    Raises:
        DataError: Not a dense matrix of numbers, another width, or a value that float32 cannot hold.
    """
    matrix = _dense_float32(value, name)
    if matrix.dim() != 2 or matrix.shape[1] != (channels or matrix.shape[1] or 1):
        expected = f"[{name}, {channels or 'channels'}]"
        raise DataError(f"'{name}' has shape {list(matrix.shape)}, expected {expected}.")
    # The extremes carry a NaN or an infinity along, without a mask of N x D.
    if matrix.numel() and not all(math.isfinite(extreme) for extreme in torch.aminmax(matrix)):
        raise DataError(f"'{name}' contains NaN or infinity in float32. Check the encoder that made the vectors.")
    return matrix


def check_k(k: int) -> None:
    """Refuse a number of neighbours that is not a positive integer."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ConfigError(f"'k' is {k!r}, expected an integer of at least 1.")


def check_similarity(similarity: str) -> None:
    """Refuse an unknown similarity."""
    if similarity not in get_args(Similarity):
        raise ConfigError(f"'similarity' must be one of {', '.join(get_args(Similarity))}, but got {similarity!r}.")


def _dense_float32(value: Any, name: str) -> Tensor:
    if isinstance(value, Tensor):
        if value.layout != torch.strided:
            raise DataError(f"'{name}' is a sparse tensor, expected a dense matrix. Call '.to_dense()' on it.")
        return value.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    try:
        with np.errstate(over="ignore"):  # an overflow becomes an infinity, which is reported as such
            return torch.from_numpy(np.array(value, dtype=np.float32, order="C"))
    except (TypeError, ValueError):
        raise DataError(f"'{name}' is not a dense matrix of numbers: got {type(value).__name__}.") from None
