"""Distances and shortest paths between all labels of a hierarchy with several parents, some rows at a time."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from hgraph.nn.encodings.graph_paths import graph_path_mean, paths_from
from hgraph.nn.encodings.pair_rows import PairRows
from hgraph.nn.encodings.path_search import PathSearch


class GraphRows(PairRows):
    r"""The states that :class:`~hgraph.nn.DenseEdgeEncoding` gives the pairs of any hierarchy, some rows at a time.

    .. math:: e_{ij} = t_{\min(\phi_{ij}, D)} + \operatorname{mean}_{k \in \operatorname{paths}(i, j)} w_k

    with the mean over all shortest paths of :func:`graph_path_mean`. The labels of the rows in use search the graph
    again each time they are asked for. On a tree, :class:`~hgraph.nn.TreeRows` has the same numbers sooner, without a
    search.

    Memory is that of the rows; with edge vectors, twice that and 20 bytes for each of their pairs. Time is that of a
    breadth-first search from each label, with edge vectors over the whole graph, without them no farther than ``D``.

    Args:
        graph: the hierarchy as a :class:`PathSearch`, best made once, or whatever :meth:`PathSearch.of` takes.
        distance_table: one vector a distance; pairs farther apart than the last have the last.
        edge_vectors: one vector an edge, in the order of :attr:`LabelStructure.edge_number`; without them there is no
            path term.

    Shapes:
        - distance_table ``[D + 1, K]``, edge_vectors ``[edges, K]``
        - rows ``[K, stop - start, L]``

    Example:
        >>> import torch
        >>> from hgraph.nn.encodings import LabelStructure
        >>> diamond = LabelStructure(torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]]), num_labels=4)
        >>> table = torch.tensor([[0.0], [1.0], [2.0]])
        >>> GraphRows(diamond, table).rows(2, 4, table)
        tensor([[[1., 2., 0., 1.],
                 [2., 1., 1., 0.]]])
    """

    def __init__(self, graph: Any, distance_table: Tensor, edge_vectors: Tensor | None = None) -> None:
        self.search = PathSearch.of(graph).to(distance_table.device)
        self.distance_table, self.edge_vectors = distance_table, edge_vectors
        self.num_nodes, self.channels = self.search.num_labels, distance_table.shape[1]

    def tensors(self) -> tuple[Tensor, ...]:
        """The two tables."""
        return (self.distance_table,) if self.edge_vectors is None else (self.distance_table, self.edge_vectors)

    def project(self, weight: Tensor, bias: Tensor | None = None) -> "GraphRows":
        """See :class:`PairRows`; the tables are mapped, not the pairs."""
        vectors = None if self.edge_vectors is None else F.linear(self.edge_vectors, weight)
        return GraphRows(self.search, F.linear(self.distance_table, weight, bias), vectors)

    def rows(self, start: int, stop: int, *tensors: Tensor) -> Tensor:
        """See :class:`PairRows`."""
        table, *vectors = tensors
        farthest = len(table) - 1
        if not vectors:
            distance = self.search.distance(start, stop, max_distance=farthest)
            return F.embedding(distance, table).movedim(2, 0)
        paths = paths_from(self.search, start, stop)
        near = F.embedding(paths.distance.clamp(max=farthest), table)
        return (near + graph_path_mean(vectors[0], paths)).movedim(2, 0)
