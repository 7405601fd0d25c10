"""The documents of each label, from which documents are taken one by one."""

import random
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import scipy.sparse as sp


class DocumentLists:
    """For each label the documents that carry it, and one list more of all documents.

    Args:
        labels: labels of the documents, CSR `[N, L]`.
        level: level of each label, from 1, `[L]`.

    Example:
        >>> lists = DocumentLists(sp.csr_matrix([[1, 1, 0], [1, 0, 1]]), np.array([1, 2, 2]))
        >>> lists.labels_by_level(1)
        [[0], [2]]
        >>> unused, draw = UnusedDocuments(lists), random.Random(0)
        >>> unused.take([1], draw), unused.take([1, 0], draw), unused.take([0], draw)
        (0, 1, None)
    """

    def __init__(self, labels: sp.csr_matrix, level: np.ndarray) -> None:
        num_documents, self.everything = labels.shape
        counts = np.diff(labels.indptr) + 1
        document = np.repeat(np.arange(num_documents), counts)
        label = np.full(len(document), self.everything)
        label[np.arange(len(label)) != np.repeat(np.cumsum(counts) - 1, counts)] = labels.indices
        # Within a document by level, the list of all documents (level 0) first.
        levels = np.append(level, 0)
        order = np.lexsort((label, levels[label], document))
        label = label[order]
        self.label, self.document, self.level = label, document, levels
        self.bounds = np.concatenate(([0], np.cumsum(counts)))
        self.sizes = np.bincount(label, minlength=self.everything + 1)
        self.starts = np.concatenate(([0], np.cumsum(self.sizes)[:-1]))
        self.members = np.argsort(label, kind="stable")
        self.place = np.empty_like(self.members)
        self.place[self.members] = np.arange(len(label))

    def labels_by_level(self, document: int) -> list[list[int]]:
        """The labels of a document, a list a level on which it has any, from the top."""
        own = self.label[self.bounds[document] + 1 : self.bounds[document + 1]]
        pairs = zip(own.tolist(), self.level[own].tolist(), strict=True)
        return [[label for label, _ in group] for _, group in groupby(pairs, itemgetter(1))]


class UnusedDocuments:
    """The lists of :class:`DocumentLists`, shorter by each document that was taken.

    A list is a stretch of one array whose front part is unused. A document that is taken changes places, in each of its
    lists, with the last unused one: the time is that of its number of labels.
    """

    def __init__(self, lists: DocumentLists) -> None:
        self.bounds, self.starts = _numbers(lists.bounds), _numbers(lists.starts)
        self.label, self.document = _numbers(lists.label), _numbers(lists.document)
        self.members, self.place = _numbers(lists.members), _numbers(lists.place)
        self.left = _numbers(lists.sizes)

    def take(self, choices: Sequence[int], draw: random.Random) -> int | None:
        """An unused document of the first of some lists that has any, uniformly; None if no list has."""
        for label in choices:
            if self.left[label]:
                position = self.starts[label] + int(draw.random() * self.left[label])
                document = self.document[self.members[position]]
                self.remove(document)
                return document
        return None

    def remove(self, document: int) -> None:
        """Take a document off all its lists."""
        for entry in range(self.bounds[document], self.bounds[document + 1]):
            label = self.label[entry]
            self.left[label] -= 1
            here, last = self.place[entry], self.starts[label] + self.left[label]
            other = self.members[last]
            self.members[here], self.members[last] = other, entry
            self.place[other], self.place[entry] = here, last


def _numbers(array: np.ndarray) -> memoryview:
    """A copy to read and write number by number: several times as fast at that as an array."""
    copy: Any = np.array(array, dtype=np.int64)
    return memoryview(copy)
