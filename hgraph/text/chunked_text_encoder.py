"""Long documents as several windows of a transformer."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.text.assets import read_options, subfolder, substate, write_options
from hgraph.text.attention_pooling import AttentionPooling
from hgraph.text.fields import plain_texts
from hgraph.text.pooling import masked_max, masked_mean
from hgraph.text.states import Text, TextEncoder, TextStates, WordEmbeddings
from hgraph.text.transformer_text_encoder import TransformerTextEncoder
from hgraph.text.windows import Truncation, token_windows

logger = logging.getLogger(__name__)

WindowPooling = Literal["mean", "max", "attention"]


class ChunkedTextEncoder(TextEncoder):
    r"""A document cut into overlapping windows, each encoded alone, their vectors pooled.

    The cost grows with the length of a document and not with its square. Attention over windows is
    :math:`h = \sum_k \alpha_k h_k`, :math:`\alpha = \mathrm{softmax}_k(u^\top \tanh(W h_k))`; it begins as the mean.

    Args:
        encoder: Encodes a window; its `max_length` is the length of one.
        windows: Most windows of a document; what lies behind them is cut.
        overlap: Tokens that neighbouring windows share.
        pooling: `"mean"`, `"max"` or `"attention"` over the windows.

    Attributes:
        truncation: What the last call of :meth:`prepare` cut off.

    Shapes (W windows in the batch, K most windows of a document):
        - input: `input_ids` [W, T], `attention_mask` [W, T], `windows` [B, K], the windows of each document, -1 where
          there is none; `token_weights` [W, T] as the encoder takes them.
        - output: `pooled` [B, D]; `tokens` [B, K T, D] and `mask`, the windows side by side, so that tokens in an
          overlap come twice.
    """

    def __init__(
        self,
        encoder: TransformerTextEncoder,
        *,
        windows: int = 4,
        overlap: int = 32,
        pooling: WindowPooling = "mean",
    ) -> None:
        super().__init__()
        if pooling not in get_args(WindowPooling):
            raise ConfigError(f"'pooling' must be one of {', '.join(get_args(WindowPooling))}, but got {pooling!r}.")
        if windows < 1:
            raise ConfigError(f"'windows' must be at least 1, but got {windows}.")
        room = encoder.max_length - encoder.tokenizer.num_special_tokens_to_add()
        if not 0 <= overlap < room:
            raise ConfigError(
                f"'overlap' must be 0 or more and below the {room} tokens of a window, but got {overlap}."
            )
        self.encoder = encoder
        self.windows = windows
        self.overlap = overlap
        self.pooling: WindowPooling = pooling
        self.channels = encoder.channels
        self.truncation = Truncation()
        self.attention = AttentionPooling(encoder.channels) if pooling == "attention" else None

    def prepare(self, texts: Sequence[Text]) -> list[list[np.ndarray]]:
        """Token ids of each text, window by window."""
        items: list[list[np.ndarray]] = []
        cut = tokens = lost = 0
        length, overlap = self.encoder.max_length, self.overlap
        for windows, added in token_windows(
            self.encoder.tokenizer, plain_texts(texts), max_length=length, overlap=overlap
        ):
            items.append(windows[: self.windows])
            cut += len(windows) > self.windows
            tokens += int(added.sum())
            lost += int(added[self.windows :].sum())
        self.truncation = Truncation(len(items), cut, tokens, lost)
        if len(items) > 1 and cut:
            logger.info("%s (at %d windows of %d tokens)", self.truncation, self.windows, length)
        return items

    def lengths(self, items: Sequence[list[np.ndarray]]) -> np.ndarray:
        """Tokens of all windows of each item."""
        return np.array([sum(map(len, windows)) for windows in items], dtype=np.int64)

    def collate(self, items: Sequence[list[np.ndarray]]) -> dict[str, Tensor]:
        """All windows as one batch of the encoder, and whose they are."""
        counts = np.array([len(windows) for windows in items], dtype=np.int64)
        place = np.arange(counts.max(initial=1))
        first = np.cumsum(counts) - counts
        table = np.where(place < counts[:, None], first[:, None] + place, -1)
        batch = self.encoder.collate([window for windows in items for window in windows])
        return {**batch, "windows": torch.from_numpy(table)}

    def forward(self, windows: Tensor, **batch: Tensor) -> TextStates:
        """Encode a batch; see the class for shapes."""
        states = self.encoder(**batch)
        real = windows >= 0  # [B, K]
        rows = windows.clamp(min=0)
        mask = (states.mask[rows] & real.unsqueeze(-1)).flatten(1)  # [B, K T]
        tokens = states.tokens[rows].flatten(1, 2) * mask.unsqueeze(-1)
        return TextStates(pooled=self._pool(states.pooled[rows], real), tokens=tokens, mask=mask)

    def _pool(self, vectors: Tensor, real: Tensor) -> Tensor:
        """Vectors of windows [B, K, D] -> [B, D]."""
        if self.attention is not None:
            return self.attention(vectors, real)
        return (masked_mean if self.pooling == "mean" else masked_max)(vectors, real)

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Embedding-layer vectors of label names, read from their first windows, [B, channels]."""
        first = batch["windows"][:, 0].clamp(min=0)
        return self.encoder.embed({name: value[first] for name, value in batch.items() if name != "windows"})

    @property
    def word_channels(self) -> int:
        """That of the encoder."""
        return self.encoder.word_channels

    def word_embeddings(self, batch: Mapping[str, Tensor]) -> WordEmbeddings:
        """The tokens of all windows."""
        words = self.encoder.word_embeddings(batch)
        # Windows are numbered document by document.
        words.document = (batch["windows"] >= 0).nonzero()[:, 0]
        return words

    def save_assets(self, folder: Path) -> None:
        """Write options, and what the encoder needs into a folder of its own."""
        self.encoder.save_assets(subfolder(folder, "encoder"))
        write_options(folder, self, windows=self.windows, overlap=self.overlap, pooling=self.pooling)

    @classmethod
    def from_assets(cls, folder: Path, state: Mapping[str, Tensor], **options: Any) -> "ChunkedTextEncoder":
        """See the base class."""
        encoder = TransformerTextEncoder.from_assets(folder / "encoder", substate(state, "encoder."))
        return cls(encoder, **{**read_options(folder), **options})

    def settings(self) -> dict[str, Any]:
        """Those of the encoder, and how windows are cut and pooled."""
        return {**self.encoder.settings(), "chunks": [self.windows, self.overlap, self.pooling]}
