"""What HJCL makes of tokens and labels, as functions on tensors; layouts are those of `label_attention`."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.scoring.blocks import in_blocks
from hgraph.scoring.label_attention import (
    COPIES,
    COPIES_WITH_GRADIENT,
    attended_features,
    project_tokens,
    token_products,
)

Mix = Callable[..., Tensor]
"""What labels read, ``[b, c, D]``, and vectors of these labels to what they weigh tokens with, ``[b, c, D]``."""


def token_weights(
    query: Tensor,
    constant: Tensor,
    key: Tensor,
    value: Tensor,
    fusion: Tensor,
    tokens: Tensor,
    pads: Tensor | None,
    *,
    heads: int,
    dropout: float = 0.0,
) -> Tensor:
    r"""How much each token says about each label, a softmax over the tokens of a document.

    .. math:: a_{i,l,t} = \operatorname{softmax}_t \big( \langle g_{i,l}, m_{i,t} \rangle + \langle c_l, x_{i,t} \rangle
            \big)

    with the features :math:`g` of :func:`~hgraph.scoring.attended_features`. That is
    :math:`\langle M g_{i,l} + c_l, x_{i,t} \rangle` with :math:`m_{i,t} = M^\top x_{i,t}`: the map :math:`M` meets each
    token once, and not each pair of a document and a label.

    Args:
        query: what labels look for, divided by the square root of the width of a head.
        constant: :math:`c`.
        key: what tokens answer to queries.
        value: what tokens have to say; zero at pads.
        fusion: :math:`m`.
        tokens: :math:`x`; zero at pads.
        pads: what pads add to logits; None where there are none.
        heads: how many equal parts queries, keys and values have.
        dropout: share of the weights of the first attention set to zero.

    Shapes:
        - query and constant ``[c, D]``, or ``[b, c, D]``; key, value, fusion and tokens ``[b, T, D]``; pads ``[b, T]``
        - output ``[b, c, T]``, at least in single precision

    Example:
        >>> tokens, zeros = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.zeros(1, 2)
        >>> token_weights(zeros, torch.tensor([[500.0, 0.0]]), tokens, tokens, tokens, tokens, None, heads=1)
        tensor([[[1., 0.]]])
    """
    read = attended_features(query, key, value, pads, heads=heads, dropout=dropout)  # [b, c, D]
    products = token_products(constant, tokens, heads=1)[0]
    logits = read @ fusion.transpose(1, 2) + (products if constant.dim() == 3 else products.transpose(0, 1))
    if pads is not None:
        logits = logits + pads.unsqueeze(1)
    return logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))


def weighted_tokens(weights: Tensor, tokens: Tensor) -> Tensor:
    """The weighted mean of tokens ``[b, T, D]`` for each label, ``[b, c, D]``."""
    return weights.to(tokens.dtype) @ tokens


def moment_features(direction: Tensor, tokens: Tensor) -> Tensor:
    r"""Tokens weighted by their product with a vector of each label, :math:`z_{i,l} = \sum_t \langle s_{i,l}, x_{i,t}
    \rangle x_{i,t}`.

    That is :math:`(\sum_t x_{i,t} x_{i,t}^\top) s_{i,l}`; of the two orders of the products the cheaper one is taken.

    Shapes:
        - direction ``[b, c, D]``, tokens ``[b, T, D]``
        - output ``[b, c, D]``

    Example:
        >>> moment_features(torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[1.0, 0.0], [1.0, 2.0]]]))
        tensor([[[4., 6.]]])
    """
    num_labels, (num_tokens, channels) = direction.shape[1], tokens.shape[1:]
    direction = direction.to(tokens.dtype)
    if channels * (num_tokens + num_labels) < 2 * num_labels * num_tokens:
        return direction @ (tokens.transpose(1, 2) @ tokens)
    return (direction @ tokens.transpose(1, 2)) @ tokens


def fused_scores(
    documents: Sequence[Tensor], labels: Sequence[Tensor], *, hidden_bias: Tensor, heads: int, dropout: float,
    hidden_dropout: float,
) -> Tensor:  # fmt: skip
    """Scores of a block: token weights, a hidden layer on the weighted mean, one inner product a label.

    Shapes:
        - documents: key, value, fusion, tokens and hidden ``[b, T, D]``, perhaps pads ``[b, T]``
        - labels: query, constant and weight ``[c, D]``, or ``[b, c, D]``
        - output ``[b, c]``
    """
    key, value, fusion, tokens, hidden, *pads = documents
    query, constant, weight = labels
    weights = token_weights(
        query, constant, key, value, fusion, tokens, pads[0] if pads else None, heads=heads, dropout=dropout
    )
    said = F.relu(weighted_tokens(weights, hidden) + hidden_bias)
    said = torch.dropout(said, hidden_dropout, train=True) if hidden_dropout else said
    return (said * weight).sum(-1)


def fused_features(documents: Sequence[Tensor], labels: Sequence[Tensor], *, heads: int, dropout: float) -> Tensor:
    """The weighted mean of tokens for each pair of a block; as :func:`fused_scores` without what comes behind it."""
    key, value, fusion, tokens, _, *pads = documents
    query, constant = labels
    weights = token_weights(
        query, constant, key, value, fusion, tokens, pads[0] if pads else None, heads=heads, dropout=dropout
    )
    return weighted_tokens(weights, tokens)


def published_features(
    documents: Sequence[Tensor], labels: Sequence[Tensor], *, mix: Mix, heads: int, dropout: float
) -> Tensor:
    """The features of HJCL's program for each pair of a block: pads are tokens too, and nothing is normalised.

    Shapes:
        - documents: key, value and tokens ``[b, T, D]``, perhaps pads ``[b, T]``, which the first attention leaves out
        - labels: query, and what ``mix`` takes beside what labels read, ``[c, D]``, or ``[b, c, D]``
        - output ``[b, c, D]``
    """
    key, value, tokens, *pads = documents
    query, *more = labels
    read = attended_features(query, key, value, pads[0] if pads else None, heads=heads, dropout=dropout)
    mixed = mix(read, *more)
    return moment_features(mixed.softmax(-1, dtype=torch.promote_types(mixed.dtype, torch.float32)), tokens)


def pairs_in_blocks(
    function: Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor],
    documents: Sequence[Tensor],
    labels: Sequence[Tensor],
    candidates: Tensor | None,
    *,
    heads: int,
    wide: int,
    memory_budget: int,
    random: bool = False,
) -> Tensor:
    """One of the functions above for all labels or for candidates, in bounded memory.

    Args:
        function: the function, without its options.
        documents: see the function.
        labels: vectors with one row a label, ``[L, D]``.
        candidates: the labels of each document, ``[B, K]``.
        heads: attention heads.
        wide: how many vectors ``[D]`` the function makes for a pair.
        memory_budget: bytes that a block may take.
        random: whether there is dropout.
    """
    copies = COPIES_WITH_GRADIENT if torch.is_grad_enabled() else COPIES
    num_tokens, channels = documents[0].shape[1:]
    rows = len(labels) if candidates is not None else 0
    numbers = (heads + 1) * max(1, num_tokens) + (wide + rows) * channels
    pair_bytes = copies * numbers * max(4, documents[0].element_size())
    return in_blocks(
        function, documents, labels, candidates, pair_bytes=pair_bytes, memory_budget=memory_budget, random=random
    )


def hidden_of_all(features: Tensor, head: Tensor, hidden_bias: Tensor) -> Tensor:
    """The hidden layer on the features of all labels at once: ``[B, L, D]`` and ``[L, D, D]`` to ``[B, D]``."""
    return F.relu(features.flatten(1) @ head.flatten(0, 1) + hidden_bias)


def project_all(text: Tensor, mask: Tensor | None, token_map: Tensor, *, channels: int) -> list[Tensor]:
    """Keys, values, fusion, tokens and hidden ``[B, T, D]`` and, with a mask, what pads add to logits ``[B, T]``."""
    tokens, _, *pads = project_tokens(text, mask, None, channels=channels)
    key, value, fusion, hidden = F.linear(tokens, token_map).chunk(4, dim=-1)
    return [key, value, fusion, tokens, hidden, *pads]


def published_documents(text: Tensor, mask: Tensor | None, token_map: Tensor, *, channels: int) -> list[Tensor]:
    """Keys, values and tokens without the first, pads as they are; with a mask, what pads add to logits."""
    projected = project_tokens(text, mask, token_map, channels=channels)
    key, value, *pads = (tensor[:, 1:] for tensor in projected)
    return [key, value, text[:, 1:].to(key.dtype), *pads]
