"""Binary cross-entropy."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.losses.objective import Objective, check_shapes
from hgraph.losses.precision import full_precision

Reduction = Literal["mean", "sum"]


def binary_cross_entropy(
    scores: Tensor, labels: Tensor, *, reduction: Reduction = "mean", mask: Tensor | None = None
) -> Tensor:
    r"""Binary cross-entropy of raw scores, averaged over pairs or summed over the labels of each document.

    .. math:: \ell_{i,l} = -y_{i,l} \log \sigma(z_{i,l}) - (1 - y_{i,l}) \log(1 - \sigma(z_{i,l}))

    Args:
        scores: raw scores :math:`z`.
        labels: targets :math:`y`, which may be soft.
        reduction: ``"mean"`` (default) is the mean over documents and labels; ``"sum"`` is the sum over labels, then
            the mean over documents, that is ``L`` times larger.
        mask: true where a pair counts.

    Shapes:
        - scores, labels and mask ``[B, L]``
        - output: scalar

    Example:
        >>> scores, labels = torch.zeros(2, 3), torch.ones(2, 3)
        >>> binary_cross_entropy(scores, labels), binary_cross_entropy(scores, labels, reduction="sum")
        (tensor(0.6931), tensor(2.0794))
    """
    check_shapes(scores, labels, mask)
    scores = full_precision(scores)
    losses = F.binary_cross_entropy_with_logits(scores, labels.to(scores.dtype), reduction="none")
    return reduce_pairs(losses, reduction, mask)


def reduce_pairs(losses: Tensor, reduction: Reduction, mask: Tensor | None) -> Tensor:
    """One number from a loss for each pair ``[B, L]``: the mean over pairs, or the sum over labels, then the mean."""
    kept = torch.ones_like(losses, dtype=torch.bool) if mask is None else mask.bool()
    total = losses.masked_fill(~kept, 0.0).sum()
    # Without any document the sum is zero: dividing by one keeps it so, where a plain mean would be NaN.
    return total / (kept.sum().clamp(min=1) if reduction == "mean" else max(len(losses), 1))


class BCELoss(Objective):
    """Binary cross-entropy, each label a decision of its own; see :func:`binary_cross_entropy`.

    HTLA, HGCLR, HyILR and HILL train with ``"mean"``, although some of the papers write a sum. The choice sets how
    heavy any objective beside it is: with ``"mean"`` the value is of the order of 0.01 to 0.1, with ``"sum"`` it is
    ``L`` times that.

    Args:
        reduction: ``"mean"`` over documents and labels (default), or ``"sum"`` over labels, then the mean over
            documents.

    Shapes:
        - scores, labels and mask ``[B, L]``
        - output: scalar

    Example:
        >>> BCELoss()(scores=torch.zeros(2, 3), labels=torch.ones(2, 3))
        tensor(0.6931)
    """

    name = "bce"

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        if reduction not in get_args(Reduction):
            raise ConfigError(f"'reduction' must be one of {', '.join(get_args(Reduction))}, but got {reduction!r}.")
        self.reduction = reduction

    def forward(
        self,
        *,
        scores: Tensor,
        labels: Tensor,
        text: Tensor | None = None,
        label_vectors: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """The value for one batch."""
        return binary_cross_entropy(scores, labels, reduction=self.reduction, mask=mask)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(reduction={self.reduction!r})"
