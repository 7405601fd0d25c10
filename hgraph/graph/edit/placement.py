"""Placing the labels of a DAG for a level-wise model: which nodes a label gets, and under which parents."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError, DataError
from hgraph.graph.build import as_binary
from hgraph.graph.edit.contract import bridge, through
from hgraph.graph.edit.reshape import only_children
from hgraph.graph.edit.split import CLUSTER, Split, split_edges
from hgraph.graph.structure import Structure

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

Affinity: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray] | sp.csr_matrix | np.ndarray


@dataclass(frozen=True)
class Placement:
    """Bases: one for each time that a label appears in the hierarchy, before it is drawn out over levels.

    Args:
        edges: parent base over child base `[2, E]`.
        label: label of each base, -1 for a cluster, `[B]`.
        owner: the label, and for a cluster the label it belongs to, `[B]`.
        first: base that stands for each label, -1 for a label without one, `[L]`.
        split: the clusters, if a fan-out was split; its nodes are bases.
    """

    edges: np.ndarray
    label: np.ndarray
    owner: np.ndarray
    first: np.ndarray
    split: Split | None = None

    @property
    def num_bases(self) -> int:
        """Number of bases."""
        return len(self.label)

    def structure(self) -> Structure:
        """Neighbours, levels and order of the bases."""
        return Structure(self.edges, self.num_bases)


def native(graph: LabelGraph) -> Placement:
    """One base a label, under all its parents."""
    return _one_each(graph, graph._structure.edges)


def primary(graph: LabelGraph, affinity: Affinity | None) -> Placement:
    """One base a label, under the parent of highest affinity, the first listed one of equals."""
    edges = _ranked(graph, affinity)
    _, first = np.unique(edges[1], return_index=True)
    return _one_each(graph, edges[:, first])


def copies(graph: LabelGraph, affinity: Affinity | None, max_copies: int) -> Placement:
    """A base for each way down to a label, at most `max_copies`: one under each parent first, by affinity."""
    if not isinstance(max_copies, int | np.integer) or max_copies < 1:
        raise ConfigError(f"'max_copies' must be an integer of at least 1, found {max_copies!r}.")
    edges, size, level = _ranked(graph, affinity), graph.num_labels, graph._structure.level
    by_level = np.argsort(level[edges[1]], kind="stable")
    edges = edges[:, by_level]
    bounds = np.searchsorted(level[edges[1]], np.arange(2, graph.num_levels + 2))
    roots = graph.roots
    first, count = np.full(size, -1), np.zeros(size, dtype=np.int64)
    first[roots], count[roots] = np.arange(len(roots)), 1
    labels, parents, total = [roots], [np.full(len(roots), -1)], len(roots)
    for start, stop in itertools.pairwise(bounds):
        parent, child = edges[:, start:stop]
        ways = count[parent]
        number = np.arange(ways.sum()) - np.repeat(np.cumsum(ways) - ways, ways)
        rank, below = np.repeat(np.arange(stop - start), ways), np.repeat(child, ways)
        base = np.repeat(first[parent], ways) + number
        order = np.lexsort((rank, number, below))
        below, base = below[order], base[order]
        label, begin, sizes = np.unique(below, return_index=True, return_counts=True)
        taken = np.arange(len(below)) - np.repeat(begin, sizes) < max_copies
        count[label] = np.minimum(sizes, max_copies)
        first[label] = total + np.cumsum(count[label]) - count[label]
        labels.append(below[taken])
        parents.append(base[taken])
        total += int(taken.sum())
    label, above = np.concatenate(labels), np.concatenate(parents)
    child = np.flatnonzero(above >= 0)
    return Placement(np.stack([above[child], child]), label, label, first)


def _one_each(graph: LabelGraph, edges: np.ndarray) -> Placement:
    labels = np.arange(graph.num_labels)
    return Placement(edges, labels, labels, labels)


def _ranked(graph: LabelGraph, affinity: Affinity | None) -> np.ndarray:
    """Edges `[2, E]` sorted by child, its parents by falling affinity and then in the order of the edges."""
    parent, child = graph._structure.edges
    if affinity is None:
        scores = np.zeros(len(parent))
    elif callable(affinity):
        scores = np.asarray(affinity(child, parent), dtype=np.float64)
    else:
        expected = (graph.num_labels, graph.num_labels)
        if np.shape(affinity) != expected:
            raise DataError(f"'affinity' must have shape {list(expected)}, found {list(np.shape(affinity))}.")
        given = sp.csr_matrix(affinity)
        scores = np.asarray(given[child, parent], dtype=np.float64).ravel() if len(child) else np.empty(0)
    if scores.shape != parent.shape or np.isnan(scores).any():
        found = f"shape {list(scores.shape)}" if scores.shape != parent.shape else "nan"
        raise DataError(f"'affinity' must give a number for each of {len(parent)} edges, found {found}.")
    return graph._structure.edges[:, np.lexsort((-scores, child))]


def collapsed(graph: LabelGraph, placement: Placement, carried: np.ndarray) -> tuple[Placement, np.ndarray]:
    """Without the bases that are not carried and have an only child of an only parent; and `carried` without them.

    Copies of a label that has several parents stay where they are, or they would meet as children of one parent.
    """
    structure = placement.structure()
    keep = np.ones(placement.num_bases, dtype=bool)
    parent, child = structure.edges[:, only_children(structure)]
    label = placement.label[child]
    several = np.diff(graph.parents.indptr) > 1
    keep[parent[~several[label] | (np.bincount(placement.label)[label] == 1)]] = False
    keep |= carried
    edges, _ = bridge(structure, keep)
    new_index = np.where(keep, np.cumsum(keep) - 1, -1)
    first = np.where(placement.first >= 0, new_index[placement.first], -1)
    return Placement(new_index[edges], placement.label[keep], placement.owner[keep], first), carried[keep]


def clustered(placement: Placement, carried: np.ndarray, max_children: int, group: Callable[..., Any]) -> Placement:
    """With clusters where a base has more than `max_children` children, its own copy counted as one of them."""
    limit = max_children - carried.astype(np.int64)

    def by_label(position: np.ndarray, groups: np.ndarray, sizes: np.ndarray, child: np.ndarray) -> np.ndarray:
        return group(position, groups, sizes, placement.label[child])

    split = split_edges(placement.edges, placement.num_bases, limit, max_children, by_label)
    owner = np.concatenate([placement.owner, np.full(len(split.parent), -1)])
    clusters = np.arange(placement.num_bases, len(owner))
    while (owner[clusters] < 0).any():  # a round for each layer of clusters
        owner[clusters] = owner[split.parent]
    label = np.concatenate([placement.label, np.full(len(clusters), -1)])
    return replace(placement, edges=split.edges, label=label, owner=owner, split=split)


def start_levels(graph: LabelGraph, placement: Placement) -> np.ndarray:
    """Level of each base, from 1: below its parents, and below all parents of its label too.

    So without clusters a label stays on its level in the hierarchy, whichever parent it got.
    """
    parent, child = graph._structure.edges
    by_label = np.argsort(placement.label, kind="stable")
    by_label = by_label[placement.label[by_label] >= 0]
    bounds = np.searchsorted(placement.label[by_label], np.arange(graph.num_labels + 1))
    sizes = np.diff(bounds)[child]
    number = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    below = by_label[np.repeat(bounds[child], sizes) + number]
    above = np.repeat(placement.first[parent], sizes)
    extra = np.stack([above, below])[:, above >= 0]
    return Structure(np.concatenate([placement.edges, extra], axis=1), placement.num_bases).level


def carried_bases(graph: LabelGraph, placed: Placement, carried: Any) -> np.ndarray:
    """Which bases get a copy of themselves below: bool `[B]`, never one without children."""
    structure = placed.structure()
    inner = np.diff(structure.children.indptr) > 0
    if carried is None:
        kind = graph.get("kind")
        is_label = np.ones(graph.num_labels, dtype=bool) if kind is None else np.array([k != CLUSTER for k in kind])
        return inner & is_label[placed.label]
    if not sp.issparse(carried) and np.ndim(carried) == 1:
        mask = np.asarray(carried)
        if mask.shape != (graph.num_labels,) or mask.dtype != bool:
            found = f"{mask.dtype} of shape {list(mask.shape)}"
            raise DataError(f"'carried' must be a mask of {graph.num_labels} labels or a label matrix, found {found}.")
        return inner & mask[placed.label]
    present, _ = as_binary(graph.expand(carried), graph.num_labels)
    bases = present[:, placed.label]
    alone = bases > bases @ structure.parents  # no positive child: row `c` of `parents` lists what is above `c`
    return inner & (np.bincount(alone.indices, minlength=placed.num_bases) > 0)


def members(placement: Placement, structure: Structure, num_labels: int) -> sp.csr_matrix:
    """Boolean CSR `[L, B]`: the bases of each label, and the clusters it is in."""
    label = placement.label
    own, clusters = np.flatnonzero(label >= 0), np.flatnonzero(label < 0)
    below = structure.children[clusters].tocsc()
    reach = through(below[:, clusters].tocsr(), below[:, own].tocsr()).tocoo()
    rows = np.concatenate([label[own], label[own][reach.col]])
    cols = np.concatenate([own, clusters[reach.row]])
    return sp.csr_matrix((np.ones(len(rows), dtype=bool), (rows, cols)), shape=(num_labels, placement.num_bases))
