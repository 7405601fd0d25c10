"""Sparse lexical features against a shortlist of labels for each document."""

from typing import Any

import torch
from torch import Tensor

from hgraph.scoring.blocks import MEMORY_BUDGET


class LexicalCandidates(torch.autograd.Function):
    r"""Lexical scores of candidates alone, without those of other labels.

    .. math:: z_{i,k} = \sum_v x_{iv} W_{v, c_{ik}}

    Reads one weight for each feature of a document and each of its candidates: time is `nnz x K`, and the memory for
    it is bounded. The gradient of the weights has as many entries, as a sparse tensor if wanted.

    Shapes:
        - input: weight [V, L], indices [nnz], documents [nnz] (which document has the feature), values [nnz],
          candidates [B, K].
        - output: [B, K].
    """

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, indices: Tensor, documents: Tensor, values: Tensor, candidates: Tensor, sparse: bool
    ) -> Tensor:
        """Sums over the features of each document."""
        ctx.save_for_backward(weight, indices, documents, values, candidates)
        ctx.sparse = sparse
        scores = values.new_zeros(candidates.shape)
        for part in _parts(indices, candidates):
            products = _weights(weight, indices[part], candidates[documents[part]]) * values[part].unsqueeze(1)
            scores.index_add_(0, documents[part], products)
        return scores

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the weights and of the values of features."""
        weight, indices, documents, values, candidates = ctx.saved_tensors
        of_weight = of_values = None
        if ctx.needs_input_grad[0]:
            rows = indices.unsqueeze(1).expand(-1, candidates.shape[1])
            places = torch.stack([rows, candidates[documents]]).flatten(1)  # [2, nnz * K]
            entries = (gradient[documents] * values.unsqueeze(1)).flatten()
            of_weight = torch.sparse_coo_tensor(places, entries, weight.shape, check_invariants=False)
            if not ctx.sparse:
                of_weight = of_weight.to_dense()
        if ctx.needs_input_grad[3]:
            of_values = torch.empty_like(values)
            for part in _parts(indices, candidates):
                read = _weights(weight, indices[part], candidates[documents[part]])
                of_values[part] = (read * gradient[documents[part]]).sum(1)
        return of_weight, None, None, of_values, None, None


def _weights(weight: Tensor, indices: Tensor, labels: Tensor) -> Tensor:
    """Weights of features ``[n]`` and labels ``[n, K]``, ``[n, K]``."""
    return weight[indices.unsqueeze(1), labels]


def _parts(indices: Tensor, candidates: Tensor) -> list[slice]:
    """Slices of the features, each of bounded memory: labels, places, weights and products of a feature."""
    step = max(1, MEMORY_BUDGET // (32 * max(1, candidates.shape[1])))
    return [slice(start, start + step) for start in range(0, len(indices), step)]
