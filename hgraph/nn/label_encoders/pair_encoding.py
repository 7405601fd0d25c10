"""The states of all pairs of labels of one hierarchy, with what they are computed from."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.nn.encodings import (
    GraphPaths,
    GraphRows,
    LabelStructure,
    PairRows,
    PathSearch,
    TreeRows,
    graph_path_mean,
    graph_paths,
)


class PairEncoding(nn.Module):
    r"""What each pair of labels of a hierarchy starts from: its distance, and the edges on the way.

    .. math:: e_{ij} = t_{\min(\phi(i, j), D)} + \operatorname{mean}_{k \in \operatorname{paths}(i, j)} w_k

    the maths and the parameters of :class:`~hgraph.nn.DenseEdgeEncoding`, which takes the distances and paths of any
    hierarchy; this one holds those of its own, in the form that suits it: on a tree the ancestors of each label, and
    where labels have several parents all shortest paths or, for rows, the edges to search for them.

    Args:
        structure: the hierarchy.
        channels: the width of a pair state.
        max_distance: the cut-off :math:`D`.
        distance: whether there is a distance term (default true); without it the table is zero and not trained.
        path: whether there is a path term.
        rows: whether the states are computed when attention asks for them (:class:`~hgraph.nn.PairRows`), and not as
            one tensor.

    Shapes:
        - output ``[L, L, channels]``
    """

    label_parameters = ("edge_embedding.weight",)

    def __init__(
        self,
        structure: LabelStructure,
        channels: int,
        *,
        max_distance: int,
        path: bool,
        rows: bool,
        distance: bool = True,
    ) -> None:
        super().__init__()
        self.is_tree, self.rows, self.has_distance = structure.is_tree, rows, distance
        self.distance_embedding = nn.Embedding(max_distance + 1, channels, padding_idx=0).requires_grad_(distance)
        self.edge_embedding = nn.Embedding(structure.num_labels, channels) if path else None
        extra = structure.num_edge_numbers - structure.num_labels
        self.extra_edge_embedding = nn.Parameter(torch.empty(extra, channels)) if path and extra else None
        if self.is_tree:
            self.register_buffer("depth", structure.depth, persistent=False)
            self.register_buffer("ancestors", structure.ancestors, persistent=False)
            if path:
                label, column = (structure.ancestors >= 0).nonzero(as_tuple=True)
                closure = torch.stack([label, structure.ancestors[label, column].long()])
                self.register_buffer("closure", closure, persistent=False)
        elif rows or not path:
            self._hold(PathSearch.of(structure))
        else:
            self._hold(graph_paths(structure.edge_index, structure.num_labels))
        self.reset_parameters()

    def _hold(self, tensors: NamedTuple) -> None:
        for name, tensor in tensors._asdict().items():
            self.register_buffer(name, tensor, persistent=False)

    def _held(self, fields: tuple[str, ...]) -> list[Tensor]:
        return [self.get_buffer(name) for name in fields]

    def reset_parameters(self) -> None:
        """Draw new vectors from N(0, 0.02²)."""
        nn.init.normal_(self.distance_embedding.weight, std=0.02 if self.has_distance else 0.0)
        nn.init.zeros_(self.distance_embedding.weight[0].detach())
        if self.edge_embedding is not None:
            nn.init.normal_(self.edge_embedding.weight, std=0.02)
        if self.extra_edge_embedding is not None:
            nn.init.normal_(self.extra_edge_embedding, std=0.02)

    def edge_vectors(self) -> Tensor | None:
        """The vectors of all edges in the order of their numbers; None without a path term."""
        if self.edge_embedding is None or self.extra_edge_embedding is None:
            return None if self.edge_embedding is None else self.edge_embedding.weight
        return torch.cat([self.edge_embedding.weight, self.extra_edge_embedding])

    def forward(self) -> Tensor | PairRows:
        """The state of each pair of labels."""
        # Looked up and not taken as it is, so that the row of distance 0 gets no gradient and stays zero.
        every = torch.arange(self.distance_embedding.num_embeddings, device=self.distance_embedding.weight.device)
        table, vectors = self.distance_embedding(every), self.edge_vectors()
        if not self.is_tree and not self.rows and vectors is not None:
            paths = GraphPaths(*self._held(GraphPaths._fields))
            near = F.embedding(paths.distance.clamp(max=len(table) - 1), table)
            return near + graph_path_mean(vectors, paths)
        rows: PairRows
        if self.is_tree:
            depth, ancestors = self._held(("depth", "ancestors"))
            root_sum = None if vectors is None else _root_sum(vectors, *self.get_buffer("closure"))
            rows = TreeRows(depth, ancestors, table, root_sum)
        else:
            rows = GraphRows(PathSearch(*self._held(PathSearch._fields)), table, vectors)
        return rows if self.rows else rows.dense()


def _root_sum(weight: Tensor, label: Tensor, above: Tensor) -> Tensor:
    """The sum of the edge vectors on the way from the root to each label, and zero for the virtual root."""
    return weight.new_zeros(len(weight) + 1, weight.shape[1]).index_add(0, label, weight[above])
