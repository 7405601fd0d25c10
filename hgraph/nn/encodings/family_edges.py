"""Edges from children to parents and between siblings, of which broad families get a sample."""

import torch
from torch import Generator, Tensor

from hgraph.nn.encodings.label_structure import LabelStructure
from hgraph.nn.encodings.ranges import ranges


def child_edges(structure: LabelStructure, limit: int | None, generator: Generator) -> Tensor:
    """Edges from child to parent, at most `limit` a parent, chosen at random.

    Args:
        structure: the hierarchy.
        limit: the most children of a parent; None for all.
        generator: where the choice comes from.

    Shapes:
        - output ``[2, E']``

    Example:
        >>> structure = LabelStructure(torch.tensor([[0, 0], [1, 2]]), num_labels=3)
        >>> child_edges(structure, None, torch.Generator())
        tensor([[1, 2],
                [0, 0]])
    """
    edges = structure.edge_index.flip(0)
    return edges if limit is None else first_of_each_target(_shuffled(edges, generator), limit)


def sibling_edges(structure: LabelStructure, limit: int | None, generator: Generator) -> Tensor:
    r"""Edges between labels that share a parent, at most `limit` a label and parent; an edge may be there twice.

    Within a family of :math:`n` children in random order, a child listens to those :math:`o_1, \dots, o_k` places
    further on, round the circle. The offsets differ by construction: :math:`o_t` is drawn from the :math:`t`-th of
    ``k`` equal parts of :math:`1, \dots, n - 1`. So every child listens to ``k`` different siblings, is listened to by
    ``k``, and a family of a hundred thousand costs ``n k`` and not :math:`n^2`.

    Args:
        structure: the hierarchy; roots are no siblings.
        limit: the most siblings ``k`` of a label below one parent; None for all.
        generator: where the choice comes from.

    Shapes:
        - output ``[2, E']``

    Example:
        >>> structure = LabelStructure(torch.tensor([[0, 0, 0], [1, 2, 3]]), num_labels=4)
        >>> edges = sibling_edges(structure, 1, torch.Generator().manual_seed(0))
        >>> edges.shape, sorted(edges[1].tolist())
        (torch.Size([2, 3]), [1, 2, 3])
    """
    edges = _shuffled(structure.edge_index, generator)
    parent, child = edges[:, torch.argsort(edges[0], stable=True)]
    others = (structure.out_degree - 1).clamp(min=0)
    chosen = others if limit is None else others.clamp(max=limit)
    # One draw for each parent and offset.
    draws = torch.rand(int(chosen.sum()), generator=generator)
    first_draw = chosen.cumsum(0) - chosen
    first_child = structure.out_degree.cumsum(0) - structure.out_degree

    count = chosen[parent]
    edge = torch.arange(len(child)).repeat_interleave(count)
    number = ranges(torch.zeros_like(count), count)
    parent = parent[edge]
    low = number * others[parent] // chosen[parent]
    high = (number + 1) * others[parent] // chosen[parent]
    step = 1 + low + (draws[first_draw[parent] + number] * (high - low)).long().minimum(high - low - 1)
    place = (edge - first_child[parent] + step) % structure.out_degree[parent]
    return torch.stack([child[first_child[parent] + place], child[edge]])


def first_of_each_target(edges: Tensor, limit: int) -> Tensor:
    """The first `limit` edges of each target, sorted by target.

    Args:
        edges: from and to.
        limit: the most edges of a target.

    Shapes:
        - edges ``[2, E]``, output ``[2, E']``

    Example:
        >>> first_of_each_target(torch.tensor([[5, 6, 7, 8], [1, 0, 1, 1]]), limit=2)
        tensor([[6, 5, 7],
                [0, 1, 1]])
    """
    edges = edges[:, torch.argsort(edges[1], stable=True)]
    target = edges[1].contiguous()
    return edges[:, torch.arange(len(target)) - torch.searchsorted(target, target) < limit]


def _shuffled(edges: Tensor, generator: Generator) -> Tensor:
    return edges[:, torch.randperm(edges.shape[1], generator=generator)]
