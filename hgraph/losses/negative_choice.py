"""Which of the labels that may be negatives of a document are its negatives."""

from typing import Literal

import torch
from torch import Tensor

Choice = Literal["hardest", "semi_hard", "random", "all"]


@torch.no_grad()
def choose_negatives(
    similarity: Tensor,
    positive: Tensor,
    allowed: Tensor,
    *,
    choice: Choice = "hardest",
    count: int | None = None,
    margin: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Some of the allowed negatives of each document; the choice has no gradient.

    - ``"hardest"``: the most similar ones;
    - ``"semi_hard"``: the most similar of those that lie below the least similar positive by more than `margin`; for a
      document without any, as ``"hardest"``. What is more similar than a positive may be a label that was forgotten;
    - ``"random"``: any;
    - ``"all"``: all of them, whatever `count`.

    Args:
        similarity: of documents and labels.
        positive: true for the labels of the document.
        allowed: true for the labels that may be negatives.
        choice: one of the above.
        count: how many to choose, as many as there are positives by default; all of them where there are fewer.
        margin: as above, in units of the similarity.
        generator: source of random numbers on the device of the similarity.

    Shapes:
        - similarity, positive and allowed ``[B, L]``
        - output ``[B, L]``, boolean

    Example:
        >>> similarity = torch.tensor([[0.9, 0.5, 0.8, 0.3]])
        >>> positive = torch.tensor([[False, True, False, False]])
        >>> choose_negatives(similarity, positive, ~positive)
        tensor([[ True, False, False, False]])
        >>> choose_negatives(similarity, positive, ~positive, choice="semi_hard")
        tensor([[False, False, False,  True]])
    """
    if choice == "all":
        return allowed
    key = similarity
    if choice == "random":
        key = torch.rand(similarity.shape, generator=generator, device=similarity.device)
    if choice == "semi_hard":
        least = similarity.masked_fill(~positive, torch.inf).amin(1, keepdim=True) if positive.size(1) else similarity
        below = allowed & (similarity < least - margin)
        allowed = torch.where(below.any(1, keepdim=True), below, allowed)
    available = allowed.sum(1)
    wanted = torch.minimum(positive.sum(1) if count is None else torch.full_like(available, count), available)
    width = int(wanted.max()) if len(wanted) else 0
    order = key.masked_fill(~allowed, -torch.inf).topk(width, dim=1).indices  # [B, width]
    taken = torch.arange(width, device=order.device) < wanted.unsqueeze(1)
    return torch.zeros_like(allowed).scatter_(1, order, taken)
