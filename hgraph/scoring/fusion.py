"""The arithmetic of scorers that look at a document and a label together: one vector for each pair, in blocks."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.scoring.blocks import MEMORY_BUDGET, in_blocks

Activation = Literal["relu", "gelu", "tanh"]
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu, "tanh": torch.tanh}

COPIES, COPIES_WITH_GRADIENT = 6, 10
"""How many vectors a block holds at most for each pair, those of candidates included."""

IN_CACHE = 4 * 2**20
"""Bytes of a block of gates that stays in a processor's cache from one operation to the next: a quarter less time."""


def gated_scores(
    text: Tensor,
    text_gate: Tensor,
    label_gate: Tensor,
    weight: Tensor,
    label_part: Tensor,
    bias: Tensor,
    *,
    candidates: Tensor | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> Tensor:
    r"""Inner products of labels with gated mixtures of document and label.

    .. math:: z_{i,l} = \langle w_l, g \odot h_i + (1 - g) \odot f_l \rangle + b_l
        = \langle g, w_l \odot h_i - w_l \odot f_l \rangle + \big( \langle w_l, f_l \rangle + b_l \big), \qquad
        g = \sigma(a_i + c_l)

    Args:
        text: the document vectors :math:`h`.
        text_gate: what documents say about gates, :math:`a`.
        label_gate: what labels say about gates, :math:`c`.
        weight: the rows :math:`w`.
        label_part: the products :math:`w \odot f`.
        bias: the term in brackets.
        candidates: the labels to score for each document; without it every label is scored.
        memory_budget: bytes that the pairs of a block may take.

    Shapes:
        - text and text_gate ``[B, D]``; label_gate, weight and label_part ``[L, D]``; bias ``[L]``
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> text, vectors, weight = torch.tensor([[2.0]]), torch.tensor([[4.0]]), torch.tensor([[1.0]])
        >>> gated_scores(text, torch.zeros(1, 1), torch.zeros(1, 1), weight, weight * vectors, torch.tensor([4.0]))
        tensor([[3.]])
    """

    def block(documents: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
        text, text_gate = documents
        label_gate, weight, label_part = labels
        gate = (text_gate.unsqueeze(1) + label_gate).sigmoid_()  # [b, c, D]
        difference = weight * text.unsqueeze(1)
        difference -= label_part
        return (gate * difference).sum(-1)

    pair_bytes = _pair_bytes(text)
    if not (text.is_cuda or torch.is_grad_enabled()):
        memory_budget = min(memory_budget, max(IN_CACHE, pair_bytes))
    scores = in_blocks(
        block, [text, text_gate], [label_gate, weight, label_part], candidates,
        pair_bytes=pair_bytes, memory_budget=memory_budget,
    )  # fmt: skip
    return scores + (bias if candidates is None else bias[candidates])


def hidden_scores(
    text_part: Tensor,
    label_part: Tensor,
    output: Tensor,
    bias: Tensor,
    *,
    activation: Activation = "relu",
    candidates: Tensor | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> Tensor:
    r"""One number of a hidden layer on each pair of document and label.

    .. math:: z_{i,l} = \langle v, \phi(a_i + c_l) \rangle + b_l

    Args:
        text_part: what documents add to the hidden layer, :math:`a`.
        label_part: what labels add to it, :math:`c`.
        output: :math:`v`.
        bias: one number a label, or one number for all.
        activation: :math:`\phi`.
        candidates: the labels to score for each document; without it every label is scored.
        memory_budget: bytes that the pairs of a block may take.

    Shapes:
        - text_part ``[B, W]``, label_part ``[L, W]``, output ``[W]``, bias ``[L]`` or ``[1]``
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> text, labels = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0], [-2.0, 0.0]])
        >>> hidden_scores(text, labels, torch.ones(2), torch.zeros(1))
        tensor([[3., 0.]])
    """

    def block(documents: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
        hidden = documents[0].unsqueeze(1) + labels[0]  # [b, c, W]
        return _ACTIVATIONS[activation](hidden) @ output

    scores = in_blocks(
        block, [text_part], [label_part], candidates, pair_bytes=_pair_bytes(text_part), memory_budget=memory_budget
    )
    return scores + (bias if candidates is None or bias.numel() == 1 else bias[candidates])


def check_activation(activation: Activation) -> Activation:
    """The activation, or an error that lists the choices."""
    if activation not in get_args(Activation):
        raise ConfigError(f"'activation' must be one of {', '.join(get_args(Activation))}, but got {activation!r}.")
    return activation


def _pair_bytes(text: Tensor) -> int:
    copies = COPIES_WITH_GRADIENT if torch.is_grad_enabled() else COPIES
    return copies * text.shape[-1] * max(4, text.element_size())
