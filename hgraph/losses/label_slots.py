"""What documents say about their own labels, as one flat list."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.sampling.label_sets import positives


@dataclass(frozen=True)
class LabelSlots:
    """Pairs of a document and one of its labels, each with a vector.

    Shapes:
        - vectors: ``[M, D]``
        - documents: ``[M]``, long, ascending
        - labels: ``[M]``, long, ids in the hierarchy
    """

    vectors: Tensor
    documents: Tensor
    labels: Tensor


def positive_slots(
    labels: Tensor,
    label_text: Tensor,
    *,
    label_slots: Tensor | None = None,
    mask: Tensor | None = None,
    candidates: Tensor | None = None,
) -> LabelSlots:
    """The rows of ``label_text`` that belong to labels of their document.

    Args:
        labels: 1 where the document has the label.
        label_text: one row a column of the labels, or one a slot.
        label_slots: which labels the rows are, -1 where there is none; a label at most once a document.
        mask: true where a pair counts.
        candidates: which labels the columns are; without it column `l` is label `l`.

    Shapes:
        - labels and mask ``[B, L]``, or ``[B, K]`` with candidates ``[B, K]``
        - label_text ``[B, L, D]`` or ``[B, K, D]``; or ``[B, S, D]`` with label_slots ``[B, S]``

    Example:
        >>> labels, label_text = torch.tensor([[0, 1], [1, 0]]), torch.arange(4.0).view(2, 2, 1)
        >>> positive_slots(labels, label_text)
        LabelSlots(vectors=tensor([[1.], [2.]]), documents=tensor([0, 1]), labels=tensor([1, 0]))
    """
    positive = positives(labels, mask=mask, candidates=candidates)
    ids = torch.arange(labels.size(1), device=labels.device).expand_as(labels) if candidates is None else candidates
    if label_slots is not None:
        # Positive pairs as numbers, looked up in each other: no table of documents and labels.
        document = torch.arange(len(labels), device=labels.device).unsqueeze(1)
        size = torch.cat([ids.reshape(-1), label_slots.reshape(-1), ids.new_zeros(1)]).max() + 1
        pairs, wanted = document * size + label_slots, (document * size + ids)[positive]
        positive = torch.isin(pairs, wanted) & (label_slots >= 0)
        ids = label_slots
    if label_text.dim() != 3 or label_text.shape[:2] != positive.shape:
        raise ConfigError(
            f"'label_text' must have shape [{positive.size(0)}, {positive.size(1)}, channels], but got "
            f"{list(label_text.shape)}."
        )
    return LabelSlots(label_text[positive], positive.nonzero()[:, 0], ids[positive])
