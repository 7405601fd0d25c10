"""What every text encoder returns, and what it must be able to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from hgraph.errors import ConfigError

Text = str | Mapping[str, str]
"""A text: one string, or several named fields. An encoder that reads one string joins the fields."""


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
        - layers: token states [B, T, D] of the layers that were asked for, or None.
        - fields: [B, F, D] or None, one vector a field; zeros where `field_mask` [B, F] is False (a missing field).
    """

    pooled: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None
    sparse: SparseFeatures | None = None
    layers: tuple[Tensor, ...] | None = None
    fields: Tensor | None = None
    field_mask: Tensor | None = None


@dataclass
class WordEmbeddings:
    """The tokens of a batch before the first layer of a transformer, without positions.

    Shapes (N rows of tokens: the texts, or their windows):
        - vectors: [N, T, E], rows of the table of word embeddings.
        - mask: [N, T] bool, True at real tokens.
        - special: [N, T] bool, True at tokens that the tokenizer adds, padding included.
        - document: [N], long, which text of the batch each row belongs to.
    """

    vectors: Tensor
    mask: Tensor
    special: Tensor
    document: Tensor


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

    def prepare(self, texts: Sequence[Text]) -> Sequence[Any]:
        """Items to keep in memory, one a text."""
        raise NotImplementedError

    def lengths(self, items: Sequence[Any]) -> np.ndarray:
        """How much work each item is, int64 [len(items)]; batches of like lengths are cheaper."""
        return np.fromiter((len(item) for item in items), dtype=np.int64, count=len(items))

    def adapt(self, items: Sequence[Any]) -> None:
        """Look at the items of the training texts once, before training; nothing to do for most encoders."""

    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """Tensors of one batch of items; the arguments of :meth:`forward`."""
        raise NotImplementedError

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Cheap vectors [B, channels] for short texts such as label names, from the embedding layer alone."""
        raise NotImplementedError

    @property
    def word_channels(self) -> int:
        """Width E of the vectors of :meth:`word_embeddings`."""
        raise self._without_words()

    def word_embeddings(self, batch: Mapping[str, Tensor]) -> WordEmbeddings:
        """The tokens of a batch as word embeddings; :meth:`forward` then takes `token_weights` [N, T] for them.

        Raises:
            ConfigError: The encoder reads no word embeddings, or does not weigh them.
        """
        raise self._without_words()

    def _without_words(self) -> ConfigError:
        return ConfigError(
            f"the tokens of a text must have word embeddings to be weighed, but {type(self).__name__} gives none. Use "
            "the text encoder 'transformer'."
        )

    def save_assets(self, folder: Path) -> None:
        """Write what the encoder needs beside its weights (tokenizer, vocabulary, options) into `folder`.

        :func:`hgraph.text.restore_text_encoder` makes the encoder again from that folder and the weights.
        """
        raise NotImplementedError

    @classmethod
    def from_assets(cls, folder: Path, state: Mapping[str, Tensor], **options: Any) -> "TextEncoder":
        """The architecture that :meth:`save_assets` wrote; `state` holds the weights, which the caller loads.

        Args:
            folder: What :meth:`save_assets` wrote.
            state: The encoder's `state_dict`.
            **options: Arguments of the class that replace the saved ones.
        """
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """What beside the weights decides the vectors, as JSON can hold it; stored vectors are keyed by it."""
        raise ConfigError(
            f"{type(self).__name__} does not say what decides its vectors, so they cannot be stored on disk. Define "
            "its method 'settings', or leave the cache out."
        )
