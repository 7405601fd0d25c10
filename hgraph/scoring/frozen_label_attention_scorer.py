"""Label attention with label vectors that no longer change."""

from functools import partial
from typing import Any

from torch import Tensor

from hgraph.scoring.blocks import MEMORY_BUDGET, check_budget
from hgraph.scoring.frozen_scorer import FrozenScorer
from hgraph.scoring.label_attention import (
    attend_in_blocks,
    attended_features,
    attention_scores,
    pair_scores,
    project_tokens,
)


class FrozenLabelAttentionScorer(FrozenScorer):
    r"""What a :class:`~hgraph.scoring.LabelAttentionScorer` becomes when it is frozen.

    Queries and weights of labels are stored: the maps from label vectors are multiplied out. Those of tokens are not:
    moved to the label side they would make every query and every weight ``heads`` times as wide.

    Args:
        query: what labels look for, over the square root of the width of a head.
        weight: what the features of each label are multiplied with; None with ``pair_weight``.
        pair_weight: for each label what the features of every label are multiplied with.
        bias: one number a label.
        token_map: tokens to keys, then to values; without it both are the tokens.
        heads: attention heads.
        memory_budget: bytes that a block of labels may take.

    Shapes:
        - text ``[B, T, D]``, mask ``[B, T]`` (bool), candidates ``[B, K]`` (long)
        - query and weight ``[L, D]``, pair_weight ``[L, L, D]``, bias ``[L]``, token_map ``[2 D, D]``
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> import torch
        >>> scorer = FrozenLabelAttentionScorer(query=torch.zeros(1, 2), weight=torch.ones(1, 2), bias=torch.zeros(1))
        >>> scorer(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
        tensor([[5.]])
    """

    kind = "label_attention"
    reads_tokens = True
    query: Tensor
    weight: Tensor | None
    pair_weight: Tensor | None
    bias: Tensor
    token_map: Tensor | None

    def __init__(
        self,
        *,
        query: Tensor,
        bias: Tensor,
        weight: Tensor | None = None,
        pair_weight: Tensor | None = None,
        token_map: Tensor | None = None,
        heads: int = 1,
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        super().__init__(
            *query.shape, query=query, weight=weight, pair_weight=pair_weight, bias=bias, token_map=token_map
        )
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
        documents = project_tokens(text, mask, self.token_map, channels=self.channels)
        attend = partial(attend_in_blocks, heads=self.heads, memory_budget=self.memory_budget)
        if self.pair_weight is not None:
            read = partial(attended_features, heads=self.heads)
            features = attend(read, documents, [self.query], None)
            return pair_scores(features, self.pair_weight, self.bias, candidates)
        assert self.weight is not None
        block = partial(attention_scores, heads=self.heads)
        scores = attend(block, documents, [self.query, self.weight], candidates)
        return scores + (self.bias if candidates is None else self.bias[candidates])

    def options(self) -> dict[str, Any]:
        """Arguments of the constructor that are no tensors."""
        return {"heads": self.heads, "memory_budget": self.memory_budget}
