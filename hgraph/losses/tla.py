"""Text-label alignment (HTLA)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.losses.objective import Objective, check_shapes
from hgraph.losses.precision import full_precision


def tla_from_similarity(
    similarity: Tensor, labels: Tensor, *, temperature: float = 0.07, mask: Tensor | None = None
) -> Tensor:
    r"""Contrast of each document's labels with as many of its hardest other labels.

    With :math:`Y_i` the labels of document :math:`i` and :math:`N_i` the :math:`|Y_i|` most similar labels outside it
    (all of them where there are fewer):

    .. math:: \ell_i = \log \sum_{c \in Y_i \cup N_i} e^{s_{i,c} / \tau}
        - \frac{1}{|Y_i|} \sum_{p \in Y_i} s_{i,p} / \tau

    averaged over the documents that have labels; zero, with zero gradient, if none has. The choice of :math:`N_i` has
    no gradient. Time and memory are ``B x L``.

    Args:
        similarity: :math:`s`, usually cosines.
        labels: 1 for the labels in :math:`Y_i`, 0 elsewhere.
        temperature: :math:`\tau`.
        mask: true where a pair counts; the others are neither positives nor negatives.

    Shapes:
        - similarity, labels and mask ``[B, L]``
        - output: scalar

    Example:
        >>> similarity = torch.tensor([[0.9, 0.2, 0.5, -0.1, 0.45]])
        >>> tla_from_similarity(similarity, torch.tensor([[1.0, 0.0, 1.0, 0.0, 0.0]]))
        tensor(2.8621)
    """
    check_shapes(similarity, labels, mask)
    similarity = full_precision(similarity) / temperature
    kept = torch.ones_like(similarity, dtype=torch.bool) if mask is None else mask.bool()
    positive, negative = (labels > 0.5) & kept, (labels <= 0.5) & kept
    num_positive = positive.sum(1)
    hardest, is_hardest = _hardest_negatives(similarity, negative, num_positive)

    # [B, L + k]: the positives in place, then the negatives.
    contrast = torch.cat(
        [similarity.masked_fill(~positive, -torch.inf), hardest.masked_fill(~is_hardest, -torch.inf)], dim=1
    )
    # A row of -inf alone has a NaN gradient, which a later zero weight does not remove: fill such rows first.
    has_labels = num_positive > 0
    contrast = contrast.masked_fill(~has_labels.unsqueeze(1), 0.0)
    mean_positive = similarity.masked_fill(~positive, 0.0).sum(1) / num_positive.clamp(min=1)
    losses = (contrast.logsumexp(1) - mean_positive).masked_fill(~has_labels, 0.0)
    return losses.sum() / has_labels.sum().clamp(min=1)


def _hardest_negatives(similarity: Tensor, negative: Tensor, num_positive: Tensor) -> tuple[Tensor, Tensor]:
    """The most similar negatives of each row, and which of them it takes: as many as it has positives."""
    width = int(num_positive.max()) if len(num_positive) else 0
    order = similarity.detach().masked_fill(~negative, -torch.inf).topk(width, dim=1).indices  # [B, k]
    wanted = torch.minimum(num_positive, negative.sum(1))
    is_hardest = torch.arange(width, device=order.device) < wanted.unsqueeze(1)
    return similarity.gather(1, order), is_hardest


class TLALoss(Objective):
    r"""The text-label alignment loss of HTLA (`arXiv 2409.00788 <https://arxiv.org/abs/2409.00788>`_).

    Pulls a document's vector towards the vectors of its labels and away from those of the labels it is most easily
    confused with; :func:`tla_from_similarity` on :math:`s_{i,l} = \cos(h_i, f_l)`.

    Changed against the published program: no loop over documents or labels, and a document without labels adds nothing
    where it gave NaN.

    Args:
        temperature: :math:`\tau` (default 0.07).
        negatives: which labels compete to be negatives: ``"all"`` outside the document's own (default, the only one).

    Shapes:
        - labels and mask ``[B, L]``, text ``[B, D]``, label_vectors ``[L, D]``; scores ignored
        - output: scalar

    Example:
        >>> loss = TLALoss(temperature=1.0)
        >>> labels, vectors = torch.tensor([[1.0, 0.0]]), torch.eye(2)
        >>> loss(scores=torch.zeros(1, 2), labels=labels, text=torch.tensor([[2.0, 0.0]]), label_vectors=vectors)
        tensor(0.3133)
    """

    name = "tla"

    def __init__(self, *, temperature: float = 0.07, negatives: Literal["all"] = "all") -> None:
        super().__init__()
        if not temperature > 0:
            raise ConfigError(f"'temperature' must be above 0, but got {temperature}.")
        if negatives != "all":
            raise ConfigError(f"'negatives' must be 'all', but got {negatives!r}.")
        self.temperature = temperature
        self.negatives = negatives

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
        if text is None or label_vectors is None:
            raise ConfigError("TLALoss compares document vectors with label vectors: pass 'text' and 'label_vectors'.")
        # Half-precision cosines are 0.004 apart; divided by the temperature that is an error of 0.06 in an exponent.
        with torch.autocast(text.device.type, enabled=False):
            documents, vectors = full_precision(text), full_precision(label_vectors)
            similarity = F.normalize(documents, dim=-1) @ F.normalize(vectors.to(documents), dim=-1).t()
        return tla_from_similarity(similarity, labels, temperature=self.temperature, mask=mask)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(temperature={self.temperature}, negatives={self.negatives!r})"
