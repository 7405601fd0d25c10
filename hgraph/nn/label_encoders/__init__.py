"""Modules that give each label a vector."""

from hgraph.nn.label_encoders.gptrans_label_encoder import GPTransLabelEncoder
from hgraph.nn.label_encoders.label_encoder import LabelEncoder
from hgraph.nn.label_encoders.learned_label_encoder import LearnedLabelEncoder
from hgraph.nn.label_encoders.name_label_encoder import NameLabelEncoder

__all__ = ["GPTransLabelEncoder", "LabelEncoder", "LearnedLabelEncoder", "NameLabelEncoder"]
