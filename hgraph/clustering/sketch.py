"""`sketch`: sparse vectors as short dense ones that keep their products."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.clustering.rows import as_features
from hgraph.clustering.two_means import num_threads
from hgraph.clustering.work import by_rows
from hgraph.errors import ConfigError, DataError


def sketch(
    vectors: sp.csr_matrix, channels: int = 256, *, seed: int = 0, copies: int = 4, threads: int | None = None
) -> np.ndarray:
    r"""A random projection with few entries: every feature is added to some channels, each time with a random sign.

    The channels are cut into `copies` blocks, and a feature goes to one channel of each (Kane and Nelson 2014,
    https://arxiv.org/abs/1012.1577). One copy is the count sketch (Charikar et al. 2002,
    https://doi.org/10.1007/3-540-45465-9_59), as many copies as channels the signed random projection. The expected
    product of two sketches is the product of the vectors, with a variance of about
    :math:`\|x\|^2 \|y\|^2 / \text{channels}`.

    The projection is linear and depends on the seed and the number of columns alone: documents may be sketched block by
    block, before or after their vectors are summed to label vectors.

    Args:
        vectors: of labels or documents.
        channels: columns of the result.
        seed: of channels and signs.
        copies: channels that a feature goes to.
        threads: all cores that the process may use by default.

    Memory is that of the result and, for each column of `vectors` and copy, 8 bytes.

    Shapes:
        - **vectors:** CSR `[n, D]`
        - **output:** float32 `[n, channels]`

    Raises:
        ConfigError: `copies` is not from 1 to `channels`.
        DataError: `vectors` are not sparse.

    Example:
        >>> vectors = sp.csr_matrix([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0]])
        >>> short = sketch(vectors, 2048)
        >>> short.shape, bool(np.allclose(short @ short.T, np.eye(2), atol=0.1))
        ((2, 2048), True)
    """
    from hgraph.clustering.sums import sketch_rows

    if not 1 <= copies <= channels:
        raise ConfigError(f"'copies' must be from 1 to 'channels' ({channels}), found {copies}.")
    rows = as_features(vectors, "vectors")
    if isinstance(rows, np.ndarray):
        raise DataError(f"'vectors' must be sparse, found {type(vectors).__name__}. Dense vectors need no sketch.")
    columns, signs = projection(rows.shape[1], channels, seed, copies)
    out = np.zeros((rows.shape[0], channels), dtype=np.float32)
    indptr = rows.indptr.astype(np.int64)
    by_rows(
        lambda first, last: sketch_rows(indptr, rows.indices, rows.data, columns, signs, first, last, out),
        np.diff(indptr) + 1, num_threads(threads),
    )  # fmt: skip
    return out


def projection(num_columns: int, channels: int, seed: int, copies: int) -> tuple[Any, Any]:
    """Channels, int32, and signs over the root of `copies`, float32, of each column `[num_columns, copies]`."""
    random = np.random.default_rng(seed)
    bounds = np.linspace(0, channels, copies + 1).astype(np.int64)
    columns = random.integers(bounds[:-1], bounds[1:], size=(num_columns, copies)).astype(np.int32)
    signs = random.choice(np.array([-1, 1], dtype=np.float32), size=(num_columns, copies))
    return columns, signs / np.float32(np.sqrt(copies))
