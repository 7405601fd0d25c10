"""Binary cross-entropy with a weight for each label, from the number of its documents."""

import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.losses.bce import BCELoss, Reduction, binary_cross_entropy
from hgraph.losses.relations import check_columns


def class_balanced_weights(support: Tensor, *, beta: float = 0.9999) -> Tensor:
    r"""Weights of labels from their effective numbers of documents, with mean 1.

    .. math:: w_l \propto \frac{1 - \beta}{1 - \beta^{n_l}}

    (`Cui et al. 2019, arXiv 1901.05555 <https://arxiv.org/abs/1901.05555>`_). A label without documents, for which the
    formula divides by zero, weighs as much as one with a single document.

    Args:
        support: :math:`n`, the number of training documents of each label.
        beta: :math:`\beta`: 0 weighs all labels alike; near 1 the weight is nearly :math:`1 / n_l`.

    Shapes:
        - support ``[L]``
        - output ``[L]``, float64

    Example:
        >>> class_balanced_weights(torch.tensor([1, 2, 0]), beta=0.5)
        tensor([1.1250, 0.7500, 1.1250], dtype=torch.float64)
    """
    # expm1 keeps the digits that 1 - beta ** n loses where beta is near 1.
    effective = -torch.expm1(support.double().clamp(min=1) * torch.tensor(beta, dtype=torch.float64).log())
    weights = (1 - beta) / effective
    return weights / weights.mean()


class ClassBalancedBCELoss(BCELoss):
    """Binary cross-entropy where rare labels weigh more; see :func:`class_balanced_weights`.

    The weight multiplies both terms of a label, its positives and its negatives, so that it says how much the label
    matters and does not move the point between precision and recall; `pos_weight` does that.

    Args:
        support: the number of training documents of each label, ``[L]``.
        beta: as of :func:`class_balanced_weights` (default 0.9999, the paper's for large data).
        reduction: as of :class:`~hgraph.losses.BCELoss`. The weights have mean 1 over all labels, so that the value
            has the order of the one without them.
        pos_weight: as of :class:`~hgraph.losses.BCELoss`.

    Shapes:
        - scores, labels, mask and candidates ``[B, L]``, or ``[B, K]`` of a shortlist
        - columns and importance ``[S]``, where all documents share a shortlist; scores, labels and mask ``[B, S]``
        - output: scalar

    Example:
        >>> loss = ClassBalancedBCELoss([1, 1000], reduction="sum")
        >>> loss(scores=torch.tensor([[0.0, 9.0]]), labels=torch.tensor([[1.0, 1.0]]))
        tensor(1.3848)
    """

    name = "class_balanced_bce"
    weight: Tensor

    def __init__(
        self,
        support: Tensor | list[int],
        *,
        beta: float = 0.9999,
        reduction: Reduction = "mean",
        pos_weight: float = 1.0,
    ) -> None:
        super().__init__(reduction=reduction, pos_weight=pos_weight)
        support = torch.as_tensor(support)
        if support.dim() != 1 or not len(support) or bool((support < 0).any()):
            raise ConfigError(
                "'support' must be the number of documents of each label, a non-empty vector of numbers of at least 0, "
                f"but got shape {list(support.shape)}" + (f" with {support.min()}." if support.numel() else ".")
            )
        if not 0 <= beta < 1:
            raise ConfigError(f"'beta' must be at least 0 and below 1, but got {beta}.")
        self.beta = beta
        self.register_buffer("weight", class_balanced_weights(support, beta=beta).float(), persistent=False)

    def forward(  # type: ignore[override]
        self,
        *,
        scores: Tensor,
        labels: Tensor,
        mask: Tensor | None = None,
        candidates: Tensor | None = None,
        columns: Tensor | None = None,
        importance: Tensor | None = None,
    ) -> Tensor:
        """The value for one batch."""
        if columns is None:
            check_columns(scores, len(self.weight), candidates)
        chosen = candidates if columns is None else columns
        weight = self.weight if chosen is None else self.weight[chosen]
        pos_weight = self.weight.new_tensor(self.pos_weight)
        return binary_cross_entropy(
            scores,
            labels,
            reduction=self.reduction,
            mask=mask,
            weight=weight,
            pos_weight=pos_weight,
            importance=importance,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_labels={len(self.weight)}, beta={self.beta}, reduction={self.reduction!r})"
