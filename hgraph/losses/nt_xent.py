"""Contrast of two views of a document (HGCLR)."""

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.losses.objective import Objective
from hgraph.losses.precision import full_precision
from hgraph.losses.supcon import check_temperature, cosines


def nt_xent(first: Tensor, second: Tensor, *, temperature: float = 1.0) -> Tensor:
    r"""Normalised temperature-scaled cross entropy between two views of the same documents.

    Of the :math:`2B` vectors :math:`z`, with :math:`m'` the other view of :math:`m`:

    .. math:: \ell = \frac{-1}{2B} \sum_m
        \log \frac{e^{\cos(z_m, z_{m'}) / \tau}}{\sum_{a \neq m} e^{\cos(z_m, z_a) / \tau}}

    Args:
        first: one vector a document.
        second: another vector of the same documents.
        temperature: :math:`\tau`.

    Shapes:
        - first and second ``[B, D]``
        - output: scalar

    Example:
        >>> first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.8, 0.6], [0.6, 0.8]])
        >>> nt_xent(first, second)
        tensor(0.9575)
    """
    if first.shape != second.shape or first.dim() != 2:
        raise ConfigError(
            f"'first' and 'second' must have one shape [documents, channels], but got {list(first.shape)} and "
            f"{list(second.shape)}."
        )
    size = len(first)
    similarity = cosines(torch.cat([full_precision(first), full_precision(second).to(full_precision(first))]))
    similarity = similarity / temperature
    partner = similarity.diagonal(size).repeat(2) if size else similarity.diagonal()  # the matrix is symmetric
    itself = torch.eye(2 * size, dtype=torch.bool, device=similarity.device)
    losses = similarity.masked_fill(itself, -torch.inf).logsumexp(1) - partner
    return losses.sum() / max(2 * size, 1)


class NTXentLoss(Objective):
    r"""NT-Xent (`arXiv 2002.05709 <https://arxiv.org/abs/2002.05709>`_), as in HGCLR (ACL 2022); :func:`nt_xent`.

    Pulls a document's vector and its vector under another view (a second dropout, a masked text) together and apart
    from the other documents of the batch. It reads no labels: whether two documents share some or not, they are
    negatives. With several views, the mean over the views.

    HGCLR computes it at temperature 1 behind a projection, dropout and linear map twice with a ReLU between. The
    projection is a weight of the loss and takes no part in predictions.

    Args:
        temperature: :math:`\tau` (default 1).
        projection: the width of the vectors, all through the projection; None (default) contrasts them as they are.
        dropout: in the projection (default 0.1).

    Shapes:
        - text ``[B, D]``, views ``[B, V, D]``
        - output: scalar

    Example:
        >>> text, views = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[[0.8, 0.6]], [[0.6, 0.8]]])
        >>> NTXentLoss()(text=text, views=views)
        tensor(0.9575)
    """

    name = "nt_xent"

    def __init__(self, *, temperature: float = 1.0, projection: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)
        if projection is not None and projection < 1:
            raise ConfigError(f"'projection' must be at least 1, or None for none, but got {projection}.")
        if not 0 <= dropout < 1:
            raise ConfigError(f"'dropout' must be at least 0 and below 1, but got {dropout}.")
        self.projection = None if projection is None else _projection(projection, dropout)

    def forward(self, *, text: Tensor, views: Tensor) -> Tensor:
        """The value for one batch."""
        if views.dim() != 3 or views.size(1) < 1:
            raise ConfigError(f"'views' must have shape [documents, views, channels], but got {list(views.shape)}.")
        if self.projection is not None:
            text, views = self.projection(text), self.projection(views)
        values = [nt_xent(text, view, temperature=self.temperature) for view in views.unbind(1)]
        return torch.stack(values).mean()

    def __repr__(self) -> str:
        behind = "" if self.projection is None else f", projection={self.projection[1].in_features}"
        return f"{type(self).__name__}(temperature={self.temperature}{behind})"


def _projection(channels: int, dropout: float) -> nn.Sequential:
    """What HGCLR puts between document vectors and the contrast."""
    return nn.Sequential(
        nn.Dropout(dropout), nn.Linear(channels, channels), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(channels, channels),
    )  # fmt: skip
