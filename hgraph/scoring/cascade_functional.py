"""The arithmetic of a cascade on flat lists of cells, one cell a pair of a document and a candidate."""

import itertools
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.errors import ConfigError

CascadeScores = Literal["level", "weighted", "path"]
SHARED_ROWS = 32
"""All documents of a batch are scored against all of its candidates, while that is at most so many times the cells."""
BLOCK = 16
"""Documents that are otherwise scored at once."""


@dataclass(frozen=True)
class Cells:
    """Candidates of documents, sorted by document and candidate, each pair once.

    Shapes (N cells):
        - row and node: ``[N]``, long
        - up: ``[N]``, the score of the parent, the highest of several; infinite for candidates without one.
        - path: ``[N]``, log-probability of the way down to the parent, the highest of several.
    """

    row: Tensor
    node: Tensor
    up: Tensor
    path: Tensor


def all_cells(num_rows: int, nodes: Tensor, like: Tensor) -> Cells:
    """Cells of every document with each of ``nodes`` ``[K]``, which are ascending; `like` gives the type of scores."""
    row = torch.arange(num_rows, device=nodes.device).repeat_interleave(len(nodes))
    up = like.new_full((len(row),), float("inf"))
    return Cells(row, nodes.repeat(num_rows), up, torch.zeros_like(up))


def expand(cells: Cells, scores: Tensor, path: Tensor, offsets: Tensor, children: Tensor) -> Cells:
    """A cell for each child of the nodes of ``cells``; a child of several nodes comes several times.

    Args:
        cells: the selected nodes.
        scores: their scores ``[N]``.
        path: log-probabilities of the way down to them, themselves included, ``[N]``.
        offsets: where the children of each node begin, ``[K + 1]``.
        children: the children of all nodes, one after the other.
    """
    start = offsets[cells.node]
    counts = offsets[cells.node + 1] - start
    before = counts.cumsum(0) - counts
    place = torch.arange(int(counts.sum()), device=start.device) + (start - before).repeat_interleave(counts)
    row, up, down = (values.repeat_interleave(counts) for values in (cells.row, scores, path))
    return Cells(row, children[place], up, down)


def merge(parts: list[Cells], num_nodes: int) -> Cells:
    """Several lists of cells as one, sorted, a pair that comes twice once, with the maximum of what is above it."""
    row, node, up, path = (torch.cat([getattr(part, name) for part in parts]) for name in ("row", "node", "up", "path"))
    key, inverse = torch.unique(row * num_nodes + node, return_inverse=True)
    best_up, best_path = (
        value.new_full((len(key),), -float("inf")).scatter_reduce(0, inverse, value, "amax") for value in (up, path)
    )
    return Cells(key // num_nodes, key % num_nodes, best_up, best_path)


def cell_scores(text: Tensor, weight: Tensor, bias: Tensor, cells: Cells, *, sparse: bool = False) -> Tensor:
    r"""Scores of cells, :math:`z_{i,c} = \langle w_c, f_i \rangle + b_c`.

    Weights are read once for each candidate of the batch. All its documents are multiplied with them, which is cheaper
    than to read the weights of each cell, or, where the documents share too few of their candidates, `BLOCK` documents
    at a time are.

    Args:
        text: the documents' vectors ``[B, D]``.
        weight: one row a candidate ``[K, D]``; ``bias`` ``[K, 1]``.
        cells: what to score.
        sparse: whether the gradient of the weights is sparse.

    Shapes:
        - output: ``[N]``, at least float32
    """
    size = max(len(text), 1)
    nodes = torch.unique(cells.node)
    step = size if size * len(nodes) <= SHARED_ROWS * len(cells.row) else BLOCK
    cuts = torch.searchsorted(cells.row, torch.arange(0, size + step, step, device=cells.row.device)).tolist()
    blocks = []
    for number, (start, stop) in enumerate(itertools.pairwise(cuts)):
        rows = text[number * step : (number + 1) * step]
        node, place = torch.unique(cells.node[start:stop], return_inverse=True)
        scores = F.linear(rows, F.embedding(node, weight, sparse=sparse))
        scores = scores + F.embedding(node, bias, sparse=sparse).T  # [rows, nodes]
        blocks.append(scores[cells.row[start:stop] - number * step, place])
    out = torch.cat(blocks)
    return out.to(torch.promote_types(out.dtype, torch.float32))


def select(
    cells: Cells, scores: Tensor, k: int, num_rows: int, *, right: Tensor | None = None, grow: bool = True
) -> tuple[Tensor, Tensor]:
    """The candidates of each document that the next level goes on from: right ones first, then the highest scores.

    Of equals the smaller candidate comes first. That is the order of ``probability + target``, where a right candidate
    is above all wrong ones whatever their probabilities round to.

    Args:
        cells: the candidates.
        scores: their scores ``[N]``.
        k: how many of each document.
        num_rows: number of documents.
        right: which cells are right, bool ``[N]``; None where that is not known.
        grow: take more than ``k`` where more are right.

    Returns:
        Positions of the selected cells, ascending, and how many right ones were not taken.
    """
    order = scores.detach().argsort(descending=True, stable=True)
    group = cells.row if right is None else 2 * cells.row + (~right).long()
    order = order[group[order].argsort(stable=True)]
    count = cells.row.bincount(minlength=num_rows)
    rank = torch.arange(len(order), device=order.device) - (count.cumsum(0) - count)[cells.row[order]]
    limit = torch.full_like(count, k)
    if right is not None and grow:
        limit = limit.maximum(cells.row[right].bincount(minlength=num_rows))
    kept = rank < limit[cells.row[order]]
    cut = torch.zeros((), dtype=torch.long, device=order.device) if right is None else right[order[~kept]].sum()
    return order[kept].sort().values, cut


def is_right(cells: Cells, row: Tensor, node: Tensor, num_nodes: int) -> Tensor:
    """Which cells are among the pairs of ``row`` and ``node`` ``[P]``, bool ``[N]``."""
    return torch.isin(cells.row * num_nodes + cells.node, row * num_nodes + node)


def weigh(scores: Tensor, cells: Cells, kind: CascadeScores) -> Tensor:
    r"""Log-odds of labels, from their scores and what is above them.

    The probability is :math:`\sigma(z)` (``"level"``), that times the parent's (``"weighted"``), or the product of all
    on the way down (``"path"``); of several parents, or ways, the highest counts.
    """
    if kind == "level":
        return scores
    log = F.logsigmoid(scores) + (F.logsigmoid(cells.up) if kind == "weighted" else cells.path)
    log = log.clamp(max=-1e-7)  # of what is certain the odds are infinite
    return log - torch.log(-torch.expm1(log))


def check_scores(kind: str) -> None:
    """Raise an error unless ``kind`` is a :data:`CascadeScores`."""
    if kind not in get_args(CascadeScores):
        raise ConfigError(f"'scores' must be one of {', '.join(get_args(CascadeScores))}, found {kind!r}.")


def padded(cells: Cells, scores: Tensor, num_rows: int) -> tuple[Tensor, Tensor]:
    """Candidates and scores of each document side by side, ``[B, K]``; -1 and minus infinity where it has fewer."""
    count = cells.row.bincount(minlength=num_rows)
    width = int(count.max()) if num_rows else 0
    place = torch.arange(len(cells.row), device=count.device) - (count.cumsum(0) - count)[cells.row]
    labels = cells.node.new_full((num_rows, width), -1)
    out = scores.new_full((num_rows, width), -float("inf"))
    labels[cells.row, place], out[cells.row, place] = cells.node, scores
    return labels, out
