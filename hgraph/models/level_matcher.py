"""One level of XR-Transformer: a text encoder learns to tell apart the nodes of a level of a label tree."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from hgraph.data.collate import LabelForm, multi_hot
from hgraph.losses import ObjectiveList, SquaredHingeLoss
from hgraph.models.alignment_model import AlignmentModel
from hgraph.scoring import LinearScorer
from hgraph.text import TextEncoder

Weighting = Literal["labels", "nodes"]
CLOSED = -1e4
"""Score of a node that is no candidate: its probability is 0 in every precision."""


class LevelMatcher(AlignmentModel):
    r"""The matcher of one level of a label tree (Zhang et al. 2021, `arXiv 2110.00685
    <https://arxiv.org/abs/2110.00685>`_, section 3.2).

    Each node of the level has a weight vector and a bias. A document is compared with the children of its candidates on
    the level above alone, which are hard negatives: siblings of right nodes, and nodes that the level above took for
    right. One text encoder goes through the levels from the top, each level with a matcher of its own on it:

    .. math:: \ell = \sum_{i} \sum_{l \in \text{children}(M_i)} \omega_{il}\, \max(0, 1 - s_{il} z_{il})^2, \qquad
        z_{il} = \langle w_l, h_i \rangle + b_l

    with :math:`\omega_{il}` the number of labels that a document has below a right node, else 1. What differs from the
    paper: the sum is divided by that of :math:`\omega`, and nodes that fill up the shorter lists of candidates of a
    batch count nothing.

    Args:
        text_encoder: Texts -> vectors; it is trained.
        parents: [K], the parent of each node on the level above; None on the first level, where all nodes are
            candidates.
        num_nodes: Number K of nodes.
        objectives: By default the squared hinge.
        weighting: Whether a right node counts as often as labels are below it (`labels`), or once (`nodes`).

    Shapes:
        - `text`: the tensors of `text_encoder.collate`.
        - `labels`: [B, P], long, the right node of each label, a node once for each label below it, then -1.
        - `candidates`: [B, C], long, nodes of the level above, then -1.
        - output: `logits` [B, K], of what is no candidate :data:`CLOSED`, and with labels `loss` (scalar).
    """

    label_form: ClassVar[LabelForm] = "ids"
    scorer: LinearScorer

    def __init__(
        self,
        *,
        text_encoder: TextEncoder,
        num_nodes: int,
        parents: np.ndarray | None = None,
        objectives: ObjectiveList | None = None,
        weighting: Weighting = "labels",
    ) -> None:
        super().__init__(
            text_encoder=text_encoder,
            num_labels=num_nodes,
            scorer=LinearScorer(num_nodes, text_encoder.channels),
            objectives=objectives or ObjectiveList([SquaredHingeLoss()]),
        )
        self.weighting = weighting
        self.num_parents = 0 if parents is None else int(parents.max()) + 1
        self.register_buffer("parents", None if parents is None else torch.from_numpy(parents).long(), persistent=False)

    def forward(
        self,
        text: Mapping[str, Tensor],
        labels: Tensor | None = None,
        mined: Tensor | None = None,
        candidates: Tensor | None = None,
    ) -> dict[str, Any]:
        """Scores of the nodes and, with `labels`, the loss; see the class for shapes."""
        scores = self.scorer(self.text_encoder(**text).pooled)
        near = self.near(candidates)
        output = {"logits": scores if near is None else scores.masked_fill(~near, CLOSED)}
        if labels is None:
            return output
        counts = count_ids(labels, self.num_labels)
        given = {} if near is None else {"mask": near}
        if self.weighting == "labels":
            given["importance"] = counts.clamp(min=1)
        loss, values = self.objectives(scores=scores, labels=counts.clamp(max=1), **given)
        return {"loss": loss, "objectives": values, **output}

    def near(self, candidates: Tensor | None) -> Tensor | None:
        """Which nodes are children of the candidates, [B, K] (bool); None where all nodes are compared with."""
        parents: Tensor | None = self.parents  # type: ignore[assignment]
        if parents is None or candidates is None:
            return None
        return multi_hot(candidates, self.num_parents)[:, parents] > 0

    def freeze(self) -> "LevelMatcher":  # type: ignore[override]
        """This model, for scores: there is nothing to fold."""
        return self.eval()


def count_ids(ids: Tensor, width: int) -> Tensor:
    """How often each id stands in a row.

    Shapes:
        - ids [B, P], long, -1 where there is none
        - output [B, width], float32

    Example:
        >>> count_ids(torch.tensor([[2, 2, -1]]), width=3)
        tensor([[0., 0., 2.]])
    """
    counts = torch.zeros(len(ids), width + 1, device=ids.device)
    return counts.scatter_add_(1, ids.masked_fill(ids < 0, width), torch.ones_like(ids, dtype=counts.dtype))[:, :width]
