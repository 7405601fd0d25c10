"""Where labels stand to each other in a graph, as dense tensors: hop distances, paths, edge encodings."""

from hgraph.nn.encodings.dense_edge_encoding import DenseEdgeEncoding
from hgraph.nn.encodings.dense_graph import DenseGraph, to_dense_graph
from hgraph.nn.encodings.hop_distance import hierarchy_distance, hop_distance
from hgraph.nn.encodings.tree_paths import TreePaths, path_mean, tree_paths

__all__ = [
    "DenseEdgeEncoding",
    "DenseGraph",
    "TreePaths",
    "hierarchy_distance",
    "hop_distance",
    "path_mean",
    "to_dense_graph",
    "tree_paths",
]
