"""What every objective promises."""

import inspect
from typing import ClassVar

from torch import Tensor, nn

from hgraph.errors import ConfigError

INPUTS = {
    "scores": "raw scores (logits), [B, L], or [B, K] of a shortlist",
    "labels": "1 where the document has the label, 0 elsewhere; shaped like the scores",
    "mask": "true where a pair of document and label counts; shaped like the scores",
    "candidates": "the labels of a shortlist, [B, K], long; without it column l is label l",
    "text": "document vectors, [B, D]",
    "label_vectors": "label vectors, [L, D]",
    "label_text": "what a document says about each label, [B, L, D], or [B, S, D] with `label_slots`",
    "all_label_text": "what a document says about every label, [B, L, D]",
    "label_slots": "the labels of `label_text`, [B, S], long, -1 where there is none",
    "branches": "further scores of the same pairs, of parts of the model or of other views, [R, B, L]",
    "views": "further vectors of the same documents, [B, V, D]",
    "label_weights": "the weights that a scorer has for each label, [L, D]",
    "mined": "mined hard negative labels, [B, N], long, -1 where there is none",
    "columns": "the labels of a shortlist that all documents share, [S], long, sorted; `label_vectors` are theirs",
    "importance": "how many labels each of `columns` stands for, [S]",
}
"""All that a model may hand to its objectives, by name."""


class Objective(nn.Module):
    """Base of the objectives: what a model computed for a batch in, one number out.

    An objective's `forward` takes keyword arguments named in :data:`INPUTS` and declares those alone that it reads:
    one without a default is required, one with the default None is used where it is given. A model can hold any
    weighted list of objectives (:class:`~hgraph.losses.ObjectiveList`), which passes each what it asks for. A batch
    without documents gives zero, never NaN.

    Shapes:
        - see :data:`INPUTS`
        - output: scalar
    """

    name: ClassVar[str]
    """The name under which the value is reported."""
    on_shortlist: ClassVar[bool] = False
    """Whether it judges a shortlist (`columns`) in place of all labels, as far as it reads pairs or label vectors."""


def inputs_of(objective: nn.Module) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the inputs that an objective reads, and of those it cannot do without.

    Example:
        >>> from hgraph.losses import TLALoss
        >>> sorted(inputs_of(TLALoss())[1])
        ['label_vectors', 'labels', 'text']
    """
    parameters = inspect.signature(objective.forward).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return frozenset(INPUTS), frozenset()
    required = frozenset(parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty)
    return frozenset(parameter.name for parameter in parameters), required


def check_shapes(scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> None:
    """Raise an error unless ``scores``, ``labels`` and ``mask`` are matrices of one shape."""
    for name, value in (("labels", labels), ("mask", mask)):
        if value is not None and value.shape != scores.shape:
            raise ConfigError(
                f"'{name}' must have the shape of the scores, {list(scores.shape)}, but got {list(value.shape)}."
            )
    if scores.dim() != 2:
        raise ConfigError(f"Scores must have shape [documents, labels], but got {list(scores.shape)}.")
