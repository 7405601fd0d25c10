"""Exact search in torch, the reference of the other indexes."""

import os
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.retrieval.checks import as_vectors, check_k, check_similarity
from hgraph.retrieval.functional import Precision, exact_top_k
from hgraph.retrieval.index_files import read_options, save_index
from hgraph.retrieval.vector_index import Similarity

_VECTORS = "vectors.npy"


class ExactIndex:
    r"""Compares each query with every vector, in blocks of bounded memory.

    .. math:: s(q, v) = \langle q, v \rangle \quad\text{or}\quad
        \langle q / \lVert q \rVert, v / \lVert v \rVert \rangle

    Needs nothing but torch. Ties go to the smaller index, and a score depends neither on the other queries nor on
    `chunk`; see :func:`~hgraph.retrieval.exact_top_k` for how. Cost is `Q x N x D`.

    Args:
        vectors: What is searched, NumPy array or torch tensor; copied. The search runs on the device of the tensor.
        similarity: `"dot"` (default) or `"cosine"`. The cosine of a zero vector is 0.
        chunk: How many queries and how many vectors are compared at a time: no block of scores exceeds its square.
        precision: In what products are summed. `"float32"` takes a third of the time of `"float64"` (default), but
            scores then depend on the blocks in their last digits, and nearly equal ones may come in another order.

    Shapes:
        - **vectors**: `[N, D]`, **queries**: `[Q, D]`
        - **returned by search**: scores `[Q, min(k, N)]` float32, indices `[Q, min(k, N)]` int64

    Raises:
        ConfigError: An unknown similarity or precision, or `chunk` below 1.
        DataError: Vectors that are not a matrix, or contain NaN or infinity.

    Example:
        >>> index = ExactIndex(torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]]), similarity="cosine")
        >>> index.search(torch.tensor([[0.0, 1.0]]), k=2)
        (tensor([[1.0000, 0.8000]]), tensor([[1, 2]]))
    """

    def __init__(
        self, vectors: Any, *, similarity: Similarity = "dot", chunk: int = 4096, precision: Precision = "float64"
    ) -> None:
        check_similarity(similarity)
        if chunk < 1:
            raise ConfigError(f"'chunk' must be at least 1, but got {chunk}.")
        if precision not in get_args(Precision):
            raise ConfigError(f"'precision' must be one of {', '.join(get_args(Precision))}, but got {precision!r}.")
        self._set(as_vectors(vectors, "vectors"), similarity, chunk, precision)

    def _set(self, vectors: Tensor, similarity: Similarity, chunk: int, precision: Precision) -> None:
        self.vectors = vectors
        self.num_vectors, self.channels = vectors.shape
        self.similarity: Similarity = similarity
        self.chunk = chunk
        self.precision: Precision = precision

    @torch.no_grad()
    def search(self, queries: Any, k: int) -> tuple[Tensor, Tensor]:
        """Scores and indices of the k most similar vectors of each query, best first, on the device of the queries."""
        check_k(k)
        queries = as_vectors(queries, "queries", channels=self.channels)
        scores, indices = exact_top_k(
            queries.to(self.vectors.device),
            self.vectors,
            k,
            normalize=self.similarity == "cosine",
            chunk=self.chunk,
            precision=self.precision,
        )
        return scores.to(queries.device), indices.to(queries.device)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a folder that :meth:`load` reads; all or nothing."""

        def write(folder: Path) -> None:
            np.save(folder / _VECTORS, self.vectors.cpu().numpy())

        save_index(self, path, write, chunk=self.chunk, precision=self.precision)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, mmap: bool = True) -> "ExactIndex":
        """Read what :meth:`save` wrote; with `mmap` vectors stay on disk until they are compared."""
        options = read_options(path)
        # Copy on write: nobody writes, and torch wants an array that can be written to.
        vectors = torch.from_numpy(np.load(Path(path) / _VECTORS, mmap_mode="c" if mmap else None))
        index = cls.__new__(cls)
        index._set(vectors, options["similarity"], options["chunk"], options["precision"])
        return index

    def __repr__(self) -> str:
        size = f"num_vectors={self.num_vectors}, channels={self.channels}"
        return f"{type(self).__name__}({size}, similarity={self.similarity!r})"
