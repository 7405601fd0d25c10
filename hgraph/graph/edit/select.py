"""Which labels are meant: by id, by name pattern, by level, by documents, below or above others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order
from torch import Tensor

from hgraph.errors import ConfigError, DataError, TaxonomyError, UnknownLabelError

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

Labels = str | int | Iterable[str] | Iterable[int] | np.ndarray | Tensor
Field = Literal["name", "label_id", "description"]
FIELDS = ("name", "label_id", "description")


def find(graph: LabelGraph, pattern: str | re.Pattern[str], field: Field = "name") -> np.ndarray:
    """Indices of the labels whose text holds a regular expression; see :meth:`Editing.find`."""
    if field not in FIELDS:
        raise ConfigError(f"'field' must be one of {', '.join(FIELDS)}, found {field!r}.")
    try:
        search = (re.compile(pattern, re.IGNORECASE) if isinstance(pattern, str) else pattern).search
    except re.error as error:
        raise ConfigError(f"'pattern' is no regular expression: {pattern!r}: {error}. re.escape() quotes it.") from None
    texts = getattr(graph, field)
    return np.flatnonzero(np.fromiter((search(text) is not None for text in texts), dtype=bool, count=len(texts)))


def mask_of(graph: LabelGraph, labels: Labels) -> np.ndarray:
    """Mask `[L]` of some labels, given as ids, indices, a mask, or one id or index.

    Raises:
        UnknownLabelError: there is no such id or index.
        ConfigError: a mask of another length, or numbers that are no integers.
    """
    size = graph.num_labels
    given: Any = labels.cpu().numpy() if isinstance(labels, Tensor) else labels
    if isinstance(given, str | int | np.integer):
        given = [given]
    given = given if isinstance(given, np.ndarray) else list(given)
    array = np.asarray(given, dtype=np.int64) if len(given) == 0 else np.asarray(given)
    mask = np.zeros(size, dtype=bool)
    if array.dtype == bool:
        if array.shape != (size,):
            raise ConfigError(f"'labels' must be a mask of {size} labels, found one of shape {list(array.shape)}.")
        return array.copy()
    if array.dtype.kind not in "iu":
        if array.dtype.kind == "f":
            raise ConfigError("'labels' must be ids, integer indices or a mask, found numbers with a fraction.")
        array = graph.indices(given)
    wrong = array[(array < 0) | (array >= size)]
    if len(wrong):
        raise UnknownLabelError(f"There is no label {wrong[0]}: labels are numbered 0 to {size - 1}.")
    mask[array] = True
    return mask


def reachable(step: sp.csr_matrix, start: np.ndarray) -> np.ndarray:
    """Mask of the labels in `start` and of all that follow from them, linear in labels and edges at any depth.

    Args:
        step: `graph.children` for descendants, `graph.parents` for ancestors.
        start: mask `[L]`.
    """
    size = len(start)
    # One more node, from which an edge leads to every start, so that a single search finds them all.
    indptr = np.append(step.indptr, step.indptr[-1] + start.sum())
    indices = np.append(step.indices, np.flatnonzero(start))
    steps = sp.csr_matrix((np.ones(len(indices)), indices, indptr), shape=(size + 1, size + 1))
    order = breadth_first_order(steps, size, return_predecessors=False)
    reached = np.zeros(size + 1, dtype=bool)
    reached[order] = True
    return reached[:size]


def chosen(
    graph: LabelGraph,
    labels: Labels | None,
    pattern: str | re.Pattern[str] | None,
    levels: int | Iterable[int] | None,
) -> np.ndarray:
    """Mask `[L]` of the labels that meet every condition that is given.

    Raises:
        ConfigError: no condition is given, or one makes no sense.
        TaxonomyError: no label meets them.
    """
    if labels is None and pattern is None and levels is None:
        raise ConfigError("Nothing says what to select. Give 'labels', 'pattern' or 'levels'.")
    mask = np.ones(graph.num_labels, dtype=bool)
    if labels is not None:
        mask &= mask_of(graph, labels)
    if pattern is not None:
        named = np.zeros(graph.num_labels, dtype=bool)
        named[find(graph, pattern)] = True
        mask &= named
    if levels is not None:
        wanted = [levels] if isinstance(levels, int | np.integer) else list(levels)
        mask &= np.isin(graph._structure.level, wanted)
    if not mask.any():
        given = {"labels": labels if labels is None else "...", "pattern": pattern, "levels": levels}
        what = ", ".join(f"{key}={value!r}" for key, value in given.items() if value is not None)
        raise TaxonomyError(f"No label is selected by {what}: the hierarchy has {graph.num_levels} levels.")
    return mask


def support_of(graph: LabelGraph, label_matrix: Any) -> np.ndarray:
    """Documents of every label or its descendants, int64 `[L]`; see :meth:`Editing.support_of`."""
    expanded = graph.expand(label_matrix)
    return np.bincount(expanded.indices, minlength=graph.num_labels).astype(np.int64)


def supported(graph: LabelGraph, support: Any, min_support: float) -> np.ndarray:
    """Mask `[L]` of the labels with enough documents; `support` is one number a label, or a label matrix."""
    if sp.issparse(support) or np.ndim(support) == 2:
        support = support_of(graph, support)
    counts = np.asarray(support)
    if counts.shape != (graph.num_labels,):
        expected = f"one number for each of {graph.num_labels} labels, or a label matrix"
        raise DataError(f"'support' must hold {expected}, found shape {list(counts.shape)}.")
    mask = counts >= min_support
    if not mask.any():
        most = f"the most frequent one has {counts.max()}"
        raise TaxonomyError(f"No label has {min_support} documents or more: {most}. Lower 'min_support'.")
    return mask
