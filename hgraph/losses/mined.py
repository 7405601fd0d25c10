"""Mined labels as negatives."""

import torch
from torch import Tensor

from hgraph.errors import ConfigError


def mined_negatives(
    mined: Tensor, positive: Tensor, mask: Tensor | None, candidates: Tensor | None, *, num_labels: int
) -> Tensor:
    """Which of the mined labels of a document are negatives: not its own labels, and each label once.

    Args:
        mined: label ids, -1 where there is none.
        positive: true for the labels of the document.
        mask: true where a pair counts; a mined label of a pair that does not count is no negative (on a shortlist the
            mask says nothing about labels outside it).
        candidates: which labels the columns of `positive` are; without it column `l` is label `l`.
        num_labels: the number of labels.

    Shapes:
        - mined ``[B, N]``, positive, mask and candidates ``[B, L]`` or ``[B, K]``
        - output ``[B, N]``, boolean

    Example:
        >>> mined, positive = torch.tensor([[2, 0, 2, -1]]), torch.tensor([[True, False, False]])
        >>> mined_negatives(mined, positive, None, None, num_labels=3)
        tensor([[ True, False, False, False]])
    """
    if mined.dim() != 2 or len(mined) != len(positive) or mined.is_floating_point():
        raise ConfigError(
            f"'mined' must hold label numbers, shape [{len(positive)}, N], but got {mined.dtype} {list(mined.shape)}."
        )
    if mined.numel() and int(mined.max()) >= num_labels:
        raise ConfigError(f"'mined' must hold labels below {num_labels}, but got {int(mined.max())}. Mine again.")
    ids = mined.clamp(min=0)
    if candidates is None:
        negative = ~positive.gather(1, ids) & (mined >= 0)
        negative = negative if mask is None else negative & mask.bool().gather(1, ids)
    else:
        offset = num_labels * torch.arange(len(mined), device=mined.device).unsqueeze(1)
        negative = ~torch.isin(ids + offset, (candidates + offset)[positive]) & (mined >= 0)
    in_order, order = mined.sort(dim=1, stable=True)
    repeated = torch.zeros_like(negative)
    repeated[:, 1:] = in_order[:, 1:] == in_order[:, :-1]
    return negative & ~torch.zeros_like(negative).scatter_(1, order, repeated)
