"""Hierarchical instance contrast (HJCL)."""

from typing import Literal

import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses.label_slots import positive_slots
from hgraph.losses.objective import Objective
from hgraph.losses.precision import full_precision
from hgraph.losses.supcon import check_temperature, cosines, supcon_from_similarity
from hgraph.sampling.label_sets import LabelSets, full_product, label_sets

Constraint = Literal["max"]


def cut_penalties(num_levels: int) -> list[float]:
    """What a match weighs by the number of the cut, the deepest first: `exp(1 / g)`.

    Example:
        >>> [round(penalty, 6) for penalty in cut_penalties(3)]
        [2.718282, 1.648721, 1.395612]
    """
    return torch.arange(1, num_levels + 1, dtype=torch.float64).reciprocal().exp().tolist()


def same_after_cuts(sets: LabelSets, level: Tensor, num_levels: int) -> Tensor:
    """Whether two documents have the same labels: all of them, then without the deepest level, and so on.

    A document is the same as itself, and where such a cut leaves it no labels, as itself alone.

    Shapes:
        - level ``[L]``
        - output: boolean ``[num_levels, B, B]``

    Example:
        >>> sets = label_sets(torch.tensor([[1, 1, 0], [1, 0, 1], [1, 1, 0]]))  # a > b, c
        >>> same_after_cuts(sets, torch.tensor([1, 2, 2]), 2).int().tolist()
        [[[1, 0, 1], [0, 1, 0], [1, 0, 1]], [[1, 1, 1], [1, 1, 1], [1, 1, 1]]]
    """
    shared = sets.shared(level, num_levels).cumsum(0).flip(0)  # [num_levels, B, B]
    size = shared.diagonal(dim1=1, dim2=2)
    same = (shared == size.unsqueeze(1)) & (shared == size.unsqueeze(2)) & (shared > 0)
    return same | torch.eye(same.size(1), dtype=torch.bool, device=same.device)


def instance_contrast(
    vectors: Tensor,
    same: Tensor,
    *,
    temperature: float = 0.1,
    base_temperature: float = 0.07,
    constraint: Constraint | None = None,
    kept: Tensor | None = None,
) -> Tensor:
    r"""Supervised contrast of documents with the same labels, cut by cut through the hierarchy.

    On cut :math:`g` of :math:`T`, the documents that were the same on the cut before count as one, a group
    :math:`G` with the mean of their unit vectors: the similarity of two groups is the mean cosine of their members.
    Groups that are the same on this cut are positives, all others negatives:

    .. math:: \ell = \frac{1}{T} \sum_{g=1}^{T} e^{1 / g} \, \frac{\tau}{\tau_0} \,
        \mathrm{SupCon}_\tau(\text{groups of cut } g - 1)

    with :func:`~hgraph.losses.supcon_from_similarity`, which is 0 for a cut without positives. Memory is ``B x B`` a
    cut.

    Args:
        vectors: one a document.
        same: true where two documents have the same labels; a partition each, coarser and coarser.
        temperature: :math:`\tau`.
        base_temperature: :math:`\tau_0`.
        constraint: ``"max"`` does not let a cut cost less than any cut before it, as in HMLC.
        kept: true for the documents that take part; all by default.

    Shapes:
        - vectors ``[B, D]``, same ``[T, B, B]``, kept ``[B]``
        - output: scalar

    Example:
        >>> vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
        >>> same = torch.tensor([[[1, 0, 0], [0, 1, 1], [0, 1, 1]]]).bool()
        >>> instance_contrast(vectors, same, temperature=1.0, base_temperature=1.0)
        tensor(1.3173)
    """
    similarity = cosines(vectors)
    groups = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    total, lowest = similarity.sum() * 0.0, None
    for penalty, positives in zip(cut_penalties(len(same)), same, strict=True):
        # Each member holds the mean of its group, and the first of them takes part.
        mean = groups.to(similarity) / groups.sum(1, keepdim=True)
        first = ~groups.tril(-1).any(1)
        first = first if kept is None else first & kept
        cut = full_product(full_product(mean, similarity), mean)  # [B, B]
        value = supcon_from_similarity(cut, positives, temperature=temperature, kept=first)
        if constraint == "max":
            value = lowest = value if lowest is None else torch.maximum(value, lowest)
        total = total + penalty * value
        groups = positives
    return total * (temperature / base_temperature / max(len(same), 1))


class InstanceContrastLoss(Objective):
    r"""The hierarchical instance loss of HJCL (`arXiv 2310.05128 <https://arxiv.org/abs/2310.05128>`_).

    Pulls documents with the same label set together, then those with the same set without the deepest level, and so
    on, deep matches the most; :func:`instance_contrast`. It goes back to HMLC
    (`arXiv 2204.13207 <https://arxiv.org/abs/2204.13207>`_).

    Changed against the published program, which contrasts all label slots of all documents, ``B L x B L`` dot products
    of any length in which a document's view of one label is a positive of another's view of another label:

    - one vector a document, and cosines: ``B x B``;
    - documents that a cut finds equal go on as their mean, where the first of them stood for all: the value does not
      depend on the order of the batch;
    - the sum over cuts is divided by the number of levels, as in HMLC, where the program divides by the number of
      labels;
    - documents to which a cut leaves no labels, or which have none, are negatives but never positives.

    Args:
        graph: the hierarchy.
        temperature: :math:`\tau` (default 0.1).
        base_temperature: :math:`\tau_0` (default 0.07).
        constraint: ``"max"`` as in :func:`instance_contrast`; None (default) as published.

    Shapes:
        - labels and mask ``[B, L]``, or ``[B, K]`` with candidates ``[B, K]``; text ``[B, D]``
        - output: scalar

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e")])
        >>> labels = torch.tensor([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 1]])  # the first two share a
        >>> loss = InstanceContrastLoss(graph, temperature=1.0, base_temperature=1.0)
        >>> loss(labels=labels, text=torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
        tensor(0.2582)
    """

    name = "instance_contrast"
    level: Tensor

    def __init__(
        self,
        graph: LabelGraph,
        *,
        temperature: float = 0.1,
        base_temperature: float = 0.07,
        constraint: Constraint | None = None,
    ) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)
        self.base_temperature = check_temperature(base_temperature, "base_temperature")
        if constraint not in (None, "max"):
            raise ConfigError(f"'constraint' must be None or 'max', but got {constraint!r}.")
        self.constraint: Constraint | None = constraint
        self.num_labels, self.num_levels = graph.num_labels, graph.num_levels
        self.register_buffer("level", graph.level.clone(), persistent=False)

    def forward(
        self, *, labels: Tensor, text: Tensor, mask: Tensor | None = None, candidates: Tensor | None = None
    ) -> Tensor:
        """The value for one batch."""
        return self.contrast(text, label_sets(labels, mask=mask, candidates=candidates, num_labels=self.num_labels))

    def contrast(self, vectors: Tensor, sets: LabelSets, kept: Tensor | None = None) -> Tensor:
        """:func:`instance_contrast` of vectors ``[B, D]`` by the label sets of their documents."""
        return instance_contrast(
            vectors,
            same_after_cuts(sets, self.level, self.num_levels),
            temperature=self.temperature,
            base_temperature=self.base_temperature,
            constraint=self.constraint,
            kept=kept,
        )

    def __repr__(self) -> str:
        temperatures = f"temperature={self.temperature}, base_temperature={self.base_temperature}"
        return f"{type(self).__name__}({temperatures}, constraint={self.constraint!r})"


class SlotInstanceContrastLoss(InstanceContrastLoss):
    r"""Hierarchical instance contrast of what documents say about their labels (`label_text`), closer to HJCL.

    As :class:`InstanceContrastLoss`, but the vector of a document is the mean of the unit vectors of its own labels'
    slots, so that the gradient reaches label attention. Documents without labels have no slots and take no part.

    Shapes:
        - labels and mask ``[B, L]``, or ``[B, K]`` with candidates ``[B, K]``
        - label_text ``[B, L, D]`` or ``[B, K, D]``; or ``[B, S, D]`` with label_slots ``[B, S]``
        - output: scalar

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c"), ("d", "e")])
        >>> labels = torch.tensor([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 1]])
        >>> label_text = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).unsqueeze(1).expand(3, 5, 2)
        >>> loss = SlotInstanceContrastLoss(graph, temperature=1.0, base_temperature=1.0)
        >>> loss(labels=labels, label_text=label_text)
        tensor(0.2582)
    """

    name = "slot_instance_contrast"

    def forward(  # type: ignore[override]
        self,
        *,
        labels: Tensor,
        label_text: Tensor,
        label_slots: Tensor | None = None,
        mask: Tensor | None = None,
        candidates: Tensor | None = None,
    ) -> Tensor:
        """The value for one batch."""
        slots = positive_slots(labels, label_text, label_slots=label_slots, mask=mask, candidates=candidates)
        units = torch.nn.functional.normalize(full_precision(slots.vectors), dim=-1)
        sums = units.new_zeros(len(labels), units.size(1)).index_add(0, slots.documents, units)
        # The length of a mean does not matter: the contrast is on cosines.
        has_slots = torch.bincount(slots.documents, minlength=len(labels)) > 0
        return self.contrast(
            sums, label_sets(labels, mask=mask, candidates=candidates, num_labels=self.num_labels), has_slots
        )
