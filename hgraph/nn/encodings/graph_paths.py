"""Means over all shortest paths between labels, where labels may have several parents."""

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from hgraph.errors import ConfigError
from hgraph.nn.encodings.label_structure import LabelStructure
from hgraph.nn.encodings.pair_rows import row_blocks
from hgraph.nn.encodings.path_search import PathSearch, PathSteps

PAIRS_AT_ONCE = 1 << 22
"""Pairs of labels searched at once (about 0.3 GB)."""
NUMBERS_AT_ONCE = 1 << 22
"""Numbers gathered at once while vectors are summed along paths (16 MB in float32)."""


class GraphPaths(NamedTuple):
    """The shortest paths from some labels of a hierarchy (the rows) to all labels, in some integers a pair.

    All fields are tensors, so that a module can keep them as buffers. The last steps of all paths are sorted by the
    length of the path; see :class:`~hgraph.nn.encodings.path_search.PathSteps`.
    """

    distance: Tensor
    """Hop distances, int32 ``[rows, L]``; `max_distance` where it is farther."""
    layers: Tensor
    """Where the steps of each length begin, and where the last end, ``[longest path + 1]``."""
    source: Tensor
    """The pair a step comes from, ``[steps]``."""
    target: Tensor
    """The pair it leads to, ``[steps]``."""
    edge: Tensor
    """The number of its edge, ``[steps]`` (int32)."""
    share: Tensor
    """Its share of the shortest paths of its target, ``[steps]`` (float64)."""
    ends: Tensor
    """Parent (``L`` for the virtual root) and child of each edge, in the order of the numbers, ``[2, edges]``."""


def graph_paths(edge_index: Tensor, num_nodes: int, *, max_distance: int | None = None) -> GraphPaths:
    """All shortest paths between all pairs of labels, the way up and down over any parent.

    As in :func:`hierarchy_distance`, paths go along edges in both directions, and all roots hang from one virtual root.
    On a tree there is one path a pair, that of :func:`tree_paths`. On a graph there are several; no choice among them
    is made, so nothing depends on the order of labels or edges.

    Memory is about 20 bytes for each pair and neighbour on the way, time the same times the mean degree.

    Args:
        edge_index: edges from parent to child, in any order; label ids need not follow the hierarchy.
        num_nodes: the number of labels ``L``.
        max_distance: pairs farther apart than this have no paths, and a mean of zero; None for no limit (default).

    Shapes:
        - edge_index ``[2, E]``

    Example:
        >>> paths = graph_paths(torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]]), num_nodes=4)
        >>> paths.distance
        tensor([[0, 1, 1, 2],
                [1, 0, 2, 1],
                [1, 2, 0, 1],
                [2, 1, 1, 0]], dtype=torch.int32)
    """
    if max_distance is not None and max_distance < 1:
        raise ConfigError(f"'max_distance' must be at least 1, but got {max_distance}.")
    search = PathSearch.of(LabelStructure(edge_index, num_nodes)).to(edge_index.device)
    return _paths(search, row_blocks(num_nodes, num_nodes + 1, PAIRS_AT_ONCE), max_distance)


def paths_from(search: PathSearch, start: int, stop: int) -> GraphPaths:
    """All shortest paths from the labels ``start`` to ``stop - 1`` to all labels.

    Example:
        >>> search = PathSearch.of(LabelStructure(torch.tensor([[0, 0], [1, 2]]), num_labels=3))
        >>> paths_from(search, 1, 3).distance
        tensor([[1, 0, 2],
                [1, 2, 0]], dtype=torch.int32)
    """
    return _paths(search, [(start, stop)], None)


def graph_path_mean(weight: Tensor, paths: GraphPaths) -> Tensor:
    r"""The mean of the edge vectors over the shortest paths between labels, each path counting the same.

    With the numbers :math:`\sigma` of shortest paths and the length :math:`d` of those from :math:`i` to :math:`j`, the
    mean grows by one step from that of the neighbours :math:`u` of :math:`j` that are nearer to :math:`i`:

    .. math:: m_{ij} = \sum_u \frac{\sigma_{iu}}{\sigma_{ij}} \left( \frac{d - 1}{d} m_{iu} + \frac{1}{d} w_{uj} \right)

    Neither paths nor intermediate results are kept: the gradient, which is linear, walks the same steps backwards.
    It has no gradient of its own.

    Args:
        weight: the vectors, of edges in the order of ``paths.ends``.
        paths: the paths, of :func:`graph_paths`.

    Shapes:
        - weight ``[edges, C]``
        - output ``[rows, L, C]``

    Example:
        >>> paths = graph_paths(torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]]), num_nodes=4)
        >>> paths.ends  # label 3 lends its number to the edge from label 1; that from label 2 comes last
        tensor([[4, 0, 0, 1, 2],
                [0, 1, 2, 3, 3]])
        >>> graph_path_mean(torch.tensor([[0.0], [1.0], [2.0], [4.0], [8.0]]), paths)[3, 0]  # (4 + 1 + 8 + 2) / 4
        tensor([3.7500])
    """
    if weight.dim() != 2 or weight.shape[0] != paths.ends.shape[1]:
        raise ConfigError(
            f"'weight' must have a row for each of {paths.ends.shape[1]} edges, those to roots included, "
            f"but got shape {list(weight.shape)}."
        )
    return _PathMean.apply(weight, paths)


class _PathMean(Function):
    """The recursion of :func:`graph_path_mean`, and the same backwards."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, paths: GraphPaths) -> Tensor:
        ctx.paths, ctx.num_edges = paths, len(weight)
        rows, num_labels = paths.distance.shape
        mean = weight.new_zeros(rows * (num_labels + 1), weight.shape[1])
        for length, steps in _chunks(paths, weight.shape[1]):
            grown = mean.index_select(0, steps.source).mul_(length - 1).add_(weight.index_select(0, steps.edge))
            mean.index_add_(0, steps.target, grown.mul_(steps.share.to(weight).unsqueeze(1)).div_(length))
        return mean.view(rows, num_labels + 1, weight.shape[1])[:, :-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # The virtual root is on paths, but no gradient comes to it from outside.
        pairs = F.pad(grad, (0, 0, 0, 1)).flatten(0, 1)
        weight = grad.new_zeros(ctx.num_edges, grad.shape[2])
        for length, steps in reversed([*_chunks(ctx.paths, grad.shape[2])]):
            part = pairs.index_select(0, steps.target).mul_(steps.share.to(grad).unsqueeze(1)).div_(length)
            weight.index_add_(0, steps.edge, part)
            pairs.index_add_(0, steps.source, part.mul_(length - 1))
        return weight, None


def _chunks(paths: GraphPaths, channels: int) -> Iterator[tuple[int, PathSteps]]:
    """Some steps at a time, and the length of their paths."""
    bounds = paths.layers.tolist()
    size = max(1, NUMBERS_AT_ONCE // channels)
    for length, (first, last) in enumerate(pairwise(bounds), start=1):
        for start in range(first, last, size):
            chosen = slice(start, min(start + size, last))
            yield length, PathSteps(*(field[chosen] for field in (paths.source, paths.target, paths.edge, paths.share)))


def _paths(search: PathSearch, blocks: Sequence[tuple[int, int]], max_distance: int | None) -> GraphPaths:
    """The paths from all labels of some blocks, which are searched one after the other."""
    start, stop = blocks[0][0], blocks[-1][1]
    distance = search.own_distance(start, stop, others=max_distance or 0)
    pair_type = torch.int32 if distance.numel() < 2**31 else torch.int64
    layers: list[list[PathSteps]] = [[]]
    for first, last in blocks:
        before = (first - start) * (search.num_labels + 1)
        for length, steps in enumerate(search.steps(first, last, max_distance=max_distance), start=1):
            source, target = (steps.source + before).to(pair_type), (steps.target + before).to(pair_type)
            distance.view(-1)[target] = length
            if length > len(layers):
                layers.append([])
            layers[length - 1].append(PathSteps(source, target, steps.edge.int(), steps.share))
    empty = torch.empty(0, dtype=pair_type, device=distance.device)
    none = PathSteps(empty, empty, empty.int(), empty.double())
    sizes = torch.tensor([0, *(sum(len(steps.edge) for steps in layer) for layer in layers)], device=distance.device)
    joined = PathSteps(*(torch.cat(parts) for parts in zip(none, *chain.from_iterable(layers), strict=True)))
    return GraphPaths(
        distance=distance[:, :-1].contiguous(), layers=sizes.cumsum(0), ends=search.ends, **joined._asdict()
    )
