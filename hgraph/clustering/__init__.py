"""Label vectors and label trees made of documents."""

from hgraph.clustering.disentangle import disentangle, leaf_clusters
from hgraph.clustering.hybrid_tree import affinity_by_vectors, grouping_by_vectors, hybrid_tree
from hgraph.clustering.label_tree import label_tree
from hgraph.clustering.label_vectors import LabelVectors, label_vectors
from hgraph.clustering.rows import joined_features
from hgraph.clustering.sketch import sketch
from hgraph.clustering.tree_report import TreeReport, tree_report
from hgraph.clustering.two_means import balanced_groups

__all__ = [
    "LabelVectors",
    "TreeReport",
    "affinity_by_vectors",
    "balanced_groups",
    "disentangle",
    "grouping_by_vectors",
    "hybrid_tree",
    "joined_features",
    "label_tree",
    "label_vectors",
    "leaf_clusters",
    "sketch",
    "tree_report",
]
