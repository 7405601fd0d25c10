"""The labels that a training step on a large hierarchy looks at."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph


class LabelShortlist(NamedTuple):
    """Some labels, which stand for all."""

    labels: Tensor
    """Their ids, sorted, each once, ``[S]``."""
    importance: Tensor
    """How many labels each of them stands for, ``[S]`` (float32); all together they are the number of labels."""


class ShortlistSampler(nn.Module):
    r"""Chooses one shortlist of labels for all documents of a batch.

    It holds the labels of the documents, the negatives mined for them, some of their siblings, and, so that every other
    label has its chance, labels drawn uniformly from the rest. With :math:`R` labels in the rest and :math:`m` of them
    drawn without repetition, each drawn one stands for :math:`R / m` labels and the others for themselves. A sum over
    labels that is weighted so is an unbiased estimate of the sum over all labels, whatever the first three kinds are:

    .. math:: \mathbb{E} \Big[ \sum_{l \in S} w_l \, x_l \Big] = \sum_{l=1}^{L} x_l, \qquad
        w_l = \begin{cases} R / m & l \text{ drawn} \\ 1 & \text{else} \end{cases}

    Time and memory of a call are those of the shortlist, not of the hierarchy. In training the numbers come from
    torch's own state, which checkpoints carry; in evaluation mode the draw is the same for the same labels.

    Args:
        graph: the hierarchy.
        random: how many labels of the rest are drawn; all of them where there are no more (default 1024).
        siblings: how many siblings are drawn for each label of the documents, with repetition: a parent of it, then a
            child of that parent. Roots are siblings of each other (default 4).

    Shapes:
        - labels and mined: label ids of any shape (long), -1 where there is none
        - output: labels and importance ``[S]``

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("a", "d"), ("d", "e")])
        >>> shortlist = ShortlistSampler(graph, random=1, siblings=0)(torch.tensor([[0, 1], [0, -1]]))
        >>> len(shortlist.labels), sorted(shortlist.importance.tolist())
        (3, [1.0, 1.0, 3.0])
    """

    parent_starts: Tensor
    parent: Tensor
    child_starts: Tensor
    child: Tensor

    def __init__(self, graph: LabelGraph, *, random: int = 1024, siblings: int = 4) -> None:
        super().__init__()
        for name, value, least in (("random", random, 1), ("siblings", siblings, 0)):
            if value < least:
                raise ConfigError(f"'{name}' must be at least {least}, but got {value}.")
        self.num_labels, self.random, self.siblings = graph.num_labels, random, siblings
        # Above the roots one more node, whose number is that of the labels: with it each label has a parent.
        child, parent = graph.parents.nonzero()
        child = np.concatenate([child, graph.roots])
        parent = np.concatenate([parent, np.full(len(graph.roots), graph.num_labels)])
        size = graph.num_labels + 1
        up = sp.csr_matrix((np.ones(len(child), dtype=bool), (child, parent)), shape=(size, size))
        for name, relation in (("parent", up), ("child", up.T.tocsr())):
            self.register_buffer(f"{name}_starts", torch.from_numpy(relation.indptr.astype(np.int64)), persistent=False)
            self.register_buffer(name, torch.from_numpy(relation.indices.astype(np.int64)), persistent=False)

    @torch.no_grad()
    def forward(self, labels: Tensor, mined: Tensor | None = None) -> LabelShortlist:
        """The shortlist of a batch whose documents have ``labels``, with hard negatives ``mined``."""
        generator = None if self.training else torch.Generator(self.child.device).manual_seed(0)
        own = labels[labels >= 0].unique()
        parts = [own, self._siblings(own, generator)]
        if mined is not None:
            parts.append(mined[mined >= 0])
        known = torch.cat(parts).unique()
        rest = self.num_labels - len(known)
        drawn = draw_others(known, self.num_labels, self.random, generator)
        chosen, order = torch.cat([known, drawn]).sort()
        importance = torch.ones(len(chosen), device=chosen.device)
        importance[len(known) :] = rest / max(len(drawn), 1)
        return LabelShortlist(chosen, importance[order])

    def _siblings(self, labels: Tensor, generator: torch.Generator | None) -> Tensor:
        """For each label as many random children of random parents as are asked for; some may be itself."""
        labels = labels.repeat_interleave(self.siblings)
        parent = _pick(labels, self.parent_starts, self.parent, generator)
        return _pick(parent, self.child_starts, self.child, generator)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_labels={self.num_labels}, random={self.random}, siblings={self.siblings})"


def draw_others(known: Tensor, num_labels: int, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Labels drawn uniformly without repetition from those that are not ``known``; all where there are no more.

    Args:
        known: label ids, sorted, each once.
        num_labels: the number of labels ``L``.
        count: how many to draw.
        generator: source of random numbers on the device of ``known``; torch's own state by default.

    Shapes:
        - known ``[F]``
        - output ``[min(count, L - F)]``

    Example:
        >>> draw_others(torch.tensor([0, 2]), num_labels=5, count=9).sort().values
        tensor([1, 3, 4])
    """
    rest, device = num_labels - len(known), known.device
    if count >= rest:
        ranks = torch.arange(rest, device=device)
    elif 2 * count >= rest:
        ranks = torch.randperm(rest, generator=generator, device=device)[:count]
    else:
        # What is drawn twice is drawn anew. All sets of the wanted size stay equally likely.
        ranks = torch.empty(0, dtype=torch.long, device=device)
        while len(ranks) < count:
            more = torch.randint(rest, (count - len(ranks),), generator=generator, device=device)
            ranks = torch.cat([ranks, more]).unique()
    # Rank r among the others is label r plus the number of known labels before it.
    before = known - torch.arange(len(known), device=device)
    return ranks + torch.searchsorted(before, ranks, right=True)


def _pick(nodes: Tensor, starts: Tensor, others: Tensor, generator: torch.Generator | None) -> Tensor:
    """One related node for each of ``nodes``; each of them must have some."""
    degree = starts[nodes + 1] - starts[nodes]
    # In double precision: single numbers cannot name each of many million children.
    share = torch.rand(len(nodes), generator=generator, device=nodes.device, dtype=torch.float64)
    return others[starts[nodes] + (share * degree).long().minimum(degree - 1)]
