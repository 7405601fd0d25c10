"""Documents drawn by how rare and how deep their labels are."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.sampling.document_sampler import DocumentSampler
from hgraph.sampling.support_weights import Schedule, at_progress, check_schedule


class SupportSampler(DocumentSampler):
    r"""Documents with rare and deep labels more often than others, more so from epoch to epoch.

    With :math:`r` the rarest label of a document (the deepest of these), :math:`n_r` its number of documents and
    :math:`d_r` its level, a document is drawn with a chance proportional to

    .. math:: n_r^{-\alpha(t)} \, d_r^{\beta(t)}

    where :math:`\alpha` and :math:`\beta` go in equal steps from their first value, in the first epoch, to their second
    one, in the last: the schedule of :class:`~hgraph.sampling.SupportWeights`, for documents in the place of negatives.
    A document without labels has the mean chance.

    An epoch has as many draws as there are documents. The number of times that a document comes is its expected number
    rounded up or down (systematic sampling), in random order: with both at 0 each document comes once. The draws of an
    epoch are made at its beginning, in time linear in the number of documents; a batch is then a slice.

    Args:
        labels: labels of the documents, sparse or dense `[N, L]`.
        graph: the hierarchy.
        batch_size: documents of one batch.
        epochs: epochs over which the chances change; later ones are like the last.
        alpha: :math:`\alpha` at the beginning and at the end (default 0 and 0.5).
        beta: :math:`\beta` at the beginning and at the end (default 0 and 0).
        seed: another seed, another stream.

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
        >>> labels = [[1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 0, 1]]
        >>> sampler = SupportSampler(labels, graph, batch_size=4, epochs=2, alpha=(0.0, 1.0))
        >>> sampler.chances().round(2).tolist()
        [0.25, 0.25, 0.25, 0.25]
        >>> sampler.set_epoch(1)
        >>> sampler.chances().round(2).tolist()
        [0.17, 0.17, 0.17, 0.5]
    """

    def __init__(
        self,
        labels: Any,
        graph: LabelGraph,
        *,
        batch_size: int,
        epochs: int,
        alpha: Schedule = (0.0, 0.5),
        beta: Schedule = (0.0, 0.0),
        seed: int = 0,
    ) -> None:
        super().__init__(labels, graph, batch_size=batch_size, seed=seed)
        if epochs < 1:
            raise ConfigError(f"'epochs' must be at least 1, but got {epochs}.")
        self.epochs = epochs
        self.alpha, self.beta = check_schedule(alpha, "alpha"), check_schedule(beta, "beta")
        indices, counts = self.labels.indices, np.diff(self.labels.indptr)
        rows = np.repeat(np.arange(self.num_documents), counts)
        # The first of each document's labels, the rarest to the front.
        order = np.lexsort((-self.level[indices], self.support[indices], rows))
        self.has_labels = counts > 0
        rarest = indices[order][self.labels.indptr[:-1][self.has_labels]]
        self.log_support, self.log_level = np.log(self.support[rarest]), np.log(self.level[rarest])

    def chances(self) -> np.ndarray:
        """The chance of each document to be drawn next in this epoch, `[N]`; they sum to 1."""
        progress = min(self.epoch / max(self.epochs - 1, 1), 1.0)
        weights = np.ones(self.num_documents)
        logs = at_progress(self.beta, progress) * self.log_level - at_progress(self.alpha, progress) * self.log_support
        if len(logs):
            weights[self.has_labels] = np.exp(logs - logs.max())
            weights[~self.has_labels] = weights[self.has_labels].mean()
        return weights / weights.sum()

    def batches(self) -> Iterator[list[int]]:
        """The batches of the epoch, all of `batch_size` but the last."""
        draw = np.random.default_rng((self.seed, self.epoch))
        size = self.num_documents
        ticks = (np.arange(size) + draw.random()) / max(size, 1)
        drawn = np.searchsorted(np.cumsum(self.chances()), ticks, side="right").clip(max=size - 1)
        drawn = draw.permutation(drawn)
        for start in range(0, size, self.batch_size):
            yield drawn[start : start + self.batch_size].tolist()
