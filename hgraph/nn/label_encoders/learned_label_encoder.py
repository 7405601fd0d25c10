"""Label vectors that are learned from the documents alone."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.nn.label_encoders.feature_rows import LabelFeatures
from hgraph.nn.label_encoders.label_encoder import LabelEncoder


class LearnedLabelEncoder(LabelEncoder):
    """A table with one free vector a label; names and hierarchy are not looked at.

    Args:
        num_labels: the number of labels ``L``.
        channels: the width of a label vector.
        sparse: whether gradients are sparse, so that a training step touches the rows of ``labels`` alone. It needs an
            optimiser for sparse gradients such as :class:`torch.optim.SparseAdam`, and pays where each step asks for
            few of many labels (default false).

    Shapes:
        - features: ignored, may be ``None``
        - labels ``[S]`` or ``None``
        - output ``[L, channels]``, or ``[S, channels]`` with ``labels``

    Example:
        >>> encoder = LearnedLabelEncoder(num_labels=3, channels=4)
        >>> encoder().shape, encoder(labels=torch.tensor([2, 0])).shape
        (torch.Size([3, 4]), torch.Size([2, 4]))
    """

    num_labels: int
    label_parameters = ("weight",)

    def __init__(self, num_labels: int, channels: int, *, sparse: bool = False) -> None:
        super().__init__(num_labels, channels)
        self.sparse = sparse
        self.weight = nn.Parameter(torch.empty(num_labels, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new vectors from N(0, 0.02²)."""
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, features: LabelFeatures | None = None, *, labels: Tensor | None = None) -> Tensor:
        """The vector of each label, or of each of ``labels``."""
        return look_up(self.weight, labels, sparse=self.sparse)

    @property
    def partial(self) -> bool:
        """It is: a label has nothing to do with another."""
        return True

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_labels={self.num_labels}, channels={self.channels})"


def look_up(weight: Tensor, labels: Tensor | None, *, sparse: bool) -> Tensor:
    """The rows of ``labels``, or all, with gradients of the kind that was asked for."""
    if labels is None:
        if not sparse:
            return weight
        # The optimiser expects the same kind of gradient in every step.
        labels = torch.arange(len(weight), device=weight.device)
    return F.embedding(labels, weight, sparse=sparse)
