"""Strategies of mining side by side, on the same vectors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.retrieval.checks import as_vectors
from hgraph.retrieval.hard_negative_miner import HardNegativeMiner, Strategy
from hgraph.retrieval.mined_negatives import MinedNegatives
from hgraph.retrieval.mining_relations import label_relations
from hgraph.retrieval.mining_summary import MiningSummary, percent, positive_similarities, summarize
from hgraph.retrieval.pair_similarity import PairSimilarity


@dataclass(frozen=True)
class StrategyComparison:
    """What each strategy finds for the same documents.

    Attributes:
        summaries: By strategy.
        among_hardest: Share of the negatives of a strategy that `"hardest"` has too; NaN where that was not mined.
    """

    summaries: dict[str, MiningSummary]
    among_hardest: dict[str, float]

    def __str__(self) -> str:
        names = ["", *self.summaries]
        rows: list[tuple[str, list[str]]] = [
            ("similarity, mean", [f"{s.negatives.mean:.3f}" for s in self.summaries.values()]),
            *(
                (f"similarity, {p} %", [f"{getattr(s.negatives, f'p{p}'):.3f}" for s in self.summaries.values()])
                for p in (5, 50, 95)
            ),
            ("above the least positive", [percent(s.above_least) for s in self.summaries.values()]),
            ("above the mean positive", [percent(s.above_mean) for s in self.summaries.values()]),
            ("siblings", [percent(s.siblings) for s in self.summaries.values()]),
            ("among the hardest", [percent(share) for share in self.among_hardest.values()]),
            ("fewer than asked", [percent(s.short) for s in self.summaries.values()]),
            ("seconds", [f"{s.build_seconds + s.search_seconds:.1f}" for s in self.summaries.values()]),
        ]
        lines = [f"{names[0]:<26}" + "".join(f"{name:>11}" for name in names[1:])]
        lines += [f"{name:<26}" + "".join(f"{value:>11}" for value in values) for name, values in rows]
        return "\n".join(lines)


def compare_strategies(
    text_vectors: Any,
    label_vectors: Any,
    labels: sp.csr_matrix,
    *,
    graph: LabelGraph | None = None,
    strategies: Sequence[Strategy] | None = None,
    earlier: MinedNegatives | None = None,
    **options: Any,
) -> StrategyComparison:
    """Mine with each strategy and put the figures side by side.

    Args:
        text_vectors: Of the documents, as the model is now.
        label_vectors: Of the labels, as the model is now.
        labels: Which document has which label.
        graph: The hierarchy.
        strategies: Which ones; by default all, `"fixed"` only with `earlier`.
        earlier: What was mined with earlier vectors, as `"fixed"` would have: its similarities are measured anew.
        **options: Other arguments of :class:`~hgraph.retrieval.HardNegativeMiner`.

    Shapes:
        - **text_vectors:** `[N, D]`, **label_vectors:** `[L, D]`, **labels:** CSR `[N, L]`

    Example:
        >>> vectors = np.eye(3, dtype=np.float32)
        >>> compared = compare_strategies(vectors, vectors, sp.identity(3, format="csr"), num_negatives=1)
        >>> list(compared.summaries)
        ['hardest', 'semi_hard', 'random']
    """
    if strategies is None:
        strategies = [name for name in get_args(Strategy) if name != "fixed" or earlier is not None]
    if "fixed" in strategies and earlier is None:
        raise ConfigError("the strategy 'fixed' is compared by what it mined before: give 'earlier', or leave it out.")
    summaries: dict[str, MiningSummary] = {}
    ids: dict[str, np.ndarray] = {}
    for name in strategies:
        miner = HardNegativeMiner(graph=graph, strategy=name, **options)
        if name == "fixed" and earlier is not None:
            mined = _measured(miner, earlier, text_vectors, label_vectors, labels)
        else:
            mined = miner.mine_labels(text_vectors, label_vectors, labels)
        summaries[name], ids[name] = mined.summary, mined.ids
    width = labels.shape[1]
    return StrategyComparison(summaries, {name: _shared(ids[name], ids.get("hardest"), width) for name in ids})


def _measured(
    miner: HardNegativeMiner, earlier: MinedNegatives, text_vectors: Any, label_vectors: Any, labels: sp.csr_matrix
) -> MinedNegatives:
    """Earlier negatives with the similarities of today."""
    if len(earlier) != labels.shape[0]:
        raise ConfigError(f"'earlier' must hold negatives of {labels.shape[0]} documents, but got {len(earlier)}.")
    text = as_vectors(text_vectors, "text_vectors")
    others = as_vectors(label_vectors, "label_vectors", channels=text.shape[1])
    relations = label_relations(labels, miner.graph, exclude_descendants=miner.exclude_descendants)
    similarity = PairSimilarity(text, others, miner.similarity)
    positives = positive_similarities(relations, similarity, np.random.default_rng(miner.seed))
    values = similarity(np.arange(len(earlier)), earlier.ids.astype(np.int64))
    summary = summarize(earlier.ids, values, relations, positives, strategy="fixed")
    return replace(earlier, similarity=values, summary=summary)


def _shared(ids: np.ndarray, others: np.ndarray | None, width: int) -> float:
    if others is None or not (ids >= 0).any():
        return float("nan")
    offset = width * np.arange(len(ids), dtype=np.int64)[:, None]
    return float(np.isin((ids + offset)[ids >= 0], (others + offset)[others >= 0]).mean())
