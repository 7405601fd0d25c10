"""The label hierarchy: a PyG graph, its algebra, its formats and its checks."""

from hgraph.graph.checks.diagnose import diagnose_edges
from hgraph.graph.checks.findings import Finding
from hgraph.graph.checks.report import CheckReport
from hgraph.graph.edit.align import Alignment
from hgraph.graph.edit.diff import GraphDiff
from hgraph.graph.edit.level_partition import LevelPartition
from hgraph.graph.formats import FORMATS, detect_format, read_taxonomy, write_taxonomy
from hgraph.graph.label_graph import LabelGraph, LabelStorage

__all__ = [
    "Alignment",
    "CheckReport",
    "FORMATS",
    "Finding",
    "GraphDiff",
    "LabelGraph",
    "LabelStorage",
    "LevelPartition",
    "detect_format",
    "diagnose_edges",
    "read_taxonomy",
    "write_taxonomy",
]
