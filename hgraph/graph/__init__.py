"""The label hierarchy: a PyG graph, its algebra, its formats and its checks."""

from hgraph.graph.check import CheckReport
from hgraph.graph.formats import FORMATS, detect_format, read_taxonomy
from hgraph.graph.label_graph import LabelGraph, LabelStorage

__all__ = ["CheckReport", "FORMATS", "LabelGraph", "LabelStorage", "detect_format", "read_taxonomy"]
