"""Modules that give each label a vector."""

from hgraph.nn.label_encoders.cached_label_encoder import CachedLabelEncoder
from hgraph.nn.label_encoders.conv_block import ConvBlock
from hgraph.nn.label_encoders.edge_label_encoder import EdgeLabelEncoder
from hgraph.nn.label_encoders.feature_label_encoder import FeatureLabelEncoder
from hgraph.nn.label_encoders.feature_rows import FeatureRows, LabelFeatures
from hgraph.nn.label_encoders.gat_label_encoder import GATLabelEncoder
from hgraph.nn.label_encoders.gptrans_label_encoder import GPTransLabelEncoder
from hgraph.nn.label_encoders.graphormer_label_encoder import GraphormerLabelEncoder
from hgraph.nn.label_encoders.label_encoder import LabelEncoder
from hgraph.nn.label_encoders.learned_label_encoder import LearnedLabelEncoder
from hgraph.nn.label_encoders.name_label_encoder import NameLabelEncoder
from hgraph.nn.label_encoders.pair_encoding import PairEncoding
from hgraph.nn.label_encoders.tree_sweep import TreeSweep
from hgraph.nn.label_encoders.tree_sweep_encoder import TreeSweepEncoder

__all__ = [
    "CachedLabelEncoder",
    "ConvBlock",
    "EdgeLabelEncoder",
    "FeatureLabelEncoder",
    "FeatureRows",
    "GATLabelEncoder",
    "GPTransLabelEncoder",
    "GraphormerLabelEncoder",
    "LabelEncoder",
    "LabelFeatures",
    "LearnedLabelEncoder",
    "NameLabelEncoder",
    "PairEncoding",
    "TreeSweep",
    "TreeSweepEncoder",
]
