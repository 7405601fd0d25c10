"""Search by FAISS."""

from typing import Any

import torch
from torch import Tensor

from hgraph.retrieval.checks import as_vectors, check_k, check_similarity
from hgraph.retrieval.functional import unit_rows
from hgraph.retrieval.optional_faiss import require_faiss
from hgraph.retrieval.vector_index import Similarity

_ROWS = 65536  # rows scaled in float64 and added at a time


class FaissIndex:
    """A flat inner-product index of `FAISS <https://arxiv.org/abs/2401.08281>`_, on the CPU.

    Finds what :class:`~hgraph.retrieval.ExactIndex` finds, faster; sums in float32, so scores agree to rounding and
    vectors with (nearly) equal scores may come in another order. For the cosine, vectors are stored at length one.

    Args:
        vectors: What is searched, NumPy array or torch tensor; copied into the index.
        similarity: `"dot"` (default) or `"cosine"`. The cosine of a zero vector is 0.

    Shapes:
        - **vectors**: `[N, D]`, **queries**: `[Q, D]`
        - **returned by search**: scores `[Q, min(k, N)]` float32, indices `[Q, min(k, N)]` int64

    Raises:
        ConfigError: faiss is not installed, or the similarity is unknown.
        DataError: Vectors that are not a matrix, or contain NaN or infinity.
    """

    def __init__(self, vectors: Any, *, similarity: Similarity = "dot") -> None:
        check_similarity(similarity)
        faiss = require_faiss("FaissIndex")
        vectors = as_vectors(vectors, "vectors")
        self.num_vectors, self.channels = vectors.shape
        self.similarity = similarity
        self.index = faiss.IndexFlatIP(self.channels)
        for rows in vectors.split(_ROWS):
            self.index.add(self._prepare(rows))

    def search(self, queries: Any, k: int) -> tuple[Tensor, Tensor]:
        """Scores and indices of the k most similar vectors of each query, best first, on the device of the queries."""
        check_k(k)
        queries = as_vectors(queries, "queries", channels=self.channels)
        # Asked for more than it holds, FAISS pads with index -1.
        k = min(k, self.num_vectors)
        if k == 0 or len(queries) == 0:
            empty = torch.empty(len(queries), k, dtype=torch.int64, device=queries.device)
            return empty.float(), empty
        scores, indices = self.index.search(self._prepare(queries), k)
        return torch.from_numpy(scores).to(queries.device), torch.from_numpy(indices).to(queries.device)

    def _prepare(self, rows: Tensor) -> Any:
        """Rows as FAISS takes them: NumPy, float32, of length one for the cosine."""
        rows = rows.cpu()
        return (unit_rows(rows.double()).float() if self.similarity == "cosine" else rows).numpy()

    def __repr__(self) -> str:
        size = f"num_vectors={self.num_vectors}, channels={self.channels}"
        return f"{type(self).__name__}({size}, similarity={self.similarity!r})"
