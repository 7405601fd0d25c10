"""How much effort an approximate index needs."""

from bisect import bisect_left
from typing import Protocol

import numpy as np

from hgraph.retrieval import faiss_kinds as kinds
from hgraph.retrieval.faiss_kinds import Kind


class TunedIndex(Protocol):
    """What is tuned: a :class:`~hgraph.retrieval.FaissIndex`."""

    num_vectors: int
    channels: int
    kind: Kind
    on_gpu: bool
    refined: int

    def set_effort(self, effort: int, refined: int) -> None:
        """Change the effort."""

    def search_rows(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores and indices found with the effort that is set."""

    def search_all(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores and indices of the exact neighbours."""


class EffortTrial:
    """The search for the cheapest setting of an index that finds enough."""

    def __init__(self, index: TunedIndex, rows: np.ndarray, k: int, recall: float, *, is_sample: bool) -> None:
        self.index, self.rows, self.k, self.recall, self.is_sample = index, rows, k, recall, is_sample
        # Counted by score: of vectors that are equally near any will do.
        self.enough = index.search_all(rows, k)[0][:, -1:] - 1e-6
        self.efforts = kinds.efforts(index.kind, index.num_vectors, k)
        self.found: dict[tuple[int, int], float] = {}

    def best(self) -> tuple[int, int, float]:
        """Effort, refinement, and the share found with them."""
        best = None
        for refined in self._refinements():
            limit = np.inf if best is None else self._cost(*best)
            efforts = [effort for effort in self.efforts if self._cost(effort, refined) < limit]
            effort = self._least(efforts, refined)
            best = best if effort is None else (effort, refined)
        most = max(self.found, key=self.found.__getitem__)
        chosen = best or most
        return *chosen, self.found[chosen]

    def _least(self, efforts: list[int], refined: int) -> int | None:
        """The least of rising efforts that finds enough, None where none does: by octaves, then within one."""
        coarse = efforts[::-1][:: kinds.STEPS_AN_OCTAVE][::-1]
        enough = next((effort for effort in coarse if self._finds_enough(effort, refined)), None)
        if enough is None:
            return None
        below = coarse.index(enough)
        fine = [effort for effort in efforts if (coarse[below - 1] if below else 0) < effort <= enough]
        return fine[bisect_left(fine[:-1], True, key=lambda effort: self._finds_enough(effort, refined))]

    def _refinements(self) -> tuple[int, ...]:
        exact = self.index.kind == "hnsw" or self.index.on_gpu  # compares no codes
        return (self.index.refined,) if exact else kinds.REFINEMENTS

    def _finds_enough(self, effort: int, refined: int) -> bool:
        self.index.set_effort(effort, refined)
        shares = (self.index.search_rows(self.rows, self.k)[0] >= self.enough).mean(1)
        self.found[effort, refined] = float(shares.mean())
        # The queries are a sample: what they find less two standard errors.
        error = shares.std() / np.sqrt(len(shares)) if self.is_sample else 0.0
        return bool(shares.mean() - 2 * error >= self.recall)

    def _cost(self, effort: int, refined: int) -> float:
        return kinds.cost(self.index.kind, self.index.num_vectors, self.index.channels, self.k, effort, refined)
