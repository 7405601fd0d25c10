"""Label vectors that are learned from the documents alone."""

import torch
from torch import Tensor, nn

from hgraph.nn.label_encoders.label_encoder import LabelEncoder


class LearnedLabelEncoder(LabelEncoder):
    """A table with one free vector a label; names and hierarchy are not looked at.

    Args:
        num_labels: the number of labels ``L``.
        channels: the width of a label vector.

    Shapes:
        - features: ignored, may be ``None``
        - output ``[L, channels]``

    Example:
        >>> LearnedLabelEncoder(num_labels=3, channels=4)().shape
        torch.Size([3, 4])
    """

    num_labels: int
    label_parameters = ("weight",)

    def __init__(self, num_labels: int, channels: int) -> None:
        super().__init__(num_labels, channels)
        self.weight = nn.Parameter(torch.empty(num_labels, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new vectors from N(0, 0.02²)."""
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, features: Tensor | None = None) -> Tensor:
        """The vector of each label."""
        return self.weight

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_labels={self.num_labels}, channels={self.channels})"
