"""What is wrong or odd about a hierarchy: the check report, its findings, and a diagnosis of edges that make none."""

from hgraph.graph.checks.diagnose import diagnose_edges
from hgraph.graph.checks.findings import Finding
from hgraph.graph.checks.report import CheckReport, check_graph

__all__ = ["CheckReport", "Finding", "check_graph", "diagnose_edges"]
