"""One sweep over a hierarchy, level after level: up from the leaves, or down from the roots."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.utils import softmax

from hgraph.errors import ConfigError
from hgraph.nn.encodings import LabelStructure


class Step(NamedTuple):
    """The edges from one level to another, as a range of the sorted edges."""

    source_level: int
    start: int
    stop: int


class SweepPlan(nn.Module):
    """The edges of a hierarchy, sorted so that levels can be gone through one after the other.

    The roots hang from a virtual root, label ``L`` on level 0. Labels are renumbered by level, so a level is a range.

    Args:
        structure: the hierarchy.
        up: whether children are the sources (else parents).

    Shapes:
        - ``source`` and ``target`` ``[E + roots]``: for each edge, in the order of the steps, the place of its ends
          within their levels
    """

    source: Tensor
    target: Tensor

    def __init__(self, structure: LabelStructure, *, up: bool) -> None:
        super().__init__()
        virtual = torch.full_like(structure.roots, structure.num_labels)
        edge_index = torch.cat([structure.edge_index, torch.stack([virtual, structure.roots])], dim=1)
        source, target = edge_index.flip(0) if up else edge_index
        level = torch.cat([structure.level, structure.level.new_zeros(1)])
        sizes = torch.bincount(level)
        place = torch.empty_like(level)
        place[level.argsort(stable=True)] = torch.arange(len(level))
        place -= (sizes.cumsum(0) - sizes)[level]
        pair = level[target] * len(sizes) + level[source]
        order = pair.argsort(stable=True)
        self.register_buffer("source", place[source[order]], persistent=False)
        self.register_buffer("target", place[target[order]], persistent=False)
        self.steps: list[list[Step]] = [[] for _ in sizes]
        position = 0
        pairs, counts = pair[order].unique_consecutive(return_counts=True)
        for number, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            target_level, source_level = divmod(number, len(sizes))
            self.steps[target_level].append(Step(source_level, position, position + count))
            position += count
        self.heard = {step.source_level for steps in self.steps for step in steps}
        # Parents are on smaller levels than their children, so either order meets sources before their targets.
        levels = range(len(sizes))
        self.levels = [*reversed(levels)] if up else [*levels]


class TreeSweep(nn.Module):
    r"""Attention of each label to the labels next to it on one side, which have gone through the same before.

    In a sweep up, with the children :math:`\mathcal{C}(i)` of a label, from the last level to the first:

    .. math::
        A^h_{ij} &= \langle q^h(x_i), k^h(y_j) \rangle / \sqrt{C / H}, \quad j \in \mathcal{C}(i) \\
        y_i &= x_i + W_o \big\Vert_h \sum_j \operatorname{softmax}_j(A^h_{ij}) \, v^h(y_j)

    where :math:`q, k, v` read :math:`\operatorname{LN} x`; labels without children stay as they are. A sweep down goes
    from the first level to the last and has the parents and the label itself in place of the children, so that a label
    with one parent can weigh it against what it knows. What a leaf says arrives at the root in one sweep, whatever the
    depth.

    Args:
        channels: the width of a label.
        heads: the number of attention heads, a divisor of ``channels``.
        dropout: on what labels hear.
        own: whether labels listen to themselves, too.

    Shapes:
        - x: a tensor ``[labels of the level, channels]`` for each level; the output likewise
    """

    def __init__(self, channels: int, *, heads: int, dropout: float, own: bool) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ConfigError(f"'channels' must be a multiple of 'heads', but got channels={channels}, heads={heads}.")
        self.heads, self.own = heads, own
        self.norm = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        # No bias: labels that hear nothing stay as they are.
        self.out = nn.Linear(channels, channels, bias=False)
        self.dropout = nn.Dropout(dropout)

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        for module in (self.norm, self.query, self.key_value, self.out):
            module.reset_parameters()

    def forward(self, x: list[Tensor], plan: SweepPlan) -> list[Tensor]:
        """All levels after the sweep."""
        said: dict[int, Tensor] = {}
        out = list(x)
        for level in plan.levels:
            if plan.steps[level]:
                out[level] = x[level] + self.dropout(self.out(self._heard(x[level], said, plan, level)))
            if level in plan.heard:
                said[level] = self._say(out[level])
        return out

    def _heard(self, x: Tensor, said: dict[int, Tensor], plan: SweepPlan, level: int) -> Tensor:
        """What the labels of a level hear from the levels before it, ``[m, channels]``."""
        steps = plan.steps[level]
        sources = [said[step.source_level][plan.source[step.start : step.stop]] for step in steps]
        targets = [plan.target[step.start : step.stop] for step in steps]
        if self.own:
            sources.append(self._say(x))
            targets.append(torch.arange(len(x), device=x.device))
        key, value = torch.cat(sources).unbind(1)  # [e, H, C / H]
        target = torch.cat(targets)
        query = self.query(self.norm(x)).unflatten(-1, (self.heads, -1)) * key.shape[-1] ** -0.5
        weights = softmax((query[target] * key).sum(-1), target, num_nodes=len(x))  # [e, H]
        messages = weights.unsqueeze(-1) * value
        return messages.new_zeros(len(x), *messages.shape[1:]).index_add(0, target, messages).flatten(1)

    def _say(self, x: Tensor) -> Tensor:
        """Keys and values, ``[m, 2, H, C / H]``."""
        return self.key_value(self.norm(x)).unflatten(-1, (2, self.heads, -1))
