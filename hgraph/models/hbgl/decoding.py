"""Texts and the steps of their levels, as the transformer reads them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hgraph.models.hbgl.masks import stream_mask
from hgraph.models.hbgl.transformer import run_transformer
from hgraph.scoring import LevelDecoding


def step_states(model: Any, text: Mapping[str, Tensor], targets: Tensor, mask_vector: Tensor) -> Tensor:
    """States of all steps in one pass, ``[B, S, D]`` (HBGL, section 3.3).

    The sequence is the source, the targets, and the pseudo stream, whose steps hold the mask at the positions of the
    targets; step k of it is what predicts level k from the source and the targets above.

    Args:
        model: The transformer.
        text: `input_ids` and `attention_mask`, ``[B, T]``.
        targets: ``[B, S, D]``, what the steps are fed with.
        mask_vector: ``[D]``.
    """
    steps = targets.shape[1]
    return _run(
        model, text, torch.cat([targets, mask_vector.to(targets.dtype).expand_as(targets)], 1), steps, pseudo=True
    )


def decode(model: Any, scorer: LevelDecoding, text: Mapping[str, Tensor]) -> Tensor:
    """Scores ``[B, L]`` of every label at the step of its level; what a step is fed with follows from the scores above.

    Each level encodes the source and the steps so far again.

    Args:
        model: The transformer.
        scorer: The output layer.
        text: `input_ids` and `attention_mask`, ``[B, T]``.
    """
    ids = text["input_ids"]
    fed = torch.zeros(len(ids), len(scorer.order), dtype=torch.bool, device=ids.device)
    mask = scorer.mask_vector.expand(len(ids), 1, -1)
    steps, scores = mask[:, :0], []
    for step in range(scorer.num_levels):
        state = _run(model, text, torch.cat([steps, mask], 1), step + 1, pseudo=False)[:, -1]
        scores.append(scorer.step_scores(state, step))
        if step + 1 < scorer.num_levels:
            given = scorer.feed(state, step, scores[-1], fed).unsqueeze(1)
            steps = torch.cat([steps, given.to(steps.dtype)], 1)
    return torch.cat(scores, 1)[:, scorer.order.argsort()]


def _run(model: Any, text: Mapping[str, Tensor], steps: Tensor, count: int, *, pseudo: bool) -> Tensor:
    """States of the last `count` of the steps ``[B, n, D]`` behind a text; positions go on where the text ends."""
    source = text["attention_mask"].bool()
    words = model.get_input_embeddings()(text["input_ids"])
    number = torch.arange(count, device=source.device)
    behind = source.sum(1, keepdim=True) + number.repeat(2 if pseudo else 1)
    positions = torch.cat([torch.arange(source.shape[1], device=source.device).expand_as(source), behind], 1)
    types = torch.zeros_like(positions)
    types[:, source.shape[1] :] = 1
    vectors = torch.cat([words, steps.to(words.dtype)], 1)
    mask = stream_mask(source, count, pseudo=pseudo)
    return run_transformer(model, vectors, mask, positions, types)[:, -count:]
