"""All shortest paths from some labels of a hierarchy to all others, as steps from pair to pair."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hgraph.nn.encodings.label_structure import LabelStructure
from hgraph.nn.encodings.ranges import ranges


class PathSteps(NamedTuple):
    """The last steps of the shortest paths of one length.

    The shortest paths from ``i`` to ``j`` come through some neighbours ``u`` of ``j``; each is a step from the pair
    ``(i, u)`` to the pair ``(i, j)``. A pair is the number ``row of i * (L + 1) + j``.
    """

    source: Tensor
    """The pair ``(i, u)``, ``[steps]``."""
    target: Tensor
    """The pair ``(i, j)``, ``[steps]``."""
    edge: Tensor
    """The number of the edge between ``u`` and ``j``, ``[steps]``."""
    share: Tensor
    """The share of the shortest paths from ``i`` to ``j`` that come through ``u``, ``[steps]`` (float64)."""


class PathSearch(NamedTuple):
    """The neighbours of each label of a hierarchy, and of the virtual root ``L`` above all roots.

    Example:
        >>> from hgraph.nn.encodings import LabelStructure
        >>> search = PathSearch.of(LabelStructure(torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]]), num_labels=4))
        >>> [steps.share.tolist() for steps in search.steps(3, 4)]  # two ways lead from label 3 to label 0
        [[1.0, 1.0], [0.5, 0.5], [1.0]]
        >>> search.distance(3, 4, max_distance=20)
        tensor([[2, 1, 1, 0]], dtype=torch.int32)
    """

    first: Tensor
    """Where the neighbours of each node begin, ``[L + 1]``."""
    degree: Tensor
    """How many they are, ``[L + 1]``."""
    neighbour: Tensor
    """The neighbours, ``[2 (L + extra edges)]``."""
    edge: Tensor
    """The number of the edge to each neighbour (:attr:`LabelStructure.edge_number`), of the same shape."""
    ends: Tensor
    """Parent and child of each edge, in the order of the numbers, ``[2, L + extra edges]``."""

    @classmethod
    def of(cls, graph: Any) -> "PathSearch":
        """The search in a hierarchy, given as to :meth:`LabelStructure.of`; a `PathSearch` is returned as it is."""
        if isinstance(graph, PathSearch):
            return graph
        structure = LabelStructure.of(graph)
        structure.level  # noqa: B018 (finds cycles)
        roots = structure.roots
        number = torch.cat([structure.edge_number, roots])
        above = torch.cat([structure.edge_index[0], torch.full_like(roots, structure.num_labels)])
        below = torch.cat([structure.edge_index[1], roots])
        source, neighbour = torch.cat([above, below]), torch.cat([below, above])
        order = torch.argsort(source, stable=True)
        degree = torch.bincount(source, minlength=structure.num_labels + 1)
        ends = torch.stack([above, below])[:, torch.argsort(number)]
        return cls(degree.cumsum(0) - degree, degree, neighbour[order], number.repeat(2)[order], ends)

    @property
    def num_labels(self) -> int:
        """The number of labels ``L``."""
        return len(self.degree) - 1

    def to(self, device: torch.device) -> "PathSearch":
        """The same on a device."""
        return PathSearch(*(tensor.to(device) for tensor in self))

    def distance(self, start: int, stop: int, *, max_distance: int) -> Tensor:
        """Hop distances from the labels ``start`` to ``stop - 1`` to all, int32 ``[stop - start, L]``.

        Farther labels are `max_distance` away, as in :func:`hierarchy_distance`. One product with the sparse matrix of
        neighbours finds all pairs one hop farther apart, which is several times as fast as to follow :meth:`steps`.
        """
        num_nodes, device = self.num_labels + 1, self.first.device
        source = torch.arange(num_nodes, device=device).repeat_interleave(self.degree)
        ones = torch.ones(len(source), device=device)
        adjacency = torch.sparse_coo_tensor(
            torch.stack([source, self.neighbour]), ones, (num_nodes, num_nodes), check_invariants=False
        )
        distance = self.own_distance(start, stop, others=max_distance).t().contiguous()  # [L + 1, rows]
        frontier = distance == 0
        for length in range(1, max_distance):
            frontier = (torch.sparse.mm(adjacency, frontier.float()) > 0) & (distance == max_distance)
            if not frontier.any():
                break
            distance.masked_fill_(frontier, length)
        return distance[:-1].t()

    def own_distance(self, start: int, stop: int, *, others: int) -> Tensor:
        """0 from each label to itself, `others` to all others and to the virtual root, int32 ``[rows, L + 1]``."""
        distance = torch.full((stop - start, self.num_labels + 1), others, dtype=torch.int32, device=self.first.device)
        return distance.diagonal_scatter(distance.new_zeros(stop - start), offset=start)

    def steps(self, start: int, stop: int, *, max_distance: int | None = None) -> Iterator[PathSteps]:
        """The steps of the shortest paths from the labels ``start`` to ``stop - 1``, of length 1, of length 2, ...

        Time and memory are those of the answer times the mean degree. Numbers of paths are float64, exact below
        2**53 paths and close to it above.

        Args:
            start: the first label.
            stop: the label after the last.
            max_distance: leave out longer paths; None for all.
        """
        num_nodes = self.num_labels + 1
        rows = torch.arange(stop - start, device=self.first.device)
        pair = rows * num_nodes + rows + start
        ways = torch.zeros(len(rows) * num_nodes, dtype=torch.float64, device=pair.device)
        ways[pair] = 1
        owner, length = torch.empty_like(ways, dtype=torch.int32), 0
        while max_distance is None or length < max_distance:
            node = pair % num_nodes
            count = self.degree[node]
            place = ranges(self.first[node], count)
            source = pair.repeat_interleave(count)
            target = (pair - node).repeat_interleave(count) + self.neighbour[place]
            new = ways[target] == 0
            source, target, edge = source[new], target[new], self.edge[place[new]]
            if not len(target):
                return
            ways.index_add_(0, target, ways[source])
            yield PathSteps(source, target, edge, ways[source] / ways[target])
            # Of the steps to the same pair one stays, whichever was written last: the pairs without a sort.
            number = torch.arange(len(target), dtype=torch.int32, device=pair.device)
            owner[target] = number
            pair, length = target[owner[target] == number], length + 1
