"""What scorers become when their label vectors no longer change."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn


class FrozenScorer(nn.Module, ABC):
    """Base of the frozen scorers: a handful of tensors, stored once, and how they score a document.

    Called like a :class:`~hgraph.scoring.Scorer`; ``labels`` is not looked at. A saved one is :attr:`kind`,
    :meth:`config` and the state dict; :func:`~hgraph.scoring.restore` puts it together again.

    Args:
        num_labels: the number of labels.
        channels: the width of a document vector.
        tensors: what is stored, by name, as detached copies; None where there is no such tensor.
    """

    kind: ClassVar[str]
    """The name of the class in a saved model."""
    reads_tokens: ClassVar[bool] = False
    """Whether a document comes as the vectors of its tokens."""
    reads_fields: ClassVar[bool] = False
    """Whether a document comes as its vector, followed by those of its fields; one without fields comes twice."""

    def __init__(self, num_labels: int, channels: int, **tensors: Tensor | None) -> None:
        super().__init__()
        self.num_labels, self.channels = num_labels, channels
        for name, tensor in tensors.items():
            copy = None if tensor is None else tensor.detach().clone(memory_format=torch.contiguous_format)
            self.register_buffer(name, copy)
        self.eval()

    @abstractmethod
    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of every label, or of the candidates of each document."""

    def options(self) -> dict[str, Any]:
        """Arguments of the constructor that are no tensors."""
        return {}

    def config(self) -> dict[str, Any]:
        """The shapes of the tensors and the other arguments, plain JSON values."""
        shapes = {name: list(tensor.shape) for name, tensor in self.named_buffers(recurse=False)}
        return {"shapes": shapes, **self.options()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A scorer of the right shapes from :meth:`config`; its tensors hold anything."""
        tensors: dict[str, Any] = {name: torch.empty(shape) for name, shape in config["shapes"].items()}
        return cls(**tensors, **{name: value for name, value in config.items() if name != "shapes"})

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_labels={self.num_labels}, channels={self.channels})"
