"""Bag of word and character n-grams: no download, trains on a laptop in seconds."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.text.states import SparseFeatures, TextEncoder, TextStates
from hgraph.text.vocabulary import NGrams, TfidfFeatures


class SparseRows(Sequence[tuple[np.ndarray, np.ndarray]]):
    """Rows of a CSR matrix as a sequence; item i is (columns, weights) of row i."""

    def __init__(self, matrix: sp.csr_matrix) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return self.matrix.shape[0]

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[override]
        row = range(len(self))[row]  # a negative row counts from the end
        start, stop = self.matrix.indptr[row], self.matrix.indptr[row + 1]
        return self.matrix.indices[start:stop], self.matrix.data[start:stop]


class BagTextEncoder(TextEncoder):
    """TF-IDF weighted n-grams, as sparse features and as a dense vector.

    The sparse features x (unit length) go to a lexical scorer as they are; the dense vector is
    h = dropout(LayerNorm(ReLU(sum_v x_v e_v))) with learned e_v, the wide multilayer perceptron over TF-IDF of
    Galke and Scherp (ACL 2022, https://aclanthology.org/2022.acl-long.279). With `channels=0` there is no dense part.

    Args:
        features: Fitted n-gram features.
        channels: Width D of the dense vector.
        dropout: On the dense vector.

    Shapes:
        - input: `indices` [nnz], `offsets` [B], `weights` [nnz].
        - output: `pooled` [B, channels], `sparse` as given; no token states.

    Example:
        >>> encoder = BagTextEncoder.fit(["red apples", "green apples"], channels=4)
        >>> encoder(**encoder.collate(encoder.prepare(["red pears"]))).pooled.shape
        torch.Size([1, 4])
    """

    pads = False

    def __init__(self, features: TfidfFeatures, *, channels: int = 256, dropout: float = 0.3) -> None:
        super().__init__()
        if channels < 0:
            raise ConfigError(f"'channels' must be 0 or more, found {channels}.")
        self.features = features
        self.channels = channels
        self.num_features = features.num_features
        self.register_buffer("idf", torch.from_numpy(features.idf))
        self.embedding = nn.EmbeddingBag(self.num_features, channels, mode="sum") if channels else None
        self.norm = nn.LayerNorm(channels) if channels else None
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        *,
        families: Sequence[NGrams] = (NGrams(),),
        channels: int = 256,
        dropout: float = 0.3,
    ) -> "BagTextEncoder":
        """Learn the vocabulary from `texts`."""
        return cls(TfidfFeatures(families).fit(texts), channels=channels, dropout=dropout)

    def reset_parameters(self) -> None:
        """Draw the n-gram vectors anew."""
        if self.embedding is not None and self.norm is not None:
            nn.init.normal_(self.embedding.weight, std=1.0 / math.sqrt(self.channels))
            self.norm.reset_parameters()

    def prepare(self, texts: Sequence[str]) -> SparseRows:
        """TF-IDF rows of `texts`."""
        return SparseRows(self.features.transform(texts))

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
        sparse = SparseFeatures(indices, offsets, weights)
        if self.embedding is None:
            return TextStates(pooled=weights.new_zeros(len(offsets), 0), sparse=sparse)
        return TextStates(pooled=self.dropout(self._dense(indices, offsets, weights)), sparse=sparse)

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Dense vectors of label names, [B, channels]."""
        return self._dense(batch["indices"], batch["offsets"], batch["weights"])

    def _dense(self, indices: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        if self.embedding is None or self.norm is None:
            raise ConfigError("'channels' must be above 0 where dense text vectors are needed, found 0.")
        table = self.embedding.weight
        summed = F.embedding_bag(indices, table, offsets, mode="sum", per_sample_weights=weights.to(table.dtype))
        return self.norm(F.relu(summed))

    def save_assets(self, folder: Path) -> None:
        """Write the vocabulary; the idf travels with the weights."""
        self.features.save(folder)

    def __repr__(self) -> str:
        return f"BagTextEncoder(num_features={self.num_features}, channels={self.channels})"
