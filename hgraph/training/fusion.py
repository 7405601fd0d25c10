"""How much each score of a model counts, fitted on validation documents."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from hgraph.data.collate import multi_hot
from hgraph.decoding import fit_fusion
from hgraph.models import AlignmentModel
from hgraph.models.frozen_model import PARTS, Part, sum_parts

MAX_PAIRS = 8_000_000
"""Pairs of document and label that the weights are fitted on; above, some documents and labels are drawn."""
MAX_LABELS = 4096


@torch.no_grad()
def fit_model_fusion(model: AlignmentModel, batches: Iterable[dict[str, Any]], num_labels: int) -> Tensor:
    """The weights [3] of the scores of `model` that explain the labels of some documents best.

    Scores that were trained as a sum (those of `model.active`) are weighted as one.

    With more than `MAX_LABELS` labels, each document is judged on its true labels and on the likeliest ones of each
    score; drawn at random, almost all others would be labels that no score takes for likely.

    Args:
        model: The model; it is left as it is.
        batches: What a :class:`hgraph.data.Collator` gives, with labels.
        num_labels: Number L of labels.
    """
    training = model.training
    frozen = model.freeze()
    ones = torch.ones_like(model.fusion)
    frozen.fusion = ones  # a part whose weight is 0 is not computed
    device = model.fusion.device
    scores: list[np.ndarray] = []
    truth: list[np.ndarray] = []
    groups: list[list[Part]] = []
    pairs = 0
    for batch in batches:
        parts = frozen.parts({name: value.to(device) for name, value in batch["text"].items()})
        groups = _groups(parts, model.active)
        stacked = torch.stack([sum_parts({n: parts[n] for n in group}, ones).float() for group in groups])  # [K, B, L]
        given = batch["labels"].to(device)
        labels = (given if given.is_floating_point() else multi_hot(given, num_labels)).bool()
        cells = _cells(stacked, labels) if num_labels > MAX_LABELS else None
        kept = stacked.flatten(1) if cells is None else stacked[:, cells]
        scores.append(kept.cpu().numpy())
        truth.append((labels.flatten() if cells is None else labels[cells]).cpu().numpy())
        pairs += scores[-1].shape[1]
        if pairs >= MAX_PAIRS:
            break
    model.train(training)
    weights = torch.zeros_like(model.fusion)
    found, _ = fit_fusion(np.concatenate(scores, axis=1), np.concatenate(truth))
    if found.sum() <= 0:  # nothing explains the labels: leave every score its weight
        found = np.ones(len(groups))
    for group, weight in zip(groups, found.tolist(), strict=True):
        for name in group:
            weights[PARTS.index(name)] = weight
    return weights


def _groups(parts: Iterable[Part], active: frozenset[Part]) -> list[list[Part]]:
    """Names of the scores that share a weight: those that were trained together, and each of the others alone."""
    names = list(parts)
    together = [name for name in names if name in active]
    return [group for group in [together, *([name] for name in names if name not in active)] if group]


def _cells(scores: Tensor, labels: Tensor, width: int = 256) -> Tensor:
    """Pairs worth looking at, bool [B, L]: the true labels and the best `width` of each score."""
    cells = labels.clone()
    for part in scores:
        cells.scatter_(1, part.topk(min(width, part.shape[1]), dim=1).indices, True)
    return cells


@torch.no_grad()
def remember_documents(model: AlignmentModel, batches: Iterable[dict[str, Any]], labels: sp.csr_matrix | None) -> None:
    """Fill the neighbour scorer of `model` with the vectors of `batches`, the documents of the CSR matrix `labels`."""
    assert labels is not None
    training = model.training
    model.eval()
    device = model.fusion.device
    vectors = [
        model.text_encoder(**{name: value.to(device) for name, value in batch["text"].items()}).pooled
        for batch in batches
    ]
    model.train(training)
    model.remember(torch.cat(vectors), labels)
