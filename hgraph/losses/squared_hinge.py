"""Squared hinge loss."""

import torch.nn.functional as F
from torch import Tensor

from hgraph.losses.bce import Reduction, check_reduction, reduce_pairs
from hgraph.losses.objective import Objective, check_shapes
from hgraph.losses.precision import full_precision


def squared_hinge(
    scores: Tensor,
    labels: Tensor,
    *,
    reduction: Reduction = "mean",
    mask: Tensor | None = None,
    importance: Tensor | None = None,
) -> Tensor:
    r"""Squared hinge of raw scores with margin 1, averaged over pairs or summed over the labels of each document.

    .. math:: \ell_{i,l} = \max(0, 1 - s_{i,l} z_{i,l})^2, \qquad s_{i,l} = 2 y_{i,l} - 1

    Args:
        scores: raw scores :math:`z`.
        labels: targets :math:`y`, 0 or 1.
        reduction: ``"mean"`` (default) is the mean over documents and labels; ``"sum"`` is the sum over labels, then
            the mean over documents.
        mask: true where a pair counts.
        importance: how many labels each column stands for, see :func:`~hgraph.losses.binary_cross_entropy`.

    Shapes:
        - scores, labels and mask ``[B, L]``
        - output: scalar

    Example:
        >>> import torch
        >>> squared_hinge(torch.tensor([[2.0, 0.5]]), torch.tensor([[1.0, 0.0]]), reduction="sum")
        tensor(2.2500)
    """
    check_shapes(scores, labels, mask)
    scores = full_precision(scores)
    losses = F.relu(1 - (2 * labels.to(scores.dtype) - 1) * scores).square()
    return reduce_pairs(losses, reduction, mask, importance)


class SquaredHingeLoss(Objective):
    """Squared hinge, each label a decision of its own; see :func:`squared_hinge`.

    The loss of one-vs-rest linear support vector machines (LIBLINEAR, https://jmlr.org/papers/v9/fan08a.html) and of
    XR-Linear. A pair that is right by the margin costs nothing, so a label's many easy negatives stop pulling at it.
    Scores are margins, not log-odds: calibrate before reading them as probabilities.

    Args:
        reduction: as of :func:`squared_hinge`.

    Shapes:
        - scores, labels and mask ``[B, L]``
        - output: scalar

    Example:
        >>> import torch
        >>> SquaredHingeLoss()(scores=torch.zeros(2, 3), labels=torch.ones(2, 3))
        tensor(1.)
    """

    name = "squared_hinge"
    on_shortlist = True

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction: Reduction = reduction

    def forward(
        self, *, scores: Tensor, labels: Tensor, mask: Tensor | None = None, importance: Tensor | None = None
    ) -> Tensor:
        """The value for one batch."""
        return squared_hinge(scores, labels, reduction=self.reduction, mask=mask, importance=importance)
