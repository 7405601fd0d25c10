"""A learned vector for each edge of a list, made of its kind and the levels it joins."""

import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.encodings.label_edges import EdgeKind


class EdgeEncoding(nn.Module):
    r"""Initial states of typed edges between labels, for :class:`~hgraph.nn.GPTransBlock` on an edge list.

    .. math:: e_{ij} = u_{\operatorname{kind}(i, j)} + v_{\operatorname{clip}(\ell_j - \ell_i, -m, m)}

    with the levels :math:`\ell` of the target :math:`i` and of the source :math:`j` it listens to. The edge-list
    counterpart of :class:`~hgraph.nn.DenseEdgeEncoding`. No parameter belongs to a label, so the encoding fits any
    hierarchy.

    Args:
        channels: the width of an edge state.
        max_level: the cut-off :math:`m` (default 16).
        levels: whether there is a term of levels (default true); without it the table is zero and not trained.

    Shapes:
        - kind ``[E]``, level_difference ``[E]`` (integers)
        - output ``[E, channels]``

    Example:
        >>> import torch
        >>> from hgraph.nn.encodings import LabelStructure, label_edges
        >>> edges = label_edges(LabelStructure(torch.tensor([[0, 0], [1, 2]]), num_labels=3))
        >>> EdgeEncoding(channels=4)(edges.kind, edges.level_difference).shape
        torch.Size([9, 4])
    """

    def __init__(self, channels: int, *, max_level: int = 16, levels: bool = True) -> None:
        super().__init__()
        for name, value in (("channels", channels), ("max_level", max_level)):
            if value < 1:
                raise ConfigError(f"'{name}' must be at least 1, but got {value}.")
        self.channels, self.max_level, self.levels = channels, max_level, levels
        self.kind_embedding = nn.Embedding(len(EdgeKind), channels)
        self.level_embedding = nn.Embedding(2 * max_level + 1, channels).requires_grad_(levels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new vectors from N(0, 0.02²)."""
        nn.init.normal_(self.kind_embedding.weight, std=0.02)
        nn.init.normal_(self.level_embedding.weight, std=0.02 if self.levels else 0.0)

    def forward(self, kind: Tensor, level_difference: Tensor) -> Tensor:
        """The state of each edge."""
        levels = 2 * self.max_level + 1
        row = kind.long() * levels + level_difference.clamp(-self.max_level, self.max_level).long() + self.max_level
        # All sums of the two tables are fewer than the edges, so an edge costs one look-up.
        table = self.kind_embedding.weight.unsqueeze(1) + self.level_embedding.weight
        return F.embedding(row, table.flatten(0, 1))
