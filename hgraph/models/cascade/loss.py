"""The loss of a cascade: the objective on the candidates of each level."""

from collections.abc import Sequence

from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.losses import BCELoss, ObjectiveList
from hgraph.scoring.cascade_decoding import ScoredCells


def cascade_loss(
    objectives: ObjectiveList,
    levels: Sequence[ScoredCells],
    weights: Sequence[float],
    num_documents: int,
    *,
    faithful: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    r"""Weighted sum of the binary cross-entropies of all levels, and that of each level.

    .. math:: \ell = \sum_t r_t \frac{1}{N_t} \sum_{i, c} \operatorname{BCE}(z_{i,c}, y_{i,c})

    over the :math:`N_t` candidates :math:`c` of all documents :math:`i`. Nodes that have no weights of their own are
    left out. With the reduction `"sum"` of the objective :math:`N_t` is the number of documents.

    Args:
        objectives: One :class:`hgraph.losses.BCELoss`.
        levels: Scores and targets of each level, the labels' last.
        weights: :math:`r_t`.
        num_documents: Number of documents of the batch.
        faithful: The published mean: documents with few candidates count as having as many as the others.

    Raises:
        ConfigError: `objectives` holds something else.
    """
    objective = objectives.objectives[0]
    if len(objectives.objectives) != 1 or not isinstance(objective, BCELoss):
        raise ConfigError(f"a cascade trains the objective 'bce' alone, found {objectives!r}.")
    total, values = levels[-1].scores.new_zeros(()), {}
    for number, (level, weight) in enumerate(zip(levels, weights, strict=True)):
        scores, right, row = level.scores, level.right, level.cells.row
        assert right is not None
        if level.own is not None:
            scores, right, row = scores[level.own], right[level.own], row[level.own]
        value = objective(scores=scores.unsqueeze(0), labels=right.unsqueeze(0))
        if objective.reduction == "sum":
            value = value / max(num_documents, 1)
        elif faithful and len(row):
            value = value * (len(row) / (num_documents * int(row.bincount().max())))
        total = total + weight * objectives.weights[0] * value
        values["labels" if number == len(levels) - 1 else f"level {number + 1}"] = value.detach()
    return total, values
