"""The label sets of a batch on the labels that occur in it, and what two documents of the batch share."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hgraph.errors import ConfigError


@dataclass(frozen=True)
class LabelSets:
    """The labels of each document of a batch, as columns of the labels that some document has.

    Nothing here grows with the number of labels of the hierarchy: ``U`` is at most the number of positive pairs.

    Shapes:
        - multi_hot: ``[B, U]``, float32, 1 where the document has the label.
        - ids: ``[U]``, long, ascending: which labels the columns are.
    """

    multi_hot: Tensor
    ids: Tensor

    def shared(self, level: Tensor, num_levels: int) -> Tensor:
        """How many labels two documents share on each level, one matrix product a level.

        The diagonal counts a document's own labels. Counts are exact below 2^24.

        Args:
            level: level of every label of the hierarchy, from 1.
            num_levels: number of levels.

        Shapes:
            - level ``[L]``
            - output ``[num_levels, B, B]``, float32

        Example:
            >>> sets = label_sets(torch.tensor([[1, 1, 0], [1, 0, 1]]))
            >>> sets.shared(torch.tensor([1, 2, 2]), 2).tolist()
            [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]]
        """
        parts = self.by_level(level, num_levels)
        return torch.stack([full_product(part, part.t()) for part, _ in parts])

    def by_level(self, level: Tensor, num_levels: int) -> list[tuple[Tensor, Tensor]]:
        """The columns and the label ids of each level: ``[B, U_l]`` and ``[U_l]``."""
        levels = level[self.ids]
        order = levels.argsort(stable=True)
        sizes = torch.bincount(levels, minlength=num_levels + 1)[1:].tolist()
        return list(zip(self.multi_hot[:, order].split(sizes, dim=1), self.ids[order].split(sizes), strict=True))


def label_sets(
    labels: Tensor, *, mask: Tensor | None = None, candidates: Tensor | None = None, num_labels: int | None = None
) -> LabelSets:
    """The label sets of a batch.

    Args:
        labels: 1 where the document has the label.
        mask: true where a pair counts; a label that does not count is no label of the document.
        candidates: which labels the columns are; without it column `l` is label `l`. A label that is listed twice for
            a document counts once.
        num_labels: how many columns there must be without candidates; any number by default.

    Shapes:
        - labels and mask ``[B, L]``, or ``[B, K]`` with candidates ``[B, K]`` (long)

    Example:
        >>> sets = label_sets(torch.tensor([[1, 0], [1, 1]]), candidates=torch.tensor([[7, 5], [7, 9]]))
        >>> sets.multi_hot.tolist(), sets.ids.tolist()
        ([[1.0, 0.0], [1.0, 1.0]], [7, 9])
    """
    positive = positives(labels, mask=mask, candidates=candidates, num_labels=num_labels)
    if candidates is None:
        ids = positive.any(0).nonzero().view(-1)
        return LabelSets(positive[:, ids].float(), ids)
    ids, column = candidates[positive].unique(return_inverse=True)
    multi_hot = torch.zeros(len(labels), len(ids), device=labels.device)
    multi_hot[positive.nonzero()[:, 0], column] = 1.0
    return LabelSets(multi_hot, ids)


def full_product(left: Tensor, right: Tensor) -> Tensor:
    """The matrix product in the precision of its factors: autocast would round counts above 256 and cosines to 0.004.

    Example:
        >>> with torch.autocast("cpu"):
        ...     full_product(torch.ones(1, 257), torch.ones(257, 1)).item()
        257.0
    """
    with torch.autocast(left.device.type, enabled=False):
        return left @ right


def positives(
    labels: Tensor, *, mask: Tensor | None = None, candidates: Tensor | None = None, num_labels: int | None = None
) -> Tensor:
    """Where a pair is positive and counts, a boolean of the shape of ``labels``; an error where shapes are wrong."""
    if labels.dim() != 2:
        raise ConfigError(f"'labels' must have shape [documents, labels], but got {list(labels.shape)}.")
    for name, value in (("mask", mask), ("candidates", candidates)):
        if value is not None and value.shape != labels.shape:
            raise ConfigError(
                f"'{name}' must have the shape of the labels, {list(labels.shape)}, but got {list(value.shape)}."
            )
    if candidates is None and num_labels is not None and labels.size(1) != num_labels:
        raise ConfigError(
            f"'labels' must have {num_labels} columns, one a label, but got {labels.size(1)}. Give 'candidates' for a "
            "shortlist."
        )
    positive = labels > 0.5
    return positive if mask is None else positive & mask.bool()
