"""How alike two labels are: information content, and the measures of Resnik, Lin, Jiang & Conrath, Wu & Palmer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import scipy.sparse as sp

from hgraph.errors import ConfigError
from hgraph.graph.relations import Labels
from hgraph.graph.structure import gather_rows

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

Measure = Literal["lin", "resnik", "jiang_conrath", "wu_palmer"]

MAX_MATRIX_LABELS = 5_000
"""Most labels for which :func:`similarity_matrix` makes an array of all pairs (200 MB)."""
MAX_CHUNK_ENTRIES = 4_000_000
"""Ancestors that :func:`similarity` looks at at once (about 100 MB); more pairs are taken in several rounds."""
NO_COMMON = -1.0  # in place of the content of a common ancestor; contents are never negative


def information_content(graph: LabelGraph, support: Any = None, *, smoothing: float = 1.0) -> np.ndarray:
    r"""How specific each label is: small for a root, large for a leaf, and never smaller than for its parents.

    Without `support` the hierarchy alone tells, as in `Seco, Veale & Hayes 2004
    <https://dl.acm.org/doi/10.5555/3000001.3000272>`_ with natural values in [0, 1]:

    .. math:: \mathrm{ic}(l) = 1 - \log(1 + |\mathrm{descendants}(l)|) / \log L

    With `support` a corpus tells, as in `Resnik 1995 <https://arxiv.org/abs/cmp-lg/9511007>`_:

    .. math:: \mathrm{ic}(l) = -\log p(l), \qquad p(l) = (n_l + s) / (N + s)

    where :math:`n_l` counts `l` and its descendants. Resnik has no smoothing :math:`s`; here it keeps labels without
    documents finite. It is added after the counts went up the hierarchy, so a parent still has at least the
    probability of its child, and a label that all documents have still has content 0.

    Args:
        graph: the hierarchy.
        support: a label matrix (two dimensions; :math:`n_l` is the number of documents with `l` or a descendant, each
            document once, and :math:`N` the number of documents), or counts (one dimension; :math:`n_l` is the sum
            over `l` and its descendants, and :math:`N` the sum over all labels).
        smoothing: :math:`s`, above 0.

    Shapes:
        - **support:** sparse or dense :math:`[N, L]`, or :math:`[L]`
        - **output:** float64 :math:`[L]`

    Raises:
        DataError: a label matrix with another number of columns.
        ConfigError: counts that do not fit or are negative, `smoothing` not above 0.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("c", "d")])
        >>> information_content(graph)
        array([0. , 1. , 0.5, 1. ])
        >>> information_content(graph, [0, 3, 1, 0]).round(2)
        array([0.  , 0.22, 0.92, 1.61])
    """
    if support is None:
        below = np.bincount(graph.ancestors.indices, minlength=graph.num_labels)
        return 1 - np.log1p(below) / np.log(max(graph.num_labels, 2)) if graph.num_labels > 1 else np.zeros(1)
    if not smoothing > 0:
        raise ConfigError(f"'smoothing' must be above 0, found {smoothing}. Labels without documents need it.")
    if len(np.shape(support)) == 2:
        closed = graph.expand(support)
        counts, total = np.bincount(closed.indices, minlength=graph.num_labels), float(closed.shape[0])
    else:
        given = _checked_vector(support, graph.num_labels, "support")
        counts, total = given + given @ graph.ancestors, float(given.sum())
    return np.abs(np.log((total + smoothing) / (counts + smoothing)))  # abs: no -0.0 where all documents have a label


def similarity(
    graph: LabelGraph, left: Labels, right: Labels, *, measure: Measure = "lin", content: Any = None
) -> np.ndarray:
    r"""How alike the labels of each pair are; 0 for labels without a common ancestor.

    With :math:`c` the common ancestor of the largest content (a label counts among its own ancestors), which in a
    hierarchy with several parents is not always the deepest one:

    - `resnik`: :math:`\mathrm{ic}(c)` (`1995 <https://arxiv.org/abs/cmp-lg/9511007>`_), not bounded by 1 when the
      content comes from a corpus
    - `lin`: :math:`2\,\mathrm{ic}(c) / (\mathrm{ic}(l) + \mathrm{ic}(r))` (Lin 1998, An information-theoretic
      definition of similarity), in [0, 1]
    - `jiang_conrath`: :math:`1 / (1 + \mathrm{ic}(l) + \mathrm{ic}(r) - 2\,\mathrm{ic}(c))`, in [0, 1]; the paper
      (`1997 <https://arxiv.org/abs/cmp-lg/9709008>`_) has the distance in the denominator without the 1
    - `wu_palmer`: :math:`2\,\mathrm{level}(c) / (\mathrm{level}(l) + \mathrm{level}(r))` with :math:`c` the common
      ancestor of the highest level (`1994 <https://arxiv.org/abs/cmp-lg/9406033>`_), in [0, 1]

    Lin's measure of two different labels of content 0 is 0, of a label with itself always 1.

    Args:
        graph: the hierarchy.
        left: labels, as indices or ids; a single one is compared with all of `right`.
        right: labels, likewise.
        measure: one of the four.
        content: the content of each label, by default :func:`information_content` of the hierarchy; not for
            `wu_palmer`. Lin's measure stays below 1 when no label has less content than its parents.

    Shapes:
        - **left, right:** :math:`[n]`
        - **content:** :math:`[L]`
        - **output:** float64 :math:`[n]`

    Time and memory are linear in the number of ancestors of the labels asked for; memory is bounded by chunks.

    Raises:
        UnknownLabelError: a label that the hierarchy does not have.
        ConfigError: different lengths, an unknown measure, a content that is negative or not finite.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("c", "d"), ("c", "e")])
        >>> similarity(graph, "d", ["e", "c", "b"], measure="wu_palmer").round(2)
        array([0.67, 0.8 , 0.4 ])
        >>> similarity(graph, "d", ["e", "c", "b"]).round(2)
        array([0.32, 0.48, 0.  ])
    """
    value = _content_of(graph, measure, content)
    first, second = graph._pairs(left, right)
    common = _common_content(graph, first, second, value)
    return _combine(measure, common, value[first], value[second], first == second)


def similarity_matrix(graph: LabelGraph, *, measure: Measure = "lin", content: Any = None) -> np.ndarray:
    """:func:`similarity` of all pairs, float64 `[L, L]`; time is edges x labels.

    Raises:
        ConfigError: more than `MAX_MATRIX_LABELS` labels; see :func:`similarity` for the others.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> similarity_matrix(LabelGraph.from_edges([("a", "b"), ("a", "c")]), measure="wu_palmer").round(2)
        array([[1.  , 0.67, 0.67],
               [0.67, 1.  , 0.5 ],
               [0.67, 0.5 , 1.  ]])
    """
    num_labels = graph.num_labels
    if num_labels > MAX_MATRIX_LABELS:
        raise ConfigError(
            f"'graph' has {num_labels:,} labels, the matrix of all pairs is limited to {MAX_MATRIX_LABELS:,}. "
            "Ask similarity() for the pairs you need."
        )
    value = _content_of(graph, measure, content)
    common = np.full((num_labels, num_labels), NO_COMMON)
    parents, descendants = graph.parents, graph.descendants
    for labels in graph.levels:  # a common ancestor of l and r is above a parent of l, or it is l itself
        counts = np.diff(parents.indptr)[labels]
        if counts.all():  # all levels but the first
            starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
            common[labels] = np.maximum.reduceat(common[gather_rows(parents, labels)], starts, axis=0)
        below = np.diff(descendants.indptr)[labels]
        rows = np.concatenate((np.repeat(labels, below), labels))
        cols = np.concatenate((gather_rows(descendants, labels), labels))
        common[rows, cols] = np.maximum(common[rows, cols], value[rows])
    return _combine(measure, common, value[:, None], value[None, :], np.eye(num_labels, dtype=bool))


def _combine(measure: Measure, common: np.ndarray, left: np.ndarray, right: np.ndarray, same: np.ndarray) -> np.ndarray:
    """The measure of pairs, from the content of their common ancestor and of the labels themselves."""
    found = common != NO_COMMON
    if measure == "resnik":
        return np.where(found, common, 0.0)
    if measure == "jiang_conrath":  # a content that falls on the way down would make the distance negative
        return np.where(found, 1 / (1 + np.maximum(left + right - 2 * common, 0)), 0.0)
    total = left + right
    ratio = np.divide(2 * common, total, out=np.zeros(np.shape(total)), where=found & (total > 0))
    return np.where(same, 1.0, ratio)


def _common_content(graph: LabelGraph, left: np.ndarray, right: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The largest value among the common ancestors of each pair, `NO_COMMON` where there is none; `[n]`."""
    labels, position = np.unique(np.concatenate((left, right)), return_inverse=True)
    itself = sp.csr_matrix(
        (np.ones(len(labels), dtype=bool), (np.arange(len(labels)), labels)), shape=(len(labels), graph.num_labels)
    )
    closure = graph.ancestors[labels] + itself
    first, second = np.split(position, 2)
    size = np.diff(closure.indptr)
    out = np.full(len(left), NO_COMMON)
    for chunk in _chunks(size[first] + size[second]):
        shared = closure[first[chunk]].multiply(closure[second[chunk]]).tocsr()
        filled = np.flatnonzero(np.diff(shared.indptr))
        if len(filled):
            out[chunk.start + filled] = np.maximum.reduceat(value[shared.indices], shared.indptr[filled])
    return out


def _chunks(cost: np.ndarray) -> Iterator[slice]:
    """Slices of consecutive pairs, each of at most `MAX_CHUNK_ENTRIES` or of one pair."""
    end, total = 0, np.cumsum(cost, dtype=np.int64)
    while end < len(cost):
        start, spent = end, total[end - 1] if end else 0
        end = max(start + 1, int(np.searchsorted(total, spent + MAX_CHUNK_ENTRIES, side="right")))
        yield slice(start, end)


def _content_of(graph: LabelGraph, measure: Measure, content: Any) -> np.ndarray:
    """What makes one common ancestor better than another, float64 `[L]`."""
    if measure not in get_args(Measure):
        raise ConfigError(f"'measure' must be one of {', '.join(get_args(Measure))}, found {measure!r}.")
    if measure == "wu_palmer":
        if content is not None:
            raise ConfigError("'content' has no place in 'wu_palmer', which compares levels. Leave it out.")
        level = np.empty(graph.num_labels)
        for depth, labels in enumerate(graph.levels, start=1):
            level[labels] = depth
        return level
    return information_content(graph) if content is None else _checked_vector(content, graph.num_labels, "content")


def _checked_vector(values: Any, num_labels: int, argument: str) -> np.ndarray:
    """One finite number of at least 0 for each label, float64."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (num_labels,):
        raise ConfigError(f"{argument!r} must hold one number for each of {num_labels} labels, found {array.shape}.")
    if not (np.isfinite(array) & (array >= 0)).all():
        wrong = int(np.flatnonzero(~(np.isfinite(array) & (array >= 0)))[0])
        raise ConfigError(f"{argument!r} must be finite and at least 0, found {array[wrong]} for label {wrong}.")
    return array
