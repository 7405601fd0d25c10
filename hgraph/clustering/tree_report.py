"""`tree_report`: how good a label tree is, before anything is trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hgraph.clustering.label_tree import CLUSTER
from hgraph.clustering.oracle import oracle_recall
from hgraph.clustering.purity import chance_purity, purity
from hgraph.graph import LabelGraph

BINS = 8


@dataclass(frozen=True)
class TreeReport:
    """Figures of a label tree; `str` makes a table of them.

    Attributes:
        num_labels: labels.
        num_clusters: clusters.
        level_sizes: nodes of each level, the roots' first.
        leaf_sizes: leaves among the children of each node that has any, int64.
        fan_outs: children of each inner node, int64.
        empty_labels: labels without documents, -1 without documents.
        purity: share of pairs of leaves below one node that have a common parent in the real hierarchy, `None` without
            one and where there is no pair.
        chance_purity: the same share of all pairs of leaves; where labels have several parents, at most that.
        oracle_recall: by beam width, share of the labels of documents below the nodes that a perfect ranker keeps.
    """

    num_labels: int
    num_clusters: int
    level_sizes: list[int]
    leaf_sizes: np.ndarray
    fan_outs: np.ndarray
    empty_labels: int = -1
    purity: float | None = None
    chance_purity: float | None = None
    oracle_recall: dict[int, float] = field(default_factory=dict)

    def histogram(self) -> list[tuple[int, int, int]]:
        """Leaf sizes in at most 8 bins of equal width: first size, last size, number of nodes."""
        if not len(self.leaf_sizes):
            return []
        low, high = int(self.leaf_sizes.min()), int(self.leaf_sizes.max())
        width = -(-(high - low + 1) // BINS)
        bins = (self.leaf_sizes - low) // width
        counts = np.bincount(bins, minlength=int(bins.max()) + 1).tolist()
        return [
            (low + place * width, min(low + (place + 1) * width - 1, high), count) for place, count in enumerate(counts)
        ]

    def __str__(self) -> str:
        sizes = " / ".join(f"{size:,}" for size in self.level_sizes)
        lines = [("labels", f"{self.num_labels:,}"), ("clusters", f"{self.num_clusters:,}"), ("nodes by level", sizes)]
        for name, values in (("children of a node", self.fan_outs), ("leaves of a node", self.leaf_sizes)):
            if len(values):
                lines.append((name, f"{values.min():,} to {values.max():,}, {values.mean():.1f} on average"))
        for first, last, count in self.histogram():
            span = f"{first:,}" if first == last else f"{first:,} to {last:,}"
            lines.append((f"  {span} lea{'f' if last == 1 else 'ves'}", f"{count:,} node{'s' * (count != 1)}"))
        if self.empty_labels >= 0:
            lines.append(("without documents", f"{self.empty_labels:,}"))
        if self.purity is not None:
            chance = "" if self.chance_purity is None else f" ({self.chance_purity:.4f} by chance)"
            lines.append(("purity", f"{self.purity:.4f}{chance}"))
        for beam, recall in self.oracle_recall.items():
            lines.append((f"oracle recall, beam {beam}", f"{recall:.4f}"))
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def tree_report(
    tree: LabelGraph, labels: Any = None, hierarchy: LabelGraph | None = None, *, beams: Sequence[int] = (5, 10, 20)
) -> TreeReport:
    """Sizes, purity against a real hierarchy and what a beam search can find at best.

    Args:
        tree: a label tree, a hybrid or any hierarchy.
        labels: of documents; without them there is no oracle recall (:func:`~hgraph.clustering.oracle.oracle_recall`).
        hierarchy: the real one; its labels are the first ones of `tree`.
        beams: widths of the beam.

    Memory is linear in labels, edges and labels of documents.

    Shapes:
        - **labels:** sparse or dense `[N, L]`, where `L` may leave out the clusters

    Raises:
        DataError: shapes do not fit.

    Example:
        >>> from hgraph.clustering import label_tree
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e"), ("d", "f")])
        >>> vectors = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], dtype=float)
        >>> print(tree_report(label_tree(graph, vectors, leaf_size=3), np.eye(6), graph, beams=(1,)))
        labels                 6
        clusters               2
        nodes by level         2 / 6
        children of a node     3 to 3, 3.0 on average
        leaves of a node       3 to 3, 3.0 on average
          3 leaves             2 nodes
        without documents      0
        purity                 0.3333 (0.1333 by chance)
        oracle recall, beam 1  1.0000
    """
    parent, child = tree.edge_index.cpu().numpy()
    fan_outs = np.bincount(parent, minlength=tree.num_labels)
    leaves = np.bincount(parent[fan_outs[child] == 0], minlength=tree.num_labels)
    num_clusters = sum(kind == CLUSTER for kind in tree.get("kind", []))
    level = np.asarray(tree.level)
    figures: dict[str, Any] = {}
    if labels is not None:
        figures["oracle_recall"], figures["empty_labels"] = oracle_recall(tree, labels, beams)
    if hierarchy is not None:
        figures["purity"], figures["chance_purity"] = purity(tree, hierarchy), chance_purity(tree, hierarchy)
    return TreeReport(
        num_labels=tree.num_labels - num_clusters,
        num_clusters=num_clusters,
        level_sizes=np.bincount(level)[1:].tolist(),
        leaf_sizes=leaves[leaves > 0],
        fan_outs=fan_outs[fan_outs > 0],
        **figures,
    )
