"""A new version of a hierarchy in which every old label keeps its index."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from hgraph.errors import DataError
from hgraph.graph.build import as_binary
from hgraph.graph.edit.contract import label_map, tombstones
from hgraph.graph.edit.diff import GraphDiff, diff
from hgraph.graph.edit.rebuild import combine, gather, rebuild

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

Array = TypeVar("Array", Tensor, np.ndarray)


@dataclass(eq=False)
class Alignment:
    """A new hierarchy with stable indices, and what is needed to carry things from the old one to it.

    Label `i` of the old hierarchy is label `i` of `graph`. Labels that the new version no longer has stay as
    *tombstones*: isolated, with their old id and name, and True in `graph.tombstone`. Labels that are new follow
        behind.

    Tombstones count as roots and leaves, as any label without edges does; `graph.live_labels` lists the others, and
    :meth:`compact` is the hierarchy without them. A tombstone whose id comes back in a later version lives again at
    its old index.

    Args:
        old: the old hierarchy.
        new: the new version as it was given.
        graph: the new version in stable numbering.
        to_new: index in `new` of every label of `graph`, -1 for a tombstone.

    Shapes:
        - **to_new:** int64 :math:`[L]`, :math:`L` the labels of `graph`
    """

    old: LabelGraph
    new: LabelGraph
    graph: LabelGraph
    to_new: np.ndarray

    @property
    def kept(self) -> np.ndarray:
        """Indices of the labels that both versions have, int64."""
        return np.flatnonzero(self.to_new[: self.old.num_labels] >= 0)

    @property
    def tombstones(self) -> np.ndarray:
        """Indices of the labels that are gone, int64; those that the old hierarchy had as tombstones too."""
        return np.flatnonzero(self.to_new < 0)

    @property
    def added(self) -> np.ndarray:
        """Indices of the labels that are new, int64."""
        return np.arange(self.old.num_labels, self.graph.num_labels)

    @cached_property
    def diff(self) -> GraphDiff:
        """What changed, by id."""
        return diff(self.old, self.new)

    def carry_labels(self, label_matrix: Any) -> Any:
        """A label matrix of the old hierarchy for `graph`; labels that are gone become their nearest live ancestors.

        Shapes:
            - **label_matrix:** sparse or dense :math:`[N, L_{old}]`, non-zero where a document has a label
            - **output:** CSR :math:`[N, L]` of ones with sorted columns, of the same dtype
        """
        return carry_labels(self.old, self.graph, label_matrix)

    def carry_rows(self, rows: Array, *, fill: float = 0.0) -> Array:
        """Weights or vectors of the old labels for `graph`: the same rows, and `fill` for each label that is new.

        Shapes:
            - **rows:** tensor or array :math:`[L_{old}, ...]`
            - **output:** of the same kind, :math:`[L, ...]`

        Raises:
            DataError: there is not one row a label.
        """
        if len(rows) != self.old.num_labels:
            expected = f"one row for each of {self.old.num_labels} old labels"
            raise DataError(f"'rows' must hold {expected}, found shape {list(rows.shape)}.")
        shape = (len(self.added), *rows.shape[1:])
        if isinstance(rows, Tensor):
            return torch.cat([rows, rows.new_full(shape, fill)])
        return np.concatenate([rows, np.full(shape, fill, dtype=rows.dtype)])

    def compact(self) -> LabelGraph:
        """`graph` without its tombstones: the labels of `new`, in stable order."""
        return compact(self.graph)


def align(old: LabelGraph, new: LabelGraph) -> Alignment:
    """Number a new version so that every label of `old` keeps its index.

    Edges, names and descriptions are those of `new`, and so are other attributes; tombstones keep what `old` says, and
    an attribute that only `old` has stays where it was.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> old = LabelGraph.from_edges([("a", "b"), ("a", "c")])
        >>> aligned = align(old, LabelGraph.from_edges([("c", "d"), ("a", "c")]))
        >>> aligned.graph.label_id, aligned.graph.tombstone.tolist()
        (['a', 'b', 'c', 'd'], [False, True, False, False])
        >>> aligned.compact().label_id
        ['a', 'c', 'd']
    """
    target, size = _new_index(old, new), old.num_labels
    added = np.setdiff1d(np.flatnonzero(~tombstones(new)), target)
    to_new = np.concatenate([target, added])
    back = np.full(new.num_labels, -1)
    back[to_new[to_new >= 0]] = np.flatnonzero(to_new >= 0)
    edges = back[new._structure.edges]
    old_row = np.concatenate([np.arange(size), np.full(len(added), -1)])
    attributes = combine(new, to_new, old, old_row)
    attributes["tombstone"] = torch.from_numpy(to_new < 0)
    row = np.where(to_new >= 0, size + to_new, old_row)
    texts = {key: gather([*old[key], *new[key]], row) for key in ("label_id", "name", "description")}
    source = np.arange(edges.shape[1])
    graph = rebuild(new, to_new, edges, edge_source=source, attributes=attributes, **texts)
    return Alignment(old, new, graph, to_new)


def _new_index(old: LabelGraph, new: LabelGraph) -> np.ndarray:
    """As `exact_map`, but a tombstone of `old` that lives in `new` counts: it comes back to its old index."""
    table, dead = new.id_to_index, tombstones(new)
    found = np.fromiter((table.get(label, -1) for label in old.label_id), dtype=np.int64, count=old.num_labels)
    found[dead[found] & (found >= 0)] = -1
    return found


def compact(graph: LabelGraph) -> LabelGraph:
    """The hierarchy without its tombstones; see :meth:`Editing.compact`."""
    stays = ~tombstones(graph)
    source = np.arange(graph.edge_index.size(1))
    edges = (np.cumsum(stays) - 1)[graph._structure.edges]
    out = rebuild(graph, np.flatnonzero(stays), edges, edge_source=source)
    if "tombstone" in out:
        del out.tombstone
    return out


def carry_labels(old: LabelGraph, new: LabelGraph, label_matrix: Any) -> Any:
    """A label matrix of `old` for `new`; see :meth:`Editing.carry_labels`."""
    present, restore = as_binary(label_matrix, old.num_labels)
    return restore(present @ label_map(old, new))
