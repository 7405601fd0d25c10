"""A shared linear layer on document plus label (HTLA)."""

import torch
from torch import Tensor, nn

from hgraph.scoring.functional import additive_scores, fold_bias
from hgraph.scoring.linear_scorer import LinearScorer
from hgraph.scoring.scorer import Scorer


class AdditiveScorer(Scorer):
    r"""The fusion head of HTLA (`arXiv 2409.00788 <https://arxiv.org/abs/2409.00788>`_), in closed form.

    The paper adds each label vector to the document vector, applies one linear layer with an output a label to every
    sum and keeps, for label :math:`l`, output :math:`l`:

    .. math:: z_{i,l} = \big[ W (h_i + f_l) + b \big]_l = \langle w_l, h_i \rangle + \langle w_l, f_l \rangle + b_l

    Only the right-hand side is computed. It shows that label vectors enter the scores as one number a label, the same
    for each document: :meth:`fold` moves it into the bias, and the result is a flat classifier with identical scores.
    Label vectors shape the document vectors through the alignment loss
    (:class:`~hgraph.losses.TLALoss`); for label vectors that act on each score use
    :class:`~hgraph.scoring.DotScorer`.

    Args:
        num_labels: the number of labels.
        channels: the width of document and label vectors.

    Shapes:
        - text ``[B, D]``, labels ``[L, D]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> scorer, text, labels = AdditiveScorer(num_labels=5, channels=4), torch.randn(2, 4), torch.randn(5, 4)
        >>> scores = scorer(text, labels)
        >>> torch.allclose(scores, scorer.fold(labels)(text), atol=1e-6)
        True
    """

    num_labels: int
    label_parameters = ("weight", "bias")

    def __init__(self, num_labels: int, channels: int) -> None:
        super().__init__(num_labels, channels)
        self.weight = nn.Parameter(torch.empty(num_labels, channels))
        self.bias = nn.Parameter(torch.empty(num_labels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights (uniform within one over the square root of the width) and zero biases."""
        bound = self.channels**-0.5
        nn.init.uniform_(self.weight, -bound, bound)
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
        return additive_scores(text, self.require_labels(labels), self.weight, self.bias, candidates=candidates)

    def label_weights(self, labels: Tensor | None = None) -> Tensor:
        """The weight matrix."""
        return self.weight

    @torch.no_grad()
    def fold(self, labels: Tensor) -> LinearScorer:
        """The flat classifier with the scores of this one for the label vectors ``labels`` ``[L, D]``."""
        labels = self.require_labels(labels).to(self.weight)
        return LinearScorer.from_weights(self.weight, fold_bias(labels, self.weight, self.bias))

    def freeze(self, labels: Tensor | None = None) -> LinearScorer:
        """The same as :meth:`fold`."""
        return self.fold(self.require_labels(labels))
