"""Zero-bounded log-sum-exp and pairwise rank loss."""

import torch
from torch import Tensor

from hgraph.losses.objective import Objective, check_shapes
from hgraph.losses.precision import full_precision


def zlpr(scores: Tensor, labels: Tensor, *, mask: Tensor | None = None, importance: Tensor | None = None) -> Tensor:
    r"""ZLPR: every positive score above zero, every negative one below, the set of labels judged as a whole.

    .. math:: \ell_i = \log\Big(1 + \sum_{n \notin Y_i} e^{z_{i,n}}\Big)
        + \log\Big(1 + \sum_{p \in Y_i} e^{-z_{i,p}}\Big)

    averaged over documents.

    Args:
        scores: raw scores :math:`z`.
        labels: 1 for the labels in :math:`Y_i`, 0 elsewhere.
        mask: true where a pair counts; the others are in neither sum.
        importance: how many labels each column stands for as a negative, where the columns are a shortlist
            (:class:`~hgraph.sampling.ShortlistSampler`). The first sum is then an unbiased estimate of that over all
            labels; its logarithm, and so the loss, is on average too small.

    Shapes:
        - scores, labels and mask ``[B, L]``; importance ``[L]``
        - output: scalar

    Example:
        >>> zlpr(torch.tensor([[1.0, -2.0, 0.5]]), torch.tensor([[1.0, 0.0, 0.0]]))
        tensor(1.3372)
    """
    check_shapes(scores, labels, mask)
    scores = full_precision(scores)
    positive = labels > 0.5
    kept = torch.ones_like(positive) if mask is None else mask.bool()
    counted = scores if importance is None else scores + importance.to(scores).log()
    losses = _log1p_sum_exp(counted, kept & ~positive) + _log1p_sum_exp(-scores, kept & positive)
    return losses.sum() / max(len(losses), 1)


def _log1p_sum_exp(values: Tensor, chosen: Tensor) -> Tensor:
    """``log(1 + sum of exp(values))`` over the chosen entries of each row."""
    # The 1 is one more entry with value 0. It also keeps a row without chosen entries finite.
    masked = values.masked_fill(~chosen, -torch.inf)
    return torch.cat([masked.new_zeros(len(masked), 1), masked], dim=1).logsumexp(dim=1)


class ZLPRLoss(Objective):
    """ZLPR (`arXiv 2208.02955 <https://arxiv.org/abs/2208.02955>`_) as an objective; see :func:`zlpr`.

    Unlike with binary cross-entropy, the labels of a document compete, and the many easy negatives of a large label
    set do not drown the few positives. Scores are compared with 0, so the threshold on probabilities is 0.5; the
    probabilities are not calibrated. HJCL and HPT train with it.

    Shapes:
        - scores, labels and mask ``[B, L]``
        - output: scalar

    Example:
        >>> ZLPRLoss()(scores=torch.tensor([[1.0, -2.0, 0.5]]), labels=torch.tensor([[1.0, 0.0, 0.0]]))
        tensor(1.3372)
    """

    name = "zlpr"
    on_shortlist = True

    def forward(
        self, *, scores: Tensor, labels: Tensor, mask: Tensor | None = None, importance: Tensor | None = None
    ) -> Tensor:
        """The value for one batch."""
        return zlpr(scores, labels, mask=mask, importance=importance)
