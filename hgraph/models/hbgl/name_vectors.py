"""First vectors of labels and of special tokens, from the word embeddings of a transformer."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hgraph.text import TransformerTextEncoder

BLOCK = 4096
"""Names that are looked up at once."""


@torch.no_grad()
def name_vectors(encoder: TransformerTextEncoder, names: Sequence[str]) -> Tensor:
    """The sum of the word embeddings of each name's tokens, ``[L, D]``; special tokens are left out (HBGL, 3.2).

    The scale is that of the table, and grows with the length of a name: about the square root of the number of tokens
    times the length of a word's vector. A name without tokens takes the mean of the table.
    """
    table: Any = encoder.model.get_input_embeddings()
    width, device = table.embedding_dim, table.weight.device
    made = [torch.zeros(0, width, device=device)]
    for start in range(0, len(names), BLOCK):
        block = list(names[start : start + BLOCK])
        tokens = encoder.tokenizer(block, add_special_tokens=False, truncation=True, max_length=encoder.max_length)
        lengths = torch.tensor([len(row) for row in tokens["input_ids"]], device=device)
        ids = torch.tensor([token for row in tokens["input_ids"] for token in row], dtype=torch.long, device=device)
        rows = torch.repeat_interleave(torch.arange(len(block), device=device), lengths)
        sums = torch.zeros(len(block), width, dtype=table.weight.dtype, device=device).index_add_(0, rows, table(ids))
        sums[lengths == 0] = table.weight.mean(0)
        made.append(sums)
    return torch.cat(made[1:] or made)


@torch.no_grad()
def special_vector(encoder: TransformerTextEncoder, *kinds: str) -> Tensor:
    """Word embedding ``[D]`` of the first special token of `kinds` that there is; else the mean of the table."""
    table: Any = encoder.model.get_input_embeddings()
    for kind in kinds:
        number = getattr(encoder.tokenizer, f"{kind}_token_id", None)
        if number is not None:
            vector: Tensor = table.weight[number].detach().clone()
            return vector
    mean: Tensor = table.weight.detach().mean(0)
    return mean
