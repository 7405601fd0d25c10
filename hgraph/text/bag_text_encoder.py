"""Bag of word and character n-grams: no download, trains on a laptop in seconds."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

from hgraph.errors import ConfigError
from hgraph.text.assets import read_options, write_options
from hgraph.text.fields import plain_texts
from hgraph.text.hashed_features import HASHING_FILE, HashedFeatures
from hgraph.text.rows import SparseRows
from hgraph.text.states import SparseFeatures, Text, TextEncoder, TextStates
from hgraph.text.vocabulary import NGrams, TfidfFeatures

Features = TfidfFeatures | HashedFeatures
Weighting = Literal["tfidf", "learned"]


class BagTextEncoder(TextEncoder):
    """TF-IDF weighted n-grams, as sparse features and as a dense vector.

    The sparse features x (unit length) go to a lexical scorer as they are; the dense vector is
    h = dropout(LayerNorm(ReLU(sum_v x_v e_v))) with learned e_v, the wide multilayer perceptron over TF-IDF of
    Galke and Scherp (ACL 2022, https://aclanthology.org/2022.acl-long.279). With `channels=0` there is no dense part.

    Args:
        features: Fitted n-gram features, with a vocabulary or hashed.
        channels: Width D of the dense vector.
        dropout: On the dense vector.
        weighting: `"learned"` multiplies the weight of every feature by exp(s_v) with a learned s_v, which begins at 0,
            and scales x to unit length again; `"tfidf"` leaves the weights as they are.
        sparse: Give e_v and s_v sparse gradients, for an optimiser that takes them
            (:class:`torch.optim.SparseAdam`): a step then costs what its documents have, not the vocabulary. Processes
            that train together exchange dense gradients alone.

    Shapes:
        - input: `indices` [nnz], `offsets` [B], `weights` [nnz].
        - output: `pooled` [B, channels], `sparse` as given (or with learned weights); no token states.

    Example:
        >>> encoder = BagTextEncoder.fit(["red apples", "green apples"], channels=4)
        >>> encoder(**encoder.collate(encoder.prepare(["red pears"]))).pooled.shape
        torch.Size([1, 4])
    """

    pads = False

    def __init__(
        self,
        features: Features,
        *,
        channels: int = 256,
        dropout: float = 0.3,
        weighting: Weighting = "tfidf",
        sparse: bool = False,
    ) -> None:
        super().__init__()
        if channels < 0:
            raise ConfigError(f"'channels' must be 0 or more, found {channels}.")
        if weighting not in get_args(Weighting):
            raise ConfigError(f"'weighting' must be one of {', '.join(get_args(Weighting))}, but got {weighting!r}.")
        self.features = features
        self.channels = channels
        self.weighting = weighting
        self.sparse = sparse
        self.num_features = features.num_features
        self.register_buffer("idf", torch.from_numpy(features.idf))
        self.embedding = nn.EmbeddingBag(self.num_features, channels, mode="sum", sparse=sparse) if channels else None
        self.norm = nn.LayerNorm(channels) if channels else None
        self.log_scale = nn.Parameter(torch.zeros(self.num_features, 1)) if weighting == "learned" else None
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    @classmethod
    def fit(
        cls,
        texts: Sequence[Text],
        *,
        families: Sequence[NGrams] = (NGrams(),),
        num_buckets: int | None = None,
        **options: Any,
    ) -> "BagTextEncoder":
        """Learn the vocabulary from `texts`.

        Args:
            texts: The texts.
            families: The families of n-grams.
            num_buckets: Hash the n-grams of each family into so many columns and keep no vocabulary.
            **options: Arguments of the class.
        """
        plain = plain_texts(texts)
        if num_buckets is None:
            return cls(TfidfFeatures(families).fit(plain), **options)
        return cls(HashedFeatures(families, num_buckets=num_buckets).fit(plain), **options)

    def reset_parameters(self) -> None:
        """Draw the n-gram vectors anew; learned weights begin at TF-IDF."""
        if self.embedding is not None and self.norm is not None:
            nn.init.normal_(self.embedding.weight, std=1.0 / math.sqrt(self.channels))
            self.norm.reset_parameters()
        if self.log_scale is not None:
            nn.init.zeros_(self.log_scale)

    def prepare(self, texts: Sequence[Text]) -> SparseRows:
        """TF-IDF rows of `texts`."""
        return SparseRows(self.features.transform(plain_texts(texts)))

    def lengths(self, items: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Different n-grams of each item."""
        if isinstance(items, SparseRows):
            return np.diff(items.matrix.indptr).astype(np.int64)
        return super().lengths([columns for columns, _ in items])

    def collate(self, items: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, Tensor]:
        """Flat indices, offsets and weights of the items."""
        lengths = [len(columns) for columns, _ in items]
        offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if items else np.zeros(0)
        columns = np.concatenate([columns for columns, _ in items]) if items else np.zeros(0)
        weights = np.concatenate([weights for _, weights in items]) if items else np.zeros(0)
        return {
            "indices": torch.from_numpy(columns.astype(np.int64)),
            "offsets": torch.from_numpy(offsets.astype(np.int64)),
            "weights": torch.from_numpy(weights.astype(np.float32)),
        }

    def forward(self, indices: Tensor, offsets: Tensor, weights: Tensor) -> TextStates:
        """Encode a batch; see the class for shapes."""
        weights = self._weights(indices, offsets, weights)
        sparse = SparseFeatures(indices, offsets, weights)
        if self.embedding is None:
            return TextStates(pooled=weights.new_zeros(len(offsets), 0), sparse=sparse)
        return TextStates(pooled=self.dropout(self._dense(indices, offsets, weights)), sparse=sparse)

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Dense vectors of label names, [B, channels]."""
        indices, offsets = batch["indices"], batch["offsets"]
        return self._dense(indices, offsets, self._weights(indices, offsets, batch["weights"]))

    def _weights(self, indices: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        """Weights of the features, [nnz], learned or as they are."""
        if self.log_scale is None:
            return weights
        scale = F.embedding(indices, self.log_scale, sparse=self._sparse_gradients()).squeeze(-1).exp()
        weights = weights.to(scale.dtype) * scale
        ends = torch.cat([offsets[1:], offsets.new_tensor([len(indices)])]) if len(offsets) else offsets
        rows = torch.repeat_interleave(ends - offsets, output_size=len(indices))
        squares = weights.new_zeros(len(offsets)).index_add(0, rows, weights.square())
        return weights / squares.clamp(min=torch.finfo(weights.dtype).tiny).sqrt()[rows]

    def _sparse_gradients(self) -> bool:
        together = distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
        return self.sparse and not together

    def _dense(self, indices: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        if self.embedding is None or self.norm is None:
            raise ConfigError("'channels' must be above 0 where dense text vectors are needed, found 0.")
        table = self.embedding.weight
        summed = F.embedding_bag(
            indices,
            table,
            offsets,
            mode="sum",
            per_sample_weights=weights.to(table.dtype),
            sparse=self._sparse_gradients(),
        )
        return self.norm(F.relu(summed))

    def save_assets(self, folder: Path) -> None:
        """Write the vocabulary and the options; the idf travels with the weights."""
        self.features.save(folder)
        write_options(
            folder,
            self,
            channels=self.channels,
            dropout=self.dropout.p,
            weighting=self.weighting,
            sparse=self.sparse,
        )

    @classmethod
    def from_assets(cls, folder: Path, state: Mapping[str, Tensor], **options: Any) -> "BagTextEncoder":
        """See the base class."""
        kind = HashedFeatures if (folder / HASHING_FILE).exists() else TfidfFeatures
        features = kind.load(folder, state["idf"].cpu().numpy())
        return cls(features, **{**read_options(folder), **options})

    def settings(self) -> dict[str, Any]:
        """The vocabulary."""
        return {"features": self.features.describe()}

    def __repr__(self) -> str:
        learned = ", weighting='learned'" if self.weighting == "learned" else ""
        return f"BagTextEncoder(num_features={self.num_features}, channels={self.channels}{learned})"
