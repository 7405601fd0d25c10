"""Similarities of given pairs of documents and targets."""

import numpy as np
import torch
from torch import Tensor

from hgraph.retrieval.vector_index import Similarity

PAIRS = 1 << 15
"""Pairs multiplied at a time."""


class PairSimilarity:
    """Inner products or cosines of pairs, a block of pairs at a time.

    Args:
        text: Document vectors.
        vectors: Target vectors.
        similarity: `"cosine"` or `"dot"`; the cosine of a zero vector is 0.

    Shapes:
        - **text:** `[N, D]`, **vectors:** `[W, D]`
    """

    def __init__(self, text: Tensor, vectors: Tensor, similarity: Similarity) -> None:
        self.text, self.vectors = text, vectors.to(text.device)
        self._scales = None if similarity == "dot" else (_inverse_lengths(text), _inverse_lengths(self.vectors))

    @torch.no_grad()
    def __call__(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Similarity of document `rows[i]` and each target of `columns[i]`; minus infinity where that is -1.

        Shapes:
            - **rows:** `[B]`, **columns:** `[B, C]`
            - **output:** `[B, C]`, float32
        """
        out = np.full(columns.shape, -np.inf, dtype=np.float32)
        given = columns >= 0
        out[given] = self._pairs(np.broadcast_to(rows[:, None], columns.shape)[given], columns[given])
        return out

    def _pairs(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        left, right = (torch.from_numpy(ids.astype(np.int64)).to(self.text.device) for ids in (rows, columns))
        products = [
            torch.einsum("pd,pd->p", self.text[some], self.vectors[others])
            for some, others in zip(left.split(PAIRS), right.split(PAIRS), strict=True)
        ]
        values = torch.cat(products) if products else self.text.new_empty(0)
        if self._scales is not None:
            values = values * self._scales[0][left] * self._scales[1][right]
        return values.cpu().numpy()


def _inverse_lengths(vectors: Tensor) -> Tensor:
    lengths = torch.linalg.vector_norm(vectors, dim=1)
    return torch.where(lengths > 0, 1 / lengths, torch.zeros_like(lengths))
