"""The figures that say what mined negatives are worth."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hgraph.retrieval.mining_relations import MiningRelations
from hgraph.retrieval.pair_similarity import PairSimilarity
from hgraph.retrieval.rows import blocks

PERCENTILES = (5, 50, 95)
POSITIVES_A_DOCUMENT = 16
"""A guess, for the size of a block."""


@dataclass(frozen=True)
class Spread:
    """Mean and percentiles of some similarities; NaN where there are none."""

    mean: float
    p5: float
    p50: float
    p95: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Spread":
        """The spread of an array of any shape."""
        if not values.size:
            return cls(np.nan, np.nan, np.nan, np.nan)
        return cls(float(values.mean(dtype=np.float64)), *(float(p) for p in np.percentile(values, PERCENTILES)))


@dataclass(frozen=True)
class MiningSummary:
    """What a mining found.

    Attributes:
        strategy: How negatives were chosen.
        documents: Documents with labels.
        unlabelled: Documents without labels, for which nothing is mined.
        asked: Negatives asked for a document.
        mined: Negatives found.
        positives: Similarities of documents to their positives.
        negatives: Similarities of documents to their negatives.
        above_least: Share of the negatives that are more similar than the least similar positive of their document;
            such a negative may be true and not marked.
        above_mean: The same for the mean similarity of the positives.
        short: Share of the documents with labels that got fewer negatives than asked.
        siblings: Share of the negatives that are siblings of a positive; NaN without a hierarchy.
        build_seconds: To build the index.
        search_seconds: All the rest.
    """

    strategy: str
    documents: int
    unlabelled: int
    asked: int
    mined: int
    positives: Spread
    negatives: Spread
    above_least: float
    above_mean: float
    short: float
    siblings: float
    build_seconds: float = 0.0
    search_seconds: float = 0.0

    def __str__(self) -> str:
        lines = [f"{'similarity':<12}{'mean':>8}" + "".join(f"{f'{p} %':>8}" for p in PERCENTILES)]
        for name, spread in (("positives", self.positives), ("negatives", self.negatives)):
            lines.append(f"{name:<12}" + "".join(f"{value:8.3f}" for value in asdict(spread).values()))
        lines += [
            f"{name:<36}{value:>8}"
            for name, value in (
                ("documents with labels", f"{self.documents:,}"),
                (f"negatives ({self.strategy}, {self.asked} asked)", f"{self.mined:,}"),
                ("above the least similar positive", percent(self.above_least)),
                ("above the mean positive", percent(self.above_mean)),
                ("documents with fewer than asked", percent(self.short)),
                ("siblings among the negatives", percent(self.siblings)),
                ("seconds, index", f"{self.build_seconds:.1f}"),
                ("seconds, search", f"{self.search_seconds:.1f}"),
            )
        ]
        return "\n".join(lines)


def percent(share: float) -> str:
    """A share as text, `-` for NaN."""
    return "-" if np.isnan(share) else f"{100 * share:.1f} %"


@dataclass(frozen=True)
class PositiveSimilarities:
    """How similar documents are to their positives.

    Attributes:
        least: float32 `[N]`, of the least similar positive; infinity where a document has none.
        mean: float32 `[N]`, of all positives; infinity where a document has none.
        spread: Of all pairs.
    """

    least: np.ndarray
    mean: np.ndarray
    spread: Spread


def positive_similarities(
    relations: MiningRelations, similarity: PairSimilarity, rng: np.random.Generator
) -> PositiveSimilarities:
    """Similarities of all documents to their positives; `rng` draws where a document has too many."""
    least = np.full(relations.num_documents, np.inf, dtype=np.float32)
    mean, values = least.copy(), []
    for rows in blocks(relations.labelled(), POSITIVES_A_DOCUMENT):
        columns = relations.positives_of(rows, rng)
        found, given = similarity(rows, columns), columns >= 0
        some = given.any(1)
        sums = np.where(given, found, 0).sum(1, dtype=np.float64)[some]
        least[rows[some]] = np.where(given, found, np.inf).min(1, initial=np.inf)[some]
        mean[rows[some]] = sums / given.sum(1)[some]
        values.append(found[given])
    return PositiveSimilarities(least, mean, Spread.of(np.concatenate(values) if values else np.zeros(0)))


def summarize(
    ids: np.ndarray,
    similarity: np.ndarray,
    relations: MiningRelations,
    positives: PositiveSimilarities,
    **others: Any,
) -> MiningSummary:
    """The figures of negatives `ids` `[N, n]` that have `similarity` `[N, n]`; `others` are passed on."""
    rows = relations.labelled()
    given, total = ids >= 0, max(int((ids >= 0).sum()), 1)
    siblings = sum(int(relations.are_siblings(some, ids[some].astype(np.int64)).sum()) for some in blocks(rows, 64))
    return MiningSummary(
        documents=len(rows),
        unlabelled=len(ids) - len(rows),
        asked=ids.shape[1],
        mined=int(given.sum()),
        positives=positives.spread,
        negatives=Spread.of(similarity[given]),
        above_least=float((given & (similarity > positives.least[:, None])).sum() / total),
        above_mean=float((given & (similarity > positives.mean[:, None])).sum() / total),
        short=float((given[rows].sum(1) < ids.shape[1]).mean()) if len(rows) else 0.0,
        siblings=float("nan") if relations.parents is None else siblings / total,
        **others,
    )
