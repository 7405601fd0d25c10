"""Taking labels out of a hierarchy: how those that stay are joined, and where those that go are kept in mind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.edit.rebuild import rebuild
from hgraph.graph.structure import Structure, gather_rows

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

Reattach = Literal["bridge", "orphans", "none"]


def through(step: sp.csr_matrix, first: sp.csr_matrix) -> sp.csr_matrix:
    """What `first` reaches from every row after zero or more steps of an acyclic `step`.

    Each round doubles the number of steps, so a tree of any depth costs about log2(depth) products of its own size.

    Shapes:
        - **step:** boolean CSR :math:`[R, R]`
        - **first:** boolean CSR :math:`[R, K]`
        - **output:** boolean CSR :math:`[R, K]`
    """
    reach = first
    while step.nnz:
        reach = reach + step @ reach
        step = step @ step
    reach.sort_indices()
    return reach


def nearest_kept(structure: Structure, keep: np.ndarray) -> sp.csr_matrix:
    """For every removed label its nearest kept ancestors: those with nothing but removed labels between.

    Shapes:
        - **keep:** bool :math:`[L]`
        - **output:** boolean CSR :math:`[R, K]`, removed labels over kept labels, both in ascending order
    """
    above = structure.parents[np.flatnonzero(~keep)].tocsc()
    return through(above[:, np.flatnonzero(~keep)].tocsr(), above[:, np.flatnonzero(keep)].tocsr())


def bridge(structure: Structure, keep: np.ndarray, reattach: Reattach = "bridge") -> tuple[np.ndarray, np.ndarray]:
    """Edges between the labels of a mask, and the edges they come from.

    Edges between kept labels stay. An edge from a removed parent becomes edges from that parent's nearest kept
    ancestors, in its place in the order, unless they are there already or say nothing new. So a kept label is below
    another one exactly when it was before.

    Returns:
        Edges `[2, E']` in the old numbering, and the position `[E']` of each among the old edges, -1 for a new edge.
    """
    parent, child = structure.edges
    inside = np.flatnonzero(keep[parent] & keep[child])
    broken = np.flatnonzero(~keep[parent] & keep[child])
    if reattach == "orphans":
        has_parent = np.zeros(structure.num_nodes, dtype=bool)
        has_parent[child[inside]] = True
        broken = broken[~has_parent[child[broken]]]
    if reattach == "none" or not len(broken):
        return structure.edges[:, inside], inside
    nearest, row_of = nearest_kept(structure, keep), np.cumsum(~keep) - 1
    rows = row_of[parent[broken]]
    counts = np.diff(nearest.indptr)[rows]
    new = np.stack([np.flatnonzero(keep)[gather_rows(nearest, rows)], np.repeat(child[broken], counts)])
    edges = np.concatenate([structure.edges[:, inside], new], axis=1)
    source = np.concatenate([inside, np.full(new.shape[1], -1)])
    position = np.concatenate([inside, np.repeat(broken, counts)])
    _, first = np.unique(edges[0] * structure.num_nodes + edges[1], return_index=True)  # an old edge before a new one
    first = first[np.argsort(position[first], kind="stable")]
    edges, source = edges[:, first], source[first]
    needed = (source >= 0) | ~redundant_mask(Structure(edges, structure.num_nodes))
    return edges[:, needed], source[needed]


def redundant_mask(structure: Structure) -> np.ndarray:
    """Which edges lead to a child that can be reached from the parent another way as well, bool `[E]`.

    Only labels with several parents are looked at, and of what is above them only what is not above all their parents.
    """
    parents = structure.parents
    several = np.flatnonzero(np.diff(parents.indptr) > 1)
    mask = np.zeros(structure.edges.shape[1], dtype=bool)
    if not len(several):
        return mask
    direct, level = parents[several], structure.level
    lowest = np.minimum.reduceat(level[direct.indices], direct.indptr[:-1])
    reach, found = direct, sp.csr_matrix(direct.shape, dtype=bool)
    while reach.nnz:
        above = (reach @ parents).tocoo()
        near = level[above.col] >= lowest[above.row]
        reach = sp.csr_matrix((above.data[near], (above.row[near], above.col[near])), shape=direct.shape)
        found = found + reach.multiply(direct)
    hits = found.tocoo()
    keys = hits.col.astype(np.int64) * structure.num_nodes + several[hits.row]
    mask[np.isin(structure.edges[0] * structure.num_nodes + structure.edges[1], keys)] = True
    return mask


def restrict(graph: LabelGraph, keep: np.ndarray, reattach: Reattach = "bridge") -> LabelGraph:
    """The hierarchy of the labels of a mask.

    Raises:
        ConfigError: there is no such `reattach`.
        TaxonomyError: no label stays.
    """
    if reattach not in get_args(Reattach):
        raise ConfigError(f"'reattach' must be one of {', '.join(get_args(Reattach))}, found {reattach!r}.")
    if not keep.any():
        raise TaxonomyError(f"None of the {graph.num_labels} labels would stay. A hierarchy needs at least one label.")
    edges, source = bridge(graph._structure, keep, reattach)
    return rebuild(graph, np.flatnonzero(keep), (np.cumsum(keep) - 1)[edges], edge_source=source)


def label_map(old: LabelGraph, new: LabelGraph) -> sp.csr_matrix:
    """Where every label of `old` goes in `new`, by id: to itself, or to its nearest ancestors that are still there.

    Shapes:
        - **output:** boolean CSR :math:`[L, L_{new}]`; the row of a label that left without kept ancestors is empty
    """
    target = exact_map(old, new)
    keep = target >= 0
    nearest = nearest_kept(old._structure, keep).tocoo()
    rows = np.concatenate([np.flatnonzero(keep), np.flatnonzero(~keep)[nearest.row]])
    cols = np.concatenate([target[keep], target[keep][nearest.col]])
    return sp.csr_matrix((np.ones(len(rows), dtype=bool), (rows, cols)), shape=(old.num_labels, new.num_labels))


def exact_map(old: LabelGraph, new: LabelGraph) -> np.ndarray:
    """Index in `new` of every label of `old` with the same id, -1 where there is none or one is a tombstone."""
    table = new.id_to_index
    found = np.fromiter((table.get(label, -1) for label in old.label_id), dtype=np.int64, count=old.num_labels)
    found[tombstones(old)] = -1
    found[tombstones(new)[found] & (found >= 0)] = -1
    return found


def tombstones(graph: LabelGraph) -> np.ndarray:
    """Which labels are tombstones, bool `[L]`; see :func:`hgraph.graph.edit.align.align`."""
    mask = graph.get("tombstone")
    return np.zeros(graph.num_labels, dtype=bool) if mask is None else np.array(mask.cpu(), dtype=bool)
