"""What every scorer promises."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring.functional import log_odds


class Scorer(nn.Module, ABC):
    """Base of the scorers: document vectors and label vectors in, one score a pair out.

    A scorer is called as ``scorer(text, labels=None, candidates=None)`` and answers raw scores (logits).
    :meth:`freeze` gives the module that serves predictions: the label vectors are built into it, so the label encoder
    and the label graph are never run for a new document.

    Args:
        num_labels: the number of labels, or ``None`` where the scorer takes any number of label vectors.
        channels: the width of document and label vectors.

    Shapes:
        - text ``[B, D]``, labels ``[L, D]``, candidates ``[B, K]`` (long, each in ``0 .. L - 1``)
        - output ``[B, L]``, or ``[B, K]`` with candidates
    """

    bias: Tensor
    label_parameters: ClassVar[tuple[str, ...]] = ()
    """Names of the parameters that have one row a label, where there are such."""

    def __init__(self, num_labels: int | None, channels: int) -> None:
        super().__init__()
        for name, value in (("num_labels", num_labels), ("channels", channels)):
            if value is not None and value < 1:
                raise ConfigError(f"'{name}' must be at least 1, but got {value}.")
        self.num_labels = num_labels
        self.channels = channels

    @abstractmethod
    def forward(self, text: Tensor, labels: Tensor | None = None, candidates: Tensor | None = None) -> Tensor:
        """Scores of every label, or of the candidates of each document."""

    @abstractmethod
    def freeze(self, labels: Tensor | None = None) -> nn.Module:
        """A module with ``forward(text, labels=None, candidates=None)``, equal scores and fixed label vectors."""

    @torch.no_grad()
    def init_bias(self, prior: Tensor) -> None:
        """Set the bias to the log-odds of how often each label occurs, so that training starts from the base rates.

        Args:
            prior: the share of documents with each label, shape ``[L]``.
        """
        if prior.shape != self.bias.shape:
            raise ConfigError(
                f"'prior' must hold one share a label, shape {list(self.bias.shape)}, but got {list(prior.shape)}. "
                "A scorer without 'num_labels' has one bias for all labels and takes a prior of shape [1]."
            )
        self.bias.copy_(log_odds(prior.to(self.bias)))

    def require_labels(self, labels: Tensor | None) -> Tensor:
        """The label vectors, or an error that says which shape they must have."""
        expected = f"[{self.num_labels or 'num_labels'}, {self.channels}]"
        if labels is None:
            raise ConfigError(f"{type(self).__name__} needs label vectors of shape {expected}: pass 'labels'.")
        wrong_rows = self.num_labels is not None and labels.shape[0] != self.num_labels
        if labels.dim() != 2 or labels.shape[1] != self.channels or wrong_rows:
            raise ConfigError(f"'labels' must have shape {expected}, but got {list(labels.shape)}.")
        return labels

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_labels={self.num_labels}, channels={self.channels})"
