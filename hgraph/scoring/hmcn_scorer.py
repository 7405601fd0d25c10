"""HMCN: a text read once for each level of the hierarchy, and once for all labels together."""

from typing import Any

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.scoring.frozen_scorer import FrozenScorer
from hgraph.scoring.hmcn_network import HMCNNetwork
from hgraph.scoring.scorer import Scorer


class HMCNScorer(Scorer):
    r"""Local scores level by level, global scores, and an integrator of both (HMCN,
    `arXiv 2507.04413 <https://arxiv.org/abs/2507.04413>`_).

    With the vector :math:`h_0` of a text, the vectors :math:`H'_f` of its fields, of which the text encoder
    (:class:`~hgraph.text.FieldTextEncoder`) makes :math:`h_0`, and the levels :math:`l = 1 \dots T`:

    .. math::
        h_l &= \operatorname{LN}(h_{l-1} + \operatorname{MHA}_l(h_{l-1}, K_l, K_l)), \qquad
        h_l \leftarrow \operatorname{LN}(h_l + \operatorname{FFN}_l(h_l)) \\
        z_l &= \operatorname{MLP}_l(h_l), \qquad z_G = \operatorname{MLP}_G(h_0) \\
        z &= \beta [z_1, \dots, z_T] + (1 - \beta) z_G + \operatorname{MLP}([z_1, \dots, z_T, z_G])

    The objective ``branch_bce`` trains the branches :math:`(z_1, \dots, z_T)` and :math:`z_G` beside the final scores.
    A label belongs to its level, the longest path from a root, so that hierarchies may be DAGs.

    Against the paper, where ``faithful`` gives its form:

    - it leaves the keys of the attention open; with the fields alone, those of a text with one field are one key, whose
      softmax is 1 whatever the query, and the paper's loss on such texts fits this reading. Here :math:`K_l` holds,
      beside the fields, the vectors :math:`e_j` of the ``top`` most probable labels of level :math:`l - 1`, and their
      probability weighs their attention, so that a label of probability 0 takes no part:

      .. math::
          a_f \propto \exp(q^\top H'_f), \qquad
          a_j \propto p_j \exp(q^\top e_j) = \exp(q^\top e_j + \log p_j), \qquad p_j = \sigma(z_{l-1, j})

      (:math:`q^\top k` stands for the scaled product of a head, after its maps);
    - its final scores are the MLP alone, which has to learn first what its inputs say already. Here it corrects their
      mean, from zero. Without it (``integrator=False``) they are those of HMCN-F (Wehrmann et al., ICML 2018).

    Widths, which the paper does not give, are D throughout.

    Args:
        channels: the width D of the vectors of texts and fields.
        level: the level of each label, from 1, none left out.
        heads: attention heads, a divisor of ``channels`` (default 4).
        dropout: in hidden layers (default 0.1).
        top: labels of the level above that a level reads (default 32).
        blend: :math:`\beta` (default 0.5); with ``faithful`` not looked at unless ``integrator`` is False.
        integrator: whether the last MLP is there (default True).
        label_channels: the width C of the label vectors that are passed; None (default) learns a vector a label.
        faithful: the form of the paper.

    Shapes:
        - text ``[B, 1 + F, D]``, :math:`h_0` and then the fields, F at least 1; a text without fields comes twice
        - mask ``[B, 1 + F]`` (bool), which of them are there; not looked at for :math:`h_0`
        - labels ``[L, C]`` or not looked at, level ``[L]`` (long), candidates ``[B, K]`` (long)
        - output ``[B, L]``, or ``[B, K]`` with candidates

    Example:
        >>> scorer = HMCNScorer(8, level=torch.tensor([1, 2, 2, 3]))
        >>> final, branches = scorer.forward_branches(torch.randn(5, 1 + 2, 8))
        >>> final.shape, branches.shape
        (torch.Size([5, 4]), torch.Size([2, 5, 4]))
    """

    num_labels: int
    reads_fields = True
    has_branches = True
    label_parameters = (
        "label_table", "network.local_weight", "network.local_bias", "network.weight", "network.bias",
        "network.integrator.local_input", "network.integrator.global_input", "network.integrator.weight",
        "network.integrator.bias",
    )  # fmt: skip
    label_products = (
        ("network.weight", "network.bias"),
        ("network.local_weight", "network.local_bias"),
        ("network.integrator.weight", "network.integrator.bias"),
    )
    label_inputs = ("network.integrator.local_input", "network.integrator.global_input")

    def __init__(
        self,
        channels: int,
        *,
        level: Tensor,
        heads: int = 4,
        dropout: float = 0.1,
        top: int = 32,
        blend: float = 0.5,
        integrator: bool = True,
        label_channels: int | None = None,
        faithful: bool = False,
    ) -> None:
        super().__init__(len(level), channels, label_channels=label_channels)
        sizes = level.bincount()[1:].tolist()
        if level.min() < 1 or 0 in sizes:
            raise ConfigError(
                f"'level' must count from 1 and leave no level out, but got {sorted(set(level.tolist()))}."
            )
        self.faithful = faithful
        order = torch.argsort(level, stable=True)
        self.network = HMCNNetwork(
            channels,
            order=order,
            sizes=sizes,
            heads=heads,
            dropout=dropout,
            top=top,
            blend=None if faithful and integrator else blend,
            integrator=integrator,
        )
        learned, given = not faithful and label_channels is None, not faithful and label_channels is not None
        self.label_table = nn.Parameter(torch.empty(self.num_labels, channels)) if learned else None
        self.label_map = nn.Linear(self.label_channels, channels, bias=False) if given else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights; the vectors of labels are about one long."""
        self.network.reset_parameters()
        if self.label_table is not None:
            nn.init.normal_(self.label_table, std=self.channels**-0.5)
        if self.label_map is not None:
            self.label_map.reset_parameters()

    @property
    def bias(self) -> Tensor:  # type: ignore[override]
        """The bias of the global branch, ``[L]``."""
        return self.network.bias

    @property
    def separable(self) -> bool:
        """It is not: levels read the scores of the level above."""
        return False

    def label_keys(self, labels: Tensor | None = None) -> Tensor | None:
        """What stands for each label among the keys, ``[L, D]``; None where the fields stand alone."""
        return self.label_table if self.label_map is None else self.label_map(self.require_labels(labels))

    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Final scores of every label, or of the candidates of each document."""
        final = self.forward_branches(text, labels, mask=mask)[0]
        return final if candidates is None else final.gather(1, candidates)

    def forward_branches(
        self, text: Tensor, labels: Tensor | None = None, *, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Final scores ``[B, L]``, and local and global ones, ``[2, B, L]``."""
        final, branches = self.network(text, mask, self.label_keys(labels))
        return final, branches

    def label_weights(self, labels: Tensor | None = None) -> Tensor:
        """The rows of the global branch: those of the local one belong to another space on each level."""
        return self.network.weight

    @torch.no_grad()
    def init_bias(self, prior: Tensor) -> None:
        """Start the final scores and both branches from the log-odds of `prior` ``[L]``."""
        super().init_bias(prior)
        self.network.init_bias(prior)

    @torch.no_grad()
    def freeze(self, labels: Tensor | None = None) -> "FrozenHMCNScorer":
        """A copy with the label vectors mapped already."""
        labels = labels if labels is None else labels.to(self.bias)
        frozen = FrozenHMCNScorer(label_keys=self.label_keys(labels), **self.network.options()).to(self.bias)
        frozen.network.load_state_dict(self.network.state_dict())
        return frozen

    def __repr__(self) -> str:
        options = f"num_labels={self.num_labels}, channels={self.channels}, levels={len(self.network.sizes)}"
        return f"{type(self).__name__}({options}, faithful={self.faithful})"


class FrozenHMCNScorer(FrozenScorer):
    """What an :class:`HMCNScorer` becomes when it is frozen; it does not need the hierarchy.

    Args:
        label_keys: what stands for each label among the keys; None where the fields stand alone.
        options: the arguments of the network that decide its size.

    Shapes:
        - text ``[B, 1 + F, D]``, the vector of the text and then its fields; mask ``[B, 1 + F]`` (bool)
        - candidates ``[B, K]`` (long), label_keys ``[L, D]``
        - output ``[B, L]``, or ``[B, K]`` with candidates
    """

    kind = "hmcn"
    reads_fields = True
    label_keys: Tensor | None

    def __init__(self, *, label_keys: Tensor | None = None, **options: Any) -> None:
        num_labels = sum(options["sizes"])
        super().__init__(num_labels, options["channels"], label_keys=label_keys)
        order = torch.empty(num_labels, dtype=torch.long)
        self.network = HMCNNetwork(order=order, dropout=0.0, **options).requires_grad_(False).eval()

    def forward(
        self,
        text: Tensor,
        labels: Tensor | None = None,
        candidates: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Scores of every label, or of the candidates of each document."""
        final: Tensor = self.network(text, mask, self.label_keys)[0]
        return final if candidates is None else final.gather(1, candidates)

    def options(self) -> dict[str, Any]:
        """The arguments of the network."""
        return self.network.options()
