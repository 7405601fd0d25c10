"""`hybrid_tree`: a real hierarchy on top, its wide fan-outs cut into clusters of similar labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from hgraph.clustering.cluster_names import central_names, free_mark
from hgraph.clustering.label_tree import CLUSTER, check_vectors
from hgraph.clustering.rows import as_features, unit_rows
from hgraph.clustering.two_means import balanced_groups
from hgraph.graph import LabelGraph

PAIRS_AT_ONCE = 65_536


def hybrid_tree(
    graph: LabelGraph, vectors: Any, *, max_children: int = 100, seed: int = 0, threads: int | None = None
) -> LabelGraph:
    """A hierarchy in which no label has more than `max_children` children, and not more roots either.

    What is too wide is cut by balanced 2-means (:func:`grouping_by_vectors`), all else stays as it was. In a DAG a
    label keeps all its parents, or gets a cluster under each of them.

    Args:
        graph: a tree or DAG.
        vectors: one a label. Those of inner labels should be made of the documents below them too.
        max_children: at least 2.
        seed: of the first directions.
        threads: all cores that the process may use by default; the hierarchy does not depend on it.

    Shapes:
        - **vectors:** CSR or dense `[L, C]`
        - **output:** labels `0..L-1` as in `graph`, then the clusters, of `kind` `"cluster"`. Ids are those of
          :meth:`LabelGraph.split_fan_out`, names those of two central labels.

    Raises:
        ConfigError: `max_children` is less than 2.
        DataError: `vectors` are not one a label.

    Example:
        >>> graph = LabelGraph.from_edges([("all", name) for name in ("cat", "car", "dog", "bus")])
        >>> vectors = np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [0.1, 0.9]])
        >>> tree = hybrid_tree(graph, vectors, max_children=2, seed=1)
        >>> sorted(tree.name[5:]), tree.label_id[5:]
        (['car; bus', 'cat; dog'], ['all/~1', 'all/~2'])
    """
    size = graph.num_labels
    check_vectors(vectors, size)
    grouping = grouping_by_vectors(vectors, seed=seed, threads=threads)
    if len(graph.roots) > max(max_children, 1):
        tree = _below_one_root(graph).split_fan_out(max_children, grouping=grouping)
        mark = f"{tree.label_id[size]}/"
        tree = tree.subgraph(torch.arange(tree.num_labels) != size)
        shorter = [label.removeprefix(mark) for label in tree.label_id[size:]]
        if not set(shorter) & set(tree.label_id):
            tree.label_id = [*graph.label_id, *shorter]
    else:
        tree = graph.split_fan_out(max_children, grouping=grouping)
    cluster, label = members_of_clusters(tree, size)
    names = central_names(graph.name, vectors, cluster - size, label, tree.num_labels - size, threads)
    tree.name = [*graph.name, *names]
    return tree


def _below_one_root(graph: LabelGraph) -> LabelGraph:
    """The hierarchy with a root above its roots, the last label."""
    size, roots = graph.num_labels, torch.as_tensor(graph.roots)
    edges = torch.cat([graph.edge_index.cpu(), torch.stack([torch.full_like(roots, size), roots])], dim=1)
    gone = graph.get("tombstone")
    more = {} if gone is None else {"tombstone": torch.cat([gone, torch.zeros(1, dtype=torch.bool)])}
    return LabelGraph(
        edges,
        [*graph.label_id, free_mark(graph.label_id)],
        name=[*graph.name, ""],
        description=[*graph.description, ""],
        title=graph.title,
        license=graph.license,
        source=graph.source,
        kind=[*(graph.kind if graph.get("kind") is not None else ["label"] * size), CLUSTER],
        **more,
    )


def members_of_clusters(tree: LabelGraph, num_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels in each cluster from `num_labels` on, through clusters inside it: clusters and labels `[M]`."""
    parent, child = tree.edge_index.cpu().numpy()
    inside = parent >= num_labels
    leaf = inside & (child < num_labels)
    cluster, label = parent[leaf], child[leaf]
    above = np.full(tree.num_labels, -1)  # a cluster has one parent
    above[child[child >= num_labels]] = parent[child >= num_labels]
    found = [np.stack([cluster, label])]
    while len(cluster):
        cluster = above[cluster]
        stays = cluster >= num_labels
        cluster, label = cluster[stays], label[stays]
        found.append(np.stack([cluster, label]))
    cluster, label = np.unique(np.concatenate(found, axis=1), axis=1)
    return cluster, label


def grouping_by_vectors(
    vectors: Any, *, seed: int = 0, threads: int | None = None
) -> Callable[[np.ndarray, int], np.ndarray]:
    """A `grouping` for :meth:`LabelGraph.split_fan_out` and :class:`LevelPartition`: balanced 2-means of the vectors.

    Shapes:
        - **vectors:** CSR or dense `[L, C]`, or more rows

    Example:
        >>> graph = LabelGraph.from_edges([("a", label) for label in "bcdef"])
        >>> grouping = grouping_by_vectors(np.eye(6, dtype=np.float32))
        >>> graph.split_fan_out(3, grouping=grouping).kind.count("cluster")
        2
    """
    rows = as_features(vectors, "vectors")

    def group(children: np.ndarray, num_groups: int) -> np.ndarray:
        return balanced_groups(rows[children], num_groups, seed=seed, threads=threads)

    return group


def affinity_by_vectors(vectors: Any) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """An `affinity` for :class:`LevelPartition`: cosines between labels and their parents.

    Shapes:
        - **vectors:** CSR or dense `[L, C]`

    Example:
        >>> affinity = affinity_by_vectors(np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]]))
        >>> affinity(np.array([2, 2]), np.array([0, 1])).round(2).tolist()
        [0.6, 0.8]
    """
    rows = unit_rows(as_features(vectors, "vectors"))

    def affinity(labels: np.ndarray, parents: np.ndarray) -> np.ndarray:
        out = np.empty(len(labels))
        for start in range(0, len(labels), PAIRS_AT_ONCE):
            pairs = slice(start, start + PAIRS_AT_ONCE)
            left, right = rows[labels[pairs]], rows[parents[pairs]]
            products = left * right if isinstance(left, np.ndarray) else left.multiply(right)
            out[pairs] = np.asarray(products.sum(axis=1, dtype=np.float64)).reshape(-1)
        return out

    return affinity
