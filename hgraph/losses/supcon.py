"""Supervised contrast between documents."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.losses.objective import Objective
from hgraph.losses.precision import full_precision
from hgraph.sampling.label_sets import LabelSets, full_product, label_sets

Positives = Literal["identical", "any", "jaccard"]


def supcon_from_similarity(
    similarity: Tensor, positives: Tensor, *, temperature: float = 0.1, kept: Tensor | None = None
) -> Tensor:
    r"""Contrast of each vector with all others, towards its positives.

    With :math:`w_{ip} \ge 0` the weight of :math:`p` as a positive of :math:`i`:

    .. math:: \ell_i = \frac{-1}{\sum_p w_{ip}} \sum_{p \ne i} w_{ip}
        \log \frac{e^{s_{ip} / \tau}}{\sum_{a \ne i} e^{s_{ia} / \tau}}

    averaged over the vectors that have a positive; zero, with zero gradient, if none has.

    Args:
        similarity: :math:`s`, usually cosines.
        positives: :math:`w`, boolean or weights of 0 and above; the diagonal is not read.
        temperature: :math:`\tau`.
        kept: true for the vectors that take part; all by default.

    Shapes:
        - similarity and positives ``[N, N]``, kept ``[N]``
        - output: scalar

    Example:
        >>> similarity = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
        >>> positives = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
        >>> supcon_from_similarity(similarity, positives, temperature=1.0)
        tensor(0.4741)
    """
    similarity = full_precision(similarity) / temperature
    others = ~torch.eye(len(similarity), dtype=torch.bool, device=similarity.device)
    if kept is not None:
        others = others & kept & kept.unsqueeze(1)
    weights = positives.to(similarity.dtype).masked_fill(~others, 0.0)
    total = weights.sum(1)
    anchors = total > 0
    # A row of -inf alone has a NaN gradient, which a later zero weight does not remove: such rows keep their values.
    top = similarity.masked_fill(~others & anchors.unsqueeze(1), -torch.inf).logsumexp(1)
    losses = top - (weights * similarity).sum(1) / total.masked_fill(~anchors, 1.0)
    return losses.masked_fill(~anchors, 0.0).sum() / anchors.sum().clamp(min=1)


def label_overlap(sets: LabelSets, kind: Positives, dtype: torch.dtype = torch.float32) -> Tensor:
    """How much each document is a positive of each other by their label sets, `[B, B]`, from 0 to 1.

    A document without labels has no positives. See :class:`SupConLoss` for the kinds.
    """
    shared = full_product(sets.multi_hot, sets.multi_hot.t())
    size = shared.diagonal()
    union = size + size.unsqueeze(1) - shared
    if kind == "jaccard":
        return shared.to(dtype) / union.clamp(min=1)
    return ((shared > 0) & ((shared == union) | (kind == "any"))).to(dtype)


class SupConLoss(Objective):
    r"""Supervised contrastive loss (`arXiv 2004.11362 <https://arxiv.org/abs/2004.11362>`_) between documents.

    Pulls documents with like label sets together and apart from the rest of the batch;
    :func:`supcon_from_similarity` on cosines. The paper has one class an example; for label sets the positives of a
    document, its weights :math:`w_{ip}`, are a choice:

    - ``"identical"``: documents with the same label set (1, else 0);
    - ``"any"``: documents that share a label. In label sets that are closed upward this is a shared root: as a rule
      use :class:`~hgraph.losses.HMCLLoss`, which goes level by level;
    - ``"jaccard"``: all that share a label, with weight :math:`|Y_i \cap Y_p| / |Y_i \cup Y_p|`.

    Further views of a document, where the model gives them, are anchors too, and positives of each other with weight 1.
    A batch in which no document has a positive gives zero; see :mod:`hgraph.sampling` for batches that have them.

    Args:
        temperature: :math:`\tau` (default 0.1).
        positives: one of the above (default ``"identical"``).

    Shapes:
        - labels and mask ``[B, L]``, or ``[B, K]`` with candidates ``[B, K]``; text ``[B, D]``, views ``[B, V, D]``
        - output: scalar

    Example:
        >>> loss, labels = SupConLoss(temperature=1.0), torch.tensor([[1, 0], [1, 0], [0, 1]])
        >>> loss(labels=labels, text=torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]))
        tensor(0.3133)
    """

    name = "supcon"

    def __init__(self, *, temperature: float = 0.1, positives: Positives = "identical") -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)
        if positives not in get_args(Positives):
            choices = ", ".join(get_args(Positives))
            raise ConfigError(f"'positives' must be one of {choices}, but got {positives!r}.")
        self.positives: Positives = positives

    def forward(
        self,
        *,
        labels: Tensor,
        text: Tensor,
        views: Tensor | None = None,
        mask: Tensor | None = None,
        candidates: Tensor | None = None,
    ) -> Tensor:
        """The value for one batch."""
        sets = label_sets(labels, mask=mask, candidates=candidates)
        overlap = label_overlap(sets, self.positives, full_precision(text).dtype)
        if views is not None:
            text = torch.cat([text.unsqueeze(1), views], dim=1).flatten(0, 1)  # [B (1 + V), D]
            times = 1 + views.size(1)
            overlap.fill_diagonal_(1.0)
            overlap = overlap.repeat_interleave(times, 0).repeat_interleave(times, 1)
        return supcon_from_similarity(cosines(text), overlap, temperature=self.temperature)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(temperature={self.temperature}, positives={self.positives!r})"


def cosines(vectors: Tensor) -> Tensor:
    """Cosines of all pairs of rows, `[N, N]`, in float32 or wider."""
    units = F.normalize(full_precision(vectors), dim=-1)
    return full_product(units, units.t())


def check_temperature(temperature: float, name: str = "temperature") -> float:
    """The temperature; an error unless it is above 0."""
    if not temperature > 0:
        raise ConfigError(f"'{name}' must be above 0, but got {temperature}.")
    return temperature
