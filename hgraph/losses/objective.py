"""What every objective promises."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from hgraph.errors import ConfigError


class Objective(nn.Module, ABC):
    """Base of the objectives: what a model computed for a batch in, one number out.

    Each objective reads what it needs and ignores the rest, so a model can hold any weighted list of them
    (:class:`~hgraph.losses.ObjectiveList`). A batch without documents gives zero, never NaN.

    Args of a call:
        scores: raw scores (logits).
        labels: 1 where the document has the label, 0 elsewhere.
        text: document vectors.
        label_vectors: label vectors.
        mask: true where a pair of document and label counts; without it all do.

    Shapes:
        - scores, labels and mask ``[B, L]``, text ``[B, D]``, label_vectors ``[L, D]``
        - output: scalar
    """

    name: ClassVar[str]
    """The name under which the value is reported."""

    @abstractmethod
    def forward(
        self,
        *,
        scores: Tensor,
        labels: Tensor,
        text: Tensor | None = None,
        label_vectors: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """The value of the objective for one batch."""


def check_shapes(scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> None:
    """Raise an error unless ``scores``, ``labels`` and ``mask`` are matrices of one shape."""
    for name, value in (("labels", labels), ("mask", mask)):
        if value is not None and value.shape != scores.shape:
            raise ConfigError(
                f"'{name}' must have the shape of the scores, {list(scores.shape)}, but got {list(value.shape)}."
            )
    if scores.dim() != 2:
        raise ConfigError(f"Scores must have shape [documents, labels], but got {list(scores.shape)}.")
