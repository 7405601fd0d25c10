"""HJCL's scorer: labels read the tokens, then weigh them by what they read."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring.blocks import MEMORY_BUDGET, check_budget
from hgraph.scoring.frozen_hjcl_scorer import FrozenHJCLScorer
from hgraph.scoring.hjcl import (
    fused_features,
    fused_scores,
    hidden_of_all,
    pairs_in_blocks,
    project_all,
    published_documents,
    published_features,
)
from hgraph.scoring.scorer import Scorer

HEAD_BYTES = 2 * 2**30
"""The largest first layer of the published head, ``L D D`` weights; a training takes four times as much."""


class HJCLScorer(Scorer):
    r"""The text-label part of HJCL (`arXiv 2310.05128 <https://arxiv.org/abs/2310.05128>`_).

    Labels with vectors :math:`r_l` attend to the tokens :math:`x_{i,t}` of a document with several heads, and keep
    their query beside what they read:

    .. math:: o_{i,l} = W_o \operatorname{MHA}(q_l, W_k X_i, W_v X_i), \qquad
        g_{i,l} = o_{i,l} + q_l, \qquad G_{i,l} = g_{i,l} + W_g g_{i,l}, \qquad q_l = W_q r_l + b_q

    The fusion :math:`u_{i,l} = W_c [G_{i,l} ; r_l] + b_c` then weighs the tokens, and a label scores their mean:

    .. math:: z_{i,l} = \sum_t \operatorname{softmax}_t \Big( \frac{\langle u_{i,l}, x_{i,t} \rangle}{\sqrt{D}} \Big)
            x_{i,t}, \qquad
        \hat y_{i,l} = \langle w_l, \operatorname{ReLU}(W_h z_{i,l} + b_h) \rangle + b_l

    Changed against the published program, whose form is ``faithful=True``:

    - pads have no weight and weights sum to one, where :math:`z = \sum_t \langle s, x_t \rangle x_t` ran over all
      positions but the first, pads included, with :math:`s = \operatorname{softmax}(u)` over the features: that grows
      with the length, and depends on how far a batch is padded;
    - a hidden layer that all labels share and one weight vector a label, ``D D + L D`` weights, where one linear layer
      read all :math:`z` of a document at once, ``L D D`` weights (``HEAD_BYTES`` bounds them);
    - dropout on attention weights and on the hidden layer, where it was on attention weights, :math:`G` and :math:`z`.
      No nonlinearity stands between :math:`o` and :math:`u`, so their maps are multiplied once a step, and meet
      tokens instead of pairs: ``4 B x L x T x D`` multiplications in all, none of them ``B x L x D x D``.

    Biases of :math:`W_k, W_v, W_g` are left out: the first cancels in the softmax, the others are part of :math:`b_c`.

    Args:
        num_labels: the number of labels.
        channels: the width D of a token vector.
        label_channels: the width C of a label vector (default: ``channels``).
        heads: attention heads, a divisor of ``channels`` (default 4).
        dropout: on the attention weights (default 0.3).
        head_dropout: on the hidden layer, with ``faithful`` on :math:`G` and :math:`z` (default 0.1).
        faithful: the published form (default False).
        memory_budget: bytes that a block of labels may take beside the tokens and the labels themselves, forward and
            backward (default 16 MiB); with ``faithful`` the features ``[B, L, D]`` come on top.

    Shapes:
        - text ``[B, T, D]``, mask ``[B, T]`` (bool), labels ``[L, C]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> scorer = HJCLScorer(5, 8, heads=2)
        >>> tokens, mask = torch.randn(2, 3, 8), torch.tensor([[True, True, True], [True, False, False]])
        >>> scorer(tokens, torch.randn(5, 8), mask=mask).shape
        torch.Size([2, 5])
    """

    reads_tokens = True
    label_parameters = ("weight", "bias", "head")
    num_labels: int

    def __init__(
        self,
        num_labels: int,
        channels: int,
        *,
        label_channels: int | None = None,
        heads: int = 4,
        dropout: float = 0.3,
        head_dropout: float = 0.1,
        faithful: bool = False,
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        super().__init__(num_labels, channels, label_channels=label_channels)
        _check_options(num_labels, channels, heads, dropout, head_dropout, faithful)
        self.heads, self.dropout, self.head_dropout = heads, dropout, head_dropout
        self.faithful = faithful
        self.memory_budget = check_budget(memory_budget)
        self.query_map = nn.Linear(self.label_channels, channels)
        self.token_map = nn.Linear(channels, 2 * channels, bias=False)  # keys, then values
        self.output_map = nn.Linear(channels, channels, bias=False)
        self.residual_map = nn.Linear(channels, channels, bias=False)
        self.fusion_map = nn.Linear(channels, channels, bias=False)
        self.label_fusion = nn.Linear(self.label_channels, channels)
        self.hidden_map = None if faithful else nn.Linear(channels, channels, bias=False)
        self.head = nn.Parameter(torch.empty(num_labels, channels, channels)) if faithful else None
        self.hidden_bias = nn.Parameter(torch.empty(channels))
        self.weight = nn.Parameter(torch.empty(num_labels, channels))
        self.bias = nn.Parameter(torch.empty(num_labels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights and put the biases behind the features to zero."""
        for module in self.children():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        if self.head is not None:
            bound = (self.num_labels * self.channels) ** -0.5
            nn.init.uniform_(self.head, -bound, bound)
        nn.init.uniform_(self.weight, -(self.channels**-0.5), self.channels**-0.5)
        nn.init.zeros_(self.hidden_bias)
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
        if self.head is not None:
            features = self.label_text(text, labels, mask=mask)
            features = torch.dropout(features, self.head_dropout, train=self.training)
            scores = F.linear(hidden_of_all(features, self.head, self.hidden_bias), self.weight, self.bias)
            return scores if candidates is None else scores.gather(1, candidates)
        block = partial(
            fused_scores, hidden_bias=self.hidden_bias, heads=self.heads, dropout=self._rate(self.dropout),
            hidden_dropout=self._rate(self.head_dropout),
        )  # fmt: skip
        documents = project_all(text, mask, self.token_maps(), channels=self.channels)
        scores = pairs_in_blocks(
            block, documents, [*self.label_sides(labels), self.weight], candidates, heads=self.heads, wide=3,
            memory_budget=self.memory_budget, random=self._draws(),
        )  # fmt: skip
        return scores + (self.bias if candidates is None else self.bias[candidates])

    @property
    def separable(self) -> bool:
        """In the published form a score has to do with what the document says about all labels."""
        return not self.faithful

    def label_text(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """What each document says about each label, z, ``[B, L, D]``, or ``[B, K, D]`` about its candidates."""
        if self.faithful:
            block = partial(published_features, mix=self._mix, heads=self.heads, dropout=self._rate(self.dropout))
            documents = published_documents(text, mask, self.token_map.weight, channels=self.channels)
            vectors = self.require_labels(labels)
            sides = [self.queries(vectors), self.query_map(vectors), self.label_fusion(vectors)]
        else:
            block = partial(fused_features, heads=self.heads, dropout=self._rate(self.dropout))
            documents = project_all(text, mask, self.token_maps(), channels=self.channels)
            sides = self.label_sides(labels)
        return pairs_in_blocks(
            block, documents, sides, candidates, heads=self.heads, wide=6 if self.faithful else 2,
            memory_budget=self.memory_budget, random=self._draws(),
        )  # fmt: skip

    def queries(self, labels: Tensor) -> Tensor:
        """What labels look for, over the square root of the width of a head: ``[L, D]``."""
        return self.query_map(labels) * (self.channels // self.heads) ** -0.5

    def fusion(self) -> Tensor:
        """From what labels read to the fusion: ``[D, D]``, ``W_c (1 + W_g) W_o``."""
        read = self.output_map.weight
        return self.fusion_map.weight @ (read + self.residual_map.weight @ read)

    def label_sides(self, labels: Tensor | None) -> list[Tensor]:
        """Queries, and what the fusion has of the label alone, over the square root of D: ``[L, D]`` each."""
        vectors = self.require_labels(labels)
        query = self.query_map(vectors)
        constant = self.fusion_map(query + self.residual_map(query)) + self.label_fusion(vectors)
        scale = 1.0 if self.faithful else self.channels**-0.5
        return [query * (self.channels // self.heads) ** -0.5, constant * scale]

    def token_maps(self) -> Tensor:
        """Tokens to keys, values, what meets what labels read, and the hidden layer: ``[4 D, D]``."""
        assert self.hidden_map is not None
        fusion = self.fusion().t() * self.channels**-0.5
        return torch.cat([self.token_map.weight, fusion.to(self.token_map.weight), self.hidden_map.weight])

    def _mix(self, read: Tensor, query: Tensor, label_part: Tensor) -> Tensor:
        """The fusion as published, with dropout on G."""
        kept = self.output_map(read) + query
        kept = kept + self.residual_map(kept)
        return self.fusion_map(torch.dropout(kept, self.head_dropout, train=self.training)) + label_part

    def _rate(self, dropout: float) -> float:
        return dropout if self.training else 0.0

    def _draws(self) -> bool:
        return self.training and (self.dropout > 0 or self.head_dropout > 0)

    def label_weights(self, labels: Tensor | None = None) -> Tensor | None:
        """The weights of each label behind the hidden layer."""
        return self.weight

    @torch.no_grad()
    def freeze(self, labels: Tensor | None = None) -> FrozenHJCLScorer:
        """The same attention with the queries of the label vectors ``labels``, all maps multiplied out."""
        query, constant = self.label_sides(labels if labels is None else labels.to(self.bias))
        return FrozenHJCLScorer(
            query=query, constant=constant, weight=self.weight, bias=self.bias, hidden_bias=self.hidden_bias,
            token_map=self.token_map.weight if self.faithful else self.token_maps(),
            fusion=self.fusion() if self.faithful else None, head=self.head,
            heads=self.heads, memory_budget=self.memory_budget,
        )  # fmt: skip

    def __repr__(self) -> str:
        size = f"num_labels={self.num_labels}, channels={self.channels}, label_channels={self.label_channels}"
        return f"{type(self).__name__}({size}, heads={self.heads}, faithful={self.faithful})"


def _check_options(
    num_labels: int, channels: int, heads: int, dropout: float, head_dropout: float, faithful: bool
) -> None:
    """Raise an error that names the option that is wrong."""
    if heads < 1 or channels % heads:
        raise ConfigError(f"'heads' must divide 'channels', {channels}, but got {heads}.")
    for name, rate in (("dropout", dropout), ("head_dropout", head_dropout)):
        if not 0.0 <= rate < 1.0:
            raise ConfigError(f"'{name}' must be at least 0 and below 1, but got {rate}.")
    size = 4 * num_labels * channels * channels
    if faithful and size > HEAD_BYTES:
        raise ConfigError(
            f"'faithful' must be false for {num_labels:,} labels of {channels} channels: the published head would take "
            f"{size:,} bytes, the limit is {HEAD_BYTES:,}. Use the default form."
        )
