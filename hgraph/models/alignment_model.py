"""The composable model: encode texts, encode labels, score the two against each other."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import scipy.sparse as sp
import torch
from torch import Tensor, nn

from hgraph.data.collate import LabelForm
from hgraph.errors import ConfigError
from hgraph.losses import BCELoss, ObjectiveList
from hgraph.models.frozen_model import PARTS, FrozenModel, Part, score_parts, scorer_input, sum_parts
from hgraph.models.label_texts import LabelTexts
from hgraph.models.shortlist_step import check_shortlist, label_blocks, shortlist_step
from hgraph.models.views import DropoutView, View, stack_branches
from hgraph.nn import CachedLabelEncoder, LabelEncoder, LabelFeatures
from hgraph.retrieval import NeighbourScorer
from hgraph.sampling import ShortlistSampler
from hgraph.scoring import LexicalScorer, Scorer, label_tables
from hgraph.scoring.lexical_scorer import many_processes
from hgraph.text import TextEncoder, TextStates

LABEL_BLOCK = 4096
"""How many labels a model that trains on shortlists encodes at once where all are wanted."""


class AlignmentModel(nn.Module):
    """Text encoder x label encoder x scorer x objectives.

    The score of a document and a label is the scorer's (dense text vector or token states against label vector) plus,
    with a lexical scorer, a linear function of the document's sparse features, plus, with a neighbour scorer, the vote
    of similar training documents; `fusion` weighs the three.

    Args:
        text_encoder: Texts -> :class:`hgraph.text.TextStates`.
        scorer: Text vectors x label vectors -> scores; None scores by the lexical features alone.
        num_labels: Number L of labels.
        label_encoder: Label features [L, F] -> label vectors [L, C]; None where the scorer needs none.
        label_names: Texts of the labels; their features come from the embedding layer of the text encoder, shared with
            it, so that names receive gradient. None: the label encoder is called without features.
        lexical_scorer: Scores from the encoder's sparse features.
        neighbour_scorer: Scores from the labels of similar training documents. It has no part in training:
            :meth:`remember` fills it, and its weight is fitted on validation documents.
        objectives: What is minimised; by default BCE, summed over labels.
        view: How the second view of a document comes about, for objectives that read `views` or `branches`; by default
            another draw of dropout.
        link: What makes log-odds of scores in predictions, where a score alone is not one
            (:class:`hgraph.models.ConditionalLink`); objectives judge the scores without it.
        label_samples: With a :class:`hgraph.nn.CachedLabelEncoder`, a training step computes the labels of its
            documents, mined negatives and so many drawn at random; the rest come from memory (default 1024).
        shortlist: Chooses the labels that a training step embeds, encodes and scores in place of all, for hierarchies
            of 100,000 labels; the others have no part in the step. It takes the place of `label_samples`. Predictions
            are those of a model without one.
        sparse_gradients: With a shortlist, whether the gradients of tables with one row a label are sparse (default),
            so that an optimiser for sparse gradients moves the rows of a step alone; where several processes train
            together they are dense. Dense ones cost some 28 bytes read and written for each weight and step.

    Attributes:
        fusion: float32 [3], weights of the dense, the lexical and the neighbours' score in predictions.
        active: The scores that a training step adds up for the objectives.
        trainable: The weights that may be trained at all.

    Shapes:
        - `text`: the tensors of `text_encoder.collate`.
        - `labels`: [B, L], float multi-hot; with a shortlist also [B, P], long, label ids, -1 where there is none.
        - `mined`: [B, N], long, hard negative labels, -1 where there is none.
        - output: `loss` (scalar; with labels only) and `logits` [B, L] (not where no objective reads scores); with
          labels and a shortlist `logits` [B, S], and `labels` [B, S], which they are of.

    Raises:
        ConfigError: The parts do not fit together.
    """

    fusion: Tensor
    served_by: ClassVar[type[FrozenModel]] = FrozenModel
    """What :meth:`freeze` makes."""
    label_form: ClassVar[LabelForm] = "multi_hot"
    """How a training batch gives labels; see :class:`hgraph.data.Collator`."""

    def __init__(
        self,
        *,
        text_encoder: TextEncoder,
        num_labels: int,
        scorer: Scorer | None = None,
        label_encoder: LabelEncoder | None = None,
        label_names: Sequence[str] | None = None,
        lexical_scorer: LexicalScorer | None = None,
        neighbour_scorer: NeighbourScorer | None = None,
        objectives: ObjectiveList | None = None,
        view: View | None = None,
        link: nn.Module | None = None,
        label_samples: int = 1024,
        shortlist: ShortlistSampler | None = None,
        sparse_gradients: bool = True,
    ) -> None:
        super().__init__()
        if scorer is None and lexical_scorer is None:
            raise ConfigError("a model needs a 'scorer', a 'lexical_scorer' or both; found neither.")
        if lexical_scorer is not None and not text_encoder.num_features:
            raise ConfigError(
                f"'lexical_scorer' needs sparse features, which {type(text_encoder).__name__} does not give. Use the "
                "text encoder 'bag' or a WideDeepTextEncoder, or leave the lexical scorer out."
            )
        if scorer is not None and not text_encoder.channels:
            raise ConfigError(
                f"'scorer' {scorer!r} needs dense text vectors, but the text encoder has 'channels' 0. Set "
                "'text_encoder.channels', or leave the scorer out."
            )
        _check_sizes(text_encoder, num_labels, scorer, label_encoder, label_names, lexical_scorer, shortlist)
        self.num_labels = num_labels
        self.text_encoder = text_encoder
        self.scorer = scorer
        self.label_encoder = label_encoder
        self.lexical_scorer = lexical_scorer
        self.neighbour_scorer = neighbour_scorer
        self.view = view
        self.link = link
        self.register_buffer("fusion", torch.ones(len(PARTS)))
        self.active: frozenset[Part] = frozenset({"dense", "lexical"})
        self.label_samples = label_samples
        self.objectives = objectives or ObjectiveList([BCELoss(reduction="sum")])
        # What a stage of a training may switch on and off; a frozen encoder is never among them.
        self.trainable = frozenset(parameter for parameter in self.parameters() if parameter.requires_grad)
        self.shortlist = shortlist
        self.sparse_gradients = sparse_gradients and shortlist is not None and not many_processes()
        self._label_batch_names: list[str] = []
        self._label_texts: LabelTexts | None = None
        if shortlist is not None:
            check_shortlist(self)
            for part in [] if label_encoder is None else label_encoder.modules():
                if isinstance(part, LabelEncoder) and part.label_parameters:
                    part.sparse = self.sparse_gradients
            if label_encoder is not None and label_names is not None:
                self._label_texts = LabelTexts(text_encoder, label_names)
        elif label_encoder is not None and label_names is not None:
            for name, value in text_encoder.collate(text_encoder.prepare(label_names)).items():
                # They follow from the taxonomy, so checkpoints leave them out.
                self.register_buffer(f"label_text_{name}", value, persistent=False)
                self._label_batch_names.append(name)

    @property
    def sparse_tables(self) -> list[str]:
        """Names of the trained tables with one row a label whose gradients are sparse."""
        parts = {"scorer": self.scorer, "label_encoder": self.label_encoder} if self.sparse_gradients else {}
        return [f"{name}.{table}" for name, part in parts.items() if part is not None for table in label_tables(part)]

    def label_features(self) -> LabelFeatures | None:
        """What the label encoder reads of labels, [L, F]: with a shortlist row by row; None where it reads nothing."""
        if self._label_texts is not None:
            return self._label_texts.features(self.fusion.device)
        batch = {name: getattr(self, f"label_text_{name}") for name in self._label_batch_names}
        return self.text_encoder.embed(batch) if batch else None

    def label_vectors(self, labels: Tensor | None = None, mined: Tensor | None = None) -> Tensor | None:
        """Label vectors [L, C], or None where the scorer works without.

        With `labels` [B, L] of a training step, a label encoder with a memory computes those, the mined ones and some
        others.
        """
        if self.label_encoder is None:
            return None
        if self.shortlist is not None and (self.training or not isinstance(self.label_encoder, CachedLabelEncoder)):
            return label_blocks(self, LABEL_BLOCK)
        features = self.label_features()
        if labels is None or not self.training or not isinstance(self.label_encoder, CachedLabelEncoder):
            return self.label_encoder(features)
        wanted = labels.any(0)
        wanted[torch.randperm(self.num_labels, device=labels.device)[: self.label_samples]] = True
        if mined is not None:
            wanted[mined[mined >= 0]] = True
        return self.label_encoder(features, labels=wanted.nonzero().squeeze(1))

    def forward(
        self, text: Mapping[str, Tensor], labels: Tensor | None = None, mined: Tensor | None = None
    ) -> dict[str, Any]:
        """Scores of all labels and, with `labels`, the loss; see the class for shapes."""
        if labels is not None and self.shortlist is not None:
            return shortlist_step(self, text, labels, mined)
        states = self.text_encoder(**text)
        vectors = self.label_vectors(labels, mined)
        if labels is None:
            logits = self.score(states, vectors)
            return {"logits": logits if self.link is None else self.link(logits)}
        uses = self.objectives.uses
        scores, branches = self._training_scores(states, vectors)
        view = self._view(text, states, vectors, labels)
        if view is not None and "branches" in uses and self.scorer is not None and self.view is not None:
            again, mask = scorer_input(self.scorer, view)
            branches = stack_branches(branches, self.scorer(again, vectors, mask=mask).unsqueeze(0))
        label_text, label_slots = self._label_text(states, vectors, labels)
        loss, values = self.objectives(
            scores=scores,
            labels=labels,
            text=states.pooled,
            label_vectors=vectors,
            label_text=label_text,
            label_slots=label_slots,
            all_label_text=self._all_label_text(states, vectors),
            branches=branches,
            views=None if view is None else view.pooled.unsqueeze(1),
            label_weights=self._label_weights(vectors) if "label_weights" in uses else None,
            mined=mined if "mined" in uses else None,
        )
        output = {"loss": loss, "objectives": values}
        return output if scores is None else {**output, "logits": scores}

    def _training_scores(self, states: TextStates, vectors: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """The scores that objectives judge, [B, L], and those of the branches of the scorer, [R, B, L]."""
        uses, ones = self.objectives.uses, torch.ones_like(self.fusion)
        if "branches" in uses and self.scorer is not None and self.scorer.has_branches and "dense" in self.active:
            text, mask = scorer_input(self.scorer, states)
            dense, branches = self.scorer.forward_branches(text, vectors, mask=mask)
            others = self.active - {"dense"}
            rest = self.parts(states, vectors, others) if "lexical" in others and self.lexical_scorer else {}
            return sum_parts({"dense": dense, **rest}, ones), branches
        if "scores" not in uses:
            return None, None
        return sum_parts(self.parts(states, vectors, self.active), ones), None

    def _view(
        self, text: Mapping[str, Tensor], states: TextStates, vectors: Tensor | None, labels: Tensor
    ) -> TextStates | None:
        """Another view of the documents, where an objective asks for one."""
        asked = "views" in self.objectives.needs or (self.view is not None and "branches" in self.objectives.uses)
        if not asked:
            return None
        view = DropoutView() if self.view is None else self.view
        return view(self.text_encoder, text, states, vectors, labels)

    def parts(self, states: TextStates, label_vectors: Tensor | None, active: frozenset[Part]) -> dict[Part, Tensor]:
        """The scores [B, L] of the parts named by `active`, before they are added up."""
        return score_parts(
            states,
            scorer=self.scorer if "dense" in active else None,
            lexical_scorer=self.lexical_scorer if "lexical" in active else None,
            neighbour_scorer=self.neighbour_scorer if "neighbours" in active else None,
            label_vectors=label_vectors,
        )

    def score(self, states: TextStates, label_vectors: Tensor | None) -> Tensor:
        """Scores [B, L] of encoded texts."""
        parts = self.parts(states, label_vectors, frozenset(PARTS))
        return sum_parts(parts, self.fusion)

    def _label_text(
        self, states: TextStates, vectors: Tensor | None, labels: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        """What each document says about its own labels, [B, S, D], and which these are, [B, S]."""
        if "label_text" not in self.objectives.needs:
            return None, None
        slots = int(labels.sum(1).max()) if len(labels) else 0
        given, ids = labels.topk(max(slots, 1), dim=1)
        return self._attend(states, vectors, ids), ids.masked_fill(given <= 0, -1)

    def _all_label_text(self, states: TextStates, vectors: Tensor | None) -> Tensor | None:
        """What each document says about every label, [B, L, D], where an objective asks for it."""
        return self._attend(states, vectors, None) if "all_label_text" in self.objectives.needs else None

    def _attend(self, states: TextStates, vectors: Tensor | None, candidates: Tensor | None) -> Tensor:
        attend = getattr(self.scorer, "label_text", None)
        if attend is None or states.tokens is None:
            raise ConfigError(
                "an objective compares what documents say about labels: it needs the scorer 'hjcl' or "
                "'label_attention' and a text encoder with token states."
            )
        out: Tensor = attend(states.tokens, vectors, candidates, mask=states.mask)
        return out

    def _label_weights(self, vectors: Tensor | None) -> Tensor | None:
        return None if self.scorer is None else self.scorer.label_weights(vectors)

    @torch.no_grad()
    def remember(self, vectors: Tensor, labels: sp.csr_matrix) -> None:
        """Fill the neighbour scorer with the vectors [N, D] of training documents and their labels, CSR [N, L]."""
        if self.neighbour_scorer is None:
            raise ConfigError("the model has no 'neighbour_scorer' to remember documents.")
        self.neighbour_scorer.remember(vectors, labels)

    def pretrain(self, *, seed: int, device: torch.device | None = None, progress: bool = False) -> None:
        """What a model learns before its first step of a training; most learn nothing.

        Args:
            seed: Of what is drawn.
            device: Where to compute; the model stays there.
            progress: Whether a bar may be shown.
        """

    def begin_labels(self, labels: Tensor) -> None:
        """First weights of `labels` [N] that are new in the hierarchy, where the model can make them by itself."""

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
        frozen = self.served_by(
            text_encoder=self.text_encoder,
            num_labels=self.num_labels,
            scorer=scorer,
            lexical_scorer=self.lexical_scorer,
            neighbour_scorer=self.neighbour_scorer,
            link=self.link,
        )
        frozen.fusion = self.fusion
        return frozen.eval()


def _check_sizes(
    text_encoder: TextEncoder,
    num_labels: int,
    scorer: Scorer | None,
    label_encoder: LabelEncoder | None,
    label_names: Sequence[str] | None,
    lexical_scorer: LexicalScorer | None,
    shortlist: ShortlistSampler | None,
) -> None:
    """Raise an error where two parts were built for different numbers of labels, channels or features."""
    counts = {
        "scorer": getattr(scorer, "num_labels", None),
        "label_encoder": getattr(label_encoder, "num_labels", None),
        "label_names": None if label_names is None else len(label_names),
        "lexical_scorer": None if lexical_scorer is None else lexical_scorer.weight.shape[1],
        "shortlist": None if shortlist is None else shortlist.num_labels,
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
