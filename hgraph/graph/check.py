"""The check report: counts of everything in a hierarchy worth a look before training."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

NUM_EXAMPLES = 3


@dataclass
class CheckReport:
    """What :meth:`LabelGraph.check` found; `str(report)` is a readable table.

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

    def lines(self) -> list[str]:
        """The report, one aligned line a fact."""
        examples = ", ".join(repr(name) for name in self.duplicate_name_examples)
        facts = {
            "title": self.title or "-",
            "labels": f"{self.labels:,}",
            "edges": f"{self.edges:,}",
            "levels": f"{self.levels} ({' / '.join(f'{count:,}' for count in self.labels_per_level)})",
            "roots": f"{self.roots:,}",
            "leaves": f"{self.leaves:,}",
            "several parents": f"{self.multi_parent:,}",
            "isolated": f"{self.isolated:,}",
            "duplicate names": f"{self.duplicate_names:,}" + (f" ({examples})" if examples else ""),
            "duplicate edges": f"{self.duplicate_edges:,}" + (" (dropped)" if self.duplicate_edges else ""),
            "redundant edges": f"{self.redundant_edges:,}",
        }
        width = max(map(len, facts))
        return [f"{name:<{width}}  {value}" for name, value in facts.items()]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def check_graph(graph: LabelGraph) -> CheckReport:
    """Count; linear in the size of the ancestor closure.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> report = LabelGraph.from_edges([("a", "b"), ("b", "c"), ("a", "c")], title="toy").check()
        >>> report.redundant_edges, report.labels_per_level
        (1, [1, 1, 1])
    """
    num_parents, num_children = np.diff(graph.parents.indptr), np.diff(graph.children.indptr)
    repeated = [(name, times) for name, times in Counter(graph.name).most_common() if times > 1]
    longer_ways = graph.parents @ graph.ancestors  # reachable in two steps or more
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
        redundant_edges=graph.parents.multiply(longer_ways).nnz,
    )
