"""A margin between a document's labels and the other labels of their levels (HTLA^n)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.utils import scatter

from hgraph.errors import ConfigError
from hgraph.losses.objective import Objective, check_shapes
from hgraph.losses.precision import full_precision
from hgraph.losses.relations import check_columns
from hgraph.losses.similarity import compare, cosines

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

MarginReduction = Literal["level-mean", "sum"]


def level_margin(
    similarity: Tensor,
    labels: Tensor,
    level: Tensor,
    *,
    num_levels: int,
    margin: float = 0.1,
    reduction: MarginReduction = "level-mean",
    mask: Tensor | None = None,
) -> Tensor:
    r"""Hinge between each label of a document and the most similar wrong label of its level.

    With :math:`n` the most similar label of level :math:`k` outside :math:`Y_i`, for each label :math:`p` in
    :math:`Y_i` on level :math:`k`

    .. math:: t_{i,p} = \max(0, m - s_{i,p} + s_{i,n})

    which for cosines is a triplet margin on cosine distances. A label without a wrong label on its level makes no
    triplet.

    Args:
        similarity: :math:`s`, usually cosines.
        labels: 1 for the labels in :math:`Y_i`, 0 elsewhere.
        level: the level of each column, counted from 0; a column below 0 is left out.
        num_levels: the number of levels.
        margin: :math:`m` (default 0.1).
        reduction: ``"level-mean"`` (default): the mean over all triplets of a level, and the sum over levels; or
            ``"sum"``: the sum over the triplets of a document, and the mean over documents.
        mask: true where a pair counts.

    Shapes:
        - similarity, labels and mask ``[B, L]``, level ``[L]`` or ``[B, L]``
        - output: scalar

    Example:
        >>> similarity, labels = torch.tensor([[0.9, 0.5, 0.2, 0.25]]), torch.tensor([[1.0, 0.0, 1.0, 0.0]])
        >>> level_margin(similarity, labels, torch.tensor([0, 0, 1, 1]), num_levels=2)
        tensor(0.1500)
    """
    check_shapes(similarity, labels, mask)
    similarity = full_precision(similarity)
    level = level.expand_as(similarity)
    kept = level >= 0 if mask is None else (level >= 0) & mask.bool()
    positive, negative = (labels > 0.5) & kept, (labels <= 0.5) & kept
    index = level.clamp(min=0)
    hardest = similarity.new_full((len(similarity), num_levels), -torch.inf)
    hardest = hardest.scatter_reduce(1, index, similarity.masked_fill(~negative, -torch.inf), "amax")
    opponent = hardest.gather(1, index)  # [B, L]
    triplet = positive & (opponent > -torch.inf)
    losses = F.relu(margin - similarity + opponent.masked_fill(~triplet, 0.0)).masked_fill(~triplet, 0.0)
    if reduction == "sum":
        return losses.sum() / max(len(losses), 1)
    flat = index.flatten()
    sums = scatter(losses.flatten(), flat, 0, num_levels, reduce="sum")
    counts = scatter(triplet.flatten().to(losses.dtype), flat, 0, num_levels, reduce="sum")
    return (sums / counts.clamp(min=1)).sum()


class LevelMarginLoss(Objective):
    r"""The margin loss of HTLA^n (IEEE DSAA 2024) on cosines; see :func:`level_margin`.

    Labels are told from the others of their own level, so that a coarse label never competes with a fine one.

    Changed against the published program: the mined label is the one that was found (its place in the level was taken
    for its number), other labels of the document are never negatives, the hardest wrong label is the opponent whether
    or not it beats the positive (a random one was drawn where it did not), and a level counts from the first triplet
    (there had to be three in a batch).

    Args:
        graph: the hierarchy.
        margin: :math:`m` (default 0.1).
        levels: which levels count, roots are level 1; all by default. The paper leaves out the deepest ones of RCV1 and
            NYT, which have few labels.
        reduction: as of :func:`level_margin`.

    Shapes:
        - labels and mask ``[B, L]``, text ``[B, D]``, label_vectors ``[L, D]``; with candidates ``[B, K]`` labels and
          mask are ``[B, K]``
        - output: scalar

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> loss = LevelMarginLoss(LabelGraph.from_edges([("a", "b"), ("a", "c")]), margin=0.5)
        >>> vectors, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]), torch.tensor([[1.0, 1.0, 0.0]])
        >>> loss(labels=labels, text=torch.tensor([[0.0, 1.0]]), label_vectors=vectors)
        tensor(0.3000)
    """

    name = "level_margin"
    level: Tensor

    def __init__(
        self,
        graph: "LabelGraph",
        *,
        margin: float = 0.1,
        levels: Sequence[int] | None = None,
        reduction: MarginReduction = "level-mean",
    ) -> None:
        super().__init__()
        if not margin >= 0:
            raise ConfigError(f"'margin' must be at least 0, but got {margin}.")
        if reduction not in get_args(MarginReduction):
            raise ConfigError(
                f"'reduction' must be one of {', '.join(get_args(MarginReduction))}, but got {reduction!r}."
            )
        self.num_levels = graph.num_levels
        wrong = [level for level in levels or () if not 1 <= level <= self.num_levels]
        if wrong or levels == []:
            raise ConfigError(
                f"'levels' must hold levels from 1 to {self.num_levels}, or be None for all, but got {levels}."
            )
        self.margin, self.levels = margin, levels
        self.reduction: MarginReduction = reduction
        level = graph.level.cpu() - 1
        if levels is not None:
            level = level.masked_fill(~torch.isin(level + 1, torch.tensor(list(levels))), -1)
        self.register_buffer("level", level, persistent=False)

    def forward(
        self,
        *,
        labels: Tensor,
        text: Tensor,
        label_vectors: Tensor,
        mask: Tensor | None = None,
        candidates: Tensor | None = None,
    ) -> Tensor:
        """The value for one batch."""
        check_columns(labels, len(self.level), candidates, name="labels")
        return level_margin(
            compare(cosines, text, label_vectors, candidates),
            labels,
            self.level if candidates is None else self.level[candidates],
            num_levels=self.num_levels,
            margin=self.margin,
            reduction=self.reduction,
            mask=mask,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(margin={self.margin}, levels={self.levels}, reduction={self.reduction!r})"
