"""Each label reads the tokens of a document for itself."""

from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring.blocks import MEMORY_BUDGET, check_budget
from hgraph.scoring.frozen_label_attention_scorer import FrozenLabelAttentionScorer
from hgraph.scoring.functional import init_product_map
from hgraph.scoring.label_attention import (
    attend_in_blocks,
    attended_features,
    attention_scores,
    pair_scores,
    project_tokens,
)
from hgraph.scoring.scorer import Scorer

Query = Literal["label", "given", "learned"]
Weight = Literal["own", "label", "all"]
Projections = Literal["learned", "none"]


class LabelAttentionScorer(Scorer):
    r"""Multi-head attention of labels over tokens, then one inner product a label.

    With heads :math:`\eta` of width :math:`d`, tokens :math:`x_{i,t}` and label vectors :math:`f_l`,

    .. math:: p_{i,l,\eta} = \operatorname{softmax}_t
            \frac{\langle q_{l,\eta}, (W_k x_{i,t})_\eta \rangle}{\sqrt{d}}, \qquad
        g_{i,l,\eta} = \sum_t p_{i,l,\eta,t} (W_v x_{i,t})_\eta, \qquad
        z_{i,l} = \langle w_l, g_{i,l} \rangle + b_l

    The query is :math:`q_l = W_q f_l + b_q`, as in the attention of HJCL
    (`arXiv 2310.05128 <https://arxiv.org/abs/2310.05128>`_) without its residuals, or a free vector a label. The
    weight :math:`w_l` is free, or follows from the label vector: :math:`w_l = W_w f_l`. With ``query="learned"``,
    ``heads=1`` and ``projections="none"`` a label attends with a free vector to the tokens as they are. With
    ``query="given"`` that vector is the label vector itself, :math:`q_l = f_l`, and logits are not divided by
    :math:`\sqrt d`: the attention of HyILR (ACL-SRW 2025), whose label vectors also take part in its contrast.

    HyILR's program scores each label by the features of all labels side by side, ``weight="all"``:
    :math:`z_{i,l} = \sum_m \langle w_{l,m}, g_{i,m} \rangle + b_l`, in ``L x L x D`` weights.

    Biases of :math:`W_k` and :math:`W_v` are left out: the first cancels in the softmax, the second is part of
    :math:`b_l`. Scores never form the features :math:`g` (``B x L x D``): each block of labels takes two products of
    labels with tokens, ``2 B x L x T x D`` multiplications in all, and ``B x heads x T`` numbers a label, which
    ``memory_budget`` bounds. The backward pass computes each block again. A document without tokens scores
    :math:`b_l`.

    Args:
        channels: the width D of a token vector.
        num_labels: the number of labels; may be left out with ``query="label"`` and ``weight="label"``, where all
            labels share one bias then and any number of label vectors is taken.
        label_channels: the width C of a label vector (default: ``channels``).
        heads: attention heads, a divisor of ``channels`` (default 4).
        query: ``"label"`` (default), a map of the label vectors; ``"given"``, the label vectors; or ``"learned"``, one
            free vector a label.
        weight: ``"own"`` (default), one free vector a label; ``"label"``, from the label vectors; or ``"all"``, a
            vector for each pair of labels.
        projections: ``"learned"`` (default) maps tokens to keys and values, ``"none"`` takes them as they are.
        dropout: on the attention weights (default 0).
        memory_budget: bytes that a block of labels may take beside the tokens and the labels themselves, forward and
            backward (default 16 MiB).
        all_limit: more labels are refused with ``weight="all"`` (default 1000).

    Shapes:
        - text ``[B, T, D]``, mask ``[B, T]`` (bool), labels ``[L, C]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> scorer = LabelAttentionScorer(channels=8, num_labels=5, heads=2)
        >>> tokens, mask = torch.randn(2, 3, 8), torch.tensor([[True, True, True], [True, False, False]])
        >>> scorer(tokens, torch.randn(5, 8), mask=mask).shape
        torch.Size([2, 5])
    """

    reads_tokens = True
    label_parameters = ("query", "weight", "pair_weight", "bias")

    def __init__(
        self,
        channels: int,
        *,
        num_labels: int | None = None,
        label_channels: int | None = None,
        heads: int = 4,
        query: Query = "label",
        weight: Weight = "own",
        projections: Projections = "learned",
        dropout: float = 0.0,
        memory_budget: int = MEMORY_BUDGET,
        all_limit: int = 1000,
    ) -> None:
        super().__init__(num_labels, channels, label_channels=label_channels)
        _check_options(channels, num_labels, heads, query, weight, projections, dropout)
        if query == "given" and self.label_channels != channels:
            raise ConfigError(
                f"'label_channels' must be {channels}, that of the tokens, with query='given', but got "
                f"{self.label_channels}. Take query='label', which maps them."
            )
        if weight == "all" and num_labels is not None and num_labels > all_limit:
            raise ConfigError(
                f"'num_labels' is {num_labels}, but weight='all' takes at most all_limit={all_limit}: its weights, "
                f"labels x labels x channels, would take {4 * channels * num_labels**2:,} bytes, and training four "
                "times that. Use weight='own', or raise 'all_limit'."
            )
        self.heads = heads
        self.dropout = dropout
        self.memory_budget = check_budget(memory_budget)
        from_label, size = self.label_channels, (num_labels or 1, channels)
        self.query = nn.Parameter(torch.empty(size)) if query == "learned" else None
        self.query_map = nn.Linear(from_label, channels) if query == "label" else None
        self.weight = nn.Parameter(torch.empty(size)) if weight == "own" else None
        self.weight_map = nn.Linear(from_label, channels, bias=False) if weight == "label" else None
        pairs = (num_labels or 1, *size)
        self.pair_weight = nn.Parameter(torch.empty(pairs)) if weight == "all" else None
        # Keys, then values: one matrix product for both.
        self.token_map = nn.Linear(channels, 2 * channels, bias=False) if projections == "learned" else None
        self.bias = nn.Parameter(torch.empty(num_labels or 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights and put the biases to zero."""
        if self.query is not None:
            nn.init.normal_(self.query, std=0.02)  # at first a label reads all tokens alike
        if self.weight is not None:
            nn.init.uniform_(self.weight, -(self.channels**-0.5), self.channels**-0.5)
        if self.pair_weight is not None:
            bound = self.pair_weight[0].numel() ** -0.5
            nn.init.uniform_(self.pair_weight, -bound, bound)
        for linear in (self.query_map, self.token_map):
            if linear is not None:
                linear.reset_parameters()
        if self.weight_map is not None:
            init_product_map(self.weight_map.weight)
        nn.init.zeros_(self.bias)

    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of every label, or of the candidates of each document."""
        if self.pair_weight is not None:
            return pair_scores(self.label_text(text, labels, mask=mask), self.pair_weight, self.bias, candidates)
        documents = project_tokens(text, mask, self.projection, channels=self.channels)
        block = partial(attention_scores, heads=self.heads, dropout=self.dropout if self.training else 0.0)
        scores = attend_in_blocks(
            block, documents, [self.queries(labels), self.weights(labels)], candidates,
            heads=self.heads, memory_budget=self.memory_budget, random=self.training and self.dropout > 0,
        )  # fmt: skip
        return scores + (self.bias if candidates is None or len(self.bias) == 1 else self.bias[candidates])

    @property
    def separable(self) -> bool:
        """Not with a weight for each pair of labels."""
        return self.pair_weight is None

    def label_text(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """What each document says about each label, ``[B, L, D]``, or ``[B, K, D]`` about its candidates.

        These are the features of :meth:`forward` before the last product; attention stays within the memory budget,
        the features themselves are as large as they are.
        """
        documents = project_tokens(text, mask, self.projection, channels=self.channels)
        block = partial(attended_features, heads=self.heads, dropout=self.dropout if self.training else 0.0)
        return attend_in_blocks(
            block, documents, [self.queries(labels)], candidates,
            heads=self.heads, memory_budget=self.memory_budget, random=self.training and self.dropout > 0,
        )  # fmt: skip

    @property
    def projection(self) -> Tensor | None:
        """What makes keys and values of tokens, ``[2 D, D]``."""
        return None if self.token_map is None else self.token_map.weight

    def queries(self, labels: Tensor | None = None) -> Tensor:
        """The queries of all labels, over the square root of the width of a head unless given: ``[L, D]``."""
        if self.query is None and self.query_map is None:
            return self.require_labels(labels)
        query = self.query if self.query_map is None else self.query_map(self.require_labels(labels))
        assert query is not None
        return query * (self.channels // self.heads) ** -0.5

    def weights(self, labels: Tensor | None = None) -> Tensor:
        """What the features of each label are multiplied with, ``[L, D]``."""
        weight = self.weight if self.weight_map is None else self.weight_map(self.require_labels(labels))
        assert weight is not None
        return weight

    def label_weights(self, labels: Tensor | None = None) -> Tensor | None:
        """The free weights, where labels have such."""
        return self.weight

    @torch.no_grad()
    def freeze(self, labels: Tensor | None = None) -> FrozenLabelAttentionScorer:
        """The same attention with the queries and weights of the label vectors ``labels``."""
        labels = labels if labels is None else labels.to(self.bias)
        query = self.queries(labels)
        return FrozenLabelAttentionScorer(
            query=query, weight=None if self.pair_weight is not None else self.weights(labels),
            pair_weight=self.pair_weight, bias=self.bias.expand(len(query)), token_map=self.projection,
            heads=self.heads, memory_budget=self.memory_budget,
        )  # fmt: skip

    def __repr__(self) -> str:
        size = f"num_labels={self.num_labels}, channels={self.channels}, label_channels={self.label_channels}"
        query = "learned" if self.query is not None else "given" if self.query_map is None else "label"
        weight = "own" if self.weight is not None else "all" if self.weight_map is None else "label"
        return f"{type(self).__name__}({size}, heads={self.heads}, query={query!r}, weight={weight!r})"


def _check_options(
    channels: int, num_labels: int | None, heads: int, query: str, weight: str, projections: str, dropout: float
) -> None:
    """Raise an error that names the option that is wrong."""
    choices = (("query", query, Query), ("weight", weight, Weight), ("projections", projections, Projections))
    for name, value, kinds in choices:
        if value not in get_args(kinds):
            raise ConfigError(f"'{name}' must be one of {', '.join(get_args(kinds))}, but got {value!r}.")
    if heads < 1 or channels % heads:
        raise ConfigError(f"'heads' must divide 'channels', {channels}, but got {heads}.")
    if not 0.0 <= dropout < 1.0:
        raise ConfigError(f"'dropout' must be at least 0 and below 1, but got {dropout}.")
    if num_labels is None and (query == "learned" or weight != "label"):
        raise ConfigError(
            "'num_labels' must be given with query='learned' or weight='own' or 'all', which have a vector a label, "
            "but got None. Give it, or take query='label' and weight='label'."
        )
