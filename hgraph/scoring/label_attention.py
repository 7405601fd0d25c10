"""Attention of labels over the tokens of documents, as functions on tensors.

A block has `c` labels, the same for each of its `b` documents or, for candidates, other ones for each. Products of
labels and tokens are laid out `[H, c, b, T]` for the former, which makes them one matrix product a head, and
`[H, b, c, T]` for the latter.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.scoring.blocks import in_blocks

PAD = -3e4
"""What is added to the logit of a pad: far below all others, and still a number in half precision."""

COPIES, COPIES_WITH_GRADIENT = 4, 6
"""How many numbers a block holds at most for each product of a label with a token, and for each channel of a label."""


def attention_scores(
    query: Tensor, weight: Tensor, key: Tensor, value: Tensor, pads: Tensor | None, *, heads: int, dropout: float = 0.0
) -> Tensor:
    r"""Scores of labels on the features that they attend to, without the features themselves.

    .. math:: z_{i,l} = \langle w_l, g_{i,l} \rangle
        = \sum_{\eta, t} p_{i,l,\eta,t} \, \langle w_{l,\eta}, v_{i,t,\eta} \rangle

    with :math:`p` as in :func:`attention_weights` and heads :math:`\eta`. The right-hand side takes ``T`` numbers a
    head and pair instead of ``D`` numbers a pair.

    Args:
        query: what labels look for, divided by the square root of the width of a head.
        weight: what the features are multiplied with.
        key: what tokens answer to queries.
        value: what tokens have to say; zero at pads.
        pads: 0 at tokens, :data:`PAD` at pads; None where there are no pads.
        heads: how many equal parts the vectors have.
        dropout: share of attention weights set to zero.

    Shapes:
        - query and weight ``[c, D]``, or ``[b, c, D]``; key and value ``[b, T, D]``; pads ``[b, T]``
        - output ``[b, c]``

    Example:
        >>> tokens = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
        >>> query, weight = torch.tensor([[50.0, 0.0]]), torch.tensor([[3.0, 4.0]])
        >>> attention_scores(query, weight, tokens, tokens, None, heads=1)
        tensor([[3.]])
    """
    weights = attention_weights(query, key, pads, heads=heads, dropout=dropout)
    said = token_products(weight, value, heads=heads)
    # Without gradients the product takes the place of the weights.
    product = weights.mul_(said) if not torch.is_grad_enabled() else weights * said
    scores = product.sum(dim=(0, -1))
    return scores.t() if query.dim() == 2 else scores


def attended_features(
    query: Tensor, key: Tensor, value: Tensor, pads: Tensor | None, *, heads: int, dropout: float = 0.0
) -> Tensor:
    r"""What each label reads in each document: :math:`g_{i,l,\eta} = \sum_t p_{i,l,\eta,t} v_{i,t,\eta}`.

    Args and shapes are those of :func:`attention_scores`; output ``[b, c, D]``.

    Example:
        >>> tokens = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
        >>> attended_features(torch.tensor([[0.0, 0.0]]), tokens, tokens, None, heads=1)
        tensor([[[0.5000, 0.5000]]])
    """
    weights = attention_weights(query, key, pads, heads=heads, dropout=dropout)
    if query.dim() == 2:
        weights = weights.transpose(1, 2)  # [H, b, c, T]
    values = value.unflatten(-1, (heads, -1)).permute(2, 0, 1, 3)  # [H, b, T, d]
    return (weights.to(value.dtype) @ values).permute(1, 2, 0, 3).flatten(-2)


def pair_scores(features: Tensor, weight: Tensor, bias: Tensor, candidates: Tensor | None = None) -> Tensor:
    r"""Scores that each label takes from the features of all labels side by side.

    .. math:: z_{i,l} = \sum_m \langle w_{l,m}, g_{i,m} \rangle + b_l

    Shapes:
        - features ``[B, L, D]``, weight ``[L, L, D]``, bias ``[L]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> weight = torch.tensor([[[1.0], [0.0]], [[1.0], [1.0]]])
        >>> pair_scores(torch.tensor([[[2.0], [3.0]]]), weight, torch.zeros(2))
        tensor([[2., 5.]])
    """
    scores = F.linear(features.flatten(1), weight.flatten(1), bias)
    return scores if candidates is None else scores.gather(1, candidates)


def attention_weights(query: Tensor, key: Tensor, pads: Tensor | None, *, heads: int, dropout: float = 0.0) -> Tensor:
    r"""How much each label reads of each token, :math:`p = \operatorname{softmax}_t \langle q_{l,\eta}, k_{i,t,\eta}
    \rangle`, at least in single precision.

    A document of pads alone has equal weights on all of them; its values are zero.

    Example:
        >>> attention_weights(torch.ones(1, 2), torch.zeros(1, 3, 2), torch.tensor([[0.0, 0.0, PAD]]), heads=1)
        tensor([[[[0.5000, 0.5000, 0.0000]]]])
    """
    logits = token_products(query, key, heads=heads)
    if pads is not None:
        logits += pads if query.dim() == 2 else pads.unsqueeze(1)
    weights = logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    return torch.dropout(weights, dropout, train=True) if dropout else weights


def token_products(labels: Tensor, tokens: Tensor, *, heads: int) -> Tensor:
    """Inner products of labels and tokens, head by head.

    Shapes:
        - labels ``[c, D]``, or ``[b, c, D]``; tokens ``[b, T, D]``
        - output ``[H, c, b, T]``, or ``[H, b, c, T]``

    Example:
        >>> token_products(torch.ones(5, 6), torch.ones(2, 4, 6), heads=3).shape
        torch.Size([3, 5, 2, 4])
    """
    labels, parts = labels.unflatten(-1, (heads, -1)), tokens.unflatten(-1, (heads, -1))
    if labels.dim() == 3:
        flat = parts.flatten(0, 1).permute(1, 2, 0)  # [H, d, b * T]
        return (labels.transpose(0, 1) @ flat).unflatten(-1, tokens.shape[:2])
    return labels.permute(2, 0, 1, 3) @ parts.permute(2, 0, 3, 1)


def project_tokens(text: Tensor, mask: Tensor | None, token_map: Tensor | None, *, channels: int) -> list[Tensor]:
    """Keys and values ``[B, T, D]`` of tokens and, with a mask, what pads add to logits ``[B, T]``.

    Raises:
        ConfigError: Text or mask of another shape.
    """
    if text.dim() != 3 or text.shape[-1] != channels:
        raise ConfigError(
            f"'text' must hold the vectors of all tokens, shape [documents, tokens, {channels}], but got "
            f"{list(text.shape)}. Pass the tokens of the text encoder, not the pooled vector."
        )
    if mask is not None and mask.shape != text.shape[:2]:
        raise ConfigError(f"'mask' must have shape {list(text.shape[:2])}, but got {list(mask.shape)}.")
    if mask is None:
        pads = []
    else:
        # Zero before the map, which has no bias: values of pads are zero, and no pad reaches a gradient.
        text = text.masked_fill(~mask.bool().unsqueeze(-1), 0.0)
        pads = [torch.where(mask.bool(), 0.0, PAD).to(text.dtype)]
    key, value = (text, text) if token_map is None else F.linear(text, token_map).chunk(2, dim=-1)
    return [key, value, *pads]


def attend_in_blocks(
    function: Callable[..., Tensor],
    documents: Sequence[Tensor],
    labels: Sequence[Tensor],
    candidates: Tensor | None,
    *,
    heads: int,
    memory_budget: int,
    random: bool = False,
) -> Tensor:
    """:func:`attention_scores` or :func:`attended_features` for all labels or for candidates, in bounded memory.

    Args:
        function: one of the two.
        documents: what :func:`project_tokens` returned.
        labels: queries ``[L, D]``, for scores also weights ``[L, D]``.
        candidates: the labels of each document, ``[B, K]``.
        heads: how many equal parts the vectors have.
        memory_budget: bytes that a block may take.
        random: whether there is dropout.
    """

    def block(documents: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
        key, value, *pads = documents
        query, *weight = labels
        return function(query, *weight, key, value, pads[0] if pads else None)

    copies = COPIES_WITH_GRADIENT if torch.is_grad_enabled() else COPIES
    key = documents[0]
    # Products in single precision at least: softmax is taken in no less.
    # Rows of candidates are copied for each document, and features are made for each pair.
    rows = key.shape[2] if candidates is not None or len(labels) == 1 else 0
    pair_bytes = copies * (heads * max(1, key.shape[1]) + rows) * max(4, key.element_size())
    return in_blocks(
        block, documents, labels, candidates, pair_bytes=pair_bytes, memory_budget=memory_budget, random=random
    )
