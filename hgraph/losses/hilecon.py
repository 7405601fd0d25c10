"""Hierarchical label-wise contrast (HJCL)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.graph import LabelGraph
from hgraph.losses.label_slots import positive_slots
from hgraph.losses.objective import Objective
from hgraph.losses.supcon import check_temperature, cosines
from hgraph.sampling.label_sets import LabelSets, full_product, label_sets


def hilecon(
    vectors: Tensor,
    documents: Tensor,
    labels: Tensor,
    difference: Tensor,
    *,
    total_weight: float,
    temperature: float = 1.0,
    faithful_num_labels: int | None = None,
) -> Tensor:
    r"""Contrast of what documents say about one label, weighted by how far their label sets are apart.

    A slot is a document and one of its labels, with a vector :math:`z`. For a label :math:`a` let :math:`P_a` be its
    slots and :math:`N_a` all others. With :math:`\rho` the difference of the label sets of two slots' documents and
    :math:`C` the weight of all labels:

    .. math:: \ell_a = \frac{1}{|P_a|^2} \sum_{p, p' \in P_a}
        \log \frac{\sum_{n \in N_a} \rho_{pn} e^{\cos(z_p, z_n) / \tau}
        + \sigma_{pp'} e^{\cos(z_p, z_{p'}) / \tau}}{\sigma_{pp'} e^{\cos(z_p, z_{p'}) / \tau}},
        \qquad \sigma_{pp'} = 1 - \rho_{pp'} / C

    averaged over the labels that have a slot. Slots of one document do not push each other away (:math:`\rho = 0`).
    Time is :math:`O(M^2 D)` for :math:`M` slots, whatever the number of labels.

    Args:
        vectors: :math:`z`.
        documents: the document of each slot, a row of ``difference``.
        labels: the label of each slot. A pair of document and label has one slot at most.
        difference: :math:`\rho`, at least 0 and 0 on the diagonal.
        total_weight: :math:`C`, above every difference between two documents with a label in common.
        temperature: :math:`\tau`.
        faithful_num_labels: the published form, for a hierarchy of so many labels: :math:`\log(|N_a| + 1)` is
            subtracted from every term, which changes no gradient but lets values fall below zero, and the sum over
            labels is divided by the number of all labels instead of those that have a slot.

    Shapes:
        - vectors ``[M, D]``, documents and labels ``[M]`` (long), difference ``[B, B]``
        - output: scalar

    Example:
        >>> vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.0, -1.0]])
        >>> documents, labels = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 2])
        >>> difference = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
        >>> hilecon(vectors, documents, labels, difference, total_weight=4.0)
        tensor(0.9592)
        >>> hilecon(vectors, documents, labels, difference, total_weight=4.0, faithful_num_labels=3)
        tensor(-0.3312)
    """
    exponent = cosines(vectors) / temperature  # [M, M]
    same = labels == labels.unsqueeze(1)
    rho = difference.to(exponent)[documents][:, documents]
    pushed = ~same & (rho > 0)
    # A row of -inf alone has a NaN gradient, which a later zero weight does not remove: such rows keep their values.
    is_pushed = pushed.any(1, keepdim=True)
    weighted = exponent + rho.masked_fill(~pushed, 1.0).log()
    against = weighted.masked_fill(~pushed & is_pushed, -torch.inf).logsumexp(1, keepdim=True)
    towards = exponent + (1 - rho / total_weight).masked_fill(~same, 1.0).log()
    terms = F.softplus(against - towards).masked_fill(~(same & is_pushed), 0.0)  # [M, M]
    count = same.sum(1, keepdim=True).to(terms)
    if faithful_num_labels is not None:
        terms = (terms - (len(labels) - count + 1).log()) * same
    num_classes = (1 / count).sum().clamp(min=1.0) if faithful_num_labels is None else faithful_num_labels
    return (terms / count.square()).sum() / num_classes


class HiLeConLoss(Objective):
    r"""The hierarchical label-wise contrastive loss of HJCL (`arXiv 2310.05128 <https://arxiv.org/abs/2310.05128>`_).

    For each label, pulls together what the documents that have it say about it (`label_text`, from label attention),
    and pushes it away from what they say about their other labels, more so the more their label sets differ;
    :func:`hilecon`. The difference of two label sets is the weight of the labels that one of them alone has,

    .. math:: \rho_{ij} = \sum_{l \in Y_i \triangle Y_j} w_l, \qquad w_l = T - d_l + 1

    for a label on level :math:`d_l` of :math:`T`: labels near the roots weigh most.

    Changed against the published program: no loop over labels; the mean is over the labels that occur in the batch, so
    that the weight of this loss beside others does not shrink with the size of the hierarchy; and a constant without
    gradient is left out, so that the value is at least 0. ``faithful=True`` brings both back.

    Args:
        graph: the hierarchy.
        temperature: :math:`\tau` (default 1, as published).
        faithful: the value of the published program (default False).

    Shapes:
        - labels and mask ``[B, L]``, or ``[B, K]`` with candidates ``[B, K]``
        - label_text one row a column of the labels, ``[B, L, D]`` or ``[B, K, D]``; or ``[B, S, D]`` with label_slots
          ``[B, S]``, where slots of labels that the document does not have are left out
        - output: scalar

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b"), ("a", "c")])
        >>> labels, slots = torch.tensor([[1, 1, 0], [1, 0, 1]]), torch.tensor([[0, 1], [0, 2]])
        >>> label_text = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [0.0, -1.0]]])
        >>> HiLeConLoss(graph, faithful=True)(labels=labels, label_text=label_text, label_slots=slots)
        tensor(-0.3312)
    """

    name = "hilecon"
    level: Tensor

    def __init__(self, graph: LabelGraph, *, temperature: float = 1.0, faithful: bool = False) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)
        self.faithful = faithful
        self.num_labels, self.num_levels = graph.num_labels, graph.num_levels
        self.register_buffer("level", graph.level.clone(), persistent=False)
        self.total_weight = float((self.num_levels - graph.level + 1).sum())

    def forward(
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
        return hilecon(
            slots.vectors,
            slots.documents,
            slots.labels,
            self.difference(label_sets(labels, mask=mask, candidates=candidates, num_labels=self.num_labels)),
            total_weight=self.total_weight,
            temperature=self.temperature,
            faithful_num_labels=self.num_labels if self.faithful else None,
        )

    def difference(self, sets: LabelSets) -> Tensor:
        """The weight of the labels that one of two documents alone has, `[B, B]`; exact, the weights are integers."""
        weights = (self.num_levels - self.level[sets.ids] + 1).to(sets.multi_hot)
        shared = full_product(sets.multi_hot * weights, sets.multi_hot.t())
        own = shared.diagonal()
        return own + own.unsqueeze(1) - 2 * shared

    def __repr__(self) -> str:
        return f"{type(self).__name__}(temperature={self.temperature}, faithful={self.faithful})"
