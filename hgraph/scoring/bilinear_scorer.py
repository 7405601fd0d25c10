"""A learned product of document and label vectors."""

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring.functional import dot_scores, init_product_map
from hgraph.scoring.linear_scorer import LinearScorer
from hgraph.scoring.scorer import Scorer


class BilinearScorer(Scorer):
    r"""Scores a label by a learned inner product of its vector with the document vector.

    .. math:: z_{i,l} = h_i^\top U f_l + b_l, \qquad U = P Q^\top \text{ with } \texttt{rank}

    Unlike with :class:`~hgraph.scoring.DotScorer`, the two kinds of vectors need not have one width, nor lie in one
    space: :math:`U` says which coordinate of a document speaks to which of a label. It starts as the inner product
    over the square root of the width where the widths are equal, and at random otherwise. :math:`U` goes to the
    documents, which are fewer than labels, so a batch costs ``B x D x C + B x L x C``.

    Args:
        channels: the width D of a document vector.
        num_labels: with it each label has a bias of its own; without it (default) all labels share one, and the scorer
            takes any number of label vectors.
        label_channels: the width C of a label vector (default: ``channels``).
        rank: the width of the factors ``P [D, rank]`` and ``Q [C, rank]``; without it (default) :math:`U` is free.

    Shapes:
        - text ``[B, D]``, labels ``[L, C]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> scorer = BilinearScorer(channels=4, label_channels=3, rank=2)
        >>> scorer(torch.randn(2, 4), torch.randn(5, 3)).shape
        torch.Size([2, 5])
    """

    label_parameters = ("bias",)

    def __init__(
        self,
        channels: int,
        *,
        num_labels: int | None = None,
        label_channels: int | None = None,
        rank: int | None = None,
    ) -> None:
        super().__init__(num_labels, channels, label_channels=label_channels)
        widest = min(self.channels, self.label_channels)
        if rank is not None and not 1 <= rank <= widest:
            raise ConfigError(
                f"'rank' must be at least 1 and at most {widest}, the smaller of both widths, but got {rank}. "
                "Leave it out for a product without factors."
            )
        self.rank = rank
        self.text_map = nn.Parameter(torch.empty(channels, rank or self.label_channels))
        self.label_map = None if rank is None else nn.Parameter(torch.empty(self.label_channels, rank))
        self.bias = nn.Parameter(torch.empty(num_labels or 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Put the product back to where it started and the biases to zero."""
        if self.label_map is None:
            init_product_map(self.text_map)
        else:
            # As there: vectors with coordinates near 1 get scores near 1.
            nn.init.normal_(self.text_map, std=self.channels**-0.5)
            nn.init.normal_(self.label_map, std=(self.label_channels * self.label_map.shape[1]) ** -0.5)
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
        text = text @ self.text_map
        if self.label_map is not None:
            text = text @ self.label_map.t()
        return dot_scores(text, self.require_labels(labels), bias=self.bias, candidates=candidates)

    @torch.no_grad()
    def freeze(self, labels: Tensor | None = None) -> LinearScorer:
        """The flat classifier with weight :math:`U f_l` for each label."""
        labels = self.require_labels(labels).to(self.bias)
        if self.label_map is not None:
            labels = labels @ self.label_map
        return LinearScorer.from_weights(labels @ self.text_map.t(), self.bias.expand(labels.shape[0]))

    def __repr__(self) -> str:
        size = f"num_labels={self.num_labels}, channels={self.channels}, label_channels={self.label_channels}"
        return f"{type(self).__name__}({size}, rank={self.rank})"
