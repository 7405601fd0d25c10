"""Ids of clusters that clash with no label, and names that tell a reader what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hgraph.clustering.two_means import matrix_arrays, num_threads
from hgraph.clustering.work import by_rows

NAMED, LOOKED_AT = 2, 6  # labels in the name of a cluster, and those it is taken from: names may be the same


def central_names(
    names: Sequence[str], vectors: Any, cluster: np.ndarray, label: np.ndarray, num_clusters: int, threads: int | None
) -> list[str]:
    """A name for each cluster: the first two of the labels nearest to the sum of its vectors, and "..." for the others.

    Args:
        names: of the labels.
        vectors: of the labels, `[L, C]`.
        cluster: cluster of each membership, `[M]`.
        label: its label, `[M]`.
        num_clusters: number of clusters.
        threads: all cores that the process may use by default.
    """
    from hgraph.clustering.kernels import central_rows

    arrays, (_, channels) = matrix_arrays(vectors)
    order = np.lexsort((label, cluster))
    rows, sizes = label[order], np.bincount(cluster, minlength=num_clusters)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    chosen = np.full((num_clusters, LOOKED_AT), -1)
    entries = np.concatenate([[0], np.cumsum(np.diff(arrays[0])[rows])])
    by_rows(
        lambda first, last: central_rows(*arrays, channels, rows, bounds, first, last, chosen),
        np.diff(entries[bounds]) + 1, num_threads(threads),
    )  # fmt: skip
    out = []
    for size, members in zip(sizes.tolist(), chosen.tolist(), strict=True):
        shown = list(dict.fromkeys(names[member] for member in members if member >= 0))[:NAMED]
        out.append("; ".join([*shown, *["..."] * (size > len(shown))]))
    return out


def free_mark(ids: Sequence[str], mark: str = "~") -> str:
    """`~`, or as many of them as no id begins with."""
    while any(label.startswith(mark) for label in ids):
        mark += "~"
    return mark
