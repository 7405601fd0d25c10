"""A learned vector for each pair of labels, made of their distance and the path between them."""

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.encodings.graph_paths import GraphPaths
from hgraph.nn.encodings.tree_paths import TreePaths, path_mean


class DenseEdgeEncoding(nn.Module):
    r"""Initial pair states of a label hierarchy, for :class:`~hgraph.nn.GPTransBlock`.

    .. math:: e_{ij} = t_{\min(\phi(i, j), d)}
        + \frac{1}{|\operatorname{path}(i, j)|} \sum_{k \in \operatorname{path}(i, j)} w_k

    with a table :math:`t` of one vector a distance (:math:`t_0 = 0`) and one vector :math:`w_k` an edge, named by its
    child. The encoding is symmetric and zero on the diagonal. On a tree, :math:`\phi` is the length of the path.

    Where labels have several parents, give it the paths of :func:`graph_paths`: the second term is then the mean over
    all shortest paths, and edges to further parents have vectors of their own in ``extra_edge_embedding``. With
    :func:`tree_paths` the path runs over the first parents only, although :math:`\phi` is the shortest way over any.

    Changed against HTLA: the published program reshapes the tensor of pairs where it should transpose it, which hands
    each pair the channels of other pairs; channels stay with their pair here. Paths are not written out, so
    memory is ``L x L x channels`` and not fifteen times that.

    Args:
        num_labels: the number of labels ``L``.
        channels: the width of a pair state.
        max_distance: the cut-off :math:`d` (default 20).
        num_edges: the number of edges, those to roots included, ``paths.ends.shape[1]``; ``num_labels`` by default, as
            in every tree.

    Shapes:
        - distance ``[L, L]`` (integers), paths of ``L`` labels
        - output ``[L, L, channels]``

    Example:
        >>> import torch
        >>> from hgraph.nn import hierarchy_distance, tree_paths
        >>> edge_index = torch.tensor([[0, 0], [1, 2]])
        >>> encoding = DenseEdgeEncoding(num_labels=3, channels=4)
        >>> encoding(hierarchy_distance(edge_index, 3), tree_paths(edge_index, 3)).shape
        torch.Size([3, 3, 4])
    """

    label_parameters = ("edge_embedding.weight",)

    def __init__(self, num_labels: int, channels: int, *, max_distance: int = 20, num_edges: int | None = None) -> None:
        super().__init__()
        for name, value in (("num_labels", num_labels), ("channels", channels), ("max_distance", max_distance)):
            if value < 1:
                raise ConfigError(f"'{name}' must be at least 1, but got {value}.")
        num_edges = num_labels if num_edges is None else num_edges
        if num_edges < num_labels:
            raise ConfigError(f"'num_edges' must be at least 'num_labels', {num_labels}, but got {num_edges}.")
        self.max_distance = max_distance
        # Row 0 stays zero: the state of a label with itself says nothing.
        self.distance_embedding = nn.Embedding(max_distance + 1, channels, padding_idx=0)
        # Rows of labels stay apart from those of further edges, so that they can be carried over by label.
        self.edge_embedding = nn.Embedding(num_labels, channels)
        extra = num_edges - num_labels
        self.extra_edge_embedding = nn.Parameter(torch.empty(extra, channels)) if extra else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new vectors from N(0, 0.02²)."""
        nn.init.normal_(self.distance_embedding.weight, std=0.02)
        nn.init.zeros_(self.distance_embedding.weight[0].detach())
        nn.init.normal_(self.edge_embedding.weight, std=0.02)
        if self.extra_edge_embedding is not None:
            nn.init.normal_(self.extra_edge_embedding, std=0.02)

    def edge_vectors(self) -> Tensor:
        """The vectors of all edges in the order of their numbers, ``[num_edges, channels]``."""
        if self.extra_edge_embedding is None:
            return self.edge_embedding.weight
        return torch.cat([self.edge_embedding.weight, self.extra_edge_embedding])

    def forward(self, distance: Tensor, paths: TreePaths | GraphPaths) -> Tensor:
        """The state of each pair of labels."""
        by_distance = self.distance_embedding(distance.clamp(max=self.max_distance))
        return by_distance + path_mean(self.edge_vectors(), paths)
