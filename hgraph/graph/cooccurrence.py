"""Which labels stand together on documents, as weighted edges between labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.graph.build import as_binary

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

CooccurrenceMeasure = Literal["count", "conditional", "jaccard", "pmi", "npmi"]

MAX_CHUNK_PAIRS = 16_000_000
"""Pairs counted at once, before the weak ones are dropped (about 300 MB)."""


def cooccurrence(
    label_matrix: Any,
    *,
    measure: CooccurrenceMeasure = "count",
    min_count: int = 1,
    min_weight: float | None = None,
    top_k: int | None = None,
    graph: LabelGraph | None = None,
    related: bool = False,
) -> tuple[Tensor, Tensor]:
    r"""Edges between labels that stand on the same documents, in both directions, and their weights.

    With :math:`n_i` documents that have label `i`, :math:`n_{ij}` that have both and :math:`N` in all, the edge from
    `i` to `j` weighs

    - `count`: :math:`n_{ij}`
    - `conditional`: :math:`n_{ij} / n_i`, how often `j` is there when `i` is; the only one with a direction
    - `jaccard`: :math:`n_{ij} / (n_i + n_j - n_{ij})`
    - `pmi`: :math:`\log (n_{ij} N / (n_i n_j))`, pointwise mutual information; below 0 for labels that avoid each other
    - `npmi`: pmi divided by :math:`-\log(n_{ij} / N)`, in [-1, 1]; 1 for labels that all documents have

    Args:
        label_matrix: non-zero where a document has a label.
        measure: one of the five.
        min_count: fewest documents that must have both labels.
        min_weight: smallest weight; 0 leaves the positive part of `pmi`.
        top_k: keep this many of the heaviest edges into each label, of equal ones those from the first labels.
        graph: the hierarchy of the labels, for the next option.
        related: whether a label and its ancestors are joined where a `graph` tells them apart; closed label sets join
            them by definition.

    Shapes:
        - **label_matrix:** sparse or dense :math:`[N, L]`
        - **output:** long :math:`[2, E]` (from, to), sorted by the second row, then the first; float32 :math:`[E]`

    The pairs are counted in chunks, so memory is linear in the label matrix and in the answer.

    Raises:
        DataError: `label_matrix` is not a matrix, or has not one column for each label of `graph`.
        ConfigError: an unknown measure; `min_count` or `top_k` below 1.

    Example:
        >>> documents = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 0]])
        >>> edge_index, weight = cooccurrence(documents, measure="conditional")
        >>> edge_index.tolist(), weight.tolist()
        ([[1, 2, 0, 0], [0, 0, 1, 2]], [1.0, 1.0, 0.5, 0.25])
    """
    if measure not in get_args(CooccurrenceMeasure):
        raise ConfigError(f"'measure' must be one of {', '.join(get_args(CooccurrenceMeasure))}, found {measure!r}.")
    for argument, number in (("min_count", min_count), ("top_k", top_k)):
        if number is not None and number < 1:
            raise ConfigError(f"{argument!r} must be at least 1, found {number}.")
    shape = np.shape(label_matrix)
    present, _ = as_binary(label_matrix, graph.num_labels if graph is not None else shape[1] if len(shape) == 2 else 0)
    documents, count = present.shape[0], np.bincount(present.indices, minlength=present.shape[1])

    sources, targets, weights = [], [], []
    for block, pairs in _pair_counts(present, None if related else graph):
        together = pairs.data.astype(np.float64)
        target = block.start + np.repeat(np.arange(pairs.shape[0]), np.diff(pairs.indptr))
        source = pairs.indices.astype(np.int64)
        weight = _weight(measure, together, count[source], count[target], documents)
        keep = (source != target) & (together >= min_count)
        if min_weight is not None:
            keep &= weight >= min_weight
        source, target, weight = source[keep], target[keep], weight[keep]
        if top_k is not None:
            strongest = _strongest(source, target, weight, top_k)
            source, target, weight = source[strongest], target[strongest], weight[strongest]
        sources.append(source)
        targets.append(target)
        weights.append(weight)
    empty = [np.empty(0, dtype=np.int64)]
    edge_index = np.stack([np.concatenate(sources or empty), np.concatenate(targets or empty)])
    return torch.from_numpy(edge_index), torch.from_numpy(np.concatenate(weights or empty).astype(np.float32))


def _pair_counts(present: sp.csr_matrix, graph: LabelGraph | None) -> Iterator[tuple[slice, sp.csr_matrix]]:
    """Blocks of labels, and how many documents each label of the block shares with each label: CSR `[block, L]`."""
    ones = present.astype(np.int64)
    by_label = ones.T.tocsr()
    products = np.cumsum(by_label @ np.diff(ones.indptr).astype(np.int64))  # pairs met on the way, up to each label
    end = 0
    while end < len(products):
        start, spent = end, products[end - 1] if end else 0
        end = max(start + 1, int(np.searchsorted(products, spent + MAX_CHUNK_PAIRS, side="right")))
        pairs = (by_label[start:end] @ ones).tocsr()
        if graph is not None:
            related = graph.ancestors[start:end] + graph.descendants[start:end]
            pairs = pairs - pairs.multiply(related)
            pairs.eliminate_zeros()
        pairs.sort_indices()
        yield slice(start, end), pairs


def _weight(measure: str, together: np.ndarray, source: np.ndarray, target: np.ndarray, documents: int) -> np.ndarray:
    """The measure, from counts of both labels, of the label an edge comes from, and of the one it goes to."""
    if measure == "count":
        return together
    if measure == "conditional":
        return together / source
    if measure == "jaccard":
        return together / (source + target - together)
    pmi = np.log(together * documents / (source * target.astype(np.float64)))
    if measure == "pmi":
        return pmi
    rarity = np.log(documents / together)
    return np.divide(pmi, rarity, out=np.ones_like(pmi), where=rarity > 0)


def _strongest(source: np.ndarray, target: np.ndarray, weight: np.ndarray, top_k: int) -> np.ndarray:
    """Positions, in order, of the `top_k` heaviest edges into each target."""
    order = np.lexsort((source, -weight, target))
    grouped = target[order]
    rank = np.arange(len(order)) - np.searchsorted(grouped, grouped, side="left")
    return np.sort(order[rank < top_k])
