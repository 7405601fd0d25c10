"""Vectors that are given, or that a function makes: the items need not be texts."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError, DataError
from hgraph.text.assets import read_options, write_options
from hgraph.text.rows import VectorRows, stack_vectors
from hgraph.text.states import TextEncoder, TextStates
from hgraph.text.vector_head import VectorHead

logger = logging.getLogger(__name__)


class VectorTextEncoder(TextEncoder):
    r"""Precomputed vectors of anything (texts, images, proteins, users) in the place of encoded texts.

    .. math:: h = \mathrm{dropout}(\mathrm{head}(x))

    Args:
        in_channels: Width D of the given vectors.
        encode: A list of n items -> their vectors [n, D]; with it, :meth:`prepare` takes items of any kind, without it
            vectors. A function is not saved with a model: give it again when the model is loaded.
        channels: Width of a trained head (linear map, LayerNorm, GELU); None passes the vectors on as they are.
        dropout: On the result.
        batch_size: Items given to `encode` at once.

    Shapes:
        - input: `vectors` [B, D].
        - output: `pooled` [B, channels] (or [B, D]); no token states.

    Example:
        >>> encoder = VectorTextEncoder(3, channels=4)
        >>> items = encoder.prepare(np.eye(3))
        >>> encoder(**encoder.collate([items[0], items[2]])).pooled.shape
        torch.Size([2, 4])
        >>> lengths = VectorTextEncoder(1, encode=lambda texts: np.array([[len(text)] for text in texts]))
        >>> lengths.prepare(["a", "bcd"])[1]
        array([3])
    """

    pads = False

    def __init__(
        self,
        in_channels: int,
        *,
        encode: Callable[[Sequence[Any]], Any] | None = None,
        channels: int | None = None,
        dropout: float = 0.0,
        batch_size: int = 256,
    ) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("batch_size", batch_size)):
            if value < 1:
                raise ConfigError(f"'{name}' must be at least 1, but got {value}.")
        self.in_channels = in_channels
        self.encode = encode
        self.head = None if channels is None else VectorHead(in_channels, channels)
        self.channels = in_channels if channels is None else channels
        self.dropout = nn.Dropout(dropout)
        self.batch_size = batch_size

    def prepare(self, texts: Sequence[Any] | np.ndarray | Tensor) -> VectorRows:
        """Vectors of the items; an array [N, D] in memory or mapped from disk is taken as it is, without a copy.

        Raises:
            DataError: The vectors have another width, or there is no function to make them.
        """
        if isinstance(texts, np.ndarray | Tensor):
            return VectorRows(self._check(texts, len(texts)))
        if self.encode is not None:
            batches = [texts[start : start + self.batch_size] for start in range(0, len(texts), self.batch_size)]
            parts = [self._check(self.encode(batch), len(batch)) for batch in batches]
            return VectorRows(np.concatenate(parts) if parts else np.zeros((0, self.in_channels), dtype=np.float32))
        if any(isinstance(item, str | Mapping) for item in texts):
            raise DataError(
                "'texts' must be vectors, but got strings and no function to encode them. Give VectorTextEncoder the "
                "argument 'encode' (it is not saved with a model), or the vectors themselves."
            )
        try:
            vectors = stack_vectors(texts, self.in_channels)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"'texts' must be vectors of one width, {self.in_channels}, but got others: {error}."
            ) from None
        return VectorRows(self._check(vectors, len(texts)))

    def _check(self, vectors: Any, count: int) -> np.ndarray:
        """Vectors as an array of `count` rows."""
        if isinstance(vectors, Tensor):
            vectors = vectors.detach().float().cpu().numpy()
        vectors = vectors if isinstance(vectors, np.memmap) else np.asarray(vectors)
        if vectors.shape != (count, self.in_channels):
            where = "'texts'" if self.encode is None else "what 'encode' returns"
            raise DataError(f"{where} must have shape ({count}, {self.in_channels}), but got {vectors.shape}.")
        return vectors

    def lengths(self, items: Sequence[Any]) -> np.ndarray:
        """1 for every item: all take the same work."""
        return np.ones(len(items), dtype=np.int64)

    def collate(self, items: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """The vectors of the items, float32.

        Raises:
            DataError: A vector is not finite.
        """
        vectors = stack_vectors(items, self.in_channels)
        # Checked here, a batch at a time: a mapped file may be larger than the memory.
        if not np.isfinite(vectors).all():
            row = int(np.flatnonzero(~np.isfinite(vectors).all(1))[0])
            raise DataError(f"vectors must be finite, but item {row} of a batch has NaN or infinity.")
        return {"vectors": torch.from_numpy(vectors)}

    def forward(self, vectors: Tensor) -> TextStates:
        """Head and dropout; see the class for shapes."""
        return TextStates(pooled=self.dropout(self.embed({"vectors": vectors})))

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The same for label names, [B, channels], without dropout."""
        vectors = batch["vectors"]
        return vectors if self.head is None else self.head(vectors)

    def save_assets(self, folder: Path) -> None:
        """Write the options; a function is named only."""
        write_options(
            folder,
            self,
            in_channels=self.in_channels,
            channels=None if self.head is None else self.channels,
            dropout=self.dropout.p,
            batch_size=self.batch_size,
            encode=self.encode is not None,
        )

    @classmethod
    def from_assets(cls, folder: Path, state: Mapping[str, Tensor], **options: Any) -> "VectorTextEncoder":
        """See the base class; give the function again as the option `encode`."""
        saved = read_options(folder)
        if saved.pop("encode", False) and options.get("encode") is None:
            logger.warning(
                "%s: the model was trained with a function that makes vectors, which is not saved; set 'encode' to it, "
                "or predict from vectors", folder,
            )  # fmt: skip
        return cls(**{**saved, **options})

    def settings(self) -> dict[str, Any]:
        """Never the same twice where a function makes the vectors: nobody knows when it changes."""
        if self.encode is not None:
            return super().settings()
        return {"in_channels": self.in_channels, "channels": self.channels}
