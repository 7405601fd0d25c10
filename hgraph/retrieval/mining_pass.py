"""The search for negatives: all documents once, then those again, deeper, that were left short."""

from dataclasses import dataclass

import numpy as np
import torch

from hgraph.retrieval.mining_relations import MiningRelations
from hgraph.retrieval.pair_similarity import PairSimilarity
from hgraph.retrieval.rows import NONE, blocks, draw_distinct
from hgraph.retrieval.vector_index import VectorIndex

MAX_DEPTH = 1024
"""Neighbours of a document that are looked at: one whose negatives lie further down keeps fewer than asked."""
DEEPER = 4
"""How many times as deep each further search looks."""


@dataclass(frozen=True)
class MiningRules:
    """Which candidates become negatives; see :class:`~hgraph.retrieval.HardNegativeMiner`.

    Attributes:
        num_negatives: How many a document.
        at_random: Whether candidates are drawn evenly, not retrieved.
        range_min: Rank of the first that may be taken.
        range_max: Rank of the first that may no longer be taken; None for no limit.
        num_siblings: How many of them must be siblings of a positive.
    """

    num_negatives: int
    at_random: bool = False
    range_min: int = 0
    range_max: int | None = None
    num_siblings: int = 0


@dataclass(frozen=True)
class Candidates:
    """Candidates of a block of documents.

    Attributes:
        ids: int64 `[B, C]`, -1 where there is none.
        similarity: float32 `[B, C]`.
        rank: int64 `[B, C]`, how many candidates of the document come before one, at least.
        is_ranked: boolean `[B, C]`, false for siblings beyond the ranks.
    """

    ids: np.ndarray
    similarity: np.ndarray
    rank: np.ndarray
    is_ranked: np.ndarray


class MiningPass:
    """Chooses negatives by given rules.

    Args:
        rules: What is chosen.
        relations: What must not be.
        similarity: Of given pairs.
        bound: float32 `[N]`, the largest similarity of a negative of each document.
        rng: Draws.
    """

    def __init__(
        self,
        rules: MiningRules,
        relations: MiningRelations,
        similarity: PairSimilarity,
        bound: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        self.rules, self.relations, self.similarity, self.bound, self.rng = rules, relations, similarity, bound, rng

    def run(self, index: VectorIndex | None) -> tuple[np.ndarray, np.ndarray]:
        """Ids, int32 `[N, n]`, and similarities, float32 `[N, n]`, of the negatives; without an index at random."""
        shape = self.relations.num_documents, self.rules.num_negatives
        ids, values = np.full(shape, NONE, dtype=np.int32), np.full(shape, -np.inf, dtype=np.float32)
        rows, limit = self.relations.labelled(), min(self.relations.num_targets, MAX_DEPTH)
        depth = min(self._first_depth(rows), limit)
        while len(rows):
            short = []
            for some in blocks(rows, depth):
                found = self._draw(some, depth) if index is None else self._retrieve(some, depth, index)
                ids[some], values[some] = self._choose(some, found)
                short.append(some[self._can_gain(ids[some], found)])
            if depth >= limit:
                break
            rows, depth = np.concatenate(short), min(DEEPER * depth, limit)
        return ids, values

    def _first_depth(self, rows: np.ndarray) -> int:
        """Enough for most documents: what is asked for, what is skipped, what is excluded."""
        own = np.diff(self.relations.excluded[0][0].indptr)[rows]
        spare = 1 if np.isinf(self.bound[rows]).all() else 2  # what is above the bound takes places too
        wanted = self.rules.range_min + spare * self.rules.num_negatives
        return wanted + (int(np.percentile(own, 90)) if len(own) else 0)

    def _retrieve(self, rows: np.ndarray, depth: int, index: VectorIndex) -> Candidates:
        scores, nearest = index.search(self.similarity.text[torch.from_numpy(rows)], depth)
        ids = self.relations.without_excluded(rows, nearest.cpu().numpy())
        rank = np.cumsum(ids >= 0, axis=1) - 1
        return Candidates(ids, scores.cpu().numpy(), rank, np.ones(ids.shape, dtype=bool))

    def _draw(self, rows: np.ndarray, depth: int) -> Candidates:
        drawn = draw_distinct(len(rows), depth, self.relations.num_targets, self.rng)
        ids = self.relations.without_excluded(rows, drawn)
        return Candidates(ids, self.similarity(rows, ids), np.zeros_like(ids), np.ones(ids.shape, dtype=bool))

    def _choose(self, rows: np.ndarray, found: Candidates) -> tuple[np.ndarray, np.ndarray]:
        rules = self.rules
        if rules.num_siblings:
            found = self._with_siblings(rows, found)
        fits = (found.ids >= 0) & (found.similarity <= self.bound[rows, None]) & (found.rank >= rules.range_min)
        in_range = fits & found.is_ranked
        if rules.range_max is not None:
            in_range &= found.rank < rules.range_max
        order = self._order(found)
        first = np.zeros_like(fits)
        if rules.num_siblings:
            siblings = np.take_along_axis(fits & self.relations.are_siblings(rows, found.ids), order, axis=1)
            np.put_along_axis(first, order, siblings & (siblings.cumsum(1) <= rules.num_siblings), axis=1)
            if rules.at_random:
                order = self._order(found)  # in the old one the siblings that are left come late
        # The siblings of the quota, then all others that may be taken, both in order.
        turn = np.take_along_axis(np.where(first, 0, np.where(in_range, 1, 2)), order, axis=1)
        chosen = np.argsort(turn, axis=1, kind="stable")[:, : rules.num_negatives]
        taken = np.take_along_axis(turn, chosen, axis=1) < 2
        chosen = np.take_along_axis(order, chosen, axis=1)
        return _sorted(
            np.where(taken, np.take_along_axis(found.ids, chosen, axis=1), NONE),
            np.where(taken, np.take_along_axis(found.similarity, chosen, axis=1), -np.inf),
            rules.num_negatives,
        )

    def _with_siblings(self, rows: np.ndarray, found: Candidates) -> Candidates:
        """Siblings that were not retrieved, too; they come after what was."""
        ids = self.relations.other_siblings(rows, found.ids, self.rng)
        rank = np.broadcast_to((found.ids >= 0).sum(1, keepdims=True), ids.shape)
        if self.rules.at_random:
            rank = np.zeros_like(ids)
        return Candidates(
            np.concatenate([found.ids, ids], axis=1),
            np.concatenate([found.similarity, self.similarity(rows, ids)], axis=1),
            np.concatenate([found.rank, rank], axis=1),
            np.concatenate([found.is_ranked, np.zeros(ids.shape, dtype=bool)], axis=1),
        )

    def _order(self, found: Candidates) -> np.ndarray:
        """The order in which candidates are taken."""
        if self.rules.at_random:
            return np.argsort(self.rng.random(found.ids.shape), axis=1)
        return np.lexsort((found.ids, -found.similarity), axis=1)

    def _can_gain(self, ids: np.ndarray, found: Candidates) -> np.ndarray:
        """Whether a deeper search may find more: documents that are short and have not reached the end of the range."""
        candidates = (found.ids >= 0).sum(1)
        limit = candidates.max(initial=0) + 1 if self.rules.range_max is None else self.rules.range_max
        return np.logical_and((ids < 0).any(1), candidates < limit)


def _sorted(ids: np.ndarray, similarity: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The most similar first, `width` columns."""
    order = np.lexsort((ids, -similarity), axis=1)
    ids, similarity = np.take_along_axis(ids, order, axis=1), np.take_along_axis(similarity, order, axis=1)
    pad = ((0, 0), (0, width - ids.shape[1]))
    return np.pad(ids, pad, constant_values=NONE), np.pad(similarity, pad, constant_values=-np.inf)
