"""A trained model as it serves predictions: the label side is a constant."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring import LexicalScorer
from hgraph.text import TextEncoder, TextStates


class FrozenModel(nn.Module):
    """Text encoder and a scorer that holds its label vectors; the label graph is never run.

    Args:
        text_encoder: Texts -> states.
        num_labels: Number L of labels.
        scorer: What `Scorer.freeze` returned, or None.
        lexical_scorer: Scores from sparse features, or None.

    Attributes:
        calibration: float32 [2], scale and shift of Platt's calibration; applied to the scores.

    Shapes:
        - `text`: the tensors of `text_encoder.collate`.
        - output: scores (logits) [B, L].
    """

    calibration: Tensor

    def __init__(
        self,
        *,
        text_encoder: TextEncoder,
        num_labels: int,
        scorer: nn.Module | None,
        lexical_scorer: LexicalScorer | None,
    ) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.num_labels = num_labels
        self.scorer = scorer
        self.lexical_scorer = lexical_scorer
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))

    def forward(self, text: Mapping[str, Tensor]) -> Tensor:
        """Scores of all labels, calibrated log-odds."""
        scores = sum_scores(self.scorer, self.lexical_scorer, self.text_encoder(**text))
        return torch.addcmul(self.calibration[1], scores, self.calibration[0])


def sum_scores(
    scorer: nn.Module | None,
    lexical_scorer: LexicalScorer | None,
    states: TextStates,
    label_vectors: Tensor | None = None,
) -> Tensor:
    """Dense plus lexical scores, whichever there are: [B, L].

    Raises:
        ConfigError: A lexical scorer without sparse features.
    """
    if lexical_scorer is None:
        if scorer is None:
            raise ConfigError("a model needs a 'scorer', a 'lexical_scorer' or both; found neither.")
        return scorer(states.pooled, label_vectors)
    if states.sparse is None:
        raise ConfigError("the text encoder gave no sparse features for the lexical scorer.")
    lexical = lexical_scorer(states.sparse.indices, states.sparse.offsets, states.sparse.weights)
    return lexical if scorer is None else scorer(states.pooled, label_vectors) + lexical
