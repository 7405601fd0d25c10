"""Who attends to whom in HBGL: labels along the hierarchy, then a text and the steps of its levels."""

import torch
from torch import Tensor

HIDDEN = -1e4
"""Added to the attention of a pair that must not see each other; small enough to vanish, finite in half precision."""


def hierarchy_mask(edges: Tensor, sizes: Tensor, length: int, *, self_loops: bool = True) -> Tensor:
    """Attention among the labels of several hierarchies, one a row (HBGL, section 3.2).

    A row is CLS (which stands for the root above all), its labels, and SEP. A parent and a child see each other; SEP is
    seen by none.

    Args:
        edges: ``[3, E]``, long: row, position of the parent (0 is CLS), position of the child.
        sizes: ``[R]``, long, labels of each row.
        length: positions of a row, at least 2 more than the largest size.
        self_loops: whether a position sees itself; the published model leaves this out.

    Shapes:
        - output ``[R, length, length]``, bool, true where the query (second axis) sees the key (third)

    Example:
        >>> hierarchy_mask(torch.tensor([[0, 0], [0, 1], [1, 2]]), torch.tensor([2]), 4).int()
        tensor([[[1, 1, 0, 0],
                 [1, 1, 1, 0],
                 [0, 1, 1, 0],
                 [0, 0, 0, 1]]], dtype=torch.int32)
    """
    row, parent, child = edges
    mask = torch.zeros(len(sizes), length, length, dtype=torch.bool, device=edges.device)
    mask[row, parent, child] = True
    mask[row, child, parent] = True
    if self_loops:
        real = torch.arange(length, device=edges.device) < sizes.unsqueeze(1) + 2
        mask.diagonal(dim1=1, dim2=2).logical_or_(real)
    return mask


def stream_mask(source: Tensor, steps: int, *, pseudo: bool = True) -> Tensor:
    """Attention of texts and the steps behind them (HBGL, section 3.3, after UniLMv2).

    The source sees the source; step k of the targets sees the source and the targets up to k; step k of the pseudo
    stream sees the source, the targets before k, and itself.

    Args:
        source: ``[B, T]``, bool, true at real tokens.
        steps: number S of steps in a stream.
        pseudo: whether the pseudo stream follows the targets.

    Shapes:
        - output ``[B, T + 2S, T + 2S]``, or ``[B, T + S, T + S]``, bool, true where the query sees the key

    Example:
        >>> stream_mask(torch.tensor([[True]]), 2)[0].int()
        tensor([[1, 0, 0, 0, 0],
                [1, 1, 0, 0, 0],
                [1, 1, 1, 0, 0],
                [1, 0, 0, 1, 0],
                [1, 1, 0, 0, 1]], dtype=torch.int32)
    """
    batch, tokens = source.shape
    ones = torch.ones(steps, steps, dtype=torch.bool, device=source.device)
    targets, before = ones.tril(), ones.tril(-1)
    if pseudo:
        own = torch.eye(steps, dtype=torch.bool, device=source.device)
        later = torch.cat([torch.cat([targets, ~ones], 1), torch.cat([before, own], 1)])  # [2S, 2S]
    else:
        later = targets
    width = len(later)
    mask = torch.zeros(batch, tokens + width, tokens + width, dtype=torch.bool, device=source.device)
    mask[:, :, :tokens] = source.unsqueeze(1)
    mask[:, tokens:, tokens:] = later
    return mask


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask ``[B, Q, K]`` as transformers add it to attention, ``[B, 1, Q, K]``."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, HIDDEN).unsqueeze(1)
