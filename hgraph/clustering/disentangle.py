"""`disentangle`: labels in more than one cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from hgraph.clustering.label_tree import CLUSTER
from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph

LABELS_AT_ONCE = 16_384


def leaf_clusters(tree: LabelGraph) -> np.ndarray:
    """Clusters that hold labels, ascending, `[K]`.

    Raises:
        ConfigError: `tree` has no clusters.
    """
    is_cluster = np.array([kind == CLUSTER for kind in tree.get("kind", [])], dtype=bool)
    parent, child = tree.edge_index.cpu().numpy()
    if is_cluster.any():
        return np.unique(parent[is_cluster[parent] & ~is_cluster[child]])
    raise ConfigError("'tree' has no clusters. Make one with label_tree or hybrid_tree.")


def disentangle(tree: LabelGraph, labels: Any, clusters: Any = None, *, max_copies: int = 2) -> LabelGraph:
    r"""Put labels into up to `max_copies` clusters: a label with several meanings needs several places.

    Label disentanglement (Liu et al. 2021, https://arxiv.org/abs/2106.12751): entry :math:`(l, k)` of
    :math:`Y^\top M` counts the documents with label :math:`l` for which cluster :math:`k` was selected. A label keeps
    its clusters and is added to those with the largest counts, of equals the first; never where the count is zero.

    Args:
        tree: labels under clusters; labels come first, as in :func:`~hgraph.clustering.label_tree`.
        labels: of documents.
        clusters: which of :func:`leaf_clusters` were selected for each document, such as those a matcher finds with its
            beam. Default: those that hold a label of the document, each as often as it does, so that a label joins the
            labels it occurs with.
        max_copies: most clusters of a label.

    Returns:
        The tree as a DAG with more edges. :class:`~hgraph.graph.LevelPartition` draws it out, with copies or without;
        scores of copies are merged by their maximum.

    Memory is linear in the number of documents and in the entries of :math:`Y^\top M` for 16,384 labels.

    Shapes:
        - **labels:** sparse or dense `[N, L]`, where `L` may leave out the clusters
        - **clusters:** sparse or dense `[N, K]`

    Raises:
        ConfigError: `tree` has no clusters, or `max_copies` is less than 1.
        DataError: shapes do not fit.

    Example:
        >>> tree = LabelGraph.from_edges([("~1", "a"), ("~1", "b"), ("~2", "c")], nodes=["a", "b", "c", "~1", "~2"])
        >>> tree.kind = ["label"] * 3 + ["cluster"] * 2
        >>> disentangle(tree, [[1, 0, 1], [1, 1, 0]]).parents[[0, 1, 2]].toarray()[:, 3:].astype(int).tolist()
        [[1, 1], [1, 0], [1, 1]]
    """
    if max_copies < 1:
        raise ConfigError(f"'max_copies' must be at least 1, found {max_copies}.")
    leaves, present = leaf_clusters(tree), sp.csr_matrix(labels, dtype=np.float32) != 0
    size = present.shape[1]
    if size > tree.num_labels:
        raise DataError(f"'labels' must have at most {tree.num_labels} columns, one a label, found {size}.")
    present = present.astype(np.float32)
    inside = tree.parents[:size][:, leaves].astype(np.float32).tocsr()
    chosen = present @ inside if clusters is None else sp.csr_matrix(clusters, dtype=np.float32)
    if chosen.shape != (present.shape[0], len(leaves)):
        expected = f"[{present.shape[0]}, {len(leaves)}]"
        raise DataError(f"'clusters' must have shape {expected}, found {list(chosen.shape)}.")
    if clusters is not None:
        chosen = (chosen != 0).astype(np.float32)
    by_label, new = present.T.tocsr(), []
    for start in range(0, size, LABELS_AT_ONCE):
        part = slice(start, start + LABELS_AT_ONCE)
        counts = (by_label[part] @ chosen).tocsr()
        label, cluster = _largest(counts, inside[part], max_copies)
        new.append(np.stack([leaves[cluster], start + label]))
    edges = np.concatenate([tree.edge_index.cpu().numpy(), *new], axis=1)
    out = tree.clone()
    out.edge_index = torch.from_numpy(edges)
    out._refresh_level()
    return out


def _largest(counts: sp.csr_matrix, inside: sp.csr_matrix, max_copies: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest counts of each row outside the clusters that a label is in: rows and columns."""
    outside = (counts - counts.multiply(inside > 0)).tocoo()
    positive = outside.data > 0
    row, column, value = outside.row[positive], outside.col[positive], outside.data[positive]
    order = np.lexsort((column, -value, row))
    row, column = row[order].astype(np.int64), column[order].astype(np.int64)
    first = np.searchsorted(row, row)
    room = max_copies - inside.getnnz(axis=1)
    # A label that is in no cluster (it is a root) is in a tree of its own; it gets no copies.
    room[inside.getnnz(axis=1) == 0] = 0
    stays = np.arange(len(row)) - first < room[row]
    return row[stays], column[stays]
