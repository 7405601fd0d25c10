"""The order of training documents: new in each epoch, the same for the same seed."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from torch.utils.data import Sampler
from transformers import TrainerCallback


class EpochSampler(Protocol):
    """An order of documents that seed and epoch alone decide, which is what an exact resume needs."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[int]: ...


class SetEpoch(TrainerCallback):
    """Tells a sampler which epoch begins, also after a resume in mid-epoch and in every process."""

    def __init__(self, sampler: EpochSampler) -> None:
        self.sampler = sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Pass the epoch on."""
        self.sampler.set_epoch(int((state.epoch or 0.0) + 1e-6))


class LengthGroupedSampler(Sampler[int]):
    """A new order each epoch in which neighbours have similar lengths, so that batches need little padding.

    Documents are shuffled, cut into pools of so many batches, sorted by length inside a pool, and the batches shuffled
    again. Seed and epoch alone decide the order, which is what an exact resume needs.

    Args:
        lengths: [N], length of each document.
        batch_size: Documents of one batch.
        seed: Another seed, another order.
        pool: Batches that are sorted together; 1 leaves a plain shuffle.
    """

    def __init__(self, lengths: np.ndarray, *, batch_size: int, seed: int = 0, pool: int = 50) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.pool = pool
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self.seed, self.epoch))
        order = generator.permutation(len(self.lengths))
        pool = self.pool * self.batch_size
        batches: list[np.ndarray] = []
        for start in range(0, len(order), pool):
            rows = order[start : start + pool]
            rows = rows[np.argsort(-self.lengths[rows], kind="stable")]
            batches.extend(rows[at : at + self.batch_size] for at in range(0, len(rows), self.batch_size))
        # A short batch must stay last: the loader cuts the stream into equal batches.
        last = [batches.pop()] if batches and len(batches[-1]) < self.batch_size else []
        for index in generator.permutation(len(batches)).tolist():
            yield from batches[index].tolist()
        for rows in last:
            yield from rows.tolist()
