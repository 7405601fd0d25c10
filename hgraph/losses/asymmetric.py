"""Binary cross-entropy that looks away from pairs which are right already: focal and asymmetric loss."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.losses.bce import Reduction, check_reduction, reduce_pairs
from hgraph.losses.objective import Objective, check_shapes
from hgraph.losses.precision import full_precision


def asymmetric(
    scores: Tensor,
    labels: Tensor,
    *,
    gamma_pos: float = 0.0,
    gamma_neg: float = 4.0,
    clip: float = 0.05,
    alpha: float | None = None,
    reduction: Reduction = "mean",
    mask: Tensor | None = None,
    importance: Tensor | None = None,
) -> Tensor:
    r"""Binary cross-entropy with each term scaled down by how right it is, on a scale of its own on either side.

    .. math:: \ell_{i,l} = -\alpha^+ y (1 - p)^{\gamma^+} \log p - \alpha^- (1 - y) q^{\gamma^-} \log(1 - q),
        \qquad p = \sigma(z_{i,l}), \quad q = \max(0, p - m)

    With both :math:`\gamma` equal and no margin :math:`m` it is the focal loss; with both 0 as well it is binary
    cross-entropy. The gradient goes through the factors too.

    Args:
        scores: raw scores :math:`z`.
        labels: targets :math:`y`.
        gamma_pos: :math:`\gamma^+` (default 0).
        gamma_neg: :math:`\gamma^-` (default 4).
        clip: the margin :math:`m` (default 0.05): a negative below this probability costs nothing.
        alpha: :math:`\alpha^+`, with :math:`\alpha^- = 1 - \alpha^+`; without it (default) both are 1.
        reduction: ``"mean"`` (default) over pairs, or ``"sum"`` over labels, then the mean over documents.
        mask: true where a pair counts.
        importance: how many labels each column stands for, see :func:`~hgraph.losses.binary_cross_entropy`.

    Shapes:
        - scores, labels and mask ``[B, L]``; importance ``[L]``
        - output: scalar

    Example:
        >>> scores, labels = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]])
        >>> asymmetric(scores, labels, gamma_neg=2.0, clip=0.0, reduction="sum")
        tensor(0.8664)
    """
    check_shapes(scores, labels, mask)
    scores = full_precision(scores)
    labels = labels.to(scores.dtype)
    # Powers as exponentials of logarithms: x ** gamma has an infinite slope at 0 where gamma is below 1.
    positive = -F.logsigmoid(scores) * (gamma_pos * F.logsigmoid(-scores)).exp()
    if clip:
        above = scores.sigmoid() - clip
        q = above.masked_fill(above <= 0, 0.5)
        negative = (-torch.log1p(-q) * q**gamma_neg).masked_fill(above <= 0, 0.0)
    else:
        negative = -F.logsigmoid(-scores) * (gamma_neg * F.logsigmoid(scores)).exp()
    if alpha is not None:
        positive, negative = alpha * positive, (1 - alpha) * negative
    return reduce_pairs(labels * positive + (1 - labels) * negative, reduction, mask, importance)


class AsymmetricLoss(Objective):
    r"""The asymmetric loss of Ridnik et al. (`arXiv 2009.14119 <https://arxiv.org/abs/2009.14119>`_).

    :func:`asymmetric`: with many labels nearly all pairs are easy negatives; these fade by :math:`\gamma^-` and vanish
    below a probability of `clip`, while positives keep their weight.

    Args:
        gamma_pos: :math:`\gamma^+` (default 0).
        gamma_neg: :math:`\gamma^-` (default 4).
        clip: the margin of probability (default 0.05).
        reduction: as of :class:`~hgraph.losses.BCELoss`. The paper sums; with ``"mean"`` the value is very small, so
            weigh it or what stands beside it.

    Shapes:
        - scores, labels and mask ``[B, L]``
        - output: scalar

    Example:
        >>> loss = AsymmetricLoss(reduction="sum")
        >>> loss(scores=torch.tensor([[0.0, -4.0]]), labels=torch.tensor([[1.0, 0.0]]))
        tensor(0.6931)
    """

    name = "asymmetric"
    on_shortlist = True

    def __init__(
        self, *, gamma_pos: float = 0.0, gamma_neg: float = 4.0, clip: float = 0.05, reduction: Reduction = "mean"
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        for name, gamma in (("gamma_pos", gamma_pos), ("gamma_neg", gamma_neg)):
            if not gamma >= 0:
                raise ConfigError(f"{name!r} must be at least 0, but got {gamma}.")
        if not 0 <= clip < 1:
            raise ConfigError(f"'clip' must be at least 0 and below 1, but got {clip}.")
        self.gamma_pos, self.gamma_neg, self.clip, self.reduction = gamma_pos, gamma_neg, clip, reduction

    def forward(
        self, *, scores: Tensor, labels: Tensor, mask: Tensor | None = None, importance: Tensor | None = None
    ) -> Tensor:
        """The value for one batch."""
        return asymmetric(
            scores,
            labels,
            gamma_pos=self.gamma_pos,
            gamma_neg=self.gamma_neg,
            clip=self.clip,
            reduction=self.reduction,
            mask=mask,
            importance=importance,
        )

    def __repr__(self) -> str:
        options = f"gamma_pos={self.gamma_pos}, gamma_neg={self.gamma_neg}, clip={self.clip}"
        return f"{type(self).__name__}({options}, reduction={self.reduction!r})"


class FocalLoss(Objective):
    r"""The focal loss of Lin et al. (`arXiv 1708.02002 <https://arxiv.org/abs/1708.02002>`_).

    :func:`asymmetric` with one :math:`\gamma` for both sides and no margin.

    Args:
        gamma: :math:`\gamma` (default 2); with 0 it is binary cross-entropy, weighted by `alpha`.
        alpha: share of the weight that positives have, negatives have the rest (the paper uses 0.25 with
            :math:`\gamma` 2); without it (default) both have weight 1.
        reduction: as of :class:`~hgraph.losses.BCELoss`.

    Shapes:
        - scores, labels and mask ``[B, L]``
        - output: scalar

    Example:
        >>> FocalLoss(gamma=2.0)(scores=torch.zeros(1, 2), labels=torch.tensor([[1.0, 0.0]]))
        tensor(0.1733)
    """

    name = "focal"
    on_shortlist = True

    def __init__(self, *, gamma: float = 2.0, alpha: float | None = None, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        if not gamma >= 0:
            raise ConfigError(f"'gamma' must be at least 0, but got {gamma}.")
        if alpha is not None and not 0 < alpha < 1:
            raise ConfigError(f"'alpha' must be between 0 and 1, or None, but got {alpha}.")
        self.gamma, self.alpha, self.reduction = gamma, alpha, reduction

    def forward(
        self, *, scores: Tensor, labels: Tensor, mask: Tensor | None = None, importance: Tensor | None = None
    ) -> Tensor:
        """The value for one batch."""
        return asymmetric(
            scores,
            labels,
            gamma_pos=self.gamma,
            gamma_neg=self.gamma,
            clip=0.0,
            alpha=self.alpha,
            reduction=self.reduction,
            mask=mask,
            importance=importance,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(gamma={self.gamma}, alpha={self.alpha}, reduction={self.reduction!r})"
