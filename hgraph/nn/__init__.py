"""Graph layers and label encoders, usable on their own: they need torch and PyG, and no other part of hgraph.

Label hierarchies and ordinary PyG graphs are both welcome: whatever has ``edge_index`` and ``num_nodes`` will do.
"""

from hgraph.nn.conv import GPTransConv
from hgraph.nn.encodings import (
    DenseEdgeEncoding,
    DenseGraph,
    TreePaths,
    hierarchy_distance,
    hop_distance,
    path_mean,
    to_dense_graph,
    tree_paths,
)
from hgraph.nn.gptrans_block import GPTransBlock
from hgraph.nn.label_encoders import GPTransLabelEncoder, LabelEncoder, LearnedLabelEncoder, NameLabelEncoder

__all__ = [
    "DenseEdgeEncoding",
    "DenseGraph",
    "GPTransBlock",
    "GPTransConv",
    "GPTransLabelEncoder",
    "LabelEncoder",
    "LearnedLabelEncoder",
    "NameLabelEncoder",
    "TreePaths",
    "hierarchy_distance",
    "hop_distance",
    "path_mean",
    "to_dense_graph",
    "tree_paths",
]
