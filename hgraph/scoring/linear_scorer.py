"""One free weight vector a label."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hgraph.scoring.functional import dot_scores
from hgraph.scoring.scorer import Scorer


class LinearScorer(Scorer):
    r"""The flat classifier: each label has a weight vector and a bias of its own; label vectors are not looked at.

    .. math:: z_{i,l} = \langle w_l, h_i \rangle + b_l

    It is also what the scorers that only add or multiply label vectors become when they are frozen.

    Args:
        num_labels: the number of labels.
        channels: the width of a document vector.

    Shapes:
        - text ``[B, D]``, labels ignored, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> scorer = LinearScorer(num_labels=5, channels=4)
        >>> scorer(torch.randn(2, 4)).shape
        torch.Size([2, 5])
        >>> scorer(torch.randn(2, 4), candidates=torch.tensor([[0, 4], [1, 2]])).shape
        torch.Size([2, 2])
    """

    kind: ClassVar[str] = "linear"
    num_labels: int
    label_parameters = ("weight", "bias")

    def __init__(self, num_labels: int, channels: int) -> None:
        super().__init__(num_labels, channels)
        self.weight = nn.Parameter(torch.empty(num_labels, channels))
        self.bias = nn.Parameter(torch.empty(num_labels))
        self.reset_parameters()

    @classmethod
    def from_weights(cls, weight: Tensor, bias: Tensor) -> "LinearScorer":
        """A scorer with copies of ``weight`` ``[L, D]`` and ``bias`` ``[L]`` that training leaves alone."""
        scorer = cls(weight.shape[0], weight.shape[1]).to(device=weight.device, dtype=weight.dtype)
        scorer.load_state_dict({"weight": weight.detach(), "bias": bias.detach()})
        return scorer.requires_grad_(False).eval()

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
        return dot_scores(text, self.weight, bias=self.bias, candidates=candidates)

    def label_weights(self, labels: Tensor | None = None) -> Tensor:
        """The weight matrix."""
        return self.weight

    def freeze(self, labels: Tensor | None = None) -> "LinearScorer":
        """A copy that training leaves alone."""
        return self.from_weights(self.weight, self.bias)

    def config(self) -> dict[str, Any]:
        """The arguments of an empty copy, plain JSON values."""
        return {"num_labels": self.num_labels, "channels": self.channels}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LinearScorer":
        """An empty scorer from :meth:`config`."""
        return cls(**config)
