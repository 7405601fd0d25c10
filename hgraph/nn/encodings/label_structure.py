"""What follows from the edges of a label hierarchy: levels, depths, ancestors, a depth-first order."""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.nn.encodings.edge_checks import check_edges, cycle_error
from hgraph.nn.encodings.hop_distance import hierarchy_distance
from hgraph.nn.encodings.ranges import ranges

MAX_ANCESTOR_ENTRIES = 200_000_000
"""Entries of the table of ancestors (int32, so 0.8 GB) above which it is refused."""


class LabelStructure:
    r"""What follows from the edges of a hierarchy; each property is computed on first use, kept and shared.

    Label encoders ask for levels, ancestors and orders of the same graph. One structure handed to all of them computes
    each once. All tensors are on the CPU.

    Some properties read a hierarchy with several parents as the forest of first parents, in the order of the edges.
    These need no walk level by level: a sum along the way up to the root takes :math:`\log_2` of the depth steps, each
    of which doubles the part of the way that is summed. A chain of a million labels is no special case.

    Args:
        edge_index: edges from parent to child, in any order; label ids need not follow the hierarchy.
        num_labels: the number of labels ``L``.

    Raises:
        TaxonomyError: an edge leads to a label that is not there, occurs twice, or is part of a cycle. Cycles are found
            when `level`, `depth` or a property that needs them is first asked for.

    Shapes:
        - edge_index ``[2, E]``

    Example:
        >>> structure = LabelStructure(torch.tensor([[0, 0, 1], [1, 2, 3]]), num_labels=5)
        >>> structure.level
        tensor([1, 2, 2, 3, 1])
        >>> structure.ancestors
        tensor([[ 0, -1, -1],
                [ 0,  1, -1],
                [ 0,  2, -1],
                [ 0,  1,  3],
                [ 4, -1, -1]], dtype=torch.int32)
        >>> structure.order, structure.subtree_end
        (tensor([0, 1, 3, 2, 4]), tensor([4, 3, 4, 3, 5]))
    """

    def __init__(self, edge_index: Tensor, num_labels: int) -> None:
        if edge_index.dim() != 2 or edge_index.shape[0] != 2 or edge_index.is_floating_point():
            raise ConfigError(
                f"'edge_index' must be integers of shape [2, E], but got {edge_index.dtype} "
                f"of shape {list(edge_index.shape)}."
            )
        if num_labels < 0:
            raise ConfigError(f"'num_labels' must be at least 0, but got {num_labels}.")
        self.num_labels = num_labels
        self.edge_index = edge_index.detach().to("cpu", torch.long)
        check_edges(self.edge_index, num_labels)

    @classmethod
    def of(cls, graph: Any) -> "LabelStructure":
        """The structure of `graph`: a structure itself, or anything with `edge_index` and `num_nodes`."""
        if isinstance(graph, cls):
            return graph
        edge_index, num_nodes = getattr(graph, "edge_index", None), getattr(graph, "num_nodes", None)
        if edge_index is None or num_nodes is None:
            raise ConfigError(
                "'graph' must be a LabelStructure or have 'edge_index' and 'num_nodes', "
                f"but got {type(graph).__name__} without them."
            )
        return cls(edge_index, int(num_nodes))

    @property
    def is_tree(self) -> bool:
        """Whether no label has two parents (a forest counts as a tree: its roots hang from one virtual root)."""
        return bool((self.in_degree < 2).all())

    @cached_property
    def in_degree(self) -> Tensor:
        """The number of parents of each label, ``[L]``."""
        return torch.bincount(self.edge_index[1], minlength=self.num_labels)

    @cached_property
    def out_degree(self) -> Tensor:
        """The number of children of each label, ``[L]``."""
        return torch.bincount(self.edge_index[0], minlength=self.num_labels)

    @cached_property
    def roots(self) -> Tensor:
        """The labels without parents, ascending."""
        return (self.in_degree == 0).nonzero().squeeze(1)

    @cached_property
    def parent(self) -> Tensor:
        """The first parent of each label in the order of the edges, ``[L + 1]``.

        Roots, and the virtual root ``L`` that closes the tensor, have ``L``.
        """
        parents, children = self.edge_index
        first = torch.full((self.num_labels + 1,), len(parents))
        first.scatter_reduce_(0, children, torch.arange(len(parents)), reduce="amin")
        return torch.cat([parents, parents.new_tensor([self.num_labels])])[first]

    @cached_property
    def edge_number(self) -> Tensor:
        """The number of each edge in tables with one row an edge, ``[E]``.

        The edge from the first parent of a label has the number of the label, as every edge of a tree has; numbers of
        roots stand for the edges from the virtual root. Edges from further parents follow, in their order.
        """
        parents, children = self.edge_index
        is_first = self.parent[children] == parents
        return torch.where(is_first, children, self.num_labels - 1 + (~is_first).cumsum(0))

    @property
    def num_edge_numbers(self) -> int:
        """Rows of a table with one row an edge: the labels, and the edges from further parents."""
        return self.edge_index.shape[1] + len(self.roots)

    @cached_property
    def level(self) -> Tensor:
        """1 + the number of edges on the longest path from a root, ``[L]``; a parent is on a lower level."""
        return self.depth if self.is_tree else self._longest_paths()

    @cached_property
    def depth(self) -> Tensor:
        """The number of labels from the root down to each label along first parents, ``[L]``; roots have 1."""
        return self._sum_to_root(torch.ones(self.num_labels, dtype=torch.long))

    @cached_property
    def ancestors(self) -> Tensor:
        """The way from the root to each label along first parents, ``[L, max(depth)]`` (int32).

        Column ``t`` holds the ancestor at depth ``t + 1`` (the label itself at its own depth), -1 below the label. Two
        labels share as many ancestors as their rows have equal leading entries.
        """
        deepest = int(self.depth.max()) if self.num_labels else 0
        if self.num_labels * deepest > MAX_ANCESTOR_ENTRIES:
            raise ConfigError(
                f"'ancestors' must have at most {MAX_ANCESTOR_ENTRIES} entries, but got {self.num_labels} labels x "
                f"{deepest} levels. Collapse chains of only children, or use edges with 'max_ancestors'."
            )
        table = torch.full((self.num_labels, deepest), -1, dtype=torch.int32)
        label = above = torch.arange(self.num_labels)
        while len(label):
            table[label, self.depth[above] - 1] = above.int()
            above = self.parent[above]
            below_root = above < self.num_labels
            label, above = label[below_root], above[below_root]
        return table

    @cached_property
    def subtree_size(self) -> Tensor:
        """The number of labels at and below each label along first parents, ``[L]``."""
        rounds = _doublings(int(self.depth.max()) if self.num_labels else 0)
        size = torch.ones(self.num_labels + 1, dtype=torch.long)
        up = self.parent
        for _ in range(rounds):
            size = size.index_add(0, up, size)
            size[-1] = 0  # what reaches the virtual root must not be counted again
            up = up[up]
        return size[:-1]

    @cached_property
    def order(self) -> Tensor:
        """All labels in depth-first order along first parents, children by their number, ``[L]``.

        The labels at and below label ``l`` are ``order[position[l] : subtree_end[l]]``.
        """
        return torch.empty_like(self.position).scatter_(0, self.position, torch.arange(self.num_labels))

    @cached_property
    def position(self) -> Tensor:
        """The place of each label in `order`, ``[L]``."""
        by_parent = torch.argsort(self.parent[:-1], stable=True)
        size, parent = self.subtree_size[by_parent], self.parent[by_parent]
        before = size.cumsum(0) - size
        first_child = torch.searchsorted(parent, parent)
        # One step past the parent, and past the subtrees of the siblings before.
        step = torch.empty_like(size).scatter_(0, by_parent, before - before[first_child] + 1)
        return self._sum_to_root(step) - 1

    @cached_property
    def subtree_end(self) -> Tensor:
        """The place in `order` after the last label below each label, ``[L]``."""
        return self.position + self.subtree_size

    def distance(self, max_distance: int) -> Tensor:
        """Hop distances between all labels, ``[L, L]`` (long); see :func:`hierarchy_distance`. Not kept."""
        return hierarchy_distance(self.edge_index, self.num_labels, max_distance=max_distance)

    def _sum_to_root(self, value: Tensor) -> Tensor:
        """For each label, the sum of `value` over it and its ancestors along first parents."""
        total, up = torch.cat([value, value.new_zeros(1)]), self.parent
        for _ in range(_doublings(self.num_labels)):
            if bool((up == self.num_labels).all()):
                return total[:-1]
            total, up = total + total[up], up[up]
        stuck = (up < self.num_labels).nonzero().squeeze(1)
        if len(stuck):
            raise cycle_error(self.parent, int(stuck[0]))
        return total[:-1]

    def _longest_paths(self) -> Tensor:
        """Levels where labels have several parents: a label is ready one level after the last of its parents."""
        by_parent = torch.argsort(self.edge_index[0], stable=True)
        children = self.edge_index[1][by_parent]
        start = self.out_degree.cumsum(0) - self.out_degree
        waiting, level = self.in_degree.clone(), torch.zeros(self.num_labels, dtype=torch.long)
        ready, number = self.roots, 1
        while len(ready):
            level[ready] = number
            below = children[ranges(start[ready], self.out_degree[ready])]
            waiting.index_add_(0, below, torch.full_like(below, -1))
            ready, number = below[waiting[below] == 0].unique(), number + 1
        if bool((level == 0).any()):
            raise self._cycle_among(level == 0)
        return level

    def _cycle_among(self, waiting: Tensor) -> TaxonomyError:
        """The error for labels that wait for each other: each has a parent among them."""
        parents, children = self.edge_index
        inner = waiting[parents] & waiting[children]
        parent = torch.zeros(self.num_labels, dtype=torch.long).scatter_(0, children[inner], parents[inner])
        return cycle_error(parent, int(waiting.nonzero()[0]))


def _doublings(length: int) -> int:
    """How often 1 must be doubled to be at least `length`."""
    return max(length - 1, 0).bit_length()
