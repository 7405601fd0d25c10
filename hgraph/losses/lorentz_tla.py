"""Text-label alignment in hyperbolic space (HyILR)."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter

from hgraph.errors import ConfigError
from hgraph.losses.lorentz import lorentz_distance
from hgraph.losses.negative_choice import choose_negatives
from hgraph.losses.objective import Objective, check_shapes
from hgraph.losses.precision import full_precision
from hgraph.losses.relations import LevelSteps, Relation, Step, best_below, check_columns
from hgraph.losses.similarity import compare
from hgraph.losses.tla import contrast

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph


class LorentzTLALoss(Objective):
    r"""The hyperbolic alignment loss of HyILR (ACL-SRW 2025).

    Documents and labels are scaled, lifted to the Lorentz model and compared by distance, where the room grows as fast
    with the distance from the origin as a tree does with its depth:

    .. math:: s_{i,l} = -d_c\big(\exp_0(\alpha_t h_i), \exp_0(\alpha_l f_l)\big)

    then contrasted as in :func:`~hgraph.losses.tla_from_similarity`. The scales and the curvature :math:`-c` are
    learned. The negatives of document :math:`i` are

    - on each level as many of the nearest labels outside :math:`Y_i` as the document has labels there: each label takes
      the nearest one, the next where it is taken;
    - for each label :math:`p` in :math:`Y_i` the nearest label below it that a path without further labels of the
      document leads to,

    each once. What is nearest is found without gradient. Time and memory are ``B x (L + E)``: the nearest label below
    is passed up the edges, level by level, and stops at the document's labels. In a tree each label outside :math:`Y_i`
    is below at most one label of :math:`Y_i` in this sense, the lowest of its ancestors there; in a DAG it can be below
    several.

    With candidates, labels between two candidates are not known. A candidate then counts as below those of its
    ancestors in :math:`Y_i` that are on the deepest level, which in a tree is the same.

    Args:
        graph: the hierarchy.
        channels: the width of document and label vectors; both scales start at ``channels ** -0.5``.
        temperature: :math:`\tau` (default 0.07).

    Shapes:
        - labels and mask ``[B, L]``, text ``[B, D]``, label_vectors ``[L, D]``; with candidates ``[B, K]`` labels and
          mask are ``[B, K]``, and only the candidates' vectors are read
        - output: scalar

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> loss = LorentzTLALoss(LabelGraph.from_edges([("a", "b"), ("a", "c")]), channels=2, temperature=1.0)
        >>> text, labels = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0]])
        >>> vectors = torch.tensor([[0.1, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> value = loss(labels=labels, text=text, label_vectors=vectors)
        >>> value.backward()
        >>> round(value.item(), 4), loss.log_curvature.grad.isfinite().item()
        (0.9512, True)
    """

    name = "lorentz_tla"
    level: Tensor

    def __init__(self, graph: "LabelGraph", channels: int, *, temperature: float = 0.07) -> None:
        super().__init__()
        if channels < 1:
            raise ConfigError(f"'channels' must be at least 1, but got {channels}.")
        if not temperature > 0:
            raise ConfigError(f"'temperature' must be above 0, but got {temperature}.")
        self.channels, self.temperature = channels, temperature
        self.num_levels = graph.num_levels
        self.steps = LevelSteps(graph, "up")
        self.ancestors = Relation(graph.ancestors)
        self.register_buffer("level", graph.level.cpu() - 1, persistent=False)
        self.log_text_scale = nn.Parameter(torch.empty(()))
        self.log_label_scale = nn.Parameter(torch.empty(()))
        self.log_curvature = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set both scales to ``channels ** -0.5`` and the curvature to -1."""
        scale = torch.tensor(float(self.channels)) ** -0.5
        nn.init.constant_(self.log_text_scale, float(scale.log()))
        nn.init.constant_(self.log_label_scale, float(scale.log()))
        nn.init.zeros_(self.log_curvature)

    def forward(
        self,
        *,
        labels: Tensor,
        text: Tensor,
        label_vectors: Tensor,
        mask: Tensor | None = None,
        candidates: Tensor | None = None,
    ) -> Tensor:
        """The value for one batch."""
        check_columns(labels, len(self.level), candidates, name="labels")
        similarity = compare(self._similarity, text, label_vectors, candidates)
        check_shapes(similarity, labels, mask)
        kept = torch.ones_like(similarity, dtype=torch.bool) if mask is None else mask.bool()
        positive, wrong = (labels > 0.5) & kept, (labels <= 0.5) & kept
        negative = self.negatives(similarity, positive, wrong, candidates)
        return contrast(similarity / self.temperature, positive, negative)

    def _similarity(self, text: Tensor, vectors: Tensor) -> Tensor:
        text_scale, label_scale, curvature = (
            full_precision(log).to(text.dtype).exp()
            for log in (self.log_text_scale, self.log_label_scale, self.log_curvature)
        )
        return -lorentz_distance(text_scale * text, label_scale * vectors, curvature)

    @torch.no_grad()
    def negatives(
        self, similarity: Tensor, positive: Tensor, wrong: Tensor, candidates: Tensor | None = None
    ) -> Tensor:
        """The negatives of each document.

        Shapes:
            - similarity, positive and wrong (what may be a negative) ``[B, L]`` or ``[B, K]``
            - output: of the same shape, boolean
        """
        level = self.level if candidates is None else self.level[candidates]
        chosen = torch.zeros_like(wrong)
        for number in range(self.num_levels):
            here = level == number
            chosen |= choose_negatives(similarity, positive & here, wrong & here)
        if candidates is None:
            return chosen | self._nearest_below(similarity, positive, wrong)
        return chosen | self._nearest_candidate_below(similarity, positive, wrong, candidates)

    def _nearest_below(self, similarity: Tensor, positive: Tensor, wrong: Tensor) -> Tensor:
        values = similarity.masked_fill(~wrong, -torch.inf).t()
        # A label of the document passes nothing on: what is below it is reached through it alone.
        best, place = best_below(values, self.steps, closed=positive.t())
        return _marked(place.t(), positive & (best.t() > -torch.inf))

    def _nearest_candidate_below(
        self, similarity: Tensor, positive: Tensor, wrong: Tensor, candidates: Tensor
    ) -> Tensor:
        below, above = self.ancestors.pairs(candidates, positive | wrong)
        is_pair = wrong.flatten()[below] & positive.flatten()[above]
        below, above = below[is_pair], above[is_pair]
        depth = self.level[candidates].flatten()[above]
        deepest = scatter(depth, below, 0, candidates.numel(), reduce="max")
        lowest = depth == deepest[below]
        values = similarity.masked_fill(~wrong, -torch.inf).flatten()
        best, place = best_below(values, [Step.of(below[lowest], above[lowest])])
        width = max(candidates.size(1), 1)
        return _marked(place.view_as(wrong) % width, positive & (best.view_as(similarity) > -torch.inf))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(channels={self.channels}, temperature={self.temperature})"


def _marked(place: Tensor, valid: Tensor) -> Tensor:
    """True in the columns that valid entries of ``place`` name, row by row."""
    count = torch.zeros_like(place).scatter_add_(1, place, valid.long())
    return count > 0
