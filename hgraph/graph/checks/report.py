"""The check report: counts of everything in a hierarchy, and what deserves a look before training."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hgraph.graph.build import as_binary
from hgraph.graph.checks import documents as check_documents
from hgraph.graph.checks import names, shape
from hgraph.graph.checks.findings import NUM_EXAMPLES, Finding, by_severity

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph


@dataclass
class CheckReport:
    """What :meth:`LabelGraph.check` found; `str(report)` is a readable table of facts, then of findings.

    Args:
        title: name of the hierarchy.
        labels: number of labels.
        edges: number of edges.
        levels: number of levels.
        labels_per_level: number of labels on each level, the roots' level first.
        roots: labels without parents.
        leaves: labels without children.
        multi_parent: labels with more than one parent.
        isolated: labels without parents and without children.
        duplicate_names: names that several labels share.
        duplicate_name_examples: a few of them, the most frequent first.
        duplicate_edges: repeated edges that were dropped when the hierarchy was built.
        redundant_edges: edges whose child is also reachable from the parent another way.
        documents: number of documents, when they were given.
        findings: what deserves a look, the worst first.
    """

    title: str
    labels: int
    edges: int
    levels: int
    labels_per_level: list[int]
    roots: int
    leaves: int
    multi_parent: int
    isolated: int
    duplicate_names: int
    duplicate_name_examples: list[str] = field(default_factory=list)
    duplicate_edges: int = 0
    redundant_edges: int = 0
    documents: int | None = None
    findings: list[Finding] = field(default_factory=list)

    def finding(self, code: str) -> Finding | None:
        """The finding of that code, None when there is none."""
        return next((finding for finding in self.findings if finding.code == code), None)

    def lines(self) -> list[str]:
        """The report: one aligned line a fact, and below them one line a finding, the worst first."""
        facts = {
            "title": " ".join(self.title.split()) or "-",
            "labels": f"{self.labels:,}",
            "edges": f"{self.edges:,}",
            "levels": f"{self.levels} ({_per_level(self.labels_per_level)})",
            "roots": f"{self.roots:,}",
            "leaves": f"{self.leaves:,}",
            "several parents": f"{self.multi_parent:,}",
            "isolated": f"{self.isolated:,}",
            "duplicate names": f"{self.duplicate_names:,}",
            "duplicate edges": f"{self.duplicate_edges:,}" + (" (dropped)" if self.duplicate_edges else ""),
            "redundant edges": f"{self.redundant_edges:,}",
        }
        if self.documents is not None:
            facts["documents"] = f"{self.documents:,}"
        width = max(map(len, facts))
        lines = [f"{name:<{width}}  {value}" for name, value in facts.items()]
        return [*lines, "", *map(str, self.findings)] if self.findings else lines

    def __str__(self) -> str:
        return "\n".join(self.lines())


def check_graph(graph: LabelGraph, label_matrix: Any = None) -> CheckReport:
    """Count and look for oddities; with documents, how they and the labels fit together too.

    Linear in labels and edges, apart from redundant edges: they cost the ancestors of labels with several parents.

    Args:
        graph: the hierarchy.
        label_matrix: which documents have which labels; ancestors may be left out.

    Shapes:
        - **label_matrix:** sparse or dense :math:`[N, L]`, non-zero where a document has a label

    Raises:
        DataError: the label matrix has another shape.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> report = check_graph(LabelGraph.from_edges([("a", "b"), ("b", "c"), ("a", "c")], title="toy"))
        >>> report.redundant_edges, report.labels_per_level
        (1, [1, 1, 1])
        >>> [(finding.severity, finding.code, finding.examples) for finding in report.findings]
        [('warning', 'redundant-edges', ['a -> c'])]
    """
    num_parents, num_children = np.diff(graph.parents.indptr), np.diff(graph.children.indptr)
    repeated = [(name, times) for name, times in Counter(graph.name).most_common() if times > 1]
    redundant = shape.redundant_edges(graph)
    findings = [*names.find(graph), *shape.find(graph, redundant)]
    documents = None
    if label_matrix is not None:
        present, _ = as_binary(label_matrix, graph.num_labels)
        documents = present.shape[0]
        findings += check_documents.find(graph, present)
    return CheckReport(
        title=graph.title,
        labels=graph.num_labels,
        edges=graph.parents.nnz,
        levels=graph.num_levels,
        labels_per_level=[len(level) for level in graph.levels],
        roots=len(graph.roots),
        leaves=len(graph.leaves),
        multi_parent=int((num_parents > 1).sum()),
        isolated=int(((num_parents == 0) & (num_children == 0)).sum()),
        duplicate_names=len(repeated),
        duplicate_name_examples=[name for name, _ in repeated[:NUM_EXAMPLES]],
        duplicate_edges=graph.num_dropped_edges,
        redundant_edges=redundant.shape[1],
        documents=documents,
        findings=by_severity(findings),
    )


def _per_level(counts: list[int], most: int = 12) -> str:
    shown = [f"{count:,}" for count in counts]
    if len(shown) > most:
        shown = [*shown[: most // 2], "...", *shown[-most // 2 :]]
    return " / ".join(shown)
