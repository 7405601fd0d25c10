"""Batches of documents and their companions (HJCL)."""

import random
from collections.abc import Iterator
from typing import Any, cast

from hgraph.graph import LabelGraph
from hgraph.sampling.document_lists import DocumentLists, UnusedDocuments
from hgraph.sampling.document_sampler import DocumentSampler


class CompanionSampler(DocumentSampler):
    """Each document once an epoch, beside documents with which it shares labels on each of its levels.

    The batches of HJCL (`arXiv 2310.05128 <https://arxiv.org/abs/2310.05128>`_): an anchor at random among the unused
    documents, and for each level of its labels, from the top, a companion that carries one of its labels there; then
    the next anchor, until the batch is full. Where no unused document carries a label of the anchor on a level, any
    unused one takes the place. The last place of a batch goes to a companion, not to an anchor that would have none.
    So an anchor has a document beside it that shares a label of its highest level whenever one is left unused.

    Changed against the published program: anchors are unused documents, where it drew from all; the remainder makes a
    last batch, where it was dropped; epochs differ; and a companion is drawn uniformly from the unused documents that
    carry the label, where a walk went down the tree by uniform choices with up to ten tries. The walk favours small
    branches by as much as the tree happens to be uneven and has no meaning on a DAG; for a say in how much rare labels
    count see :class:`~hgraph.sampling.SupportSampler`.

    A document that is drawn is taken off the lists of all its labels at once: a batch costs the labels of its
    documents, whatever the number of documents. An epoch begins with a copy of the lists.

    Args:
        labels: labels of the documents, sparse or dense `[N, L]`.
        graph: the hierarchy.
        batch_size: documents of one batch.
        seed: another seed, another stream.

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e")])
        >>> labels = [[1, 1, 0, 0, 0], [0, 0, 0, 1, 1], [1, 0, 1, 0, 0], [0, 0, 0, 1, 0]]
        >>> sampler = CompanionSampler(labels, graph, batch_size=2)
        >>> sorted(sorted(batch) for batch in sampler.batches())
        [[0, 2], [1, 3]]
    """

    def __init__(self, labels: Any, graph: LabelGraph, *, batch_size: int, seed: int = 0) -> None:
        super().__init__(labels, graph, batch_size=batch_size, seed=seed)
        self.lists = DocumentLists(self.labels, self.level)

    def batches(self) -> Iterator[list[int]]:
        """The batches of the epoch, all of `batch_size` but the last."""
        draw = random.Random(f"{self.seed} {self.epoch}")
        unused = UnusedDocuments(self.lists)
        for start in range(0, self.num_documents, self.batch_size):
            yield self._batch(unused, draw, min(self.batch_size, self.num_documents - start))

    def _batch(self, unused: UnusedDocuments, draw: random.Random, size: int) -> list[int]:
        """Chains of an anchor and its companions; `size` documents are left, so there is always one to take."""
        everything = self.lists.everything
        batch: list[int] = []
        anchor = -1
        while len(batch) < size:
            if anchor < 0 or size - len(batch) > 1:
                anchor = cast(int, unused.take([everything], draw))
                batch.append(anchor)
            levels = self.lists.labels_by_level(anchor) or [[everything]]
            for labels in levels[: size - len(batch)]:
                # A label at random; the others of the level only where nobody unused carries it.
                choices = [draw.choice(labels), *labels, everything]
                batch.append(cast(int, unused.take(choices, draw)))
        return batch
