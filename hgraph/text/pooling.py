"""From the states of tokens to one vector a text."""

from typing import Literal

import torch
from torch import Tensor

Pooling = Literal["cls", "mean", "max", "last"]


def pool(tokens: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """One vector a text, [B, D].

    Args:
        tokens: Token states [B, T, D], padded on the right.
        mask: [B, T], True at real tokens.
        pooling: `"cls"` takes the first token, `"last"` the last real one, `"mean"` and `"max"` go over real tokens.

    Example:
        >>> states = torch.tensor([[[1.0], [5.0], [9.0]]])
        >>> [pool(states, torch.tensor([[True, True, False]]), how).item() for how in ("cls", "mean", "max", "last")]
        [1.0, 3.0, 5.0, 5.0]
    """
    if pooling == "cls":
        return tokens[:, 0]
    if pooling == "mean":
        return masked_mean(tokens, mask)
    if pooling == "max":
        return masked_max(tokens, mask)
    last = (mask.sum(1) - 1).clamp(min=0)
    return tokens[torch.arange(len(tokens), device=tokens.device), last]


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Average of `states` [B, T, D] where `mask` [B, T] is True, [B, D]; 0 where it never is."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


def masked_max(states: Tensor, mask: Tensor) -> Tensor:
    """Largest of `states` [B, T, D] where `mask` [B, T] is True, [B, D]; 0 where it never is."""
    states = states.masked_fill(~mask.unsqueeze(-1), torch.finfo(states.dtype).min)
    return states.amax(1).where(mask.any(1, keepdim=True), 0)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax of `scores` [B, N] over the places where `mask` is True; zeros in a row where it never is.

    Half precision is widened to float32.
    """
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores.softmax(1) * mask
