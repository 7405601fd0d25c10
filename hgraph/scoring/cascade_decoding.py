"""The walk of a cascade down the levels: candidates, their scores, the best of them, their children."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.scoring.cascade_functional import (
    CascadeScores,
    Cells,
    all_cells,
    cell_scores,
    expand,
    is_right,
    merge,
    padded,
    select,
    weigh,
)

Pairs = tuple[Tensor, Tensor]
"""Documents and nodes of some pairs, long ``[P]`` each."""


@dataclass(frozen=True)
class ScoredCells:
    """The candidates of one level.

    Shapes (N cells):
        - cells: the pairs; scores: ``[N]``
        - right: which are right, bool ``[N]``, or None where that is not known
        - own: which have weights of their own, bool ``[N]``, or None for all
        - cut: how many right ones were not selected, a number
    """

    cells: Cells
    scores: Tensor
    right: Tensor | None = None
    own: Tensor | None = None
    cut: Tensor | None = None


class CascadeDecoding:
    r"""What a cascade does, trained or frozen: CascadeXML (`NeurIPS 2022 <https://arxiv.org/abs/2211.00640>`_, section 3).

    On level :math:`t` candidates :math:`c` are scored by a vector :math:`f_t` of the document that is made for the
    level, :math:`z_c = \langle w_c, f_t \rangle + b_c`. The children of the :math:`k_t` best are the candidates of the next
    level; all nodes of level 0 are candidates. Labels are scored last, by :math:`f_T`, each once, whichever selected
    nodes they hang from.

    Attributes:
        num_labels: number of labels L.
        channels: width D of a document vector.
        sizes: number of inner nodes of each level.
        sources: for each level, the labels' last, the vectors of a document that it reads.
        topk: how many nodes of each level are selected.
        scores: how a label's probability follows from the scores on the way down.
        aliases: whether a level has nodes without weights of their own.
    """  # noqa: E501

    num_labels: int
    channels: int
    sizes: list[int]
    sources: list[list[int]]
    topk: list[int]
    scores: CascadeScores
    aliases: list[bool]
    roots: Tensor

    def table(self, level: int) -> tuple[Tensor, Tensor]:
        """Weights ``[K, D]`` and biases ``[K, 1]`` of a level; behind the last level, those of the labels."""
        raise NotImplementedError

    def feature(self, text: Tensor, level: int) -> Tensor:
        """The vector of a level ``[B, D]`` from all vectors of the documents ``[B, S, D]``."""
        raise NotImplementedError

    def structure(self, name: str, level: int) -> Tensor:
        """One of the arrays of the hierarchy."""
        array: Tensor = getattr(self, f"{name}_{level}")
        return array

    def walk(self, text: Tensor, right: Sequence[Pairs] | None = None, *, grow: bool = True) -> list[ScoredCells]:
        """Candidates and scores of all levels, the labels' last.

        Args:
            text: ``[B, S, D]``.
            right: the right nodes of each level, the labels' last; each level goes on from them first.
            grow: select all right ones of a document, even where they are more than `topk`.
        """
        self.check_text(text)
        size, levels = len(text), []
        parts = [all_cells(size, self.roots, text)]
        cells = None
        for level, nodes in enumerate(self.sizes):
            if cells is None:
                cells = all_cells(size, torch.arange(nodes, device=text.device), text)
            scores, own = self._inner_scores(text, level, cells)
            target = None if right is None else is_right(cells, *right[level], nodes)
            chosen, cut = select(cells, scores, self.topk[level], size, right=target, grow=grow)
            levels.append(ScoredCells(cells, scores, target, own, cut))
            kept, found = _take(cells, chosen), scores.detach()[chosen].to(cells.up.dtype)
            step = F.logsigmoid(found)
            path = kept.path + (step if own is None else torch.where(own[chosen], step, 0.0))
            below = [(self.structure(f"{name}_offsets", level), self.structure(name, level)) for name in CHILDREN]
            parts.append(expand(kept, found, path, *below[0]))
            if level + 1 < len(self.sizes):
                cells = merge([expand(kept, found, path, *below[1])], self.sizes[level + 1])
        cells = merge(parts, self.num_labels)
        scores = self._scores(text, len(self.sizes), cells)
        target = None if right is None else is_right(cells, *right[-1], self.num_labels)
        return [*levels, ScoredCells(cells, scores, target)]

    def shortlist(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Candidate labels of each document and their log-odds, ``[B, K]`` each.

        Documents with fewer candidates than others are filled up with -1 and minus infinity. A label that is no
        candidate has no score.
        """
        last = self.walk(text)[-1]
        return padded(last.cells, weigh(last.scores, last.cells, self.scores), len(text))

    def label_scores(self, text: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Scores of every label ``[B, L]``, or of given ``candidates`` ``[B, K]``, without the levels above."""
        self.check_text(text)
        weight, bias = self.table(len(self.sizes))
        vector = self.feature(text, len(self.sizes))
        if candidates is None:
            return F.linear(vector, weight, bias.squeeze(1))
        scores = (F.embedding(candidates, weight) @ vector.unsqueeze(-1)).squeeze(-1)
        return scores + F.embedding(candidates, bias).squeeze(-1)

    def check_text(self, text: Tensor) -> None:
        """Raise an error unless ``text`` holds the vectors that the levels read."""
        count = 1 + max(max(group) for group in self.sources)
        if text.dim() != 3 or text.shape[1:] != (count, self.channels):
            raise ConfigError(
                f"'text' must hold the vectors that the levels read, shape [B, {count}, {self.channels}], but got "
                f"{list(text.shape)}."
            )

    def _inner_scores(self, text: Tensor, level: int, cells: Cells) -> tuple[Tensor, Tensor | None]:
        """Scores of the candidates of a level, and which have weights of their own; the others take the parent's."""
        if not self.aliases[level]:
            return self._scores(text, level, cells), None
        rows = self.structure("table_row", level)[cells.node]
        own = rows >= 0
        scores = self._scores(text, level, Cells(cells.row[own], rows[own], cells.up[own], cells.path[own]))
        return cells.up.to(scores.dtype).masked_scatter(own, scores), own

    def _scores(self, text: Tensor, level: int, cells: Cells) -> Tensor:
        weight, bias = self.table(level)
        return cell_scores(self.feature(text, level), weight, bias, cells, sparse=self.sparse_gradients)

    sparse_gradients: bool = False


CHILDREN = ("label", "inner")


def _take(cells: Cells, chosen: Tensor) -> Cells:
    return Cells(cells.row[chosen], cells.node[chosen], cells.up[chosen], cells.path[chosen])
