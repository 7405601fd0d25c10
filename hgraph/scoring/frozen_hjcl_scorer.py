"""HJCL's scorer with label vectors that no longer change."""

from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from hgraph.scoring.blocks import MEMORY_BUDGET, check_budget
from hgraph.scoring.frozen_scorer import FrozenScorer
from hgraph.scoring.hjcl import (
    fused_scores,
    hidden_of_all,
    pairs_in_blocks,
    project_all,
    published_documents,
    published_features,
)


class FrozenHJCLScorer(FrozenScorer):
    r"""What an :class:`~hgraph.scoring.HJCLScorer` becomes when it is frozen.

    Args:
        query: what labels look for, over the square root of the width of a head.
        constant: what the fusion has of each label alone.
        weight: what the hidden layer is multiplied with for each label.
        bias: one number a label.
        hidden_bias: the bias of the hidden layer.
        token_map: tokens to keys, values, fusion and hidden layer; in the published form to keys and values.
        fusion: from what labels read to the fusion; the published form alone.
        head: from the features of all labels to the hidden layer; the published form alone.
        heads: attention heads.
        memory_budget: bytes that a block of labels may take.

    Shapes:
        - text ``[B, T, D]``, mask ``[B, T]`` (bool), candidates ``[B, K]`` (long)
        - query, constant and weight ``[L, D]``, bias ``[L]``, hidden_bias ``[D]``, token_map ``[4 D, D]`` or
          ``[2 D, D]``, fusion ``[D, D]``, head ``[L, D, D]``
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> import torch
        >>> zeros, ones = torch.zeros(1, 2), torch.ones(1, 2)
        >>> scorer = FrozenHJCLScorer(
        ...     query=zeros, constant=zeros, weight=ones, bias=torch.zeros(1), hidden_bias=torch.zeros(2),
        ...     token_map=torch.eye(2).repeat(4, 1),
        ... )
        >>> scorer(torch.tensor([[[1.0, 2.0], [1.0, 2.0]]]))
        tensor([[3.]])
    """

    kind = "hjcl"
    reads_tokens = True
    query: Tensor
    constant: Tensor
    weight: Tensor
    bias: Tensor
    hidden_bias: Tensor
    token_map: Tensor
    fusion: Tensor | None
    head: Tensor | None

    def __init__(
        self,
        *,
        query: Tensor,
        constant: Tensor,
        weight: Tensor,
        bias: Tensor,
        hidden_bias: Tensor,
        token_map: Tensor,
        fusion: Tensor | None = None,
        head: Tensor | None = None,
        heads: int = 1,
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        super().__init__(
            *query.shape, query=query, constant=constant, weight=weight, bias=bias, hidden_bias=hidden_bias,
            token_map=token_map, fusion=fusion, head=head,
        )  # fmt: skip
        self.heads = heads
        self.memory_budget = check_budget(memory_budget)

    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of every label, or of the candidates of each document."""
        if self.head is not None:
            hidden = hidden_of_all(self._published(text, mask), self.head, self.hidden_bias)
            scores = F.linear(hidden, self.weight, self.bias)
            return scores if candidates is None else scores.gather(1, candidates)
        block = partial(fused_scores, hidden_bias=self.hidden_bias, heads=self.heads, dropout=0.0, hidden_dropout=0.0)
        documents = project_all(text, mask, self.token_map, channels=self.channels)
        scores = pairs_in_blocks(
            block, documents, [self.query, self.constant, self.weight], candidates, heads=self.heads, wide=3,
            memory_budget=self.memory_budget,
        )  # fmt: skip
        return scores + (self.bias if candidates is None else self.bias[candidates])

    def _published(self, text: Tensor, mask: Tensor | None) -> Tensor:
        """Features ``[B, L, D]`` of the published form."""
        block = partial(published_features, mix=self._mix, heads=self.heads, dropout=0.0)
        documents = published_documents(text, mask, self.token_map, channels=self.channels)
        return pairs_in_blocks(
            block, documents, [self.query, self.constant], None, heads=self.heads, wide=6,
            memory_budget=self.memory_budget,
        )  # fmt: skip

    def _mix(self, read: Tensor, constant: Tensor) -> Tensor:
        assert self.fusion is not None
        return F.linear(read, self.fusion) + constant

    def options(self) -> dict[str, Any]:
        """Arguments of the constructor that are no tensors."""
        return {"heads": self.heads, "memory_budget": self.memory_budget}
