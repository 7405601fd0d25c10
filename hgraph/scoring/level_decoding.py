"""Set decoding level by level: each level has a step of its own, and the labels of a level are scored by its state."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.errors import ConfigError


class LevelDecoding:
    r"""What a scorer of steps does, trained or frozen: HBGL's output layer (`Findings of ACL 2022
    <https://aclanthology.org/2022.findings-acl.330/>`_, section 3.3), with the candidates of a step cut to its level.

    .. math:: z_{i,l} = \langle e_l, t(h_{i,k(l)}) \rangle + b_l, \qquad t(h) = \operatorname{LN}(h + \operatorname{GELU}(W h + c))

    where :math:`h_{i,k}` is the state of step :math:`k` and :math:`k(l)` the level of label :math:`l`. The vectors
    :math:`e` are also what a step is fed with: their sum over the labels of the level above.

    Attributes:
        weight: label vectors ``[L, D]``; ``bias`` ``[L]``.
        mask_vector: ``[D]``, what stands for a step that is to be predicted, and for one without labels.
        map_weight: ``[D, D]`` and ``map_bias`` ``[D]``, of the map inside :math:`t`.
        norm_weight: ``[D]`` and ``norm_bias`` ``[D]``, of the normalisation.
        order: ``[L]``, long, labels sorted by level.
        edge_index: ``[2, E]``, long, parents and children, sorted by the level of the child.
        level_sizes: number of labels of each level; ``edge_sizes`` that of the edges that end there.
        threshold: probability from which a label is fed to the next step.
        constrained: whether a label is fed only below one that was fed.
        faithful: the published form: every label may be fed at every step, and a step without labels is fed zeros.
    """  # noqa: E501

    weight: Tensor
    bias: Tensor
    mask_vector: Tensor
    map_weight: Tensor
    map_bias: Tensor
    norm_weight: Tensor
    norm_bias: Tensor
    order: Tensor
    edge_index: Tensor
    level_sizes: list[int]
    edge_sizes: list[int]
    threshold: float
    constrained: bool
    faithful: bool

    @property
    def num_levels(self) -> int:
        """Number of levels K."""
        return len(self.level_sizes)

    def level(self, step: int) -> Tensor:
        """Labels of the level of ``step`` (from 0), ``[L_k]``."""
        start = sum(self.level_sizes[:step])
        return self.order[start : start + self.level_sizes[step]]

    def transform(self, states: Tensor) -> Tensor:
        """States of steps ``[..., D]`` as label vectors are compared with them; at first hardly more than a norm."""
        states = states + F.gelu(F.linear(states, self.map_weight, self.map_bias))
        return F.layer_norm(states, (states.shape[-1],), self.norm_weight, self.norm_bias)

    def step_scores(self, state: Tensor, step: int) -> Tensor:
        """Scores ``[B, L_k]`` of the labels of one level from the state ``[B, D]`` of its step."""
        labels = self.level(step)
        return F.linear(self.transform(state), self.weight[labels], self.bias[labels])

    def all_scores(self, steps: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Scores ``[B, L]``, each label by the step of its level; ``steps`` is ``[B, K, D]``.

        Raises:
            ConfigError: ``steps`` has another shape.
        """
        if steps.dim() != 3 or steps.shape[1:] != (self.num_levels, self.weight.shape[1]):
            raise ConfigError(
                f"'text' must hold one state a level, shape [B, {self.num_levels}, {self.weight.shape[1]}], but got "
                f"{list(steps.shape)}."
            )
        rows = self.weight[self.order].split(self.level_sizes)
        biases = self.bias[self.order].split(self.level_sizes)
        states = self.transform(steps)
        scores = torch.cat([F.linear(states[:, k], rows[k], biases[k]) for k in range(self.num_levels)], dim=1)
        scores = scores[:, self.order.argsort()]  # [B, L] by label
        return scores if candidates is None else scores.gather(1, candidates)

    def feed(self, state: Tensor, step: int, scores: Tensor, fed: Tensor) -> Tensor:
        """What the next step sees of this one, ``[B, D]``: the sum of the vectors of the labels that it predicts.

        Args:
            state: ``[B, D]``, the state of the step.
            step: its number, from 0.
            scores: ``[B, L_k]``, what :meth:`step_scores` gave.
            fed: ``[B, L]``, bool; the labels that were fed so far. Those of this step are added in place.
        """
        if self.faithful:
            chosen = F.linear(self.transform(state), self.weight, self.bias).sigmoid() > self.threshold
            return chosen.to(self.weight.dtype) @ self.weight
        labels = self.level(step)
        chosen = scores.sigmoid() > self.threshold
        if self.constrained and step:
            chosen = chosen & self._below(fed, step)
        fed[:, labels] = chosen
        return self.summed(chosen, self.weight[labels])

    def summed(self, chosen: Tensor, vectors: Tensor) -> Tensor:
        """Sums ``[B, D]`` of the ``vectors`` ``[L_k, D]`` that ``chosen`` ``[B, L_k]`` names."""
        total = chosen.to(vectors.dtype) @ vectors
        if self.faithful:
            return total
        return torch.where(chosen.any(1, keepdim=True), total, self.mask_vector.to(total.dtype))

    def _below(self, fed: Tensor, step: int) -> Tensor:
        """Labels of a level with a parent that was fed, bool ``[B, L_k]``."""
        start = sum(self.edge_sizes[:step])
        parents, children = self.edge_index[:, start : start + self.edge_sizes[step]]
        reached = torch.zeros(fed.shape, dtype=torch.int32, device=fed.device)
        reached.index_add_(1, children, fed[:, parents].int())
        return reached[:, self.level(step)] > 0
