"""What every index promises."""

import os
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

Similarity = Literal["dot", "cosine"]


@runtime_checkable
class VectorIndex(Protocol):
    """A fixed set of vectors that answers which of them are most similar to a query.

    Shapes:
        - **vectors**: `[N, D]`, N = `num_vectors`, D = `channels`
        - **queries**: `[Q, D]`
        - **returned by search**: scores `[Q, min(k, N)]` float32, indices `[Q, min(k, N)]` int64
    """

    @property
    def num_vectors(self) -> int:
        """How many vectors are searched."""

    @property
    def channels(self) -> int:
        """The width of a vector."""

    @property
    def similarity(self) -> Similarity:
        """What a score is: an inner product or a cosine."""

    def search(self, queries: Any, k: int) -> tuple[Tensor, Tensor]:
        """Scores and indices of the k most similar vectors of each query, best first, on the device of the queries."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a folder that :func:`~hgraph.retrieval.load_index` reads; all or nothing."""
