"""The composable model: encode texts, encode labels, score the two against each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.losses import BCELoss, ObjectiveList
from hgraph.models.frozen_model import FrozenModel, sum_scores
from hgraph.nn import CachedLabelEncoder, LabelEncoder
from hgraph.scoring import LexicalScorer, Scorer
from hgraph.text import TextEncoder, TextStates


class AlignmentModel(nn.Module):
    """Text encoder x label encoder x scorer x objectives.

    The score of a document and a label is the scorer's (dense text vector against label vector) plus, with a lexical
    scorer, a linear function of the document's sparse features.

    Args:
        text_encoder: Texts -> :class:`hgraph.text.TextStates`.
        scorer: Text vectors x label vectors -> scores; None scores by the lexical features alone.
        num_labels: Number L of labels.
        label_encoder: Label features [L, F] -> label vectors [L, C]; None where the scorer needs none.
        label_names: Texts of the labels; their features come from the embedding layer of the text encoder, shared with
            it, so that names receive gradient. None: the label encoder is called without features.
        lexical_scorer: Scores from the encoder's sparse features.
        objectives: What is minimised; by default BCE, summed over labels.
        label_samples: With a :class:`hgraph.nn.CachedLabelEncoder`, a training step computes the labels of its
            documents and so many drawn at random; the rest come from memory (default 1024).

    Shapes:
        - `text`: the tensors of `text_encoder.collate`.
        - `labels`: [B, L], float multi-hot.
        - output: `loss` (scalar; with labels only) and `logits` [B, L].

    Raises:
        ConfigError: The parts do not fit together.
    """

    label_batch: dict[str, Tensor]

    def __init__(
        self,
        *,
        text_encoder: TextEncoder,
        num_labels: int,
        scorer: Scorer | None = None,
        label_encoder: LabelEncoder | None = None,
        label_names: Sequence[str] | None = None,
        lexical_scorer: LexicalScorer | None = None,
        objectives: ObjectiveList | None = None,
        label_samples: int = 1024,
    ) -> None:
        super().__init__()
        if scorer is None and lexical_scorer is None:
            raise ConfigError("a model needs a 'scorer', a 'lexical_scorer' or both; found neither.")
        if lexical_scorer is not None and not text_encoder.num_features:
            raise ConfigError(
                f"'lexical_scorer' needs sparse features, which {type(text_encoder).__name__} does not give. Use the "
                "text encoder 'bag', or leave the lexical scorer out."
            )
        if scorer is not None and not text_encoder.channels:
            raise ConfigError(
                f"'scorer' {scorer!r} needs dense text vectors, but the text encoder has 'channels' 0. Set "
                "'text_encoder.channels', or leave the scorer out."
            )
        _check_sizes(text_encoder, num_labels, scorer, label_encoder, label_names, lexical_scorer)
        self.num_labels = num_labels
        self.text_encoder = text_encoder
        self.scorer = scorer
        self.label_encoder = label_encoder
        self.lexical_scorer = lexical_scorer
        self.label_samples = label_samples
        self.objectives = objectives or ObjectiveList([BCELoss(reduction="sum")])
        self._label_batch_names: list[str] = []
        if label_encoder is not None and label_names is not None:
            for name, value in text_encoder.collate(text_encoder.prepare(label_names)).items():
                # They follow from the taxonomy, so checkpoints leave them out.
                self.register_buffer(f"label_{name}", value, persistent=False)
                self._label_batch_names.append(name)

    def label_vectors(self, labels: Tensor | None = None) -> Tensor | None:
        """Label vectors [L, C], or None where the scorer works without.

        With `labels` [B, L] of a training step, a label encoder with a memory computes those and some others.
        """
        if self.label_encoder is None:
            return None
        batch = {name: getattr(self, f"label_{name}") for name in self._label_batch_names}
        features = self.text_encoder.embed(batch) if batch else None
        if labels is None or not self.training or not isinstance(self.label_encoder, CachedLabelEncoder):
            return self.label_encoder(features)
        wanted = labels.any(0)
        wanted[torch.randperm(self.num_labels, device=labels.device)[: self.label_samples]] = True
        return self.label_encoder(features, labels=wanted.nonzero().squeeze(1))

    def forward(self, text: Mapping[str, Tensor], labels: Tensor | None = None) -> dict[str, Any]:
        """Scores of all labels and, with `labels`, the loss; see the class for shapes."""
        states = self.text_encoder(**text)
        vectors = self.label_vectors(labels)
        scores = self.score(states, vectors)
        if labels is None:
            return {"logits": scores}
        loss, _ = self.objectives(scores=scores, labels=labels, text=states.pooled, label_vectors=vectors)
        return {"loss": loss, "logits": scores}

    def score(self, states: TextStates, label_vectors: Tensor | None) -> Tensor:
        """Scores [B, L] of encoded texts."""
        return sum_scores(self.scorer, self.lexical_scorer, states, label_vectors)

    @torch.no_grad()
    def init_bias(self, prior: Tensor) -> None:
        """Start from the log-odds of `prior` [L], the share of documents that carry each label."""
        # One of the two biases is enough; the other starts at zero.
        scorer = self.lexical_scorer if self.scorer is None else self.scorer
        if scorer is not None:
            scorer.init_bias(prior)

    @torch.no_grad()
    def freeze(self) -> FrozenModel:
        """The model for prediction: label vectors are computed once and folded into the scorer.

        It shares the text encoder with this model, so both are left in evaluation mode; call `train()` to go on.
        """
        self.eval()
        scorer = None if self.scorer is None else self.scorer.freeze(self.label_vectors())
        return FrozenModel(
            text_encoder=self.text_encoder,
            num_labels=self.num_labels,
            scorer=scorer,
            lexical_scorer=self.lexical_scorer,
        ).eval()


def _check_sizes(
    text_encoder: TextEncoder,
    num_labels: int,
    scorer: Scorer | None,
    label_encoder: LabelEncoder | None,
    label_names: Sequence[str] | None,
    lexical_scorer: LexicalScorer | None,
) -> None:
    """Raise an error where two parts were built for different numbers of labels, channels or features."""
    counts = {
        "scorer": getattr(scorer, "num_labels", None),
        "label_encoder": getattr(label_encoder, "num_labels", None),
        "label_names": None if label_names is None else len(label_names),
        "lexical_scorer": None if lexical_scorer is None else lexical_scorer.weight.shape[1],
    }
    for name, count in counts.items():
        if count is not None and count != num_labels:
            raise ConfigError(f"'{name}' is made for {count} labels, but 'num_labels' is {num_labels}.")
    if scorer is not None and scorer.channels != text_encoder.channels:
        raise ConfigError(
            f"'scorer' takes text vectors of {scorer.channels} channels, but the text encoder gives "
            f"{text_encoder.channels}."
        )
    if lexical_scorer is not None and lexical_scorer.weight.shape[0] != text_encoder.num_features:
        raise ConfigError(
            f"'lexical_scorer' takes {lexical_scorer.weight.shape[0]} features, but the text encoder gives "
            f"{text_encoder.num_features}."
        )
