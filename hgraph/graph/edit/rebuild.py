"""A new `LabelGraph` from an old one: which labels and edges it keeps, and what happens to their attributes.

The rules, the same for every edit:

- An attribute with one value a label (a tensor, an array or a list) keeps the values of the labels that stay. Labels
  that did not exist before get zeros, False, `""` or None.
- An attribute with one value an edge is kept while every edge of the result is an edge of the old graph. Otherwise it
  is left out, with a warning in the log.
- Everything else (title, licence, source, attributes of the whole graph) stays as it is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

logger = logging.getLogger(__name__)

OWN = ("edge_index", "num_nodes", "label_id", "name", "description", "level")


def rebuild(
    graph: LabelGraph,
    labels: np.ndarray,
    edges: np.ndarray,
    *,
    edge_source: np.ndarray | None = None,
    attributes: dict[str, Any] | None = None,
    **changes: Any,
) -> LabelGraph:
    """A graph with some of the labels of `graph`, perhaps new ones, and other edges.

    Args:
        graph: where attributes come from.
        labels: index in `graph` of every label of the result, -1 for a new one.
        edges: parent over child, indices into `labels`.
        edge_source: position in `graph.edge_index` of every edge, -1 for a new one; by default all are new.
        attributes: attributes with one value a label of the result, instead of those of `graph`.
        **changes: attributes to set instead, such as `label_id`, `name` and `description` when there are new labels.

    Shapes:
        - **labels:** int64 :math:`[L']`
        - **edges:** int64 :math:`[2, E']`
        - **edge_source:** int64 :math:`[E']`
    """
    carried: dict[str, Any] = dict(attributes or {})
    for key in graph.keys():  # noqa: SIM118  (a graph is no mapping: iterating it gives pairs)
        if key in OWN or key in changes:
            continue
        value = graph[key]
        if is_of_labels(graph, key):
            if attributes is None:
                carried[key] = gather(value, labels, _dim(graph, key))
        elif not graph.is_edge_attr(key):
            carried[key] = value
        elif edge_source is not None and (edge_source >= 0).all():
            carried[key] = gather(value, edge_source, _dim(graph, key))
        else:
            _warn(key, "has one value an edge, and the result has new edges")
    for key in ("label_id", "name", "description"):
        carried[key] = changes.pop(key, None) or gather(graph[key], labels)
    return type(graph)(torch.from_numpy(np.ascontiguousarray(edges)).to(graph.edge_index.device), **carried, **changes)


def gather(values: Any, index: np.ndarray, dim: int = 0) -> Any:
    """Values at some positions; where the position is -1, zeros, `""` in lists of texts and None in other lists."""
    present = index >= 0
    if isinstance(values, Tensor):
        at = torch.from_numpy(np.where(present, index, 0)).to(values.device)
        if not values.size(dim):
            return values.new_zeros([len(index) if axis == dim else size for axis, size in enumerate(values.shape)])
        out = values.index_select(dim, at)
        return out if present.all() else out.index_fill(dim, torch.from_numpy(np.flatnonzero(~present)).to(at), 0)
    if isinstance(values, np.ndarray):
        taken = np.take(values, np.where(present, index, 0), axis=dim)
        np.moveaxis(taken, dim, 0)[~present] = np.zeros((), dtype=values.dtype)
        return taken
    blank = "" if all(isinstance(value, str) for value in values) else None
    return [values[position] if position >= 0 else blank for position in index.tolist()]


def combine(first: LabelGraph, first_row: np.ndarray, other: LabelGraph, other_row: np.ndarray) -> dict[str, Any]:
    """Attributes of labels that come from two graphs.

    A label has the value of `first` where it is one of its labels, else that of `other`. What only one graph knows
    comes from there, with zeros for the rest. Attributes that do not fit together (another width, a tensor here and a
    list there) are left out with a warning.

    Args:
        first: the graph that counts.
        first_row: index in `first` of every label, -1 where it has none, `[L]`.
        other: the other graph.
        other_row: index in `other` of every label, -1 where it has none, `[L]`.
    """
    row = np.where(first_row >= 0, first_row, first.num_labels + other_row)
    out: dict[str, Any] = {}
    for key in dict.fromkeys([*first.keys(), *other.keys()]):
        if key in OWN or not any(key in graph and is_of_labels(graph, key) for graph in (first, other)):
            continue
        left, right = _rows(first, key), _rows(other, key)
        if right is None:
            out[key] = gather(left, first_row)
        elif left is None:
            out[key] = gather(right, other_row)
        elif isinstance(left, Tensor) and isinstance(right, Tensor) and left.shape[1:] == right.shape[1:]:
            out[key] = gather(torch.cat([left, right.to(left.device)]), row)
        elif isinstance(left, np.ndarray) and isinstance(right, np.ndarray) and left.shape[1:] == right.shape[1:]:
            out[key] = gather(np.concatenate([left, right]), row)
        elif isinstance(left, list | tuple) and isinstance(right, list | tuple):
            out[key] = gather([*left, *right], row)
        else:
            _warn(key, "differs between the two hierarchies in kind or width")
    return out


def is_of_labels(graph: LabelGraph, key: str) -> bool:
    """Whether an attribute has one value a label: PyG's rule for tensors and arrays, the length for lists."""
    value = graph[key]
    if isinstance(value, list | tuple):
        return len(value) == graph.num_labels
    return graph.is_node_attr(key)


_OTHER = object()


def _rows(graph: LabelGraph, key: str) -> Any:
    """The values of an attribute, None where there is none, and `_OTHER` where it is not a row a label."""
    if key not in graph:
        return None
    return graph[key] if is_of_labels(graph, key) and _dim(graph, key) == 0 else _OTHER


def _dim(graph: LabelGraph, key: str) -> int:
    value = graph[key]
    return 0 if isinstance(value, list | tuple) else graph.__cat_dim__(key, value)


def _warn(key: str, why: str) -> None:
    logger.warning("Attribute '%s' %s: it is left out.", key, why)
