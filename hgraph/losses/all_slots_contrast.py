"""Hierarchical instance contrast of all label slots, as the program of HJCL has it."""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.losses.instance_contrast import cut_penalties
from hgraph.losses.objective import Objective
from hgraph.losses.precision import full_precision
from hgraph.losses.supcon import check_temperature
from hgraph.sampling.label_sets import LabelSets, label_sets

BLOCK_BYTES = 64 * 2**20
"""What the products of a block of slots with all slots may take; without it they are ``(B L)^2`` numbers."""


def identical_after_cuts(sets: LabelSets, level: Tensor, num_levels: int) -> Tensor:
    """Whether two documents have the same labels, all of them, then without the deepest level, and so on.

    Unlike :func:`~hgraph.losses.instance_contrast.same_after_cuts`, documents to which a cut leaves nothing are the
    same. Output: boolean ``[num_levels, B, B]``.

    Example:
        >>> sets = label_sets(torch.tensor([[1, 1], [1, 0], [0, 0], [0, 0]]))  # a > b
        >>> identical_after_cuts(sets, torch.tensor([1, 2]), 2)[1].int().tolist()
        [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    """
    shared = sets.shared(level, num_levels).cumsum(0).flip(0)
    size = shared.diagonal(dim1=1, dim2=2)
    return (shared == size.unsqueeze(1)) & (shared == size.unsqueeze(2))


def slot_supcon(vectors: Tensor, same: Tensor, *, temperature: float) -> Tensor:
    r"""Contrast of every slot with all others; those of documents that are the same are its positives.

    With slots :math:`a` of documents, :math:`P_a` the other slots of documents that are the same, the own one included:

    .. math:: \frac{1}{n L} \sum_a \Big( \log \sum_{b \ne a} e^{\langle z_a, z_b \rangle / \tau}
        - \frac{1}{|P_a|} \sum_{p \in P_a} \frac{\langle z_a, z_p \rangle}{\tau} \Big)

    The second sum is one product with the sum of the group's slots; the first is taken a block of slots at a time and
    computed again in the backward pass. Slots without positives cost nothing.

    Shapes:
        - vectors ``[n, L, D]``, same ``[n, n]``
        - output: scalar

    Example:
        >>> slot_supcon(torch.tensor([[[1.0], [1.0]], [[0.0], [0.0]]]), torch.eye(2).bool(), temperature=1.0)
        tensor(0.8250)
    """
    documents, labels = vectors.shape[:2]
    slots = vectors.flatten(0, 1)  # [n L, D]
    if len(slots) < 2:
        return slots.sum() * 0.0
    groups = same.to(vectors)
    positives = groups.sum(1) * labels - 1  # [n]
    own = vectors.square().sum(-1)
    towards = (vectors * (groups @ vectors.sum(1)).unsqueeze(1)).sum(-1) - own  # [n, L]
    towards = towards / positives.clamp(min=1).unsqueeze(1) / temperature
    rows = max(1, BLOCK_BYTES // (4 * 4 * max(1, len(slots))))

    def against(block: Tensor, numbers: Tensor) -> Tensor:
        products = (block @ slots.t()) / temperature
        return products.scatter(1, numbers.unsqueeze(1), -torch.inf).logsumexp(1)

    numbers = torch.arange(len(slots), device=slots.device)
    blocks = zip(slots.split(rows), numbers.split(rows), strict=True)
    top = [checkpoint(against, block, place, use_reentrant=False) for block, place in blocks]
    has = (positives > 0).unsqueeze(1)
    terms = torch.cat(top).view(documents, labels).masked_fill(~has, 0.0) - towards.masked_fill(~has, 0.0)
    return terms.mean()


class AllSlotsContrastLoss(Objective):
    r"""The hierarchical instance loss of HJCL (`arXiv 2310.05128 <https://arxiv.org/abs/2310.05128>`_) as published.

    What a document says about each of all labels is a view of it: on each cut through the hierarchy every slot of
    documents with the same labels is a positive of every other, also between unrelated labels (:func:`slot_supcon`, dot
    products of any length). After a cut, the first of the documents that it found equal goes on alone, so the value
    depends on the order of the batch. Cuts weigh :math:`e^{1/g} \, \tau / \tau_0`, and their sum is divided by the
    number of labels. It is here to compare with published numbers; see
    :class:`~hgraph.losses.InstanceContrastLoss`, which compares one vector a document.

    Time is :math:`O((B L)^2 D)` a cut, memory :math:`O(B L D)`.

    Args:
        graph: the hierarchy.
        temperature: :math:`\tau` (default 0.1).
        base_temperature: :math:`\tau_0` (default 0.07).

    Shapes:
        - labels ``[B, L]``, all_label_text ``[B, L, D]``
        - output: scalar

    Example:
        >>> graph = LabelGraph.from_edges([("a", "b")])
        >>> loss = AllSlotsContrastLoss(graph, temperature=1.0, base_temperature=1.0)
        >>> loss(labels=torch.tensor([[1, 1], [1, 0]]), all_label_text=torch.ones(2, 2, 1))
        tensor(2.3988)
    """

    name = "all_slots_contrast"
    level: Tensor

    def __init__(self, graph: LabelGraph, *, temperature: float = 0.1, base_temperature: float = 0.07) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)
        self.base_temperature = check_temperature(base_temperature, "base_temperature")
        self.num_labels, self.num_levels = graph.num_labels, graph.num_levels
        self.register_buffer("level", graph.level.clone(), persistent=False)

    def forward(self, *, labels: Tensor, all_label_text: Tensor) -> Tensor:
        """The value for one batch."""
        if all_label_text.dim() != 3 or all_label_text.shape[:2] != labels.shape:
            raise ConfigError(
                f"'all_label_text' must have shape [{labels.shape[0]}, {labels.shape[1]}, channels], but got "
                f"{list(all_label_text.shape)}."
            )
        vectors = full_precision(all_label_text)
        total, kept = vectors.sum() * 0.0, torch.arange(len(labels), device=labels.device)
        if not len(labels):
            return total
        cuts = identical_after_cuts(label_sets(labels, num_labels=self.num_labels), self.level, self.num_levels)
        for penalty, same in zip(cut_penalties(self.num_levels), cuts, strict=True):
            same = same[kept][:, kept]
            value = slot_supcon(vectors[kept], same, temperature=self.temperature)
            total = total + penalty * value
            kept = kept[~same.tril(-1).any(1)]  # the first of each group
        return total * (self.temperature / self.base_temperature / self.num_labels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(temperature={self.temperature}, base_temperature={self.base_temperature})"
