"""Texts into features, features into a sparse linear ranker on a label tree."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.text import TextEncoder, TextStates

if TYPE_CHECKING:
    from hgraph.ranking import LinearRanker

FLOOR = 1e-6
"""Probabilities of the ranker are kept so far from 0 and 1 before they become log-odds."""


class RankedModel(nn.Module):
    r"""XR-Linear, and the ranker of XR-Transformer, behind a text encoder.

    The features of a document are the encoder's sparse ones, its pooled vector scaled to unit length, or both side by
    side, :math:`[x ; \alpha\, h / \lVert h \rVert]` (Zhang et al. 2021, `arXiv 2110.00685
    <https://arxiv.org/abs/2110.00685>`_, section 3.3). The ranker looks at few labels of a document, so the answer is
    a shortlist; a label that is not on it has no score.

    Args:
        text_encoder: Texts -> :class:`hgraph.text.TextStates`; it is not trained here.
        num_labels: Number L of labels.
        ranker: What :meth:`hgraph.ranking.LinearRanker.fit` made of :meth:`features`, or None before that.
        dense_weight: :math:`\alpha`, how much the dense vector counts beside sparse features.
        top_k: Labels on a shortlist (at most L).

    Attributes:
        calibration: float32 [2], scale and shift of Platt's calibration.

    Shapes:
        - `text`: the tensors of `text_encoder.collate`.
        - output: `labels` [B, K], long, -1 behind the last one; `logits` [B, K], calibrated log-odds.
    """

    calibration: Tensor
    scorer: None = None

    def __init__(
        self,
        *,
        text_encoder: TextEncoder,
        num_labels: int,
        ranker: "LinearRanker | None" = None,
        dense_weight: float = 1.0,
        top_k: int = 100,
    ) -> None:
        super().__init__()
        if not text_encoder.num_features and not text_encoder.channels:
            raise ConfigError(f"{type(text_encoder).__name__} gives neither sparse features nor vectors to rank by.")
        self.text_encoder = text_encoder
        self.num_labels = num_labels
        self.ranker = ranker
        self.dense_weight = dense_weight
        self.top_k = min(top_k, num_labels)
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))

    def forward(self, text: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The shortlist of each document; see the class for shapes."""
        if self.ranker is None:
            raise ConfigError("RankedModel has no 'ranker': fit one on its features.")
        scores = self.ranker.predict(self.features([text]), top_k=self.top_k)
        labels, values = padded(scores)
        log_odds = torch.logit(torch.from_numpy(values).clamp(FLOOR, 1 - FLOOR))
        scale, shift = self.calibration.cpu()
        device = self.calibration.device
        return {"labels": torch.from_numpy(labels).to(device), "logits": (scale * log_odds + shift).to(device)}

    @torch.no_grad()
    def features(self, batches: Iterable[Mapping[str, Tensor]]) -> list[sp.csr_matrix | np.ndarray]:
        """Features of the documents of some batches.

        Shapes:
            - sparse features CSR [N, F] where the encoder gives them, then vectors float32 [N, D] where it gives them
        """
        sparse: list[sp.csr_matrix] = []
        dense: list[np.ndarray] = []
        device = self.calibration.device
        for text in batches:
            states = self.text_encoder(**{name: value.to(device) for name, value in text.items()})
            if self.text_encoder.num_features:
                sparse.append(to_csr(states, self.text_encoder.num_features))
            if self.text_encoder.channels:
                unit = F.normalize(states.pooled.float(), dim=1)
                dense.append((self.dense_weight * unit).cpu().numpy() if sparse else unit.cpu().numpy())
        blocks: list[Any] = []
        if sparse:
            blocks.append(sp.vstack(sparse, format="csr"))
        if dense:
            blocks.append(np.concatenate(dense))
        return blocks

    @property
    def num_weights(self) -> int:
        """Weights of the classifiers, biases included."""
        levels = [] if self.ranker is None else self.ranker.levels
        return sum(level.weight.size + level.dense.size + level.bias.size for level in levels)

    def freeze(self) -> "RankedModel":
        """This model: there is nothing to fold."""
        return self.eval()


def to_csr(states: TextStates, num_features: int) -> sp.csr_matrix:
    """Sparse features of a batch as CSR [B, num_features], float32, columns sorted."""
    features = states.sparse
    if features is None:
        raise ConfigError("the text encoder gave no sparse features.")
    count = len(features.indices)
    indptr = np.append(features.offsets.cpu().numpy(), count)
    weights, indices = features.weights.float().cpu().numpy(), features.indices.cpu().numpy()
    matrix = sp.csr_matrix((weights, indices, indptr), shape=(len(indptr) - 1, num_features))
    matrix.sum_duplicates()
    return matrix


def padded(scores: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of the rows of a CSR matrix, padded to the longest row.

    Shapes:
        - columns int64 [N, K], -1 behind the last; values float32 [N, K], 0 there. K is at least 1.

    Example:
        >>> padded(sp.csr_matrix([[0, 0.5, 0.2], [0.0, 0.0, 0.0]]))[0].tolist()
        [[1, 2], [-1, -1]]
    """
    lengths = np.diff(scores.indptr)
    width = max(int(lengths.max(initial=0)), 1)
    columns = np.full((scores.shape[0], width), -1, dtype=np.int64)
    values = np.zeros((scores.shape[0], width), dtype=np.float32)
    place = np.arange(width) < lengths[:, None]
    columns[place], values[place] = scores.indices, scores.data
    return columns, values
