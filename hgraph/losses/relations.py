"""What objectives read from a hierarchy, as tensors: who is above whom, and the edges level by level."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn
from torch_geometric.utils import scatter

from hgraph.errors import ConfigError

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph


def check_columns(values: Tensor, num_labels: int, candidates: Tensor | None, *, name: str = "scores") -> None:
    """Raise an error unless the columns of ``values`` are all labels, or the candidates say which they are."""
    if values.dim() != 2 or (candidates is None and values.size(1) != num_labels):
        raise ConfigError(
            f"{name!r} must have a column for each of the {num_labels} labels, but got shape {list(values.shape)}. For "
            "a shortlist, pass 'candidates' too."
        )
    if candidates is not None and candidates.shape != values.shape:
        raise ConfigError(
            f"'candidates' must have the shape of {name!r}, {list(values.shape)}, but got {list(candidates.shape)}."
        )


def places(labels: Tensor, columns: Tensor) -> Tensor:
    """Where labels are among the columns of a shortlist; -1 for those that are not.

    Shapes:
        - labels: ids of any shape (long), -1 where there is none; columns ``[S]``, sorted, each once
        - output: of the shape of the labels

    Example:
        >>> places(torch.tensor([[4, 1, 3, -1]]), torch.tensor([1, 4, 6]))
        tensor([[ 1,  0, -1, -1]])
    """
    if not len(columns):
        return torch.full_like(labels, -1)
    place = torch.searchsorted(columns, labels.contiguous()).clamp(max=len(columns) - 1)
    return place.masked_fill(columns[place] != labels, -1)


class Relation(nn.Module):
    """For each label the labels that a sparse relation gives it, such as its parents or its ancestors.

    Args:
        matrix: row ``l`` lists the labels related to ``l``.

    Shapes:
        - matrix CSR ``[L, L]``; it is kept as ``starts`` ``[L + 1]`` and ``others`` ``[number of entries]``

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> parents = Relation(LabelGraph.from_edges([("a", "b"), ("b", "c")]).parents)
        >>> parents.pairs(torch.tensor([[2, 0], [2, 1]]))
        (tensor([2]), tensor([3]))
    """

    starts: Tensor
    others: Tensor

    def __init__(self, matrix: csr_matrix) -> None:
        super().__init__()
        self.num_labels = matrix.shape[0]
        self.register_buffer("starts", torch.from_numpy(matrix.indptr.astype(np.int64)), persistent=False)
        self.register_buffer("others", torch.from_numpy(matrix.indices.astype(np.int64)), persistent=False)

    @property
    def degree(self) -> Tensor:
        """How many labels are related to each label, ``[L]``."""
        return self.starts.diff()

    @property
    def labels(self) -> Tensor:
        """The label of each entry of ``others``."""
        numbers = torch.arange(self.num_labels, device=self.starts.device)
        return numbers.repeat_interleave(self.degree, output_size=len(self.others))

    def pairs(self, candidates: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The related pairs among the candidates of each document, as places in the flattened ``[B, K]``.

        Time and memory are those of the entries of all candidates: ``B x K`` times the mean length of a row.

        Args:
            candidates: label ids, different ones in a row.
            mask: true where a candidate counts.

        Shapes:
            - candidates and mask ``[B, K]``
            - output: places of labels ``[P]``, and of the labels that are related to them ``[P]``
        """
        batch, width = candidates.shape
        offset = self.num_labels * torch.arange(batch, device=candidates.device)
        keys = candidates + offset.unsqueeze(1)  # one number for each pair of document and label
        if mask is not None:
            keys = keys.masked_fill(~mask.bool(), -1)
        in_order, place = keys.flatten().sort()
        first = torch.searchsorted(in_order, 0)  # left-out candidates, -1, come first
        own, in_order = place[first:], in_order[first:]
        label = candidates.flatten()[own]
        degree = self.degree[label]
        of = own.repeat_interleave(degree)
        # Entry `j` of row `l` is at `starts[l] + j`; `j` counts from the first entry of the row.
        shift = self.starts[label] - (degree.cumsum(0) - degree)
        entry = torch.arange(len(of), device=of.device) + shift.repeat_interleave(degree)
        wanted = self.others[entry] + offset[of // max(width, 1)]
        nearest = torch.searchsorted(in_order, wanted).clamp(max=max(len(in_order) - 1, 0))
        found = in_order[nearest] == wanted
        return of[found], own[nearest[found]]


class Step(NamedTuple):
    """Edges that end in a set of nodes: edge `e` goes from ``source[e]`` to ``target[group[e]]``."""

    target: Tensor
    """Different nodes, ``[U]``."""
    source: Tensor
    """The other end of each edge, ``[E]``."""
    group: Tensor
    """The place in ``target`` of the end of each edge, ``[E]``."""

    @classmethod
    def of(cls, source: Tensor, target: Tensor) -> "Step":
        """The step with these edges."""
        nodes, group = target.unique(return_inverse=True)
        return cls(nodes, source, group)


class LevelSteps(nn.Module):
    """The edges of a hierarchy in an order in which a message may pass them all, one level at a time.

    Args:
        graph: the hierarchy.
        direction: ``"up"`` from children to parents, the deepest children first, or ``"down"`` from parents to
            children, the children of roots first. A node is the source of an edge only when all the edges that end in
            it are done.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("b", "c")])
        >>> [(step.source.tolist(), step.target.tolist()) for step in LevelSteps(graph, "up")]
        [([2, 2], [0, 1]), ([1], [0])]
    """

    source: Tensor
    target: Tensor
    group: Tensor

    def __init__(self, graph: "LabelGraph", direction: Literal["up", "down"]) -> None:
        super().__init__()
        parent, child = graph.edge_index.cpu()
        source, target = (child, parent) if direction == "up" else (parent, child)
        level = graph.level.cpu()[child]
        steps = [Step.of(source[level == k], target[level == k]) for k in range(2, graph.num_levels + 1)]
        if direction == "up":
            steps.reverse()
        self.direction = direction
        self.sizes = [(len(step.source), len(step.target)) for step in steps]
        for name in Step._fields:
            parts = [getattr(step, name) for step in steps]
            value = torch.cat(parts) if parts else torch.empty(0, dtype=torch.long)
            self.register_buffer(name, value, persistent=False)

    def __iter__(self) -> Iterator[Step]:
        edges, nodes = [list(sizes) for sizes in zip(*self.sizes, strict=True)] if self.sizes else ([], [])
        yield from map(Step, self.target.split(nodes), self.source.split(edges), self.group.split(edges))


def best_below(
    values: Tensor, steps: "LevelSteps | list[Step]", *, closed: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The best value among each node and everything that reaches it, and where it is; of equal ones, the first node.

    Without gradient: gather the values at the places that it returns.

    Args:
        values: one for each node, and any further dimensions that do not mix.
        steps: the edges, sources before targets.
        closed: true for nodes that pass nothing on.

    Shapes:
        - values and closed ``[N, ...]``
        - output: best values and node numbers ``[N, ...]``
    """
    best = values.detach().clone()
    place = torch.arange(len(best), device=best.device).view(-1, *[1] * (best.dim() - 1)).expand_as(best).clone()
    for step in steps:
        size, below = len(step.target), best[step.source]
        if closed is not None:
            below = below.masked_fill(closed[step.source], -torch.inf)
        top = scatter(below, step.group, 0, size, reduce="max")
        is_top = below == top[step.group]
        first = scatter(place[step.source].masked_fill(~is_top, len(best)), step.group, 0, size, reduce="min")
        own, own_place = best[step.target], place[step.target]
        first = torch.where(top == own, torch.minimum(first, own_place), first)
        place[step.target] = torch.where(top >= own, first, own_place)
        best[step.target] = torch.maximum(top, own)
    return best, place
