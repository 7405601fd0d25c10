"""Labels of the most similar training documents."""

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgraph.errors import ConfigError

_ROWS = 65536
"""Remembered documents compared at a time."""


class NeighbourScorer(nn.Module):
    r"""Scores a label by how many of the nearest training documents carry it.

    .. math:: p_{i,l} = \sum_{j \in N_k(i)} w_{ij} y_{jl}, \qquad
        w_{ij} = \operatorname{softmax}_{j \in N_k(i)}\big(\cos(h_i, h_j) / \tau\big), \qquad
        z_{i,l} = \operatorname{logit}\big(\operatorname{clip}(p_{i,l}, \epsilon, 1 - \epsilon)\big)

    with :math:`N_k(i)` the k remembered documents most similar to document i (as the nearest neighbours of MLkNN, Zhang
    and Zhou 2007, weighted by similarity). Nothing is trained. A label of two training documents is found as readily as
    one of a thousand, so it is strong where trained weights are weak; beside them it adds most.

    Args:
        channels: Width D of the document vectors.
        num_labels: Number L of labels.
        k: How many neighbours vote.
        temperature: :math:`\tau`; the smaller, the more the nearest one counts.
        floor: :math:`\epsilon`; the score of a label that no neighbour carries is its logit.

    Attributes:
        memory: [N, D], unit vectors of the remembered documents.
        label_offsets: [N + 1], long; with `label_indices` the rows of their label matrix.

    Shapes:
        - text ``[B, D]``, candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> scorer = NeighbourScorer(2, 2, k=1)
        >>> scorer.remember(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), sp.csr_matrix([[1, 0], [0, 1]]))
        >>> scorer(torch.tensor([[2.0, 0.1]])).sigmoid()
        tensor([[0.9990, 0.0010]])
    """

    memory: Tensor
    label_offsets: Tensor
    label_indices: Tensor

    def __init__(
        self, channels: int, num_labels: int, *, k: int = 50, temperature: float = 0.05, floor: float = 1e-3
    ) -> None:
        super().__init__()
        if k < 1:
            raise ConfigError(f"'k' must be at least 1, but got {k}.")
        if not temperature > 0:
            raise ConfigError(f"'temperature' must be above 0, but got {temperature}.")
        if not 0 < floor < 0.5:
            raise ConfigError(f"'floor' must be between 0 and 0.5, but got {floor}.")
        self.channels = channels
        self.num_labels = num_labels
        self.k = k
        self.temperature = temperature
        self.floor = floor
        self.register_buffer("memory", torch.zeros(0, channels))
        self.register_buffer("label_offsets", torch.zeros(1, dtype=torch.long))
        self.register_buffer("label_indices", torch.zeros(0, dtype=torch.long))

    def remember(self, vectors: Tensor, labels: sp.csr_matrix) -> None:
        """Replace what is remembered.

        Args:
            vectors: [N, D] document vectors.
            labels: CSR [N, L], non-zero where a document carries the label.
        """
        # As they are stored, so that a saved model scores as the one it was saved from.
        self.memory = F.normalize(vectors.detach().float(), dim=1).half().float().to(self.memory.device)
        self.relabel(labels)

    def relabel(self, labels: sp.csr_matrix) -> None:
        """Replace the labels of the remembered documents by those of the CSR matrix [N, L]."""
        expected = (len(self.memory), self.num_labels)
        if labels.shape != expected:
            raise ConfigError(f"'labels' must have shape {list(expected)}, but got {list(labels.shape)}.")
        device = self.memory.device
        self.label_offsets = torch.from_numpy(labels.indptr.astype(np.int64)).to(device)
        self.label_indices = torch.from_numpy(labels.indices.astype(np.int64)).to(device)

    @torch.no_grad()
    def forward(self, text: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Scores of every label, or of the candidates of each document."""
        if not len(self.memory):
            raise ConfigError("NeighbourScorer remembers no documents: call 'remember' with those of the training.")
        similarity, neighbours = self._nearest(F.normalize(text.float(), dim=1))
        weights = (similarity / self.temperature).softmax(1)  # [B, k]
        starts = self.label_offsets[neighbours]
        counts = self.label_offsets[neighbours + 1] - starts  # labels of each neighbour
        total = counts.flatten().cumsum(0)
        pairs = torch.repeat_interleave(torch.arange(counts.numel(), device=text.device), counts.flatten())
        within = torch.arange(len(pairs), device=text.device) - (total - counts.flatten())[pairs]
        labels = self.label_indices[starts.flatten()[pairs] + within]
        votes = torch.zeros(len(text), self.num_labels, device=text.device)
        votes.view(-1).index_add_(0, pairs // weights.shape[1] * self.num_labels + labels, weights.flatten()[pairs])
        if candidates is not None:
            votes = votes.gather(1, candidates)
        return votes.clamp(self.floor, 1 - self.floor).logit()

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any, **kwargs: Any) -> None:
        # The buffers are as long as what was remembered, which the module that loads cannot know.
        for name, buffer in self._buffers.items():
            given = state_dict.get(prefix + name)
            if given is not None and buffer is not None and given.shape != buffer.shape:
                setattr(self, name, buffer.new_zeros(given.shape))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _nearest(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and rows of the nearest remembered documents, [B, k] each; memory is bounded by blocks."""
        best = text.new_zeros(len(text), 0)
        rows = torch.zeros(len(text), 0, dtype=torch.long, device=text.device)
        for start in range(0, len(self.memory), _ROWS):
            block = text @ self.memory[start : start + _ROWS].t()
            block, columns = block.topk(min(self.k, block.shape[1]), dim=1)
            best, rows = torch.cat([best, block], 1), torch.cat([rows, columns + start], 1)
            best, order = best.topk(min(self.k, best.shape[1]), dim=1)
            rows = rows.gather(1, order)
        return best, rows

    def __repr__(self) -> str:
        size = f"channels={self.channels}, num_labels={self.num_labels}, documents={len(self.memory)}"
        return f"{type(self).__name__}({size}, k={self.k}, temperature={self.temperature})"
