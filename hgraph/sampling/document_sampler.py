"""What every sampler of documents promises."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from torch.utils.data import Sampler

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph


class DocumentSampler(Sampler[int]):
    """Base of the samplers that choose which documents meet in a batch.

    It yields documents one by one, batch after batch; only the last batch may be short, so a `DataLoader` with the same
    `batch_size` cuts the stream where the sampler meant to. Seed and epoch alone decide the stream: a resumed run skips
    what it had and goes on as before, and each of several processes computes the same stream. Of these, `accelerate`
    gives process `r` of `P` the batches `r`, `r + P`, ... whole, so what a sampler promises about a batch holds in each
    process, for `batch_size` the size in one process; the first batches come again where the last round is not full.

    Args:
        labels: labels of the documents, sparse or dense `[N, L]`, non-zero where a document has a label; usually closed
            upward, as :func:`hgraph.data.read_corpus` gives them.
        graph: the hierarchy.
        batch_size: documents of one batch.
        seed: another seed, another stream.
    """

    def __init__(self, labels: Any, graph: LabelGraph, *, batch_size: int, seed: int = 0) -> None:
        matrix = sp.csr_matrix(labels, dtype=bool, copy=True)
        if matrix.shape[1] != graph.num_labels:
            raise ConfigError(f"'labels' must have {graph.num_labels} columns, one a label, but got {matrix.shape[1]}.")
        if batch_size < 1:
            raise ConfigError(f"'batch_size' must be at least 1, but got {batch_size}.")
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        self.labels = matrix
        self.level = graph.level.cpu().numpy()
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    @property
    def num_documents(self) -> int:
        """Number of documents that the sampler draws from."""
        return int(self.labels.shape[0])

    @property
    def support(self) -> np.ndarray:
        """Number of documents of each label, int64 `[L]`."""
        return np.bincount(self.labels.indices, minlength=self.labels.shape[1])

    def set_epoch(self, epoch: int) -> None:
        """Choose the stream of an epoch."""
        self.epoch = epoch

    def batches(self) -> Iterator[list[int]]:
        """The batches of the epoch, all of `batch_size` but the last."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.num_documents

    def __iter__(self) -> Iterator[int]:
        for batch in self.batches():
            yield from batch

    def __repr__(self) -> str:
        sizes = f"num_documents={self.num_documents}, batch_size={self.batch_size}"
        return f"{type(self).__name__}({sizes}, seed={self.seed})"
