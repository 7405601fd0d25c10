"""Batches of one level, several documents a label (HMCL)."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph
from hgraph.sampling.document_sampler import DocumentSampler


class LevelSampler(DocumentSampler):
    """Batches in which each document shares a label of one level with another.

    For each batch a level, uniformly; then labels of this level with a frequency of their support to the power of
    `tempering`; and for each label `documents_per_label` documents that carry it. This is how HMCL
    (`arXiv 2507.04413 <https://arxiv.org/abs/2507.04413>`_) draws, as far as the paper says.

    A level that has too few documents for a batch is followed by labels of any level, and only where these do not fill
    it either does a batch hold a document twice. Over an epoch documents may come several times or not at all: an epoch
    has as many draws as there are documents, less one where the last batch would have a single document. Labels that
    one document alone carries cannot be drawn, nor levels that have no others. A batch costs its size times the
    logarithm of the number of labels.

    Args:
        labels: labels of the documents, sparse or dense `[N, L]`.
        graph: the hierarchy.
        batch_size: documents of one batch, at least 2.
        documents_per_label: documents drawn for one label, at least 2 (default).
        tempering: 1 draws labels by their support, 0 all alike; 0.5 by default.
        seed: another seed, another stream.
        num_batches: batches of an epoch, by default as many as the documents fill.

    Raises:
        DataError: No label has two documents.

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
        >>> sampler = LevelSampler([[1, 1, 0], [1, 1, 0], [0, 1, 0], [1, 0, 1]], graph, batch_size=2)
        >>> [len(batch) for batch in sampler.batches()]
        [2, 2]
    """

    def __init__(
        self,
        labels: Any,
        graph: LabelGraph,
        *,
        batch_size: int,
        documents_per_label: int = 2,
        tempering: float = 0.5,
        seed: int = 0,
        num_batches: int | None = None,
    ) -> None:
        super().__init__(labels, graph, batch_size=batch_size, seed=seed)
        for name, value in (("batch_size", batch_size), ("documents_per_label", documents_per_label)):
            if value < 2:
                raise ConfigError(f"'{name}' must be at least 2, so that documents have positives, but got {value}.")
        if not 0 <= tempering <= 1:
            raise ConfigError(f"'tempering' must be from 0 to 1, but got {tempering}.")
        if num_batches is not None and num_batches < 1:
            raise ConfigError(f"'num_batches' must be at least 1, but got {num_batches}.")
        self.documents_per_label = documents_per_label
        self.tempering = tempering
        self.num_batches = num_batches
        by_label = self.labels.tocsc()
        self.documents, self.starts, self.sizes = by_label.indices, by_label.indptr[:-1], self.support
        shared = np.flatnonzero(self.sizes >= 2)
        if not len(shared):
            raise DataError("'labels' must hold a label that two documents carry, but holds none: nothing to contrast.")
        shared = shared[np.argsort(self.level[shared], kind="stable")]
        cuts = np.flatnonzero(np.diff(self.level[shared])) + 1
        self.labels_of_level = np.split(shared, cuts)
        self.chances = [np.cumsum(self.sizes[some] ** float(tempering)) for some in self.labels_of_level]

    def __len__(self) -> int:
        if self.num_batches is not None:
            return self.num_batches * self.batch_size
        return self.num_documents - (self.num_documents % self.batch_size == 1)

    def batches(self) -> Iterator[list[int]]:
        """The batches of the epoch, all of `batch_size` but the last."""
        draw = np.random.default_rng((self.seed, self.epoch))
        for start in range(0, len(self), self.batch_size):
            yield self._batch(draw, min(self.batch_size, len(self) - start))

    def _batch(self, draw: np.random.Generator, size: int) -> list[int]:
        """Groups of documents of one label each; in a bounded number of tries without repeated documents."""
        batch: dict[int, None] = {}
        for label in self._labels(draw, size):
            wanted = self._group(size - len(batch))
            found = self._documents(draw, label, wanted, batch)
            if len(found) == wanted:
                batch.update(dict.fromkeys(found))
            if len(batch) == size:
                return list(batch)
        out = list(batch)
        for label in self._labels(draw, size):
            out += self._any_documents(draw, label, self._group(size - len(out)))
            if len(out) == size:
                break
        return out

    def _labels(self, draw: np.random.Generator, size: int) -> Iterator[int]:
        """More than enough labels for a batch: all of one level, and then, if this is used up, of any."""
        yield from self._of_level(draw, int(draw.integers(len(self.chances))), 2 * size)
        for level in draw.integers(len(self.chances), size=2 * size).tolist():
            yield from self._of_level(draw, level, 1)

    def _group(self, room: int) -> int:
        """Documents of the next label: never so many that a single place would be left."""
        return room if room <= self.documents_per_label + 1 else self.documents_per_label

    def _of_level(self, draw: np.random.Generator, level: int, count: int) -> list[int]:
        """Labels of a level with tempered frequency."""
        chances = self.chances[level]
        drawn = np.searchsorted(chances, draw.random(count) * chances[-1], side="right")
        return self.labels_of_level[level][drawn.clip(max=len(chances) - 1)].tolist()

    def _documents(self, draw: np.random.Generator, label: int, count: int, taken: dict[int, None]) -> list[int]:
        """Different documents of a label that are not taken; fewer than `count` where a few tries find no more."""
        found: dict[int, None] = {}
        for place in (draw.random(4 * count) * self.sizes[label]).astype(np.int64).tolist():
            document = int(self.documents[self.starts[label] + place])
            if document not in taken:
                found[document] = None
            if len(found) == count:
                break
        return list(found)

    def _any_documents(self, draw: np.random.Generator, label: int, count: int) -> list[int]:
        """Documents of a label, neighbours in its list from a random place on, so that at least two differ."""
        places = (int(draw.integers(self.sizes[label])) + np.arange(count)) % self.sizes[label]
        return self.documents[self.starts[label] + places].tolist()
