"""Ranking measures on each document's stored scores: P@k, R-Precision, R@k, nDCG@k.

A document's labels are ranked by score, ties by the smaller label index. Labels that were not stored rank below all
that were and count as misses, so a measure that looks further down than was stored is a lower bound.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hgraph.decoding.cells import binary, cell_rows, check_same_shape, find_hits, rank_cells, score_matrix
from hgraph.errors import ConfigError
from hgraph.metrics.f1 import divide


@dataclass(frozen=True, eq=False)
class RankedCells:
    """Stored predictions with their ranks: sort once, then measure several times.

    Args:
        document: Document of each stored cell, [nnz].
        rank: Its rank in that document from 0, [nnz].
        hit: Whether the document has the label, bool [nnz].
        support: Number of true labels of each document, [N].
    """

    document: np.ndarray
    rank: np.ndarray
    hit: np.ndarray
    support: np.ndarray

    @classmethod
    def from_scores(cls, truth: Any, scores: Any) -> "RankedCells":
        """Rank the stored scores of every document and look them up in the truth."""
        target, matrix = binary(truth, name="truth"), score_matrix(scores)
        check_same_shape(truth=target, scores=matrix)
        return cls(cell_rows(matrix), rank_cells(matrix), find_hits(matrix, target), np.diff(target.indptr))

    def precision(self, k: int) -> float:
        """See `precision_at_k`."""
        return float(divide((self.hit & (self.rank < _positive(k))).sum(), k * len(self.support)))

    def recall(self, k: int) -> float:
        """See `recall_at_k`."""
        return _mean(divide(self._hits_of_documents(self.rank < _positive(k)), self.support))

    def r_precision(self) -> float:
        """See `r_precision`."""
        found = self._hits_of_documents(self.rank < self.support[self.document])
        return _mean(divide(found, self.support)[self.support > 0])

    def ndcg(self, k: int) -> float:
        """See `ndcg_at_k`."""
        gain = 1 / np.log2(np.arange(2, _positive(k) + 2))
        counted = self.hit & (self.rank < k)
        gained = np.bincount(self.document[counted], gain[self.rank[counted]], minlength=len(self.support))
        ideal = np.concatenate([[0.0], np.cumsum(gain)])[np.minimum(self.support, k)]
        return _mean(divide(gained, ideal))

    def _hits_of_documents(self, counted: np.ndarray) -> np.ndarray:
        """Number of hits of each document among the counted cells, [N]."""
        return np.bincount(self.document[self.hit & counted], minlength=len(self.support))


def rank_labels(scores: Any, k: int) -> np.ndarray:
    """The k best labels of every document, best first.

    Args:
        scores: CSR [N, L].
        k: Number of labels a document.

    Shapes:
        - **returns**: int64 `[N, k]`, -1 where a document has fewer stored scores

    Example:
        >>> from scipy.sparse import csr_matrix
        >>> rank_labels(csr_matrix([[0.5, 0.9, 0.5], [0.0, 0.0, 0.3]]), 2)
        array([[ 1,  0],
               [ 2, -1]])
    """
    matrix = score_matrix(scores)
    ranks, rows = rank_cells(matrix), cell_rows(matrix)
    labels = np.full((matrix.shape[0], _positive(k)), -1, dtype=np.int64)
    best = ranks < k
    labels[rows[best], ranks[best]] = matrix.indices[best]
    return labels


def precision_at_k(truth: Any, scores: Any, k: int) -> float:
    r"""Mean share of the k best labels that are true, :math:`\frac{1}{N} \sum_i \frac{1}{k} \sum_{j \le k} r_{ij}`.

    Divided by all N documents, as in the extreme classification literature: a document without labels contributes 0,
    and fewer than k stored predictions count as misses.

    Args:
        truth: CSR [N, L], non-zero = label.
        scores: CSR [N, L].
        k: How far down the ranking to look.

    Example:
        >>> precision_at_k([[1, 0, 1]], [[0.9, 0.8, 0.1]], 2)
        0.5
    """
    return RankedCells.from_scores(truth, scores).precision(k)


def recall_at_k(truth: Any, scores: Any, k: int) -> float:
    r"""Mean share of a document's labels among its k best.

    .. math:: \frac{1}{N} \sum_i \frac{1}{|Y_i|} \sum_{j \le k} r_{ij}

    A document without labels contributes 0. Arguments as in `precision_at_k`.

    Example:
        >>> recall_at_k([[1, 0, 1]], [[0.9, 0.8, 0.1]], 2)
        0.5
    """
    return RankedCells.from_scores(truth, scores).recall(k)


def ndcg_at_k(truth: Any, scores: Any, k: int) -> float:
    r"""Mean discounted gain of the k best labels, as a share of the best there could be.

    .. math:: \sum_{j \le k} \frac{r_{ij}}{\log_2(j+1)} \Big/ \sum_{j \le \min(k, |Y_i|)} \frac{1}{\log_2(j+1)}

    A document without labels contributes 0. Arguments as in `precision_at_k`.

    Example:
        >>> ndcg_at_k([[1, 0, 1]], [[0.9, 0.1, 0.8]], 2)
        1.0
    """
    return RankedCells.from_scores(truth, scores).ndcg(k)


def r_precision(truth: Any, scores: Any) -> float:
    r"""Mean precision at each document's own number of labels, :math:`\frac{1}{|Y_i|} \sum_{j \le |Y_i|} r_{ij}`.

    Documents without labels are left out: the measure is undefined there. A document with fewer stored scores than
    labels gives a lower bound, so store at least as many scores as the richest document has labels.

    Args:
        truth: CSR [N, L], non-zero = label.
        scores: CSR [N, L].

    Example:
        >>> r_precision([[1, 0, 1], [0, 0, 0]], [[0.9, 0.8, 0.1], [0.1, 0.2, 0.3]])
        0.5
    """
    return RankedCells.from_scores(truth, scores).r_precision()


def _positive(k: int) -> int:
    if k < 1:
        raise ConfigError(f"'k' is {k}, expected at least 1.")
    return k


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
