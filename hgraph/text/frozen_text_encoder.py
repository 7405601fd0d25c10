"""A text encoder that is not trained: every text passes it once."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from hgraph.errors import ConfigError
from hgraph.text.assets import read_options, restore_text_encoder, subfolder, substate, write_options
from hgraph.text.embedding_cache import EmbeddingCache, EmbeddingShards, text_hashes
from hgraph.text.fields import plain_texts
from hgraph.text.rows import VectorRows, stack_vectors
from hgraph.text.states import Text, TextEncoder, TextStates
from hgraph.text.vector_head import VectorHead

logger = logging.getLogger(__name__)

Precision = Literal["auto", "float32", "bfloat16"]
BLOCK = 20_000
"""Texts that are prepared and sorted by length together."""


class FrozenTextEncoder(TextEncoder):
    r"""The pooled vectors of an encoder whose weights stay as they are.

    :meth:`prepare` encodes each different text once, without gradient, and keeps the vectors; with a cache they stay
    on disk and the next run only reads them. What is trained is the head behind them, if there is one:
    :math:`h = \mathrm{dropout}(\mathrm{head}(e(x)))`.

    Args:
        encoder: What makes the vectors; its weights take no gradient, and travel with this module's.
        cache: Where vectors are kept between runs, rounded to its precision; None keeps them in memory alone.
        channels: Width of a trained head (linear map, LayerNorm, GELU); None passes the vectors on as they are.
        dropout: On the result.
        normalize: Scale the vectors of the encoder to length 1.
        center: Take away the mean vector of the training texts first, which :meth:`adapt` finds. What all vectors have
            in common says nothing about a label, but makes plain SGD unstable.
        precision: `"bfloat16"` computes the encoder in mixed precision; `"auto"` does so where the processor has
            instructions for it, which is nearly twice as fast.
        batch_size: Texts encoded at once.
        shard_size: Texts in one file of the cache; what was encoded since the last file is lost with a killed run.

    Shapes:
        - input: `vectors` [B, D], D the width of `encoder`.
        - output: `pooled` [B, channels] (or [B, D]); no token states.

    Example:
        >>> from hgraph.text import BagTextEncoder
        >>> encoder = FrozenTextEncoder(BagTextEncoder.fit(["red apples", "green apples"], channels=4))
        >>> encoder(**encoder.collate(encoder.prepare(["red pears"]))).pooled.shape
        torch.Size([1, 4])
    """

    pads = False
    mean: Tensor | None

    def __init__(
        self,
        encoder: TextEncoder,
        *,
        cache: EmbeddingCache | None = None,
        channels: int | None = None,
        dropout: float = 0.0,
        normalize: bool = False,
        center: bool = False,
        precision: Precision = "float32",
        batch_size: int = 64,
        shard_size: int = 2048,
    ) -> None:
        super().__init__()
        if precision not in get_args(Precision):
            raise ConfigError(f"'precision' must be one of {', '.join(get_args(Precision))}, but got {precision!r}.")
        for name, value in (("batch_size", batch_size), ("shard_size", shard_size)):
            if value < 1:
                raise ConfigError(f"'{name}' must be at least 1, but got {value}.")
        if not encoder.channels:
            raise ConfigError(f"'encoder' must give vectors, but got {type(encoder).__name__} with 'channels' 0.")
        self.encoder = encoder.requires_grad_(False).eval()
        self.cache = cache
        self.head = None if channels is None else VectorHead(encoder.channels, channels)
        self.channels = encoder.channels if channels is None else channels
        self.dropout = nn.Dropout(dropout)
        self.normalize = normalize
        self.center = center
        self.register_buffer("mean", torch.zeros(encoder.channels) if center else None)
        self.precision: Precision = fast_precision() if precision == "auto" else precision
        self.batch_size = batch_size
        self.shard_size = shard_size

    def train(self, mode: bool = True) -> "FrozenTextEncoder":
        """Set the mode of the head; the encoder stays in evaluation mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    def prepare(self, texts: Sequence[Text]) -> VectorRows:
        """Vectors [len(texts), D] in the precision of the cache, each different text encoded once."""
        plain = plain_texts(texts)
        _, first, back = np.unique(text_hashes(plain), return_index=True, return_inverse=True)
        different = [plain[row] for row in first.tolist()]
        vectors = self._encode_all(different) if self.cache is None else self._encode_cached(different)
        return VectorRows(vectors[back])

    def adapt(self, items: Sequence[np.ndarray]) -> None:
        """Take the mean of the vectors of `items` for the mean that is taken away from all."""
        if self.mean is not None and len(items):
            total = np.zeros(self.encoder.channels)
            for start in range(0, len(items), BLOCK):
                rows = [items[row] for row in range(start, min(start + BLOCK, len(items)))]
                total += stack_vectors(rows, self.encoder.channels).sum(0, dtype=np.float64)
            self.mean.copy_(torch.from_numpy(total / len(items)))

    def lengths(self, items: Sequence[Any]) -> np.ndarray:
        """1 for every item: what was slow is done."""
        return np.ones(len(items), dtype=np.int64)

    def collate(self, items: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """The vectors of the items, float32."""
        return {"vectors": torch.from_numpy(stack_vectors(items, self.encoder.channels))}

    def forward(self, vectors: Tensor) -> TextStates:
        """Head and dropout; see the class for shapes."""
        return TextStates(pooled=self.dropout(self._project(vectors)))

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The same vectors for label names, [B, channels], without dropout."""
        return self._project(batch["vectors"])

    def save_assets(self, folder: Path) -> None:
        """Write options, and what the encoder needs into a folder of its own."""
        self.encoder.save_assets(subfolder(folder, "encoder"))
        write_options(
            folder,
            self,
            channels=None if self.head is None else self.channels,
            dropout=self.dropout.p,
            normalize=self.normalize,
            center=self.center,
            precision=self.precision,
            batch_size=self.batch_size,
        )

    @classmethod
    def from_assets(cls, folder: Path, state: Mapping[str, Tensor], **options: Any) -> "FrozenTextEncoder":
        """See the base class. Without the option `cache`, texts to predict are not kept on disk."""
        encoder = restore_text_encoder(folder / "encoder", substate(state, "encoder."))
        return cls(encoder, **{**read_options(folder), **options})

    def settings(self) -> dict[str, Any]:
        """The settings of the encoder, and the precision it is computed in."""
        return {**self.encoder.settings(), "precision": self.precision}

    def _project(self, vectors: Tensor) -> Tensor:
        if self.mean is not None:
            vectors = vectors - self.mean
        if self.normalize:
            vectors = F.normalize(vectors, dim=-1)
        return vectors if self.head is None else self.head(vectors)

    def _encode_cached(self, texts: list[str]) -> np.ndarray:
        """Vectors of different texts: those on disk are read, the others encoded and written."""
        assert self.cache is not None
        shards = self.cache.shards(self.settings(), self.encoder.state_dict(), self.encoder.channels)
        hashes = text_hashes(texts)
        known, vectors = shards.read(hashes)
        if known.all():
            return vectors
        with shards.writing():
            # Another process may have encoded them while this one waited.
            known, vectors = shards.read(hashes)
            rows = np.flatnonzero(~known)
            logger.info("%d of %d different texts are not in %s yet", len(rows), len(texts), shards.folder)
            self._encode_missing(texts, hashes, vectors, rows, shards)
        return vectors

    def _encode_missing(
        self, texts: list[str], hashes: np.ndarray, vectors: np.ndarray, rows: np.ndarray, shards: EmbeddingShards
    ) -> None:
        """Fill `vectors` at `rows` and write a file whenever enough of them are done."""
        done: list[int] = []
        for places, batch in self._batches([texts[row] for row in rows.tolist()]):
            vectors[rows[places]] = batch
            done.extend(rows[places].tolist())
            if len(done) >= self.shard_size:
                shards.write(hashes[done], vectors[done])
                done = []
        if done:
            shards.write(hashes[done], vectors[done])

    def _encode_all(self, texts: list[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), self.encoder.channels), dtype=self._dtype)
        for places, batch in self._batches(texts):
            vectors[places] = batch
        return vectors

    @property
    def _dtype(self) -> np.dtype:
        return np.dtype("float32") if self.cache is None else self.cache.dtype

    @torch.no_grad()
    def _batches(self, texts: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places of some texts and their vectors, batch by batch, long texts first."""
        home = next((parameter.device for parameter in self.encoder.parameters()), torch.device("cpu"))
        device = torch.device("cuda") if home.type == "cpu" and torch.cuda.is_available() else home
        self.encoder.to(device).eval()
        try:
            with tqdm(total=len(texts), unit="text", desc="encode", disable=None if len(texts) > 1000 else True) as bar:
                for start in range(0, len(texts), BLOCK):
                    items = self.encoder.prepare(texts[start : start + BLOCK])
                    order = np.argsort(-self.encoder.lengths(items), kind="stable")
                    for at in range(0, len(order), self.batch_size):
                        places = order[at : at + self.batch_size]
                        yield start + places, self._vectors([items[place] for place in places.tolist()], device)
                        bar.update(len(places))
        finally:
            self.encoder.to(home)

    def _vectors(self, items: Sequence[Any], device: torch.device) -> np.ndarray:
        """Vectors of one batch of items as they are stored."""
        batch = {name: value.to(device) for name, value in self.encoder.collate(items).items()}
        mixed = torch.autocast(device.type, dtype=torch.bfloat16) if self.precision == "bfloat16" else nullcontext()
        with mixed:
            pooled = self.encoder(**batch).pooled
        with np.errstate(over="ignore"):
            vectors = pooled.float().cpu().numpy().astype(self._dtype)
        if not np.isfinite(vectors).all():
            raise ConfigError(
                f"the vectors of {type(self.encoder).__name__} must be finite in {self._dtype}, but some are not. "
                "Use EmbeddingCache(dtype='float32') or precision 'float32'; a model that gives NaN is damaged."
            )
        return vectors


def fast_precision() -> Precision:
    """The faster precision of this machine: bfloat16 where there are instructions for it."""
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return "bfloat16" if any(getattr(torch.cpu, check, bool)() for check in checks) else "float32"
