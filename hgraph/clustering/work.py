"""Rows shared out to threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

PARTS_PER_THREAD = 8


def by_rows(work: Callable[[int, int], object], cost: np.ndarray, threads: int) -> None:
    """Call `work(first, last)` for ranges of rows that cost about the same, some at a time.

    Args:
        work: must not depend on how the rows are cut; it should leave the interpreter lock.
        cost: of each row.
        threads: how many calls at a time.
    """
    total = np.cumsum(cost)
    if not len(total):
        return
    parts = PARTS_PER_THREAD * threads if threads > 1 else 1
    borders = np.searchsorted(total, total[-1] * np.arange(1, parts) / parts)
    bounds = np.unique(np.concatenate([[0], borders, [len(total)]]))
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work, *bounds[place : place + 2].tolist()) for place in range(len(bounds) - 1)]:
            future.result()
