"""How alike documents and labels are."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.losses.precision import full_precision

Similarity = Callable[[Tensor, Tensor], Tensor]
"""From documents ``[B, D]`` and labels ``[L, D]``, or ``[B, K, D]`` of a shortlist, to ``[B, L]`` or ``[B, K]``."""


def products(text: Tensor, vectors: Tensor) -> Tensor:
    """Inner products.

    Shapes:
        - text ``[B, D]``, vectors ``[L, D]`` or ``[B, K, D]``
        - output ``[B, L]`` or ``[B, K]``

    Example:
        >>> products(torch.tensor([[1.0, 2.0]]), torch.eye(2))
        tensor([[1., 2.]])
    """
    return text @ vectors.t() if vectors.dim() == 2 else (vectors @ text.unsqueeze(-1)).squeeze(-1)


def cosines(text: Tensor, vectors: Tensor) -> Tensor:
    """Cosines; shapes as of :func:`products`.

    Example:
        >>> cosines(torch.tensor([[3.0, 4.0]]), torch.eye(2))
        tensor([[0.6000, 0.8000]])
    """
    return products(F.normalize(text, dim=-1), F.normalize(vectors, dim=-1))


def compare(similarity: Similarity, text: Tensor, label_vectors: Tensor, candidates: Tensor | None = None) -> Tensor:
    """The similarity of documents with all labels, or with the candidates of each, in float32 or wider.

    With candidates only their vectors are read: the cost is ``B x K x D``, whatever the number of labels.

    Shapes:
        - text ``[B, D]``, label_vectors ``[L, D]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates
    """
    # Half-precision cosines are 0.004 apart; divided by the temperature that is an error of 0.06 in an exponent.
    with torch.autocast(text.device.type, enabled=False):
        documents = full_precision(text)
        vectors = label_vectors if candidates is None else F.embedding(candidates, label_vectors)
        return similarity(documents, full_precision(vectors).to(documents))
