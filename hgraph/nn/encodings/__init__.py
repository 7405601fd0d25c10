"""Where labels stand to each other in a graph: levels, distances, paths, typed edges, and their encodings."""

from hgraph.nn.encodings.dense_edge_encoding import DenseEdgeEncoding
from hgraph.nn.encodings.dense_graph import DenseGraph, to_dense_graph
from hgraph.nn.encodings.edge_encoding import EdgeEncoding
from hgraph.nn.encodings.graph_paths import GraphPaths, graph_path_mean, graph_paths, paths_from
from hgraph.nn.encodings.graph_rows import GraphRows
from hgraph.nn.encodings.hop_distance import hierarchy_distance, hop_distance
from hgraph.nn.encodings.label_edges import EdgeKind, LabelEdges, label_edges
from hgraph.nn.encodings.label_structure import LabelStructure
from hgraph.nn.encodings.pair_rows import DenseRows, PairRows
from hgraph.nn.encodings.path_search import PathSearch
from hgraph.nn.encodings.structural_features import NUM_STRUCTURAL_FEATURES, structural_features
from hgraph.nn.encodings.tree_paths import TreePaths, path_mean, tree_paths
from hgraph.nn.encodings.tree_rows import TreeRows

__all__ = [
    "NUM_STRUCTURAL_FEATURES",
    "DenseEdgeEncoding",
    "DenseGraph",
    "DenseRows",
    "EdgeEncoding",
    "EdgeKind",
    "GraphPaths",
    "GraphRows",
    "LabelEdges",
    "LabelStructure",
    "PairRows",
    "PathSearch",
    "TreePaths",
    "TreeRows",
    "graph_path_mean",
    "graph_paths",
    "hierarchy_distance",
    "hop_distance",
    "label_edges",
    "path_mean",
    "paths_from",
    "structural_features",
    "to_dense_graph",
    "tree_paths",
]
