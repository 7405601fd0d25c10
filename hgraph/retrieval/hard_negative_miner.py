"""Hard negatives for contrast: the most similar labels, or texts, that a document does not have."""

import logging
import math
import time
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import scipy.sparse as sp
from torch import Tensor

from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph
from hgraph.retrieval.build import build_index
from hgraph.retrieval.checks import as_vectors, check_similarity
from hgraph.retrieval.faiss_index import FaissIndex
from hgraph.retrieval.mined_negatives import MinedNegatives
from hgraph.retrieval.mining_pass import MiningPass, MiningRules
from hgraph.retrieval.mining_relations import MiningRelations, label_relations, text_relations
from hgraph.retrieval.mining_summary import positive_similarities, summarize
from hgraph.retrieval.pair_similarity import PairSimilarity
from hgraph.retrieval.vector_index import Similarity

logger = logging.getLogger(__name__)

Strategy = Literal["hardest", "semi_hard", "random", "fixed"]


class HardNegativeMiner:
    r"""Finds for each document what its vector is most easily confused with.

    With :math:`P_i` the positives of document :math:`i` (its most specific labels) and :math:`s` the similarity,
    candidates are ranked by :math:`s_{i,c}`, positives and their ancestors left out, and :math:`c` is a negative if

    .. math:: s_{i,c} \le \min\big(s^+_i - m_r |s^+_i|,\; s^+_i - m_a,\; s_{\max}\big), \qquad
        s^+_i = \min_{p \in P_i} s_{i,p}

    (or the mean over :math:`P_i`). The relative margin :math:`m_r` is that of NV-Retriever (`arXiv 2407.15831
    <https://arxiv.org/abs/2407.15831>`_), where a negative nearly as similar as the positive is taken to be a positive
    that nobody marked; changed here: it lowers the bound also where the positive's similarity is negative. A document
    without labels gets no negatives, and one with fewer candidates than asked gets those.

    Strategies: `"hardest"` takes the most similar ones, `"semi_hard"` (Schroff et al. 2015, `arXiv 1503.03832
    <https://arxiv.org/abs/1503.03832>`_) the most similar that are less similar than every positive, `"random"` draws
    them evenly, with no search. `"fixed"` is `"hardest"`, mined once and kept: see `refreshes`.

    Nothing loops over documents or pairs, and nothing of size N x W is made: memory is that of the vectors, the index,
    the answer, and a block.

    Args:
        graph: The hierarchy; without one a label has neither ancestors nor siblings.
        num_negatives: :math:`n`, how many to find for a document.
        strategy: See above.
        similarity: `"cosine"` (default) or `"dot"`.
        range_min: Leave out so many of the most similar candidates.
        range_max: Look no further down than this rank; None for as far as needed.
        relative_margin: :math:`m_r`; 0.05 is the paper's.
        absolute_margin: :math:`m_a`.
        max_similarity: :math:`s_{\max}`: what is more similar is suspected to be true.
        positive: Whether margins count from the `"least"` similar positive or from the `"mean"`.
        exclude_descendants: Whether descendants of a positive are left out too (labels alone).
        sibling_quota: Share of the negatives that are siblings of a positive, where there are so many; these may come
            from below `range_max`.
        recall: Share of the nearest that an approximate index must find; it is tuned on the texts. None leaves it.
        index: Arguments of :func:`~hgraph.retrieval.build_index`.
        seed: Of all draws.

    Attributes:
        refreshes: Whether mining again is of use; False for `"fixed"`.

    Shapes:
        - **text_vectors:** `[N, D]`, **label_vectors:** `[L, D]`, **labels:** CSR `[N, L]`
        - **returned:** :class:`~hgraph.retrieval.MinedNegatives` with `ids` `[N, n]`

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("animal", "cat"), ("animal", "dog")])
        >>> vectors = [[1.0, 0.5], [1.0, 0.0], [0.9, 0.1]]
        >>> miner = HardNegativeMiner(graph=graph, num_negatives=2)
        >>> miner.mine_labels([[1.0, 0.1]], vectors, sp.csr_matrix([[0, 1, 0]])).ids
        array([[ 2, -1]], dtype=int32)
    """

    def __init__(
        self,
        *,
        graph: LabelGraph | None = None,
        num_negatives: int = 16,
        strategy: Strategy = "hardest",
        similarity: Similarity = "cosine",
        range_min: int = 0,
        range_max: int | None = None,
        relative_margin: float | None = None,
        absolute_margin: float | None = None,
        max_similarity: float | None = None,
        positive: Literal["least", "mean"] = "least",
        exclude_descendants: bool = False,
        sibling_quota: float = 0.0,
        recall: float | None = 0.98,
        index: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        check_similarity(similarity)
        _check_choice("strategy", strategy, get_args(Strategy))
        _check_choice("positive", positive, ("least", "mean"))
        _check_range(num_negatives, strategy, range_min, range_max)
        for name, margin in (("relative_margin", relative_margin), ("absolute_margin", absolute_margin)):
            if margin is not None and not margin >= 0:
                raise ConfigError(f"{name!r} must be 0 or more, but got {margin}.")
        if not 0 <= sibling_quota <= 1:
            raise ConfigError(f"'sibling_quota' must be between 0 and 1, but got {sibling_quota}.")
        if recall is not None and not 0 < recall <= 1:
            raise ConfigError(f"'recall' must be above 0 and at most 1, but got {recall}.")
        if graph is None and (sibling_quota or exclude_descendants):
            name = "sibling_quota" if sibling_quota else "exclude_descendants"
            raise ConfigError(f"{name!r} needs the hierarchy, but 'graph' is None. Give a LabelGraph.")
        self.graph = graph
        self.num_negatives = num_negatives
        self.strategy: Strategy = strategy
        self.similarity: Similarity = similarity
        self.range_min, self.range_max = range_min, range_max
        self.relative_margin, self.absolute_margin = relative_margin, absolute_margin
        self.max_similarity = max_similarity
        self.positive = positive
        self.exclude_descendants = exclude_descendants
        self.sibling_quota = sibling_quota
        self.recall = recall
        self.index = dict(index or {})
        self.seed = seed
        self.refreshes = strategy != "fixed"

    def mine_labels(
        self, text_vectors: Any, label_vectors: Any, labels: sp.csr_matrix, *, round: int = 0
    ) -> MinedNegatives:
        """Labels that are hard negatives of texts; `round` makes other draws in each mining of a training."""
        relations = label_relations(labels, self.graph, exclude_descendants=self.exclude_descendants)
        return self._mine(text_vectors, label_vectors, relations, round)

    def mine_texts(
        self, text_vectors: Any, labels: sp.csr_matrix, *, level: int | None = None, round: int = 0
    ) -> MinedNegatives:
        """Texts that are hard negatives of texts.

        Texts are positives of each other that share a most specific label, with `level` one of the labels on it; see
        :func:`~hgraph.retrieval.text_relations` for what is excluded beside them. Of many positives, 16 drawn at random
        set the margins.
        """
        return self._mine(text_vectors, text_vectors, text_relations(labels, self.graph, level=level), round)

    def _mine(self, text_vectors: Any, vectors: Any, relations: MiningRelations, round: int) -> MinedNegatives:
        start = time.perf_counter()
        text = as_vectors(text_vectors, "text_vectors")
        others = text if relations.is_self else as_vectors(vectors, "label_vectors", channels=text.shape[1])
        _check_counts(text, others, relations)
        rng = np.random.default_rng((self.seed, round))
        similarity = PairSimilarity(text, others, self.similarity)
        positives = positive_similarities(relations, similarity, rng)
        index = None
        if self.strategy != "random":
            index = build_index(others, similarity=self.similarity, **self.index)
            if isinstance(index, FaissIndex) and self.recall is not None:
                index.tune(text, self.range_min + self.num_negatives, recall=self.recall, seed=self.seed)
        built = time.perf_counter()
        mining = MiningPass(self._rules(), relations, similarity, self._bound(positives.least, positives.mean), rng)
        ids, values = mining.run(index)
        summary = summarize(
            ids,
            values,
            relations,
            positives,
            strategy=self.strategy,
            build_seconds=built - start,
            search_seconds=time.perf_counter() - built,
        )
        logger.info("mined %s\n%s", "texts" if relations.is_self else "labels", summary)
        return MinedNegatives(ids, values, summary)

    def _rules(self) -> MiningRules:
        return MiningRules(
            num_negatives=self.num_negatives,
            at_random=self.strategy == "random",
            range_min=self.range_min,
            range_max=self.range_max,
            num_siblings=math.ceil(self.sibling_quota * self.num_negatives - 1e-9),
        )

    def _bound(self, least: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """The largest similarity of a negative of each document, float32 `[N]`."""
        reference = least if self.positive == "least" else mean
        bound = np.full(len(least), np.inf if self.max_similarity is None else self.max_similarity, dtype=np.float32)
        some = np.isfinite(reference)  # a document without positives has nothing to count a margin from
        reference = reference[some]
        if self.relative_margin is not None:
            limit = reference - np.float32(self.relative_margin) * np.abs(reference)
            bound[some] = np.minimum(bound[some], limit)
        if self.absolute_margin is not None:
            bound[some] = np.minimum(bound[some], reference - np.float32(self.absolute_margin))
        if self.strategy == "semi_hard":
            bound[some] = np.minimum(bound[some], np.nextafter(least[some], np.float32(-np.inf)))
        return bound

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_negatives={self.num_negatives}, strategy={self.strategy!r})"


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name!r} must be one of {', '.join(choices)}, but got {value!r}.")


def _check_range(num_negatives: int, strategy: str, range_min: int, range_max: int | None) -> None:
    if num_negatives < 1:
        raise ConfigError(f"'num_negatives' must be at least 1, but got {num_negatives}.")
    if range_min < 0:
        raise ConfigError(f"'range_min' must be 0 or more, but got {range_min}.")
    if range_max is not None and range_max <= range_min:
        raise ConfigError(f"'range_max' must be above 'range_min' {range_min}, but got {range_max}.")
    if strategy == "random" and (range_min or range_max is not None):
        raise ConfigError("'range_min' and 'range_max' are ranks by similarity, which 'random' does not have.")


def _check_counts(text: Tensor, vectors: Tensor, relations: MiningRelations) -> None:
    if len(text) != relations.num_documents:
        raise DataError(f"'labels' must have {len(text)} rows, one a text, found {relations.num_documents}.")
    if len(vectors) != relations.num_targets:
        raise DataError(f"'label_vectors' must have {relations.num_targets} rows, one a label, found {len(vectors)}.")
