"""Binary cross-entropy."""

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.losses.objective import Objective, check_shapes
from hgraph.losses.precision import full_precision

Reduction = Literal["mean", "sum"]


def binary_cross_entropy(
    scores: Tensor,
    labels: Tensor,
    *,
    reduction: Reduction = "mean",
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    importance: Tensor | None = None,
) -> Tensor:
    r"""Binary cross-entropy of raw scores, averaged over pairs or summed over the labels of each document.

    .. math:: \ell_{i,l} = -w_l \big[ a_l y_{i,l} \log \sigma(z_{i,l}) + (1 - y_{i,l}) \log(1 - \sigma(z_{i,l})) \big]

    Args:
        scores: raw scores :math:`z`.
        labels: targets :math:`y`, which may be soft.
        reduction: ``"mean"`` (default) is the mean over documents and labels; ``"sum"`` is the sum over labels, then
            the mean over documents, that is ``L`` times larger.
        mask: true where a pair counts.
        weight: :math:`w`, how heavy each label is (default 1).
        pos_weight: :math:`a`, how heavy a positive is beside a negative (default 1).
        importance: how many labels each column stands for, where the columns are a shortlist
            (:class:`~hgraph.sampling.ShortlistSampler`); the value is then an unbiased estimate of that of all labels.

    Shapes:
        - scores, labels and mask ``[B, L]``
        - weight and pos_weight: whatever broadcasts to the scores, ``[L]`` or ``[B, L]``; importance ``[L]``
        - output: scalar

    Example:
        >>> scores, labels = torch.zeros(2, 3), torch.ones(2, 3)
        >>> binary_cross_entropy(scores, labels), binary_cross_entropy(scores, labels, reduction="sum")
        (tensor(0.6931), tensor(2.0794))
    """
    check_shapes(scores, labels, mask)
    scores = full_precision(scores)
    weight, pos_weight = (None if value is None else value.to(scores) for value in (weight, pos_weight))
    losses = F.binary_cross_entropy_with_logits(
        scores, labels.to(scores.dtype), weight, reduction="none", pos_weight=pos_weight
    )
    return reduce_pairs(losses, reduction, mask, importance)


def reduce_pairs(losses: Tensor, reduction: Reduction, mask: Tensor | None, importance: Tensor | None = None) -> Tensor:
    """One number from a loss for each pair ``[B, L]``: the mean over pairs, or the sum over labels, then the mean.

    With ``importance`` ``[L]``, a column counts as that many labels.
    """
    kept = torch.ones_like(losses, dtype=torch.bool) if mask is None else mask.bool()
    pairs: Tensor = kept
    if importance is not None:
        importance = importance.to(losses)
        losses, pairs = losses * importance, kept * importance
    total = losses.masked_fill(~kept, 0.0).sum()
    # Without any document the sum is zero: dividing by one keeps it so, where a plain mean would be NaN.
    return total / (pairs.sum().clamp(min=1) if reduction == "mean" else max(len(losses), 1))


def check_reduction(reduction: str) -> None:
    """Raise an error unless ``reduction`` is a :data:`Reduction`."""
    if reduction not in get_args(Reduction):
        raise ConfigError(f"'reduction' must be one of {', '.join(get_args(Reduction))}, but got {reduction!r}.")


class BCELoss(Objective):
    """Binary cross-entropy, each label a decision of its own; see :func:`binary_cross_entropy`.

    HTLA, HGCLR, HyILR and HILL train with ``"mean"``, although some of the papers write a sum. The choice sets how
    heavy any objective beside it is: with ``"mean"`` the value is of the order of 0.01 to 0.1, with ``"sum"`` it is
    ``L`` times that.

    Args:
        reduction: ``"mean"`` over documents and labels (default), or ``"sum"`` over labels, then the mean over
            documents.
        pos_weight: how heavy a positive is beside a negative (default 1). Above 1, recall rises at the cost of
            precision; for a weight of each label see :class:`~hgraph.losses.ClassBalancedBCELoss`.

    Shapes:
        - scores, labels and mask ``[B, L]``; importance ``[L]``
        - output: scalar

    Example:
        >>> BCELoss()(scores=torch.zeros(2, 3), labels=torch.ones(2, 3))
        tensor(0.6931)
    """

    name = "bce"
    on_shortlist = True

    def __init__(self, *, reduction: Reduction = "mean", pos_weight: float = 1.0) -> None:
        super().__init__()
        check_reduction(reduction)
        if not 0 < pos_weight < math.inf:
            raise ConfigError(f"'pos_weight' must be a finite number above 0, but got {pos_weight}.")
        self.reduction = reduction
        self.pos_weight = pos_weight

    def forward(
        self, *, scores: Tensor, labels: Tensor, mask: Tensor | None = None, importance: Tensor | None = None
    ) -> Tensor:
        """The value for one batch."""
        pos_weight = None if self.pos_weight == 1 else scores.new_tensor(self.pos_weight, dtype=torch.float32)
        return binary_cross_entropy(
            scores, labels, reduction=self.reduction, mask=mask, pos_weight=pos_weight, importance=importance
        )

    def __repr__(self) -> str:
        weight = "" if self.pos_weight == 1 else f", pos_weight={self.pos_weight}"
        return f"{type(self).__name__}(reduction={self.reduction!r}{weight})"
