"""What every scorer promises."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring.functional import log_odds


class Scorer(nn.Module, ABC):
    """Base of the scorers: document vectors and label vectors in, one score a pair out.

    A scorer is called as ``scorer(text, labels=None, candidates=None)`` and answers raw scores (logits). Where
    :attr:`reads_tokens` is true, ``text`` holds the vectors of all tokens and ``mask`` tells tokens from padding; where
    :attr:`reads_fields` is, the vector of the document and those of its fields, and ``mask`` tells which there are; the
    other scorers do not look at ``mask``. :meth:`freeze` gives the module that serves predictions: the label vectors
    are built into it, so the label encoder and the label graph are never run for a new document.

    Args:
        num_labels: the number of labels, or ``None`` where the scorer takes any number of label vectors.
        channels: the width of a document vector.
        label_channels: the width of a label vector (default: ``channels``).

    Shapes:
        - text ``[B, D]``, labels ``[L, C]``, candidates ``[B, K]`` (long, each in ``0 .. L - 1``)
        - where tokens are read: text ``[B, T, D]``, mask ``[B, T]`` (bool)
        - where fields are read: text ``[B, 1 + F, D]``, the vector of the text and then its fields; mask ``[B, 1 + F]``
          (bool), which of them are there, the first always
        - output ``[B, L]``, or ``[B, K]`` with candidates
    """

    bias: Tensor
    reads_tokens: ClassVar[bool] = False
    """Whether a document comes as the vectors of its tokens."""
    reads_fields: ClassVar[bool] = False
    """Whether a document comes as its vector, followed by those of its fields; one without fields comes twice."""
    has_branches: ClassVar[bool] = False
    """Whether :meth:`forward_branches` gives scores of parts of the scorer beside the final ones."""
    label_parameters: ClassVar[tuple[str, ...]] = ()
    """Names of the parameters that have one row a label, where there are such."""
    label_products: ClassVar[tuple[tuple[str, str], ...]] = (("weight", "bias"),)
    """Names of the weights and biases, one row a label each, that the scores of labels are made with."""
    label_inputs: ClassVar[tuple[str, ...]] = ()
    """Those of `label_parameters` that scores of labels are multiplied with; a label that is new starts with zeros."""
    label_buffers: ClassVar[tuple[str, ...]] = ()
    """Names of the buffers that have one row a label; a label that is new starts with zeros."""

    def __init__(self, num_labels: int | None, channels: int, *, label_channels: int | None = None) -> None:
        super().__init__()
        sizes = {"num_labels": num_labels, "channels": channels, "label_channels": label_channels}
        for name, value in sizes.items():
            if value is not None and value < 1:
                raise ConfigError(f"'{name}' must be at least 1, but got {value}.")
        self.num_labels = num_labels
        self.channels = channels
        self.label_channels = label_channels or channels

    @property
    def separable(self) -> bool:
        """Whether the score of a label depends on no other label, so that some labels can be scored alone."""
        return True

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

    def forward_branches(
        self, text: Tensor, labels: Tensor | None = None, *, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Final scores ``[B, L]`` and those of the parts, ``[R, B, L]``, for objectives that train each part."""
        raise NotImplementedError

    @abstractmethod
    def freeze(self, labels: Tensor | None = None) -> nn.Module:
        """A module with the ``forward`` of a scorer, equal scores and fixed label vectors.

        It has a ``kind`` and a ``config()``, from which :func:`~hgraph.scoring.restore` makes an empty one.
        """

    def label_weights(self, labels: Tensor | None = None) -> Tensor | None:
        """What a document vector is multiplied with for each label, ``[L, D]``; None where labels have no such row."""
        return None

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
        # A scorer that was given the rows of some labels (:func:`~hgraph.scoring.score_labels`) has as many biases.
        count = None if self.num_labels is None else len(self.bias)
        expected = f"[{count or 'num_labels'}, {self.label_channels}]"
        if labels is None:
            raise ConfigError(f"{type(self).__name__} needs label vectors of shape {expected}: pass 'labels'.")
        wrong_rows = count is not None and labels.shape[0] != count
        if labels.dim() != 2 or labels.shape[1] != self.label_channels or wrong_rows:
            raise ConfigError(f"'labels' must have shape {expected}, but got {list(labels.shape)}.")
        return labels

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_labels={self.num_labels}, channels={self.channels})"
