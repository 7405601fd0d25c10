"""`LinearRanker`: sparse linear classifiers along a label tree (XR-Linear)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError, DataError
from hgraph.ranking import beam as search
from hgraph.ranking.level_training import SolverOptions, train_level
from hgraph.ranking.level_weights import LevelWeights
from hgraph.ranking.pair_scores import score_pairs
from hgraph.ranking.ranker_features import RankerFeatures
from hgraph.ranking.ranker_tree import RankerTree
from hgraph.ranking.relevance import level_relevance
from hgraph.ranking.transforms import per_level, probabilities, transforms

Negatives = Literal["teacher", "matcher", "both"]
Progress = Callable[[int, int], None]
TOP_K, BEAM_SIZE = 20, 10


class LinearRanker:
    r"""A linear classifier a node of a label tree, trained on the documents that reach its parent; beam search.

    For node :math:`l` under parent :math:`c` it solves, on the documents :math:`I_l` that are active at :math:`c` or
    have the node,

    .. math:: \min_w \tfrac12 |w|^2 + \sum_{i \in I_l} \kappa_{il} \max(0, 1 - s_{il} (w \cdot [x_i; b]))^2

    with :math:`\kappa = C_p R_{il}` for positives and :math:`C_n` for negatives (Yu et al. 2022, PECOS,
    https://arxiv.org/abs/2010.05878, section 3; Prabhu et al. 2018, Parabel). Which documents are active: those that
    have the parent (teacher), those that the levels above rank it for (matcher), or both. An only child has no
    classifier and costs nothing: its probability, given its parent, is 1, and its margin its parent's.

    A ranker is made by :meth:`fit` or :meth:`load`. Memory is linear in documents, features and weights.

    Attributes:
        tree: the label tree.
        levels: the weights of each level.
        num_sparse, num_dense: columns of the sparse and the dense block of features.
        transform: how margins become scores, a name a level (see :mod:`hgraph.ranking.transforms`).
        beam_size: nodes kept on each level above the last, a number for each.

    Example:
        >>> tree = RankerTree([np.array([0, 0, 1])], num_top=2, labels=np.array([0, 1, 2]), num_labels=3)
        >>> features, labels = sp.eye(3, format="csr"), sp.eye(3, format="csr")
        >>> ranker = LinearRanker.fit(features, labels, tree, cp=10, cn=10)
        >>> ranker.predict(features, top_k=1).indices.tolist()
        [0, 1, 2]
    """

    def __init__(
        self,
        tree: RankerTree,
        levels: Sequence[LevelWeights],
        *,
        num_sparse: int,
        num_dense: int,
        transform: str | Sequence[str] = "l3_hinge",
        beam_size: int | Sequence[int] = BEAM_SIZE,
    ) -> None:
        self.tree, self.levels = tree, list(levels)
        self.num_sparse, self.num_dense = num_sparse, num_dense
        transforms(transform, tree.num_levels)
        self.transform: list[str] = per_level(transform, tree.num_levels, "transform")
        self.beam_size = _widths(beam_size, tree.num_levels)

    @classmethod
    def fit(
        cls,
        features: Any,
        labels: Any,
        tree: RankerTree,
        *,
        negatives: Negatives | Sequence[Negatives] | None = None,
        cp: float = 1.0,
        cn: float = 1.0,
        relevance: Any = None,
        threshold: float = 0.1,
        keep: int | None = None,
        bias: float = 1.0,
        max_iterations: int = 100,
        tolerance: float = 0.1,
        beam_size: int | Sequence[int] = BEAM_SIZE,
        transform: str | Sequence[str] = "l3_hinge",
        threads: int | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> LinearRanker:
        """Train level by level from the top.

        Args:
            features: a sparse matrix, a dense array, or a list of one of each.
            labels: which documents have which labels.
            tree: the label tree.
            negatives: which documents are active at a parent: `"teacher"`, `"matcher"` or `"both"`, one for all levels
                or one each (the first level takes all documents); by default `"both"` on the last level and `"teacher"`
                above it.
            cp: cost of a positive's loss.
            cn: cost of a negative's loss.
            relevance: relevance of labels to documents, above 0; 1 where nothing is stored. On the levels above it is
                added up, and divided by the greatest of the document.
            threshold: smaller weights are dropped.
            keep: most features of a node, those with the largest weights; by default all.
            bias: value of the constant feature, 0 for none; its weight is kept always.
            max_iterations: most sweeps of the solver.
            tolerance: it stops when the projected gradients lie within this of each other.
            beam_size: nodes kept on each level above the last, in prediction and for `"matcher"`.
            transform: how margins become scores (see :mod:`hgraph.ranking.transforms`), for all levels or for each.
            threads: by default all cores that the process may use; the result does not depend on it.
            seed: seed of the order of the solver's steps, from which each node gets its own.
            progress: called with the number of levels done and of all levels.

        Shapes:
            - **features:** `[N, F]`, `[N, d]` or both
            - **labels, relevance:** sparse or dense `[N, L]`

        Raises:
            ConfigError: a setting is out of its range.
            DataError: features and labels do not fit together.
        """
        data, targets = RankerFeatures.of(features), tree.targets(labels)
        if targets[0].shape[0] != data.num_documents:
            raise DataError(
                f"'labels' must have one row for each of {data.num_documents} documents, found {targets[0].shape[0]}."
            )
        default = ["teacher"] * (tree.num_levels - 1) + ["both"]
        kinds = per_level(default if negatives is None else negatives, tree.num_levels, "negatives")
        _check(negatives=kinds, cp=cp, cn=cn, threshold=threshold, keep=keep, bias=bias, tolerance=tolerance)
        if max_iterations < 1:
            raise ConfigError(f"'max_iterations' must be at least 1, found {max_iterations}.")
        threads, costs = search.num_threads(threads), level_relevance(tree, targets, labels, relevance)
        ranker = cls(
            tree,
            [],
            num_sparse=data.num_sparse,
            num_dense=data.num_dense,
            transform=transform,
            beam_size=beam_size,
        )
        for level in range(tree.num_levels):
            mask = ranker._mask(kinds[level], level, data, targets, threads)
            options = SolverOptions(cp, cn, threshold, keep, bias, max_iterations, tolerance, seed * 31 + level)
            parents = tree.parents[level - 1] if level else None
            child_ptr = tree.child_ptr[level]
            weights = train_level(data, targets[level], costs[level], mask, child_ptr, parents, options, threads)
            ranker.levels.append(weights)
            if progress is not None:
                progress(level + 1, tree.num_levels)
        return ranker

    def _mask(
        self, kind: str, level: int, data: RankerFeatures, targets: Sequence[sp.csr_matrix], threads: int
    ) -> sp.csr_matrix:
        """Blocks that are active for each document, CSR `[N, P]`."""
        if level == 0:
            return sp.csr_matrix((data.num_documents, 1), dtype=np.float32)
        if kind == "teacher":
            return targets[level - 1]
        widths, steps = self.beam_size[:level], transforms(self.transform, self.tree.num_levels)[:level]
        bounds = search.document_blocks(self.levels, widths, data.num_documents, threads)
        found = search.search_blocks(
            self.levels, steps, data, bounds, lambda thread, block: thread.beam(block, widths), threads
        )
        matched = search.to_csr(found, (data.num_documents, self.tree.num_nodes[level - 1]))
        matched.data[:] = 1
        matched.sort_indices()
        return (matched + targets[level - 1]).tocsr() if kind == "both" else matched

    def predict(
        self,
        features: Any,
        *,
        top_k: int = TOP_K,
        beam_size: int | Sequence[int] | None = None,
        transform: str | Sequence[str] | None = None,
        as_probabilities: bool = False,
        threads: int | None = None,
    ) -> sp.csr_matrix:
        """The best labels of each document by beam search.

        Args:
            features: as in :meth:`fit`.
            top_k: most labels a document.
            beam_size: instead of the ranker's.
            transform: instead of the ranker's.
            as_probabilities: scores in [0, 1]: `exp` of logarithms, and the `l3_hinge` of plain margins.
            threads: by default all cores that the process may use.

        Shapes:
            - **output:** float32 CSR `[N, L]`, the cells of a row by falling score, ties by margin, then by label
        """
        data = self._features(features)
        names = self.transform if transform is None else transform
        steps, widths = transforms(names, self.tree.num_levels), self._beam(beam_size)
        if top_k < 1:
            raise ConfigError(f"'top_k' must be at least 1, found {top_k}.")
        threads, tree = search.num_threads(threads), self.tree
        bounds = search.document_blocks(self.levels, widths, data.num_documents, threads)
        found = search.search_blocks(
            self.levels,
            steps,
            data,
            bounds,
            lambda thread, block: thread.top_labels(block, widths, tree.labels, tree.num_labels, top_k),
            threads,
        )
        result = search.to_csr(found, (data.num_documents, tree.num_labels))
        if as_probabilities:
            result.data = probabilities(result.data, steps[-1])
        return result

    def score(self, features: Any, pairs: Any, *, transform: str | Sequence[str] | None = None) -> sp.csr_matrix:
        """Scores of given (document, label) pairs along their paths, without a beam.

        Shapes:
            - **pairs:** sparse `[N, L]`; what is stored is scored, whatever its value
            - **output:** float32 CSR `[N, L]` with columns ascending; pairs whose label has no node are left out
        """
        data, names = self._features(features), self.transform if transform is None else transform
        return score_pairs(self.tree, self.levels, transforms(names, self.tree.num_levels), data, pairs)

    def restrict(self, labels: Any) -> LinearRanker:
        """A ranker of some of the labels alone, with the nodes above them; scores along a path stay the same.

        Shapes:
            - **labels:** integers `[n]`; the new ranker's predictions still have `L` columns
        """
        from hgraph.ranking.restriction import restricted

        tree, levels = restricted(self.tree, self.levels, np.asarray(labels))
        sizes = {"num_sparse": self.num_sparse, "num_dense": self.num_dense}
        return LinearRanker(tree, levels, **sizes, transform=self.transform, beam_size=self.beam_size)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the ranker into a folder; one that is there already is replaced."""
        from hgraph.ranking.ranker_files import save_ranker

        save_ranker(self, folder)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> LinearRanker:
        """Open a ranker's folder; its arrays are mapped into memory and read when they are used.

        Raises:
            DataError: the folder has no ranker.
        """
        from hgraph.ranking.ranker_files import load_ranker

        return load_ranker(folder)

    def _features(self, features: Any) -> RankerFeatures:
        data = RankerFeatures.of(features)
        if (data.num_sparse, data.num_dense) != (self.num_sparse, self.num_dense):
            raise DataError(
                f"'features' must have {self.num_sparse} sparse and {self.num_dense} dense columns, "
                f"found {data.num_sparse} and {data.num_dense}."
            )
        return data

    def _beam(self, beam_size: int | Sequence[int] | None) -> list[int]:
        return self.beam_size if beam_size is None else _widths(beam_size, self.tree.num_levels)

    def __repr__(self) -> str:
        weights = sum(len(level.weight) for level in self.levels)
        return f"{type(self).__name__}({self.tree!r}, weights={weights:,})"


def _widths(beam_size: int | Sequence[int], num_levels: int) -> list[int]:
    """A beam width for each level above the last."""
    widths = per_level(beam_size, num_levels - 1, "beam_size")
    if any(width < 1 for width in widths):
        raise ConfigError(f"'beam_size' must be at least 1, found {beam_size}.")
    return widths


def _check(negatives: Sequence[str], keep: int | None, **numbers: float) -> None:
    """Settings that are out of their ranges."""
    for kind in negatives:
        if kind not in ("teacher", "matcher", "both"):
            raise ConfigError(f"'negatives' must be 'teacher', 'matcher' or 'both', found {kind!r}.")
    if keep is not None and keep < 1:
        raise ConfigError(f"'keep' must be at least 1, found {keep}. Use None to keep all weights.")
    for name, value in numbers.items():
        if name in ("bias", "threshold"):
            if not value >= 0:
                raise ConfigError(f"'{name}' must be at least 0, found {value}.")
        elif not value > 0:
            raise ConfigError(f"'{name}' must be above 0, found {value}.")
