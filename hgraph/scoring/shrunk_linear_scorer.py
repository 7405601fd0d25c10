"""A weight vector for each label that stays near its label vector where documents are few."""

import math

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring.functional import dot_scores, init_product_map, shrinkage
from hgraph.scoring.linear_scorer import LinearScorer
from hgraph.scoring.scorer import Scorer


class ShrunkLinearScorer(Scorer):
    r"""A flat classifier for labels with many documents and a zero-shot one for labels without, in one model.

    Each label has a free weight :math:`u_l` and one that follows from its label vector, :math:`P f_l`. How many
    training documents :math:`n_l` it has decides between them:

    .. math:: z_{i,l} = \langle s_l u_l + (1 - s_l) P f_l, \, h_i \rangle + b_l, \qquad s_l = \frac{n_l}{n_l + \kappa}

    This is the estimate of a weight whose prior is :math:`P f_l` and is worth :math:`\kappa` documents. A label
    without documents, also one added after training, is scored from its label vector alone.

    What is stored is the difference :math:`\delta_l = u_l - P f_l`, so the weight is :math:`P f_l + s_l \delta_l`.
    It starts at zero: training begins at the label vectors, the label encoder learns from every label, not from rare
    ones alone, and weight decay pulls a label towards its vector instead of towards zero. The gradient of
    :math:`\delta_l` has the factor :math:`s_l`; :meth:`penalty` is for optimisers that undo such factors.

    Args:
        num_labels: the number of labels.
        channels: the width D of a document vector.
        label_channels: the width C of a label vector (default: ``channels``).
        support: how many training documents each label has; zeros without it, see :meth:`init_support`.
        kappa: how many documents a label needs for its own weight to count as much as its label vector (default 10).
        learn_kappa: whether training may change :math:`\kappa` (default: no). A training loss alone is always better
            with less shrinkage; validation documents are what tells.

    Shapes:
        - text ``[B, D]``, labels ``[L, C]``, candidates ``[B, K]`` (long), support ``[L]``
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> scorer = ShrunkLinearScorer(num_labels=2, channels=4, support=torch.tensor([0, 30]))
        >>> scorer.shares()
        tensor([0.0000, 0.7500])
        >>> scorer(torch.randn(3, 4), torch.randn(2, 4)).shape
        torch.Size([3, 2])
    """

    num_labels: int
    support: Tensor
    label_parameters = ("difference", "bias")
    label_buffers = ("support",)

    def __init__(
        self,
        num_labels: int,
        channels: int,
        *,
        label_channels: int | None = None,
        support: Tensor | None = None,
        kappa: float = 10.0,
        learn_kappa: bool = False,
    ) -> None:
        super().__init__(num_labels, channels, label_channels=label_channels)
        if not kappa > 0:
            raise ConfigError(f"'kappa' must be above 0, but got {kappa}.")
        self.kappa = kappa
        self.text_map = nn.Parameter(torch.empty(channels, self.label_channels))
        self.difference = nn.Parameter(torch.empty(num_labels, channels))
        self.bias = nn.Parameter(torch.empty(num_labels))
        self.log_kappa = nn.Parameter(torch.empty(()), requires_grad=learn_kappa)
        self.register_buffer("support", torch.zeros(num_labels))
        if support is not None:
            self.init_support(support)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start at the label vectors: no label has a weight of its own."""
        init_product_map(self.text_map)
        nn.init.zeros_(self.difference)
        nn.init.zeros_(self.bias)
        nn.init.constant_(self.log_kappa, math.log(self.kappa))

    @torch.no_grad()
    def init_support(self, support: Tensor) -> None:
        """Set how many training documents each label has, shape ``[L]``."""
        if support.shape != self.support.shape:
            raise ConfigError(
                f"'support' must hold one count a label, shape {list(self.support.shape)}, but got "
                f"{list(support.shape)}."
            )
        if not ((support >= 0) & torch.isfinite(support)).all():
            raise ConfigError(f"'support' must hold counts, 0 or more, but got {support.min().item():g} as its lowest.")
        self.support.copy_(support)

    def shares(self) -> Tensor:
        """How much of its own weight each label uses, ``[L]``, from 0 (no documents) to below 1."""
        return shrinkage(self.support, self.log_kappa.exp())

    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of every label, or of the candidates of each document."""
        shared = dot_scores(text @ self.text_map, self.require_labels(labels), bias=self.bias, candidates=candidates)
        shares = self.shares()
        own = dot_scores(text, self.difference, candidates=candidates)
        return shared + own * (shares if candidates is None else shares[candidates])

    def label_weights(self, labels: Tensor | None = None) -> Tensor:
        """The mixed weights, ``[L, D]``."""
        return torch.addcmul(
            self.require_labels(labels) @ self.text_map.t(), self.shares().unsqueeze(1), self.difference
        )

    def penalty(self) -> Tensor:
        r"""How far the weights are from the label vectors, labels with few documents counting more.

        .. math:: \sum_{l: n_l > 0} \frac{1}{n_l} \lVert s_l \delta_l \rVert^2
            = \sum_l \frac{s_l}{n_l + \kappa} \lVert \delta_l \rVert^2
        """
        scale = self.shares() / (self.support + self.log_kappa.exp())
        return (scale * self.difference.square().sum(-1)).sum()

    @torch.no_grad()
    def freeze(self, labels: Tensor | None = None) -> LinearScorer:
        """The flat classifier with the mixed weights."""
        labels = self.require_labels(labels).to(self.bias)
        return LinearScorer.from_weights(self.label_weights(labels), self.bias)

    def __repr__(self) -> str:
        size = f"num_labels={self.num_labels}, channels={self.channels}, label_channels={self.label_channels}"
        return f"{type(self).__name__}({size}, kappa={self.kappa})"
