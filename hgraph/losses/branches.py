"""An objective on the scores of parts of a model, or of other views of the documents."""

from typing import ClassVar

import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.losses.bce import BCELoss
from hgraph.losses.objective import Objective, inputs_of


class BranchLoss(Objective):
    r"""The same objective on each of several branches of scores, added up.

    .. math:: \mathcal{L} = \sum_r \mathcal{L}_{\text{inner}}(z_r, y)

    Branches are what a model scores beside its final scores: HMCN's local and global predictions
    (`arXiv 2507.04413 <https://arxiv.org/abs/2507.04413>`_), HGCLR's second view of each document
    (`arXiv 2203.03825 <https://arxiv.org/abs/2203.03825>`_). Each learns the labels itself.

    Args:
        inner: an objective on ``scores``, ``labels`` and ``mask`` alone (default: BCE, summed over labels).

    Shapes:
        - branches ``[R, B, L]``, labels and mask ``[B, L]``
        - output: scalar

    Example:
        >>> from hgraph.losses import BCELoss
        >>> labels = torch.tensor([[1.0, 0.0]])
        >>> loss = BranchLoss(BCELoss())(branches=torch.zeros(3, 1, 2), labels=labels)
        >>> bool(torch.isclose(loss, 3 * BCELoss()(scores=torch.zeros(1, 2), labels=labels)))
        True
    """

    name: ClassVar[str] = "branch_bce"

    def __init__(self, inner: Objective | None = None) -> None:
        super().__init__()
        self.inner = BCELoss(reduction="sum") if inner is None else inner
        reads, needs = inputs_of(self.inner)
        if "scores" not in reads or needs - {"scores", "labels"}:
            raise ConfigError(
                f"'inner' must judge scores and labels alone, but {type(self.inner).__name__} needs "
                f"{', '.join(sorted(needs))}."
            )

    def forward(self, branches: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
        """The sum over branches; see the class for shapes."""
        if branches.dim() != 3 or branches.shape[1:] != labels.shape:
            raise ConfigError(
                f"'branches' must have shape [branches, {', '.join(map(str, labels.shape))}], but got "
                f"{list(branches.shape)}."
            )
        options = {} if mask is None else {"mask": mask}
        values = [self.inner(scores=scores, labels=labels, **options) for scores in branches]
        return torch.stack(values).sum() if values else branches.sum()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inner!r})"
