"""A hierarchy cut into connected parts that fit into one sequence."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph


@dataclass(frozen=True)
class Branch:
    """Labels with all their ancestors.

    Attributes:
        labels: ``[n]``, long, ascending.
        edges: ``[2, e]``, long, positions of parent and child in a sequence: label i of the branch is at i + 1, and
            position 0 is the root above the labels without parents.
    """

    labels: Tensor
    edges: Tensor


def cut_branches(graph: LabelGraph, max_labels: int) -> list[Branch]:
    """Connected sub-hierarchies of at most `max_labels` labels; together they hold every label.

    Labels are taken in depth-first order, so siblings and the labels below them stay together. A label is there with
    all its ancestors, through every parent, so that an ancestor may be in many branches.

    Args:
        graph: The hierarchy.
        max_labels: Labels of a branch, ancestors included.

    Raises:
        ConfigError: A label has too many ancestors.

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("a", "d")])
        >>> [branch.labels.tolist() for branch in cut_branches(graph, 3)]
        [[0, 1, 2], [0, 3]]
    """
    if graph.num_labels <= max_labels:
        return [_branch(graph, set(range(graph.num_labels)))]
    ancestors, found = graph.ancestors, []
    held: set[int] = set()
    for label in _depth_first(graph):
        above = ancestors.indices[ancestors.indptr[label] : ancestors.indptr[label + 1]].tolist()
        if len(above) >= max_labels:
            raise ConfigError(
                f"'max_labels' must be above {len(above)}, the number of ancestors of the label "
                f"'{graph.label_id[label]}', found {max_labels}. Raise it."
            )
        wanted = {label, *above}
        if len(held | wanted) > max_labels:
            found.append(_branch(graph, held))
            held = set()
        held |= wanted
    return [*found, _branch(graph, held)]


def _depth_first(graph: LabelGraph) -> Iterator[int]:
    """Every label once, children behind the parent that comes to them first."""
    seen = np.zeros(graph.num_labels, dtype=bool)
    waiting = graph.roots[::-1].tolist()
    children = graph.children
    while waiting:
        label = waiting.pop()
        if not seen[label]:
            seen[label] = True
            yield label
            waiting.extend(children.indices[children.indptr[label] : children.indptr[label + 1]][::-1].tolist())


def _branch(graph: LabelGraph, held: set[int]) -> Branch:
    labels = np.array(sorted(held), dtype=np.int64)
    links = graph.parents[labels][:, labels].tocoo()  # row: child, column: parent
    roots = np.flatnonzero(np.diff(graph.parents.indptr)[labels] == 0)
    parents = np.concatenate([links.col + 1, np.zeros(len(roots), dtype=np.int64)])
    children = np.concatenate([links.row, roots]) + 1
    return Branch(torch.from_numpy(labels), torch.from_numpy(np.stack([parents, children]).astype(np.int64)))


def leaf_groups(graph: LabelGraph, *, slip: bool = False) -> Tensor:
    """Which labels are a target together when both are masked, long ``[L]``: leaves with the same parents.

    A masked leaf sees its parents alone, so those of the same parents cannot be told apart (HBGL, section 3.2). An
    inner label is a group of its own.

    Args:
        graph: The hierarchy.
        slip: The published program, which looks up the label before instead.

    Example:
        >>> leaf_groups(LabelGraph.from_edges([("a", "b"), ("a", "c")])).tolist()
        [0, 1, 1]
    """
    parents = graph.parents
    inner = np.diff(graph.children.indptr) > 0
    first: dict[tuple[int, ...], int] = {}
    groups = np.arange(graph.num_labels)
    for label in np.flatnonzero(~inner).tolist():
        key = tuple(parents.indices[parents.indptr[label] : parents.indptr[label + 1]].tolist())
        groups[label] = first.setdefault(key, label)
    if slip:
        leaves = ~np.concatenate([[True], inner[:-1]])
        shifted = np.concatenate([[0], groups[:-1]]) + graph.num_labels
        groups = np.where(leaves, shifted, np.arange(graph.num_labels))
    return torch.from_numpy(groups.astype(np.int64))
