"""Features of labels that are computed where they are asked for."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class FeatureRows:
    """Stands for features ``[L, F]`` of labels whose rows are computed one request at a time.

    A label encoder that is asked for some labels then reads the features of these and of their neighbours, and those of
    the others are never made.

    Args:
        rows: from label ids ``[S]`` to their features ``[S, F]``.
        shape: ``(L, F)``.
        device: where ids are made when all rows are asked for.
        source: the module that computes them, if one does: features change when its weights do.

    Shapes:
        - ``features[labels]`` with labels ``[S]``: ``[S, F]``

    Example:
        >>> features = FeatureRows(lambda labels: torch.stack([labels, -labels], dim=1), (1000, 2))
        >>> features[torch.tensor([7, 3])]
        tensor([[ 7, -7],
                [ 3, -3]])
        >>> features.all().shape
        torch.Size([1000, 2])
    """

    def __init__(
        self,
        rows: Callable[[Tensor], Tensor],
        shape: tuple[int, int],
        *,
        device: torch.device | None = None,
        source: nn.Module | None = None,
    ) -> None:
        self.rows = rows
        self.shape = torch.Size(shape)
        self.device = device
        self.source = source

    def __getitem__(self, labels: Tensor) -> Tensor:
        return self.rows(labels)

    def all(self) -> Tensor:
        """The features of all labels, ``[L, F]``."""
        return self.rows(torch.arange(self.shape[0], device=self.device))

    def state(self) -> tuple[tuple[int, int], ...]:
        """What the features depend on: which weights, changed how often."""
        weights = () if self.source is None else self.source.parameters()
        return tuple((id(weight), weight._version) for weight in weights)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.shape)})"


LabelFeatures = Tensor | FeatureRows
"""Features of all labels, as they are or computed on request."""
