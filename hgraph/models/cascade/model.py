"""CascadeXML: layers of one transformer score the levels of a hierarchy, each from the shortlist of the one before."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from hgraph.data.collate import LabelForm
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses import BCELoss, ObjectiveList
from hgraph.models.alignment_model import AlignmentModel
from hgraph.models.cascade.frozen import FrozenCascade
from hgraph.models.cascade.layers import flat_layers, layer_vectors, spread_layers
from hgraph.models.cascade.loss import cascade_loss
from hgraph.models.frozen_model import FrozenModel
from hgraph.scoring import CascadeLevels, CascadeScorer
from hgraph.scoring.cascade_functional import CascadeScores
from hgraph.scoring.cascade_scorer import check_length
from hgraph.text import TextEncoder, TransformerTextEncoder
from hgraph.text.architectures import check_layers

logger = logging.getLogger(__name__)


class CascadeModel(AlignmentModel):
    r"""Multi-resolution training of one transformer (Kharbanda et al., `NeurIPS 2022 <https://arxiv.org/abs/2211.00640>`_).

    Coarse levels of a hierarchy read shallow layers, fine ones deep layers. Each level scores the children of the best
    nodes of the level above, in training with the right ones among them; the wrong ones are hard negatives that change
    with the model. A document is compared with a few thousand labels, however many there are.

    The hierarchy is a tree of clusters, a real one with several parents and labels on all levels, or both. What differs
    from the paper, which `faithful` restores: the mean of a level goes over real candidates alone, and right nodes are
    never cut at `topk`. See also :class:`hgraph.scoring.CascadeScorer`.

    Args:
        text_encoder: A :class:`hgraph.text.TransformerTextEncoder`; its layers are chosen here.
        num_labels: Number L of labels.
        tree: The hierarchy; its first L nodes are the labels, the others clusters.
        layers: For each level, the labels' last, the layers it reads; several are concatenated and mapped to one. None
            spreads the upper half of the layers evenly.
        topk: Selected nodes of each level, one number for all, or one a level.
        dropouts: On the vector of each level, the labels' last; None rises from 0.2 to 0.5.
        scores: How a label's probability follows from the scores on the way down.
        level_weights: How much the loss of each level counts, the labels' last; None is 1.
        sparse: Whether gradients of the tables are sparse, so that a step costs what its candidates cost.
        objectives: One :class:`hgraph.losses.BCELoss`; by default the mean over candidates.
        faithful: The published form.

    Shapes:
        - `text`: the tensors of `text_encoder.collate`.
        - `labels`: [B, L], float multi-hot, or [B, P], long, ids of labels and -1; closed upward.
        - output: with labels `loss` (scalar); without, `labels` and `logits` [B, K] as
          :class:`hgraph.models.FrozenCascade` gives them, without calibration.

    Raises:
        ConfigError: The text encoder is no transformer, or there are more or fewer entries than levels.
    """

    served_by: ClassVar[type[FrozenModel]] = FrozenCascade
    label_form: ClassVar[LabelForm] = "ids"
    scorer: CascadeScorer
    text_encoder: TransformerTextEncoder

    def __init__(
        self,
        *,
        text_encoder: TextEncoder,
        num_labels: int,
        tree: LabelGraph,
        layers: Sequence[Sequence[int]] | None = None,
        topk: Sequence[int] = (64,),
        dropouts: Sequence[float] | None = None,
        scores: CascadeScores = "weighted",
        level_weights: Sequence[float] | None = None,
        sparse: bool = False,
        objectives: ObjectiveList | None = None,
        faithful: bool = False,
    ) -> None:
        if not isinstance(text_encoder, TransformerTextEncoder):
            raise ConfigError(
                f"the model 'cascade_xml' needs the text encoder 'transformer' with one window, found "
                f"{type(text_encoder).__name__}."
            )
        levels = CascadeLevels.of(tree, num_labels)
        depth, num_layers = len(levels.sizes) + 1, text_encoder.model.config.num_hidden_layers
        groups = spread_layers(num_layers, depth) if layers is None else layers
        check_length("layers", groups, depth)
        chosen, sources = flat_layers([check_layers(group, num_layers) for group in groups])
        super().__init__(
            text_encoder=text_encoder,
            num_labels=num_labels,
            scorer=CascadeScorer(
                levels,
                text_encoder.channels,
                sources=sources,
                topk=topk,
                dropouts=dropouts,
                scores=scores,
                sparse=sparse,
                faithful=faithful,
            ),
            objectives=objectives or ObjectiveList([BCELoss()]),
        )
        text_encoder.layers = chosen
        self.level_weights = [1.0] * depth if level_weights is None else list(level_weights)
        check_length("level_weights", self.level_weights, depth)
        self.tree, self.faithful = tree, faithful

    def forward(
        self, text: Mapping[str, Tensor], labels: Tensor | None = None, mined: Tensor | None = None
    ) -> dict[str, Any]:
        """The shortlist of labels or, with `labels`, the loss of all levels; see the class for shapes."""
        vectors = layer_vectors(self.text_encoder, text)
        if labels is None:
            found, scores = self.scorer.shortlist(vectors)
            return {"labels": found, "logits": scores}
        levels = self.scorer.training_walk(vectors, labels)
        loss, values = cascade_loss(self.objectives, levels, self.level_weights, len(labels), faithful=self.faithful)
        return {"loss": loss, "objectives": values}

    def freeze(self) -> FrozenModel:
        """The model for prediction, as :meth:`AlignmentModel.freeze` gives it."""
        if self.scorer.cut:
            logger.warning(
                "%d right nodes were cut at 'topk' %s in training. Raise it, or leave 'faithful' out.",
                self.scorer.cut,
                self.scorer.topk,
            )
            self.scorer.cut = 0
        return super().freeze()
