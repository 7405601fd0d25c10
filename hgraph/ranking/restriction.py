"""A ranker cut down to some of its labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hgraph.errors import ConfigError
from hgraph.ranking.level_weights import LevelWeights
from hgraph.ranking.ranker_tree import RankerTree


def restricted(
    tree: RankerTree, levels: Sequence[LevelWeights], labels: np.ndarray
) -> tuple[RankerTree, list[LevelWeights]]:
    """The tree and weights of the nodes of `labels` and of those above them.

    A node that becomes an only child keeps its classifier.

    Raises:
        ConfigError: `labels` are not labels, or none of them has a node.
    """
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or (labels < 0).any() or (labels >= tree.num_labels).any():
        raise ConfigError(f"'labels' must be integers from 0 to {tree.num_labels - 1}, found {labels.tolist()[:5]}.")
    wanted = np.zeros(tree.num_labels, dtype=bool)
    wanted[labels] = True
    kept = [np.flatnonzero(wanted[tree.labels])]
    if not len(kept[0]):
        raise ConfigError("'labels' must name a label that has a node in the tree, found none.")
    for above in tree.parents[::-1]:
        kept.append(np.unique(above[kept[-1]]))
    kept.reverse()
    parents = [np.searchsorted(kept[level], above[kept[level + 1]]) for level, above in enumerate(tree.parents)]
    smaller = RankerTree(parents, num_top=len(kept[0]), labels=tree.labels[kept[-1]], num_labels=tree.num_labels)
    active = [np.zeros(1, dtype=np.int64), *kept[:-1]]
    taken = [
        weights.take(nodes, child_ptr, chunks)
        for weights, nodes, child_ptr, chunks in zip(levels, kept, smaller.child_ptr, active, strict=True)
    ]
    return smaller, taken
