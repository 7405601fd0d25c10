"""The time below which a GPU cannot go: from what it moves and computes a second, measured in the same run."""

import time
from functools import cache

import torch


def floor_seconds(dtype: str, *, operations: float, bytes: float) -> dict[str, float]:
    """The time that `bytes` take to move and `operations` to compute at the best measured speed; the larger counts."""
    moved, computed = bytes / bandwidth(), operations / matmul_rate(dtype)
    return {
        "bytes": bytes,
        "operations": operations,
        "moving": moved,
        "computing": computed,
        "seconds": max(moved, computed),
    }


@cache
def bandwidth() -> float:
    """Bytes a second that a copy of 1 GiB reads and writes."""
    source = torch.empty(2**28, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / _seconds(lambda: target.copy_(source))


@cache
def matmul_rate(dtype: str) -> float:
    """Operations a second of a product of large matrices."""
    left = torch.randn(8192, 8192, device="cuda", dtype=getattr(torch, dtype))
    return 2 * 8192**3 / _seconds(lambda: left @ left)


def _seconds(work) -> float:
    """The best of ten runs."""
    times = []
    for _ in range(12):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[2:])
