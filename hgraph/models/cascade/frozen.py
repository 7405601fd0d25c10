"""A cascade as it serves predictions."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hgraph.models.cascade.layers import layer_vectors
from hgraph.models.frozen_model import FrozenModel, Part
from hgraph.scoring import FrozenCascadeScorer
from hgraph.text import TransformerTextEncoder


class FrozenCascade(FrozenModel):
    """A text encoder that gives states of several layers, and the scorer that walks down the hierarchy.

    Shapes:
        - `text`: the tensors of `text_encoder.collate`.
        - output: `labels` [B, K], the candidates of each document, -1 where it has fewer; `logits` [B, K], their
          calibrated log-odds. Other labels have no score.
    """

    def forward(self, text: Mapping[str, Tensor]) -> Any:
        """Candidate labels and their log-odds."""
        scorer, encoder = self.scorer, self.text_encoder
        assert isinstance(scorer, FrozenCascadeScorer)
        assert isinstance(encoder, TransformerTextEncoder)
        labels, scores = scorer.shortlist(layer_vectors(encoder, text))
        if self.link is not None:
            scores = self.link(scores)
        return {"labels": labels, "logits": torch.addcmul(self.calibration[1], scores, self.calibration[0])}

    def parts(self, text: Mapping[str, Tensor]) -> dict[Part, Tensor]:
        """A cascade has one score, of candidates alone."""
        raise NotImplementedError("the score of a cascade has no parts")
