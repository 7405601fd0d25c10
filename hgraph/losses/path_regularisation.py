"""A penalty where a label scores above its parent."""

from typing import TYPE_CHECKING, Literal

import torch.nn.functional as F
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.losses.objective import Objective, check_shapes
from hgraph.losses.precision import full_precision
from hgraph.losses.relations import Relation, check_columns

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

On = Literal["probabilities", "scores"]


class PathRegularisation(Objective):
    r"""Hinge on the edges of a hierarchy: no label more likely than its parents.

    .. math:: \Omega = \frac{1}{B} \sum_i \sum_{(a, c) \in E} \max(0, p_{i,c} - p_{i,a} + m)^k,
        \qquad p = \sigma(z)

    The hinge is that of HMCN with HMCL (`arXiv 2507.04413 <https://arxiv.org/abs/2507.04413>`_) and MATCH, its square
    (``power=2``) that of HMCN (Wehrmann et al. 2018). The square all but vanishes for small violations; either fades
    where probabilities are saturated, which ``on="scores"`` does not. The value is a sum over edges: give it a small
    weight (HMCN 0.1).

    Args:
        graph: the hierarchy.
        power: :math:`k`, 1 (default) or 2.
        on: compare ``"probabilities"`` (default) or raw ``"scores"``.
        margin: :math:`m` (default 0): by how much a parent should lead.

    Shapes:
        - scores and mask ``[B, L]``; with candidates ``[B, K]`` scores and mask are ``[B, K]``, and an edge counts if
          both its ends are candidates. Time and memory are ``B x E``.
        - output: scalar

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> import torch
        >>> loss = PathRegularisation(LabelGraph.from_edges([("a", "b"), ("a", "c")]), on="scores")
        >>> loss(scores=torch.tensor([[1.0, 3.0, 0.0]]))
        tensor(2.)
    """

    name = "path_regularisation"

    def __init__(
        self, graph: "LabelGraph", *, power: Literal[1, 2] = 1, on: On = "probabilities", margin: float = 0.0
    ) -> None:
        super().__init__()
        if power not in (1, 2):
            raise ConfigError(f"'power' must be 1 or 2, but got {power!r}.")
        if on not in ("probabilities", "scores"):
            raise ConfigError(f"'on' must be 'probabilities' or 'scores', but got {on!r}.")
        if not margin >= 0:
            raise ConfigError(f"'margin' must be at least 0, but got {margin}.")
        self.power, self.on, self.margin = power, on, margin
        self.parents = Relation(graph.parents)

    def forward(self, *, scores: Tensor, mask: Tensor | None = None, candidates: Tensor | None = None) -> Tensor:
        """The value for one batch."""
        check_shapes(scores, scores, mask)
        check_columns(scores, self.parents.num_labels, candidates)
        values = full_precision(scores)
        if self.on == "probabilities":
            values = values.sigmoid()
        if candidates is not None:
            child, parent = self.parents.pairs(candidates, mask)
            excess = self._excess(values.flatten()[child], values.flatten()[parent])
        else:
            child, parent = self.parents.labels, self.parents.others
            rows = values.t()  # rows of documents are gathered faster than columns
            excess = self._excess(rows[child], rows[parent])  # [E, B]
            if mask is not None:
                kept = mask.bool().t()
                excess = excess.masked_fill(~(kept[child] & kept[parent]), 0.0)
        return excess.sum() / max(len(scores), 1)

    def _excess(self, child: Tensor, parent: Tensor) -> Tensor:
        excess = F.relu(child - parent + self.margin)
        return excess if self.power == 1 else excess.square()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(power={self.power}, on={self.on!r}, margin={self.margin})"
