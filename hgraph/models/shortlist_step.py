"""A training step of an alignment model that looks at some labels in place of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hgraph.data.collate import multi_hot
from hgraph.errors import ConfigError
from hgraph.losses.relations import places
from hgraph.models.frozen_model import Part, scorer_input, sum_parts
from hgraph.nn import CachedLabelEncoder
from hgraph.scoring import score_labels
from hgraph.text import TextStates

if TYPE_CHECKING:
    from hgraph.models.alignment_model import AlignmentModel


def shortlist_step(
    model: AlignmentModel, text: Mapping[str, Tensor], labels: Tensor, mined: Tensor | None
) -> dict[str, Any]:
    """Loss and scores of a batch on the shortlist that `model.shortlist` chooses for it.

    Names, label vectors and scores of the shortlist alone are computed, from rows of the tables that have one a label;
    nothing of the size of all labels is made.

    Shapes:
        - `labels`: [B, P], long, ids of each document's labels and then -1; or [B, L], multi-hot.
        - `mined`: [B, N], long, -1 where there is none.
        - output: `loss` (scalar), `labels` [B, S], the ids of the shortlist, and `logits` [B, S] (not where no
          objective reads scores).
    """
    assert model.shortlist is not None
    ids = labels.any(0).nonzero().squeeze(1) if labels.is_floating_point() else labels
    columns, importance = model.shortlist(ids, mined)
    targets = labels[:, columns] if labels.is_floating_point() else multi_hot(places(labels, columns), len(columns))
    states = model.text_encoder(**text)
    vectors = None
    if model.label_encoder is not None:
        vectors = model.label_encoder.encode(model.label_features(), columns)
    uses = model.objectives.uses
    scores = None
    if "scores" in uses:
        scores = sum_parts(_parts(model, states, vectors, columns), torch.ones_like(model.fusion))
    loss, values = model.objectives(
        scores=scores,
        labels=targets,
        text=states.pooled,
        label_vectors=vectors,
        mined=mined if "mined" in uses else None,
        columns=columns,
        importance=importance,
    )
    output = {"loss": loss, "objectives": values, "labels": columns.expand(len(targets), -1)}
    return output if scores is None else {**output, "logits": scores}


def check_shortlist(model: AlignmentModel) -> None:
    """Refuse parts that can only work on all labels.

    Raises:
        ConfigError: The label encoder, the scorer, the view or an objective is such a part.
    """
    encoder, scorer = model.label_encoder, model.scorer
    if encoder is not None and not encoder.partial:
        raise ConfigError(
            "a 'shortlist' needs a label encoder that computes some labels without the others, but "
            f"{type(encoder).__name__} computes all. Use GPTrans or Graphormer with form 'edges', GAT, names, features "
            "or learned vectors, or switch the shortlist off."
        )
    if scorer is not None and not scorer.separable:
        raise ConfigError(
            f"a 'shortlist' needs a scorer that scores each label by itself, but {type(scorer).__name__} scores all "
            "together. Use another one, such as 'additive' or 'shrunk', or switch the shortlist off."
        )
    if model.view is not None:
        raise ConfigError(
            "a 'shortlist' has no place for a second 'view' of the documents. Switch the one or the other off."
        )
    model.objectives.check_shortlist()


def _parts(model: AlignmentModel, states: TextStates, vectors: Tensor | None, columns: Tensor) -> dict[Part, Tensor]:
    """The scores [B, S] of the parts that the objectives judge, before they are added up."""
    parts: dict[Part, Tensor] = {}
    if model.scorer is not None and "dense" in model.active:
        text, mask = scorer_input(model.scorer, states)
        parts["dense"] = score_labels(
            model.scorer,
            text,
            vectors,
            columns,
            num_labels=model.num_labels,
            mask=mask,
            sparse=model.sparse_gradients,
        )
    if model.lexical_scorer is not None and "lexical" in model.active:
        sparse = states.sparse
        if sparse is None:
            raise ConfigError("the text encoder gave no sparse features for the lexical scorer.")
        candidates = columns.expand(len(sparse.offsets), -1)
        parts["lexical"] = model.lexical_scorer(sparse.indices, sparse.offsets, sparse.weights, candidates)
    return parts


def label_blocks(model: AlignmentModel, size: int) -> Tensor:
    """Vectors [L, C] of all labels, of `size` at a time."""
    encoder = model.label_encoder
    assert encoder is not None
    if isinstance(encoder, CachedLabelEncoder):
        encoder = encoder.encoder  # in training it gives all labels, whichever are asked for
    features = model.label_features()
    labels = torch.arange(model.num_labels, device=model.fusion.device)
    return torch.cat([encoder(features, labels=part) for part in labels.split(size)])
