"""Exact search in torch, the reference of the other indexes."""

from typing import Any

import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.retrieval.checks import as_vectors, check_k, check_similarity
from hgraph.retrieval.functional import exact_top_k
from hgraph.retrieval.vector_index import Similarity


class ExactIndex:
    r"""Compares each query with every vector, in blocks of bounded memory.

    .. math:: s(q, v) = \langle q, v \rangle \quad\text{or}\quad
        \langle q / \lVert q \rVert, v / \lVert v \rVert \rangle

    Needs nothing but torch. Ties go to the smaller index, and a score depends neither on the other queries nor on
    `chunk`; see :func:`~hgraph.retrieval.exact_top_k` for how. Cost is `Q x N x D` in float64.

    Args:
        vectors: What is searched, NumPy array or torch tensor; copied. The search runs on the device of the tensor.
        similarity: `"dot"` (default) or `"cosine"`. The cosine of a zero vector is 0.
        chunk: How many queries and how many vectors are compared at a time: no block of scores exceeds its square.

    Shapes:
        - **vectors**: `[N, D]`, **queries**: `[Q, D]`
        - **returned by search**: scores `[Q, min(k, N)]` float32, indices `[Q, min(k, N)]` int64

    Raises:
        ConfigError: An unknown similarity, or `chunk` below 1.
        DataError: Vectors that are not a matrix, or contain NaN or infinity.

    Example:
        >>> index = ExactIndex(torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]]), similarity="cosine")
        >>> index.search(torch.tensor([[0.0, 1.0]]), k=2)
        (tensor([[1.0000, 0.8000]]), tensor([[1, 2]]))
    """

    def __init__(self, vectors: Any, *, similarity: Similarity = "dot", chunk: int = 4096) -> None:
        check_similarity(similarity)
        if chunk < 1:
            raise ConfigError(f"'chunk' must be at least 1, but got {chunk}.")
        self.vectors = as_vectors(vectors, "vectors")
        self.num_vectors, self.channels = self.vectors.shape
        self.similarity = similarity
        self.chunk = chunk

    @torch.no_grad()
    def search(self, queries: Any, k: int) -> tuple[Tensor, Tensor]:
        """Scores and indices of the k most similar vectors of each query, best first, on the device of the queries."""
        check_k(k)
        queries = as_vectors(queries, "queries", channels=self.channels)
        scores, indices = exact_top_k(
            queries.to(self.vectors.device), self.vectors, k, normalize=self.similarity == "cosine", chunk=self.chunk
        )
        return scores.to(queries.device), indices.to(queries.device)

    def __repr__(self) -> str:
        size = f"num_vectors={self.num_vectors}, channels={self.channels}"
        return f"{type(self).__name__}({size}, similarity={self.similarity!r})"
