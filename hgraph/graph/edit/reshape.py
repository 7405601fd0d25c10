"""Other edges for the same labels, and chains of only children made shorter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from hgraph.errors import ConfigError
from hgraph.graph.edit.contract import redundant_mask, restrict
from hgraph.graph.edit.rebuild import rebuild

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph
    from hgraph.graph.structure import Structure

Keep = Literal["bottom", "top"]


def transitive_reduction(graph: LabelGraph) -> LabelGraph:
    """Without redundant edges; see :meth:`Editing.transitive_reduction`."""
    source = np.flatnonzero(~redundant_mask(graph._structure))
    return rebuild(graph, np.arange(graph.num_labels), graph._structure.edges[:, source], edge_source=source)


def transitive_closure(graph: LabelGraph) -> LabelGraph:
    """With an edge from every ancestor; see :meth:`Editing.transitive_closure`."""
    more = (graph.ancestors > graph.parents).tocoo()
    old = graph._structure.edges  # first, so that the first listed parent of a label stays the first
    edges = np.concatenate([old, np.stack([more.col, more.row]).astype(np.int64)], axis=1)
    source = np.concatenate([np.arange(old.shape[1]), np.full(more.nnz, -1)])
    return rebuild(graph, np.arange(graph.num_labels), edges, edge_source=source)


def only_children(structure: Structure) -> np.ndarray:
    """Which edges join a parent without other children and a child without other parents, bool `[E]`."""
    num_parents, num_children = np.diff(structure.parents.indptr), np.diff(structure.children.indptr)
    parent, child = structure.edges
    return (num_children[parent] == 1) & (num_parents[child] == 1)


def collapse_chains(graph: LabelGraph, keep: Keep = "bottom") -> LabelGraph:
    """Chains as one label each; see :meth:`Editing.collapse_chains`."""
    if keep not in ("bottom", "top"):
        raise ConfigError(f"'keep' must be 'bottom' or 'top', found {keep!r}.")
    end = 0 if keep == "bottom" else 1
    while True:
        stays = np.ones(graph.num_labels, dtype=bool)
        stays[graph._structure.edges[end, only_children(graph._structure)]] = False
        size, graph = graph.num_labels, restrict(graph, stays)
        # An edge that joining labels made redundant is gone, which may leave another chain.
        if graph.num_labels == size or not len(graph._structure.edges[end, only_children(graph._structure)]):
            return graph
