"""The arithmetic of the scorers, as functions on tensors."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def dot_scores(
    text: Tensor, vectors: Tensor, *, bias: Tensor | None = None, candidates: Tensor | None = None
) -> Tensor:
    r"""Inner products of documents and labels, of all labels or of a shortlist for each document.

    .. math:: z_{i,l} = \langle h_i, v_l \rangle + b_l

    Args:
        text: the document vectors :math:`h`.
        vectors: the label vectors :math:`v`.
        bias: one number a label, or one number for all.
        candidates: the labels to score for each document; without it every label is scored.

    Shapes:
        - text ``[B, D]``, vectors ``[L, D]``, bias ``[L]`` or ``[1]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> text, vectors = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> dot_scores(text, vectors)
        tensor([[1., 2., 3.]])
        >>> dot_scores(text, vectors, candidates=torch.tensor([[2, 0]]))
        tensor([[3., 1.]])
    """
    if candidates is None:
        scores = text @ vectors.t()
        return scores if bias is None else scores + bias
    # Only the rows of the shortlist are read: the cost is B x K x D, whatever the number of labels.
    rows = F.embedding(candidates, vectors)  # [B, K, D]
    scores = (rows @ text.unsqueeze(-1)).squeeze(-1)
    return scores if bias is None else scores + (bias[candidates] if bias.numel() > 1 else bias)


def additive_scores(
    text: Tensor, labels: Tensor, weight: Tensor, bias: Tensor, *, candidates: Tensor | None = None
) -> Tensor:
    r"""Scores of a shared linear layer on the sum of a document vector and a label vector, in closed form.

    Coordinate :math:`l` of :math:`W (h_i + f_l) + b` needs row :math:`l` of :math:`W` alone, so that

    .. math:: z_{i,l} = \langle w_l, h_i + f_l \rangle + b_l,
        \qquad Z = H W^\top + \operatorname{rowsum}(W \odot F) + b

    which costs ``B x L x D`` instead of the ``B x L x L x D`` of the definition.

    Args:
        text: the document vectors :math:`h`.
        labels: the label vectors :math:`f`.
        weight: the rows :math:`w`.
        bias: :math:`b`.
        candidates: the labels to score for each document; without it every label is scored.

    Shapes:
        - text ``[B, D]``, labels and weight ``[L, D]``, bias ``[L]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> text, labels = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 3.0]])
        >>> additive_scores(text, labels, weight=torch.eye(2), bias=torch.zeros(2))
        tensor([[2., 5.]])
    """
    if candidates is None:
        return dot_scores(text, weight, bias=fold_bias(labels, weight, bias))
    label_rows, weight_rows = F.embedding(candidates, labels), F.embedding(candidates, weight)  # [B, K, D]
    return (weight_rows * (text.unsqueeze(1) + label_rows)).sum(-1) + bias[candidates]


def fold_bias(labels: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The part of an additive score that no document changes: ``rowsum(W * F) + b``, shape ``[L]``.

    Example:
        >>> fold_bias(torch.tensor([[1.0, 0.0], [0.0, 3.0]]), weight=torch.eye(2), bias=torch.ones(2))
        tensor([2., 4.])
    """
    return (weight * labels).sum(-1) + bias


def log_odds(prior: Tensor, *, floor: float = 1e-6) -> Tensor:
    """The bias that makes a sigmoid answer ``prior`` when nothing else is known.

    Args:
        prior: the share of documents that carry each label.
        floor: shares are kept within ``[floor, 1 - floor]``, so that a label without documents has a finite bias.

    Shapes:
        - prior ``[L]``
        - output ``[L]``

    Example:
        >>> log_odds(torch.tensor([0.5, 0.0])).sigmoid()
        tensor([5.0000e-01, 1.0000e-06])
    """
    return torch.logit(prior.clamp(floor, 1.0 - floor))


def shrinkage(support: Tensor, kappa: Tensor | float) -> Tensor:
    r"""How much an estimate from ``support`` documents counts beside a prior that is worth ``kappa`` of them.

    .. math:: s_l = n_l / (n_l + \kappa)

    Shapes:
        - support ``[L]``
        - output ``[L]``, from 0 to below 1

    Example:
        >>> shrinkage(torch.tensor([0.0, 10.0, 90.0]), kappa=10.0)
        tensor([0.0000, 0.5000, 0.9000])
    """
    return support / (support + kappa)


@torch.no_grad()
def init_product_map(weight: Tensor) -> None:
    """Draw ``U [D, C]`` of a product ``h U f`` so that the scores of vectors with coordinates near 1 are near 1.

    With one width for both it starts as the inner product, otherwise at random.

    Example:
        >>> weight = torch.empty(4, 4)
        >>> init_product_map(weight)
        >>> torch.equal(weight, torch.eye(4) / 2)
        True
    """
    rows, columns = weight.shape
    if rows == columns:
        nn.init.eye_(weight).mul_(rows**-0.5)
    else:
        nn.init.normal_(weight, std=(rows * columns) ** -0.5)
