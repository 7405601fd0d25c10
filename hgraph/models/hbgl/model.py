"""HBGL: labels are decoded level by level by the transformer that reads the text."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import BCELoss, ObjectiveList
from hgraph.models.alignment_model import AlignmentModel
from hgraph.models.frozen_model import FrozenModel
from hgraph.models.hbgl.decoding import decode, step_states
from hgraph.models.hbgl.frozen import FrozenHBGL
from hgraph.models.hbgl.label_pretraining import LabelPretraining, pretrain_labels
from hgraph.models.hbgl.level_scorer import LevelScorer
from hgraph.models.hbgl.name_vectors import name_vectors, special_vector
from hgraph.models.hbgl.transformer import check_transformer
from hgraph.models.views import View
from hgraph.text import TextEncoder, TransformerTextEncoder
from hgraph.text.architectures import max_positions


class HBGLModel(AlignmentModel):
    r"""Hierarchy-guided BERT with global and local hierarchies (Jiang et al., `Findings of ACL 2022
    <https://aclanthology.org/2022.findings-acl.330/>`_).

    Label vectors stand in the sequence of the text: step :math:`k` behind it holds the sum of the vectors of the labels
    of level :math:`k`, and a masked step at the same position predicts them from the text and the levels above. One
    pass over source, steps and masked steps trains all levels. First the vectors learn the hierarchy alone
    (:meth:`pretrain`).

    A prediction goes down the levels: the labels of a level whose probability is above `threshold`, below a label of
    the level before, are fed to the next one. Every label has a score, its log-odds at the step of its level, so that
    thresholds, calibration and rankings work as for any model.

    What differs from the paper, which `faithful` restores: the candidates of a step are the labels of its level, not
    all labels and an end; a step without labels is fed the mask, not zeros; labels are fed below fed ones only; the
    pre-training groups the leaves that share a parent, where the program takes those of the label before, and a label
    attends to itself. The scores of labels stay real ones in either form. A large hierarchy is pre-trained in branches.

    Args:
        text_encoder: A :class:`hgraph.text.TransformerTextEncoder`. Its texts are cut so that two steps for each level
            fit behind them.
        graph: The hierarchy; a label sits at its `level`, so DAGs and labels at inner nodes work.
        label_names: What label vectors start from; by default the names of the labels.
        objectives: What is minimised; by default BCE, the mean over pairs of a document and a label.
        view: As for :class:`AlignmentModel`.
        link: As for :class:`AlignmentModel`.
        corruption: Probability with which training masks a step, so that the levels below do without it.
        threshold: Probability from which a prediction feeds a label to the next step.
        constrained: Whether a label is fed only below one that was fed; in a DAG below any of its parents.
        pretraining: How :meth:`pretrain` goes.
        faithful: The published form.

    Shapes:
        - `text`: the tensors of `text_encoder.collate`.
        - `labels`: [B, L], float multi-hot, closed upward.
        - output: as for :class:`AlignmentModel`.

    Raises:
        ConfigError: The transformer cannot run steps, or has no room for them.
    """

    served_by: ClassVar[type[FrozenModel]] = FrozenHBGL
    scorer: LevelScorer
    text_encoder: TransformerTextEncoder

    def __init__(
        self,
        *,
        text_encoder: TextEncoder,
        graph: LabelGraph,
        label_names: Sequence[str] | None = None,
        objectives: ObjectiveList | None = None,
        view: View | None = None,
        link: nn.Module | None = None,
        corruption: float = 0.5,
        threshold: float = 0.5,
        constrained: bool = True,
        pretraining: LabelPretraining | None = None,
        faithful: bool = False,
    ) -> None:
        if not isinstance(text_encoder, TransformerTextEncoder):
            raise ConfigError(
                f"the model 'hbgl' needs the text encoder 'transformer' with one window, found "
                f"{type(text_encoder).__name__}."
            )
        if not 0.0 <= corruption <= 1.0:
            raise ConfigError(f"'corruption' must be a share from 0 to 1, found {corruption}.")
        check_transformer(text_encoder)
        scorer = LevelScorer(
            graph, text_encoder.channels, threshold=threshold, constrained=constrained, faithful=faithful
        )
        super().__init__(
            text_encoder=text_encoder,
            num_labels=graph.num_labels,
            scorer=scorer,
            objectives=objectives or ObjectiveList([BCELoss()]),
            view=view,
            link=link,
        )
        self.graph, self.corruption, self.faithful = graph, corruption, faithful
        self.names = list(graph.name if label_names is None else label_names)
        options = pretraining or LabelPretraining()
        self.pretraining = options.published() if faithful else options
        _make_room(text_encoder, 2 * scorer.num_steps)
        self.reset_vectors()

    @torch.no_grad()
    def reset_vectors(self, labels: Tensor | None = None) -> None:
        """Set label vectors to the sums of the word embeddings of their names: all, and the mask, or `labels` alone."""
        encoder, scorer = self.text_encoder, self.scorer
        if labels is not None:
            names = [self.names[label] for label in labels.tolist()]
            scorer.weight[labels] = name_vectors(encoder, names).to(scorer.weight)
            return
        scorer.weight.copy_(name_vectors(encoder, self.names))
        scorer.mask_vector.copy_(special_vector(encoder, "mask"))
        if scorer.end_weight is not None:
            scorer.end_weight.copy_(special_vector(encoder, "sep", "eos"))

    def begin_labels(self, labels: Tensor) -> None:
        """New labels start from their names, as all labels do; see :meth:`reset_vectors`."""
        self.reset_vectors(labels)

    def pretrain(self, *, seed: int = 0, device: torch.device | None = None, progress: bool = False) -> None:
        """Let the label vectors learn the hierarchy; see :class:`LabelPretraining`."""
        self.to(device or self.fusion.device)
        scorer = self.scorer
        frozen = scorer.freeze()  # its transform has no weights to train
        pretrain_labels(
            self.text_encoder,
            self.graph,
            scorer.weight.data,
            scorer.mask_vector,
            frozen.transform,
            self.pretraining,
            seed=seed,
            progress=progress,
        )

    def forward(
        self, text: Mapping[str, Tensor], labels: Tensor | None = None, mined: Tensor | None = None
    ) -> dict[str, Any]:
        """Scores of all labels and, with `labels`, the loss of all levels; see the class for shapes."""
        if labels is None:
            scores = decode(self.text_encoder.model, self.scorer, text)
            return {"logits": scores if self.link is None else self.link(scores)}
        steps = self.steps(text, labels)
        logits = self.scorer(steps[:, : self.scorer.num_levels])
        scores, truth = self.scorer.published_pairs(steps, labels) if self.faithful else (logits, labels)
        loss, values = self.objectives(scores=scores, labels=truth, **self._further(text, labels))
        return {"loss": loss, "objectives": values, "logits": logits}

    def steps(self, text: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """States of the masked steps in one pass, [B, S, D], the levels above as they are in `labels`."""
        scorer = self.scorer
        targets = scorer.targets(labels)
        if self.training and self.corruption:
            hidden = torch.rand(targets.shape[:2], device=targets.device) < self.corruption
            targets = torch.where(hidden.unsqueeze(2), scorer.mask_vector, targets)
        return step_states(self.text_encoder.model, text, targets, scorer.mask_vector)

    def _further(self, text: Mapping[str, Tensor], labels: Tensor) -> dict[str, Tensor | None]:
        """What objectives beside the scores read; documents are encoded again for those that read their vectors."""
        uses, needs = self.objectives.uses, self.objectives.needs
        further: dict[str, Tensor | None] = {}
        if "label_weights" in uses:
            further["label_weights"] = self.scorer.label_weights()
        if "text" in uses or "views" in needs:
            states = self.text_encoder(**text)
            further["text"] = states.pooled
            view = self._view(text, states, None, labels)
            further["views"] = None if view is None else view.pooled.unsqueeze(1)
        return further


def _make_room(encoder: TransformerTextEncoder, steps: int) -> None:
    """Cut texts so that `steps` positions are free behind them."""
    room = max_positions(encoder.model)
    if room is None:
        return
    if room - steps < 3:
        raise ConfigError(
            f"the model 'hbgl' needs {steps} positions for the levels of the hierarchy and some for a text, but the "
            f"transformer has {room}. Use another transformer or a flatter hierarchy."
        )
    encoder.max_length = min(encoder.max_length, room - steps)
