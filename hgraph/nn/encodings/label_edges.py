"""Who listens to whom when labels do not listen to all others: a typed list of edges."""

from enum import IntEnum
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.nn.encodings.family_edges import child_edges, first_of_each_target, sibling_edges
from hgraph.nn.encodings.label_structure import LabelStructure
from hgraph.nn.encodings.reachable_pairs import reachable_pairs

MAX_EDGES = 100_000_000
"""Most edges between siblings, or from ancestors (some 5 GB while they are sorted)."""

COOCCURS_WITH = 5
"""The number of co-occurrence edges among the `typed_edges` of a graph."""


class EdgeKind(IntEnum):
    """What the source of an edge is to its target, which listens to it: along a PARENT edge a child hears its parent.

    Where a label is several of these to another, the first in this order counts.
    """

    SELF = 0
    PARENT = 1
    CHILD = 2
    SIBLING = 3
    ANCESTOR = 4
    """An ancestor that is no parent."""
    ROOT = 5
    """A root above the label that is not its parent."""
    COOCCURRENCE = 6
    NEIGHBOUR = 7


class LabelEdges(NamedTuple):
    """Typed edges between labels, sorted by target, then source; each ordered pair is there at most once."""

    edge_index: Tensor
    """Source and target of each edge, ``[2, E]`` (long)."""
    kind: Tensor
    """The :class:`EdgeKind` of each edge, ``[E]`` (int8)."""
    level_difference: Tensor
    """The level of the source minus that of the target, ``[E]`` (int32)."""


def label_edges(
    graph: Any,
    *,
    max_children: int | None = 8,
    max_siblings: int | None = 8,
    ancestors: bool = True,
    max_ancestors: int | None = None,
    root: bool = True,
    cooccurrence: Tensor | None = None,
    neighbours: Tensor | None = None,
    parents: bool = True,
    self_loops: bool = True,
    seed: int = 0,
) -> LabelEdges:
    """The edges of a label encoder on an edge list: each label listens to those it is close to in the hierarchy.

    Twenty edges a label stand in for all pairs, of which there are too many above some ten thousand labels. Time and
    memory are linear in the labels and in the edges that come out. With every limit None nothing is sampled, and
    renumbering the labels renumbers the edges.

    Args:
        graph: a :class:`LabelStructure`, or anything with `edge_index` (parent to child) and `num_nodes`.
        max_children: the most children a label listens to, a random sample of them; None for all (default 8).
        max_siblings: the same for labels that share a parent with it; roots are no siblings (default 8).
        ancestors: whether labels listen to their ancestors, over all parents.
        max_ancestors: the nearest so many ancestors only, not counting parents, nor roots with `root`; among those
            equally near, the lower numbers.
        root: whether labels listen to the roots above them, as a kind of its own.
        cooccurrence: further edges, which need not follow the hierarchy. Without it, those of this type among the
            `typed_edges` of `graph` are taken; pass an empty tensor for none.
        neighbours: further edges, such as those to labels with similar names.
        parents: whether labels listen to their parents.
        self_loops: whether labels listen to themselves.
        seed: another seed, another sample.

    Returns:
        The edges. A pair of which the sample of one kind has no edge may have an edge of a later kind.

    Shapes:
        - cooccurrence, neighbours ``[2, E']``

    Raises:
        ConfigError: a limit below 0, further edges that are none, or more than `MAX_EDGES` edges of a kind.
        TaxonomyError: the hierarchy has a cycle, or changed after its `typed_edges` were made.

    Example:
        >>> structure = LabelStructure(torch.tensor([[0, 0, 1], [1, 2, 3]]), num_labels=4)
        >>> edges = label_edges(structure)
        >>> edges.edge_index[:, edges.edge_index[1] == 3], edges.kind[edges.edge_index[1] == 3]
        (tensor([[0, 1, 3],
                [3, 3, 3]]), tensor([5, 1, 0], dtype=torch.int8))
    """
    limits = {"max_children": max_children, "max_siblings": max_siblings, "max_ancestors": max_ancestors}
    for name, limit in limits.items():
        if limit is not None and limit < 0:
            raise ConfigError(f"'{name}' must be at least 0, or None for all, but got {limit}.")
    structure = LabelStructure.of(graph)
    level = structure.level  # first of all, as it finds cycles
    generator = torch.Generator().manual_seed(seed)
    given = _cooccurrence(graph) if cooccurrence is None else cooccurrence
    itself = torch.arange(structure.num_labels).expand(2, -1)
    found = {
        EdgeKind.SELF: itself,
        EdgeKind.PARENT: structure.edge_index,
        EdgeKind.CHILD: child_edges(structure, max_children, generator),
        EdgeKind.SIBLING: _siblings(structure, max_siblings, generator),
        EdgeKind.COOCCURRENCE: _further("cooccurrence", given, structure.num_labels),
    }
    if ancestors:
        found[EdgeKind.ANCESTOR] = _ancestors(structure, max_ancestors, skip_roots=root)
    if root:
        found[EdgeKind.ROOT] = _roots(structure)
    if neighbours is not None:
        found[EdgeKind.NEIGHBOUR] = _further("neighbours", neighbours, structure.num_labels)

    edge_index, kind = _first_kinds(found, structure.num_labels)
    # Parents and labels themselves take part until here, so that they are not taken for something else.
    for own, wanted in ((EdgeKind.SELF, self_loops), (EdgeKind.PARENT, parents)):
        if not wanted:
            edge_index, kind = edge_index[:, kind != own], kind[kind != own]
    return LabelEdges(edge_index, kind, (level[edge_index[0]] - level[edge_index[1]]).int())


def _siblings(structure: LabelStructure, limit: int | None, generator: torch.Generator) -> Tensor:
    if limit is None:
        pairs = int((structure.out_degree * (structure.out_degree - 1)).sum())
        _check_number("siblings", pairs, "max_siblings")
    edges = sibling_edges(structure, limit, generator)
    if limit is None or structure.is_tree:
        return edges
    edges = edges.unique(dim=1)
    return first_of_each_target(edges[:, torch.randperm(edges.shape[1], generator=generator)], limit)


def _ancestors(structure: LabelStructure, limit: int | None, *, skip_roots: bool) -> Tensor:
    """Edges from ancestors two hops up or more."""
    upwards, is_root = structure.edge_index.flip(0), structure.in_degree == 0
    labels = torch.arange(structure.num_labels)
    hops = reachable_pairs(upwards, structure.num_labels, labels, single_paths=structure.is_tree)
    found, number = [torch.empty(2, 0, dtype=torch.long)], 0
    # Each hop up to the farthest has at least one ancestor, so so many hops have the nearest `limit`.
    for label, ancestor in islice(hops, 1, None if limit is None else limit + 1):
        keep = ~is_root[ancestor] if skip_roots else slice(None)
        found.append(torch.stack([ancestor[keep], label[keep]]))
        number += found[-1].shape[1]
        _check_number("ancestors", number, "max_ancestors")
    edges = torch.cat(found, dim=1)
    return edges if limit is None else first_of_each_target(edges, limit)


def _roots(structure: LabelStructure) -> Tensor:
    """Edges from the roots above each label."""
    hops = reachable_pairs(structure.edge_index, structure.num_labels, structure.roots, single_paths=structure.is_tree)
    return torch.cat([torch.empty(2, 0, dtype=torch.long), *(torch.stack(pairs) for pairs in hops)], dim=1)


def _cooccurrence(graph: Any) -> Tensor:
    """The co-occurrence edges of a graph that has some."""
    typed = getattr(graph, "typed_edges", None)
    if typed is None:
        return torch.empty(2, 0, dtype=torch.long)
    made_for = typed.get("made_for_edge_index")
    if made_for is not None and not torch.equal(made_for, graph.edge_index):
        raise TaxonomyError(
            "'typed_edges' was made before the hierarchy changed. Delete it and apply the transforms again."
        )
    return typed["edge_index"][:, typed["edge_type"] == COOCCURS_WITH]


def _first_kinds(found: dict[EdgeKind, Tensor], num_labels: int) -> tuple[Tensor, Tensor]:
    """Each pair once, with the first of its kinds, sorted by target, then source."""
    kinds = len(EdgeKind)
    # One number holds target, source and kind, so that one sort does it.
    keys = torch.cat([(edges[1] * num_labels + edges[0]) * kinds + kind for kind, edges in found.items()])
    keys = keys.sort().values
    pairs = keys // kinds
    is_first = torch.ones_like(pairs, dtype=torch.bool)
    is_first[1:] = pairs[1:] != pairs[:-1]
    pairs, kind = pairs[is_first], (keys[is_first] % kinds).to(torch.int8)
    return torch.stack([pairs % num_labels, pairs // num_labels]), kind


def _further(name: str, edges: Tensor, num_labels: int) -> Tensor:
    """Edges that were given, checked."""
    if edges.dim() != 2 or edges.shape[0] != 2 or edges.is_floating_point():
        raise ConfigError(f"'{name}' must be integers of shape [2, E], but got {edges.dtype} {list(edges.shape)}.")
    if edges.numel() and not 0 <= int(edges.min()) <= int(edges.max()) < num_labels:
        raise ConfigError(
            f"'{name}' must hold labels from 0 to {num_labels - 1}, but got {int(edges.min())} to {int(edges.max())}."
        )
    return edges.to("cpu", torch.long)


def _check_number(kind: str, number: int, argument: str) -> None:
    if number > MAX_EDGES:
        raise ConfigError(f"'{argument}' must be given: edges from all {kind} are at least {number}, over {MAX_EDGES}.")
