"""A hidden layer, then one free weight vector a label."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring.frozen_scorer import FrozenScorer
from hgraph.scoring.functional import dot_scores
from hgraph.scoring.scorer import Scorer


class MLPScorer(Scorer):
    r"""A flat classifier with one hidden layer, for text vectors that are not trained themselves.

    .. math:: z_{i,l} = \langle w_l, \operatorname{dropout}(\operatorname{gelu}(V h_i + c)) \rangle + b_l

    Label vectors are not looked at.

    Args:
        num_labels: the number of labels.
        channels: the width of a document vector.
        hidden: the width of the hidden layer.
        dropout: on the hidden layer, in training.

    Shapes:
        - text ``[B, D]``, labels ignored, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> MLPScorer(num_labels=5, channels=4, hidden=8)(torch.randn(2, 4)).shape
        torch.Size([2, 5])
    """

    num_labels: int
    label_parameters = ("weight", "bias")

    def __init__(self, num_labels: int, channels: int, *, hidden: int = 512, dropout: float = 0.2) -> None:
        super().__init__(num_labels, channels)
        if hidden < 1:
            raise ConfigError(f"'hidden' must be at least 1, but got {hidden}.")
        self.hidden = nn.Linear(channels, hidden)
        self.dropout = nn.Dropout(dropout)
        self.weight = nn.Parameter(torch.empty(num_labels, hidden))
        self.bias = nn.Parameter(torch.empty(num_labels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights (uniform within one over the square root of the width) and zero biases."""
        self.hidden.reset_parameters()
        bound = self.weight.shape[1] ** -0.5
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
        hidden = self.dropout(F.gelu(self.hidden(text)))
        return dot_scores(hidden, self.weight, bias=self.bias, candidates=candidates)

    def freeze(self, labels: Tensor | None = None) -> "FrozenMLPScorer":
        """A copy that training leaves alone."""
        return FrozenMLPScorer(self.hidden.weight, self.hidden.bias, weight=self.weight, bias=self.bias)


class FrozenMLPScorer(FrozenScorer):
    """What an :class:`MLPScorer` becomes when it is frozen.

    Args:
        hidden_weight: [H, D].
        hidden_bias: [H].
        weight: [L, H], one row a label.
        bias: [L].

    Shapes:
        - text ``[B, D]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates
    """

    kind = "mlp"
    hidden_weight: Tensor
    hidden_bias: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, hidden_weight: Tensor, hidden_bias: Tensor, *, weight: Tensor, bias: Tensor) -> None:
        super().__init__(
            weight.shape[0],
            hidden_weight.shape[1],
            hidden_weight=hidden_weight,
            hidden_bias=hidden_bias,
            weight=weight,
            bias=bias,
        )

    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of every label, or of the candidates of each document."""
        hidden = F.gelu(F.linear(text, self.hidden_weight, self.hidden_bias))
        return dot_scores(hidden, self.weight, bias=self.bias, candidates=candidates)
