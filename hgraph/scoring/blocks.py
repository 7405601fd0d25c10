"""Scores that need a tensor for each pair of document and label, computed block by block in bounded memory."""

from collections.abc import Callable, Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from hgraph.errors import ConfigError

MEMORY_BUDGET = 16 * 2**20
"""Bytes that the pairs of a block may take, unless a scorer is told otherwise."""

Function = Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]
"""Tensors with a row a document, ``[b, ...]``, and vectors with a row a label, ``[c, D]`` or, for candidates,
``[b, c, D]``, to an answer for each pair, ``[b, c, ...]``."""


def check_budget(memory_budget: int) -> int:
    """The budget, or an error where it is none."""
    if memory_budget < 1:
        raise ConfigError(f"'memory_budget' must be at least 1 byte, but got {memory_budget}.")
    return memory_budget


def in_blocks(
    function: Function,
    documents: Sequence[Tensor],
    labels: Sequence[Tensor],
    candidates: Tensor | None = None,
    *,
    pair_bytes: int,
    memory_budget: int = MEMORY_BUDGET,
    random: bool = False,
) -> Tensor:
    """What ``function`` answers for all pairs, asked for so many pairs at a time as the budget allows.

    Where there is more than one block and gradients are wanted, the backward pass computes each block again, so that
    no two blocks are in memory at once. Rows of candidates are read block by block as well.

    Args:
        function: documents and labels of a block to its answers; each pair must be answered by itself.
        documents: tensors with one row a document.
        labels: vectors with one row a label.
        candidates: the labels of each document; without it every label is asked for.
        pair_bytes: what a pair takes while ``function`` runs, gradients included where they are wanted.
        memory_budget: what the pairs of a block may take, in bytes.
        random: whether ``function`` draws random numbers, which the backward pass then draws again.

    Shapes:
        - documents ``[B, ...]``, labels ``[L, D]``, candidates ``[B, K]`` (long)
        - output ``[B, L, ...]``, or ``[B, K, ...]`` with candidates

    Raises:
        ConfigError: A single pair takes more than the budget.

    Example:
        >>> def multiply(documents, labels):
        ...     return documents[0] @ labels[0].t()
        >>> text, vectors = torch.ones(2, 3), torch.eye(3)
        >>> in_blocks(multiply, [text], [vectors], pair_bytes=4, memory_budget=8)  # one label at a time
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """
    num_documents = len(documents[0])
    width = len(labels[0]) if candidates is None else candidates.shape[1]
    rows, columns = block_shape(num_documents, width, pair_bytes=pair_bytes, memory_budget=memory_budget)
    recompute = torch.is_grad_enabled() and (rows < num_documents or columns < width)

    def ask(document_block: Sequence[Tensor], label_block: Sequence[Tensor], candidate_block: Tensor | None) -> Tensor:
        if candidate_block is not None:
            label_block = [F.embedding(candidate_block, tensor) for tensor in label_block]
        return function(document_block, label_block)

    answers = []
    label_blocks = _split(labels, columns) if candidates is None else [labels]
    for document_block in _split(documents if candidates is None else [*documents, candidates], rows):
        chosen: Sequence[Tensor | None] = [None]
        if candidates is not None:
            document_block, chosen = document_block[:-1], document_block[-1].split(columns, dim=1)
        parts = [
            checkpoint(ask, document_block, *piece, use_reentrant=False, preserve_rng_state=random)
            if recompute
            else ask(document_block, *piece)
            for piece in product(label_blocks, chosen)
        ]
        answers.append(_join(parts, dim=1))
    return _join(answers, dim=0)


def block_shape(num_documents: int, width: int, *, pair_bytes: int, memory_budget: int) -> tuple[int, int]:
    """How many documents and how many labels make a block: all documents, as long as one label of each fits.

    Example:
        >>> block_shape(4, 100, pair_bytes=10, memory_budget=400), block_shape(4, 100, pair_bytes=10, memory_budget=20)
        ((4, 10), (2, 1))
    """
    pairs = memory_budget // pair_bytes
    if pairs < 1:
        raise ConfigError(
            f"'memory_budget' must hold one document and one label, {pair_bytes:,} bytes here, but got "
            f"{memory_budget:,}. Raise it, or shorten the texts."
        )
    rows = max(1, min(num_documents, pairs))
    return rows, max(1, min(width, pairs // rows))


def _split(tensors: Sequence[Tensor], size: int) -> list[tuple[Tensor, ...]]:
    """All tensors cut along their rows. Split as a whole, their gradients are put together once, not once a block."""
    return list(zip(*(tensor.split(size) for tensor in tensors), strict=True))


def _join(tensors: list[Tensor], *, dim: int) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim=dim)
