"""Paths between all pairs of labels, held as lowest common ancestors."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.nn.encodings.graph_paths import GraphPaths, graph_path_mean
from hgraph.nn.encodings.label_structure import LabelStructure


class TreePaths(NamedTuple):
    """The path between each pair of labels of a tree, in ``L x L`` integers whatever the length of the paths.

    The path between two labels consists of the labels on the way from each of them up to, but without, their lowest
    common ancestor. Every edge of a tree is named by its child, so these labels are also the edges of the path. The
    virtual root above all roots is label ``L``.
    """

    depth: Tensor
    """Number of labels from the root down to each label; roots have 1, the virtual root 0. Shape ``[L + 1]``."""
    lca: Tensor
    """The lowest common ancestor of each pair (int32). Shape ``[L, L]``."""
    closure: Tensor
    """Pairs (label, label itself or one of its ancestors). Shape ``[2, sum of depths]``."""


def tree_paths(edge_index: Tensor, num_nodes: int) -> TreePaths:
    """The paths between all pairs of labels of a tree or forest.

    A label with several parents is put under the first of them, in the order of the edges, so a hierarchy that is not
    a tree is read as one; its edges to further parents lie on no path. :func:`graph_paths` reads it as it is.

    Args:
        edge_index: edges from parent to child, in any order; label ids need not follow the hierarchy.
        num_nodes: the number of labels ``L``.

    Shapes:
        - edge_index ``[2, E]``

    Example:
        >>> paths = tree_paths(torch.tensor([[0, 0], [1, 2]]), num_nodes=4)
        >>> paths.lca
        tensor([[0, 0, 0, 4],
                [0, 1, 0, 4],
                [0, 0, 2, 4],
                [4, 4, 4, 3]], dtype=torch.int32)
        >>> paths.depth
        tensor([1, 2, 2, 1, 0])
    """
    device = edge_index.device
    structure = LabelStructure(edge_index, num_nodes)
    parent, depth = structure.parent.to(device), F.pad(structure.depth, (0, 1)).to(device)
    by_depth = torch.argsort(depth[:num_nodes], stable=True).split(torch.bincount(depth)[1:].tolist())
    # Row and column L, the virtual root, are its own answer to everything and start the recursion.
    lca = torch.full((num_nodes + 1, num_nodes + 1), num_nodes, dtype=torch.int32, device=device)
    for labels in by_depth:
        # Two labels, none of which is above the other, meet where the parent of the lower one meets the other.
        lca[labels] = lca[parent[labels]]
        lca[:, labels] = lca[:, parent[labels]]
        lca[labels, labels] = labels.int()

    closure, above = [], torch.arange(num_nodes, device=device)
    label = above
    while len(label):
        closure.append(torch.stack([label, above]))
        above = parent[above]
        label, above = label[above < num_nodes], above[above < num_nodes]
    pairs = torch.cat(closure, dim=1) if closure else torch.zeros(2, 0, dtype=torch.long, device=device)
    return TreePaths(depth, lca[:num_nodes, :num_nodes].contiguous(), pairs)


def path_mean(weight: Tensor, paths: TreePaths | GraphPaths) -> Tensor:
    r"""The mean over the path between each pair of labels of a vector that each label (each edge) has.

    With :math:`p_i` the sum of the vectors from the root down to :math:`i`, computed once for each label,

    .. math:: \sum_{k \in \operatorname{path}(i, j)} w_k = p_i + p_j - 2 p_{\operatorname{lca}(i, j)}

    so no path is ever written out. The mean over the empty path from a label to itself is zero. Where labels have
    several parents and paths are those of :func:`graph_paths`, it is that of :func:`graph_path_mean`.

    Args:
        weight: the vectors :math:`w`.
        paths: the paths, of :func:`tree_paths` or :func:`graph_paths`.

    Shapes:
        - weight ``[L, C]``; of graphs ``[L + further edges, C]``
        - output ``[L, L, C]``

    Example:
        >>> paths = tree_paths(torch.tensor([[0, 0], [1, 2]]), num_nodes=3)
        >>> path_mean(torch.tensor([[1.0], [2.0], [4.0]]), paths).squeeze(-1)
        tensor([[0., 2., 4.],
                [2., 0., 3.],
                [4., 3., 0.]])
    """
    if isinstance(paths, GraphPaths):
        return graph_path_mean(weight, paths)
    num_labels = weight.shape[0]
    label, above = paths.closure
    root_sum = weight.new_zeros(num_labels + 1, weight.shape[1]).index_add(0, label, weight[above])
    depth = paths.depth[:num_labels]
    total = root_sum[:-1].unsqueeze(1) + root_sum[:-1].unsqueeze(0) - 2 * F.embedding(paths.lca, root_sum)
    length = depth.unsqueeze(1) + depth.unsqueeze(0) - 2 * paths.depth[paths.lca]
    # p_i + p_i - 2 p_i is zero in exact arithmetic and here: doubling is exact. Only the division needs care.
    return total / length.clamp(min=1).unsqueeze(-1)
