"""The part of a hierarchy that some labels hear of in a few layers."""

from typing import NamedTuple

import torch
from torch import Tensor

from hgraph.errors import ConfigError


class LabelSubgraph(NamedTuple):
    """Some labels and their neighbourhoods, hop by hop.

    The labels come in the order in which they were found, so that everything within ``h`` hops is a prefix, and so are
    the edges into it. Layer ``k`` of ``K`` reads the first ``num_nodes[K - k]`` labels and the first
    ``num_edges[K - 1 - k]`` edges, and gives the first ``num_nodes[K - 1 - k]`` labels.
    """

    nodes: Tensor
    """The labels, those that were asked for first, ``[n]``."""
    edge_index: Tensor
    """Edges from source to target as places in `nodes`, ``[2, e]``."""
    edges: Tensor
    """The numbers of these edges in the list of all edges, ``[e]``."""
    num_nodes: list[int]
    """How many labels there are within 0, 1, ... hops."""
    num_edges: list[int]
    """How many edges lead to labels within 0, 1, ... hops."""


class NeighbourSampler:
    """Finds the labels that some labels listen to, their neighbours, and so on.

    Args:
        edge_index: edges from source to target, in any order.
        num_labels: the number of labels ``L``.
        fan_out: the largest number of edges to follow from a label; where it has more, as many are drawn at each call.
            Without (default), all are followed, and layers on the subgraph give exactly what they give on the whole
            graph.
        seed: of the draws (default 0).

    Shapes:
        - edge_index ``[2, E]``

    Time and memory of a call are those of the edges it looks at; the list of all edges is sorted once. Batches of
    :class:`torch_geometric.loader.NeighborLoader` have the same order of labels and edges, from workers and a sampler
    in C++ (``pyg-lib``); this one needs nothing but PyTorch, and knows the numbers of the edges, whose states are at
    stake.

    Example:
        >>> edge_index = torch.tensor([[1, 2, 3, 0, 0], [0, 0, 2, 1, 2]])
        >>> subgraph = NeighbourSampler(edge_index, num_labels=4)(torch.tensor([1]), hops=2)
        >>> subgraph.nodes, subgraph.num_nodes
        (tensor([1, 0, 2]), [1, 2, 3])
        >>> subgraph.edge_index, subgraph.num_edges
        (tensor([[1, 0, 2],
                [0, 1, 1]]), [1, 3])
    """

    def __init__(self, edge_index: Tensor, num_labels: int, *, fan_out: int | None = None, seed: int = 0) -> None:
        if fan_out is not None and fan_out < 1:
            raise ConfigError(f"'fan_out' must be at least 1 or None, but got {fan_out}.")
        source, target = edge_index
        self.num_labels, self.fan_out, self.source = num_labels, fan_out, source
        in_order = bool((target[1:] >= target[:-1]).all())
        self.by_target = None if in_order else target.argsort(stable=True)
        self.degree = torch.bincount(target, minlength=num_labels)
        self.first = self.degree.cumsum(0) - self.degree
        # Where a label is in `nodes`; between calls -1 everywhere, so that a call touches only what it finds.
        self.place = torch.full((num_labels,), -1, device=source.device)
        self.generator = torch.Generator(source.device).manual_seed(seed)

    @property
    def device(self) -> torch.device:
        """Where the edges are."""
        return self.source.device

    @torch.compiler.disable
    def __call__(self, labels: Tensor, hops: int) -> LabelSubgraph:
        """The neighbourhood of ``labels`` ``[S]`` (without repetitions) up to ``hops`` edges away."""
        if labels.dim() != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
            raise ConfigError(f"'labels' must be integers of shape [S], but got {labels.dtype} {list(labels.shape)}.")
        labels = labels.to(self.device, torch.long)
        outside = labels[(labels < 0) | (labels >= self.num_labels)]
        if len(outside):
            raise ConfigError(f"'labels' must be from 0 to {self.num_labels - 1}, but got {int(outside[0])}.")
        nodes, edges, targets = [labels], [labels[:0]], [labels[:0]]
        num_nodes: list[int] = [len(labels)]
        num_edges: list[int] = []
        try:
            self.place[labels] = self._arange(0, len(labels))
            if not torch.equal(self.place[labels], self._arange(0, len(labels))):
                raise ConfigError("'labels' must not hold a label twice: pass labels.unique().")
            for _ in range(hops):
                chosen, of = self._edges_into(nodes[-1])
                edges.append(chosen)
                targets.append(of + num_nodes[-1] - len(nodes[-1]))
                sources = self.source[chosen]
                found = sources[self.place[sources] < 0].unique()
                self.place[found] = self._arange(num_nodes[-1], len(found))
                nodes.append(found)
                num_nodes.append(num_nodes[-1] + len(found))
                num_edges.append(len(chosen) + (num_edges[-1] if num_edges else 0))
            all_nodes, all_edges = torch.cat(nodes), torch.cat(edges)
            edge_index = torch.stack([self.place[self.source[all_edges]], torch.cat(targets)])
        finally:
            for found in nodes:
                self.place[found] = -1
        return LabelSubgraph(all_nodes, edge_index, all_edges, num_nodes, num_edges)

    def _edges_into(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The edges into ``labels``, and the place among these that each leads to."""
        degree = self.degree[labels]
        of = self._arange(0, len(labels)).repeat_interleave(degree)
        rank = self._arange(0, len(of)) - (degree.cumsum(0) - degree)[of]
        places = self.first[labels][of] + rank
        if self.fan_out is not None and bool((degree > self.fan_out).any()):
            # A random order within each label: by random numbers first, then stably by label.
            shuffled = torch.rand(len(of), generator=self.generator, device=self.device).argsort()
            shuffled = shuffled[of[shuffled].argsort(stable=True)]
            kept = shuffled[rank < self.fan_out].sort().values
            places, of = places[kept], of[kept]
        return (places if self.by_target is None else self.by_target[places]), of

    def _arange(self, start: int, length: int) -> Tensor:
        return torch.arange(start, start + length, device=self.device)


def label_subgraph(
    edge_index: Tensor, num_labels: int, labels: Tensor, hops: int, *, fan_out: int | None = None, seed: int = 0
) -> LabelSubgraph:
    """The neighbourhood of ``labels``, once; see :class:`NeighbourSampler`, which sorts the edges once for many calls.

    Example:
        >>> edge_index = torch.tensor([[1, 2, 3], [0, 1, 2]])
        >>> label_subgraph(edge_index, 4, torch.tensor([0]), hops=2).nodes
        tensor([0, 1, 2])
    """
    return NeighbourSampler(edge_index, num_labels, fan_out=fan_out, seed=seed)(labels, hops)
