"""What every text encoder returns, and what it must be able to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn


@dataclass
class SparseFeatures:
    """Lexical features of a batch as one flat list.

    Shapes (nnz: features of all documents together):
        - indices: [nnz], long, columns of the vocabulary.
        - offsets: [B], long, where each document begins.
        - weights: [nnz], float32.
    """

    indices: Tensor
    offsets: Tensor
    weights: Tensor


@dataclass
class TextStates:
    """Encoded texts.

    Shapes:
        - pooled: [B, D], one vector a text; D may be 0 where an encoder is lexical alone.
        - tokens: [B, T, D] or None, one vector a token.
        - mask: [B, T] bool or None, True at real tokens.
        - sparse: lexical features or None.
    """

    pooled: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None
    sparse: SparseFeatures | None = None


class TextEncoder(nn.Module):
    """Base of the text encoders.

    A text passes three stages, so that the slow one happens once: :meth:`prepare` (strings -> items, before training),
    :meth:`collate` (items -> tensors, a batch), :meth:`forward` (tensors -> :class:`TextStates`).

    Attributes:
        channels: Width D of the pooled vector.
        num_features: Size of the lexical vocabulary; 0 where there is none.
        pads: Whether a batch is padded to its longest text, so that batches of like lengths are cheaper.
    """

    channels: int
    num_features: int = 0
    pads: bool = True

    def prepare(self, texts: Sequence[str]) -> Sequence[Any]:
        """Items to keep in memory, one a text."""
        raise NotImplementedError

    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """Tensors of one batch of items; the arguments of :meth:`forward`."""
        raise NotImplementedError

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Cheap vectors [B, channels] for short texts such as label names, from the embedding layer alone."""
        raise NotImplementedError

    def save_assets(self, folder: Path) -> None:
        """Write what the encoder needs beside its weights (tokenizer, vocabulary, configuration) into `folder`."""
        raise NotImplementedError
