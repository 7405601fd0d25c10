"""A trained model as it serves predictions: the label side is a constant."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.retrieval import NeighbourScorer
from hgraph.scoring import LexicalScorer
from hgraph.text import TextEncoder, TextStates

Part = Literal["dense", "lexical", "neighbours"]
PARTS: tuple[Part, ...] = ("dense", "lexical", "neighbours")
"""What a score may consist of, in the order of the fusion weights."""


class FrozenModel(nn.Module):
    """Text encoder and a scorer that holds its label vectors; the label graph is never run.

    Args:
        text_encoder: Texts -> states.
        num_labels: Number L of labels.
        scorer: What `Scorer.freeze` returned, or None.
        lexical_scorer: Scores from sparse features, or None.
        neighbour_scorer: Scores from the labels of similar training documents, or None.
        link: What makes log-odds of the sum of scores, or None where it is log-odds already.

    Attributes:
        fusion: float32 [3], how much the dense, the lexical and the neighbours' score count.
        calibration: float32 [2], scale and shift of Platt's calibration; applied to the sum of scores.

    Shapes:
        - `text`: the tensors of `text_encoder.collate`.
        - output: scores (logits) [B, L].
    """

    fusion: Tensor
    calibration: Tensor

    def __init__(
        self,
        *,
        text_encoder: TextEncoder,
        num_labels: int,
        scorer: nn.Module | None,
        lexical_scorer: LexicalScorer | None,
        neighbour_scorer: NeighbourScorer | None = None,
        link: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.num_labels = num_labels
        self.scorer = scorer
        self.lexical_scorer = lexical_scorer
        self.neighbour_scorer = neighbour_scorer
        self.link = link
        self.register_buffer("fusion", torch.ones(len(PARTS)))
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))

    def forward(self, text: Mapping[str, Tensor]) -> Tensor:
        """Scores of all labels, calibrated log-odds."""
        scores = sum_parts(self.parts(text), self.fusion)
        if self.link is not None:
            scores = self.link(scores)
        return torch.addcmul(self.calibration[1], scores, self.calibration[0])

    def parts(self, text: Mapping[str, Tensor]) -> dict[Part, Tensor]:
        """The scores before they are added up, [B, L] each."""
        dense, lexical, neighbours = self.fusion.bool().tolist()  # what has no weight is not computed
        return score_parts(
            self.text_encoder(**text),
            scorer=self.scorer if dense else None,
            lexical_scorer=self.lexical_scorer if lexical else None,
            neighbour_scorer=self.neighbour_scorer if neighbours else None,
        )


def score_parts(
    states: TextStates,
    *,
    scorer: nn.Module | None = None,
    lexical_scorer: LexicalScorer | None = None,
    neighbour_scorer: NeighbourScorer | None = None,
    label_vectors: Tensor | None = None,
    candidates: Tensor | None = None,
) -> dict[Part, Tensor]:
    """Dense, lexical and neighbours' scores, whichever there are: [B, L] each, or [B, K] for candidates.

    Raises:
        ConfigError: No scorer at all, or one whose features the text encoder does not give.
    """
    parts: dict[Part, Tensor] = {}
    if scorer is not None:
        text, mask = scorer_input(scorer, states)
        parts["dense"] = scorer(text, label_vectors, candidates, mask=mask)
    if lexical_scorer is not None:
        sparse = states.sparse
        if sparse is None:
            raise ConfigError("the text encoder gave no sparse features for the lexical scorer.")
        parts["lexical"] = lexical_scorer(sparse.indices, sparse.offsets, sparse.weights, candidates)
    if neighbour_scorer is not None:
        parts["neighbours"] = neighbour_scorer(states.pooled, candidates)
    if not parts:
        raise ConfigError("a model needs a 'scorer', a 'lexical_scorer' or both; found neither.")
    return parts


def scorer_input(scorer: nn.Module, states: TextStates) -> tuple[Tensor, Tensor | None]:
    """What `scorer` reads of the documents, and the mask that belongs to it.

    Shapes:
        - pooled vectors [B, D] and None; tokens [B, T, D] and their mask [B, T]; or
        - the pooled vector, then the fields, [B, 1 + F, D], and which of them are there, [B, 1 + F]; without fields the
          pooled vector twice, [B, 2, D], and None.

    Raises:
        ConfigError: It reads what the text encoder does not give.
    """
    if getattr(scorer, "reads_tokens", False):
        if states.tokens is None:
            raise ConfigError(f"{type(scorer).__name__} reads token states, which the text encoder does not give.")
        return states.tokens, states.mask
    if not getattr(scorer, "reads_fields", False):
        return states.pooled, None
    pooled = states.pooled.unsqueeze(1)
    if states.fields is None:
        return pooled.expand(-1, 2, -1), None
    vectors, mask = torch.cat([pooled, states.fields], dim=1), states.field_mask
    return vectors, None if mask is None else torch.cat([mask.new_ones(len(mask), 1), mask], dim=1)


def sum_parts(parts: Mapping[Part, Tensor], fusion: Tensor) -> Tensor:
    """The weighted sum of scores."""
    total: Tensor | None = None
    for name, scores in parts.items():
        part = scores * fusion[PARTS.index(name)].to(scores.dtype)
        total = part if total is None else total + part
    assert total is not None
    return total
