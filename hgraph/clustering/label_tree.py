"""`label_tree`: a hierarchy of clusters over labels, made of their vectors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch

from hgraph.clustering.cluster_names import central_names, free_mark
from hgraph.clustering.faiss_groups import faiss_levels
from hgraph.clustering.two_means import Progress, balanced_groups
from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph

logger = logging.getLogger(__name__)

Method = Literal["two_means", "faiss", "faiss_balanced"]
METHODS = ("two_means", "faiss", "faiss_balanced")
LABEL, CLUSTER = "label", "cluster"


def label_tree(
    graph: LabelGraph,
    vectors: Any,
    *,
    branching: int = 16,
    leaf_size: int | None = None,
    method: Method = "two_means",
    seed: int = 0,
    rounds: int = 20,
    threads: int | None = None,
    progress: Progress | None = None,
) -> LabelGraph:
    r"""Labels under clusters of clusters, similar labels together.

    With `"two_means"` it is the tree of PECOS (Yu et al. 2022, https://arxiv.org/abs/2010.05878): balanced halving,
    :math:`\delta = \lceil \log_2(L / \text{leaf size}) \rceil` times (see
    :func:`~hgraph.clustering.two_means.balanced_groups`), of which `log2(branching)` steps make one level. All labels
    are equally deep, and the sizes of their clusters differ by at most one. The top has `branching` clusters or fewer.

    `"faiss"` is spherical k-means by FAISS (Johnson et al. 2017, https://arxiv.org/abs/1702.08734) from the top down:
    `branching` clusters of a node until `leaf_size` is reached, large and small as they come. `"faiss_balanced"` gives
    every label a place in one of its nearest clusters that is not yet full, the closest pairs first. Both need dense
    vectors (:func:`~hgraph.clustering.sketch`).

    Args:
        graph: the labels; its edges are not used. Every label becomes a leaf, an inner one too.
        vectors: one a label, as :func:`~hgraph.clustering.label_vectors` makes them.
        branching: most clusters of a cluster, with `"two_means"` a power of two.
        leaf_size: most labels of a cluster, at least 2. Default: the root of the number of labels, at most 100, so that
            a hundred labels do not end in two clusters.
        method: `"two_means"`, `"faiss"` or `"faiss_balanced"`.
        seed: of everything drawn at random.
        rounds: most rounds of a cut, or of k-means.
        threads: all cores that the process may use by default; the tree does not depend on it.
        progress: called with the number of steps done and of all steps.

    Memory beyond the vectors is linear in the number of labels.

    Shapes:
        - **vectors:** CSR or dense `[L, C]`
        - **output:** labels `0..L-1` as in `graph`, then the clusters, the top's first; the list `kind` says
          `"label"` or `"cluster"`. Ids of clusters are paths like `~3/12`, their names those of two central labels.

    Raises:
        ConfigError: an argument is out of range, or FAISS is not installed.
        DataError: `vectors` are not one a label.

    Example:
        >>> graph = LabelGraph.from_edges([], nodes=["cat", "car", "dog", "bus"])
        >>> vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [0.1, 0.9]])
        >>> tree = label_tree(graph, vectors, leaf_size=2, seed=1)
        >>> sorted(tree.name[4:]), tree.kind[3:5]
        (['car; bus', 'cat; dog'], ['label', 'cluster'])
    """
    size = graph.num_labels
    check_vectors(vectors, size)
    leaf_size = _checked(branching, leaf_size, method, size)
    if size <= leaf_size:
        levels: list[np.ndarray] = []
        logger.warning(
            "no clusters: %d labels fit in one of leaf_size %d. Set leaf_size below %d.", size, leaf_size, size
        )
    elif method == "two_means":
        depth = (-(-size // leaf_size) - 1).bit_length()
        group = balanced_groups(vectors, 2**depth, seed=seed, rounds=rounds, threads=threads, progress=progress)
        step = branching.bit_length() - 1
        levels = [group >> shift for shift in range((depth - 1) // step * step, -1, -step)]
    else:
        balanced = method == "faiss_balanced"
        levels = faiss_levels(vectors, branching, leaf_size, balanced, seed, rounds, threads, progress)
    return _of_levels(graph, vectors, levels, threads)


def check_vectors(vectors: Any, num_labels: int) -> None:
    """Raise a `DataError` unless there is one vector a label."""
    if np.ndim(vectors) != 2 or vectors.shape[0] != num_labels:
        found = list(np.shape(vectors))
        raise DataError(f"'vectors' must have shape [{num_labels}, channels], one row a label, found {found}.")


def _checked(branching: int, leaf_size: int | None, method: str, size: int) -> int:
    if method not in METHODS:
        raise ConfigError(f"'method' must be one of {', '.join(METHODS)}, found {method!r}.")
    if branching < 2 or (method == "two_means" and branching & (branching - 1)):
        expected = "a power of two (2, 4, 8, 16, ...)" if method == "two_means" else "at least 2"
        raise ConfigError(f"'branching' must be {expected}, found {branching}.")
    if leaf_size is None:
        return min(100, max(2, round(size**0.5)))
    if leaf_size < 2:
        raise ConfigError(f"'leaf_size' must be at least 2, found {leaf_size}.")
    return leaf_size


def _of_levels(graph: LabelGraph, vectors: Any, levels: Sequence[np.ndarray], threads: int | None) -> LabelGraph:
    """The tree whose clusters are given level by level, the top's first: one number a label, -1 where it ended before.

    Numbers of a level ascend with those of the level above.
    """
    size, mark = graph.num_labels, free_mark(graph.label_id)
    ids, edges, memberships = list(graph.label_id), [], []
    above, count = np.full(size, -1), size
    for level in levels:
        inside = np.flatnonzero(level >= 0)
        _, first, cluster = np.unique(level[inside], return_index=True, return_inverse=True)
        parent = above[inside[first]]
        nested = parent >= 0
        edges.append(np.stack([parent, count + np.arange(len(first))])[:, nested])
        start = np.flatnonzero(np.append(True, parent[1:] != parent[:-1]))
        rank = 1 + np.arange(len(first)) - np.repeat(start, np.diff(np.append(start, len(first))))
        for node, place in zip(parent.tolist(), rank.tolist(), strict=True):
            ids.append(f"{ids[node]}/{place}" if node >= 0 else f"{mark}{place}")
        memberships.append(np.stack([count - size + cluster, inside]))
        above[inside] = count + cluster
        count += len(first)
    under = np.flatnonzero(above >= 0)
    edges.append(np.stack([above[under], under]))
    cluster, label = np.concatenate(memberships, axis=1) if memberships else np.empty((2, 0), np.int64)
    names = central_names(graph.name, vectors, cluster, label, count - size, threads)
    return clustered_graph(graph, np.concatenate(edges, axis=1), ids[size:], names)


def clustered_graph(graph: LabelGraph, edges: np.ndarray, ids: Sequence[str], names: Sequence[str]) -> LabelGraph:
    """The labels of `graph` and clusters after them, with other edges."""
    size, count = graph.num_labels, len(ids)
    more = {}
    if graph.get("tombstone") is not None:
        more["tombstone"] = torch.cat([graph.tombstone, torch.zeros(count, dtype=torch.bool)])
    return LabelGraph(
        torch.from_numpy(np.ascontiguousarray(edges, dtype=np.int64)),
        [*graph.label_id, *ids],
        name=[*graph.name, *names],
        description=[*graph.description, *[""] * count],
        title=graph.title,
        license=graph.license,
        source=graph.source,
        kind=[LABEL] * size + [CLUSTER] * count,
        **more,
    )
