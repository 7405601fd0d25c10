"""The tree in which a ranker searches for labels."""

import logging
from typing import Any

import numpy as np
import scipy.sparse as sp

from hgraph.clustering import affinity_by_vectors, label_vectors
from hgraph.graph import LabelGraph, LevelPartition
from hgraph.ranking import RankerTree
from hgraph.recipes.label_hierarchy import with_clusters
from hgraph.recipes.ranker_options import TreeHierarchy

logger = logging.getLogger(__name__)


def search_tree(
    hierarchy: TreeHierarchy,
    graph: LabelGraph,
    features: Any,
    labels: sp.csr_matrix,
    *,
    branching: int = 16,
    leaf_size: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> RankerTree:
    """The tree of one of four kinds over the labels of a hierarchy.

    A label with several parents has a node under each of up to four of them, those most similar to it. An inner label
    of the hierarchy is predicted through a copy of itself below it.

    Args:
        hierarchy: `"pifa"`, clusters of labels with similar documents; `"taxonomy"`, the hierarchy; `"hybrid"`, the
            hierarchy with fan-outs above `leaf_size` cut into clusters; `"flat"`, one level.
        graph: The hierarchy of L labels.
        features: Of the training documents, CSR or dense [N, F].
        labels: CSR [N, L], closed upward.
        branching: Most clusters of a cluster (`"pifa"`).
        leaf_size: Most labels of a cluster; None follows from the number of labels.
        seed: Of the clusters.
        threads: All cores by default.
    """
    if hierarchy == "flat":
        return RankerTree.flat(graph.num_labels)
    vectors = label_vectors(features, labels)
    tree = with_clusters(
        hierarchy, graph, vectors, branching=branching, leaf_size=leaf_size, seed=seed, threads=threads
    )
    size = graph.num_labels
    if tree.num_labels > size:
        # Clusters have no vector; none of them is a parent that a label must choose between.
        vectors = _with_zero_rows(vectors, tree.num_labels - size)
    partition = LevelPartition(tree, extra_parents="copies", affinity=affinity_by_vectors(vectors), collapse=True)
    logger.info("search tree: %s", partition)
    parents = [partition.parent(level) for level in range(2, partition.num_levels + 1)]
    return RankerTree(parents, num_top=partition.num_nodes[0], labels=partition.levels[-1], num_labels=size)


def _with_zero_rows(vectors: Any, count: int) -> Any:
    if sp.issparse(vectors):
        return sp.vstack([vectors, sp.csr_matrix((count, vectors.shape[1]), dtype=vectors.dtype)], format="csr")
    return np.concatenate([vectors, np.zeros((count, vectors.shape[1]), dtype=vectors.dtype)])
