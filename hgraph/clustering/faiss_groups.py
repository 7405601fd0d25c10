"""Label trees by FAISS k-means, with clusters as they come or of equal size."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.clustering.rows import as_features, unit_rows
from hgraph.clustering.two_means import Progress, num_threads
from hgraph.errors import ConfigError


def faiss_levels(
    vectors: Any, branching: int, leaf_size: int, balanced: bool, seed: int, rounds: int, threads: int | None,
    progress: Progress | None = None,
) -> list[np.ndarray]:  # fmt: skip
    """Clusters level by level from the top down: a number for each label, -1 where its branch ended before.

    Args:
        vectors: dense `[L, C]`.
        branching: most clusters of a node.
        leaf_size: largest node that is not cut.
        balanced: whether the clusters of a node are equally large.
        seed: of k-means.
        rounds: of k-means.
        threads: all cores that the process may use by default.
        progress: called with the number of labels in leaves and of all labels, after each level.

    Raises:
        ConfigError: `vectors` are sparse, or FAISS is not installed.
    """
    if sp.issparse(vectors):
        raise ConfigError("FAISS needs dense vectors, found a sparse matrix. Make them dense: sketch(vectors, 256).")
    rows = unit_rows(as_features(vectors, "vectors"))
    nodes, levels = [np.arange(len(rows))], []
    while any(len(node) > leaf_size for node in nodes):
        level, below, count = np.full(len(rows), -1), [], 0
        for node in nodes:
            if len(node) <= leaf_size:
                continue
            wanted = min(branching, -(-len(node) // leaf_size))
            group = _groups(rows[node], wanted, balanced, seed, rounds, threads)
            level[node] = count + group
            members = [node[group == number] for number in range(wanted)]
            below += [part for part in members if len(part)]
            count += wanted
        nodes = below
        levels.append(level)
        if progress is not None:
            progress(len(rows) - sum(len(node) for node in nodes if len(node) > leaf_size), len(rows))
    return levels


def _groups(rows: np.ndarray, count: int, balanced: bool, seed: int, rounds: int, threads: int | None) -> np.ndarray:
    """Cluster of each row."""
    faiss = _faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(num_threads(threads))
    try:
        kmeans = faiss.Kmeans(
            rows.shape[1], count, niter=rounds, seed=seed % 2**31, spherical=True, min_points_per_centroid=1
        )
        kmeans.train(rows)
    finally:
        faiss.omp_set_num_threads(before)
    similarity = rows @ kmeans.centroids.T
    group = balanced_assignment(similarity) if balanced else similarity.argmax(axis=1)
    if group.min() == group.max():  # all rows are alike: any cut is as good, none would never end
        group = np.arange(len(rows)) * count // len(rows)
    return group


def _faiss() -> ModuleType:
    try:
        return importlib.import_module("faiss")
    except ImportError:
        hint = 'pip install "hgraph-text[cpu]" (or "hgraph-text[gpu]")'
        raise ConfigError(f"Clustering by FAISS needs faiss, which is not installed: {hint}.") from None


def balanced_assignment(similarity: np.ndarray) -> np.ndarray:
    """A cluster for each row, so that sizes differ by at most one; the larger ones are those most rows are nearest to.

    Pairs are taken in the order of how much higher they are than the mean of their row, until a cluster is full. With
    two clusters this is the cut at the median, the best there is.

    Shapes:
        - **similarity:** `[n, K]`
        - **output:** int64 `[n]`

    Example:
        >>> balanced_assignment(np.array([[0.9, 0.1], [0.8, 0.7], [0.7, 0.2], [0.6, 0.0]])).tolist()
        [0, 1, 1, 0]
    """
    from hgraph.clustering.kernels import fill_clusters

    size, count = similarity.shape
    wanted = np.bincount(similarity.argmax(axis=1), minlength=count)
    room = np.full(count, size // count)
    room[np.argsort(-wanted, kind="stable")[: size % count]] += 1
    lead = similarity - similarity.mean(axis=1, keepdims=True)
    out = np.full(size, -1)
    fill_clusters(np.argsort(-lead, axis=None, kind="stable"), room, out)
    return out
