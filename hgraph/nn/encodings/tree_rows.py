"""Distances and paths between all labels of a tree, from the ancestors of each label."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.nn.encodings.pair_rows import PairRows
from hgraph.nn.workspace import Workspace


class TreeRows(PairRows):
    r"""The states that :class:`~hgraph.nn.DenseEdgeEncoding` gives the pairs of a tree, some rows at a time.

    With depths :math:`d`, the number :math:`c_{ij}` of ancestors (or selves) that two labels share, and the sum
    :math:`p_i` of the edge vectors from the root down to label :math:`i`,

    .. math:: \phi_{ij} = d_i + d_j - 2 c_{ij}, \qquad
        e_{ij} = t_{\min(\phi_{ij}, D)} + (p_i + p_j - 2 p_{\operatorname{lca}(i, j)}) / \phi_{ij}

    The lowest common ancestor of a target is one of its own ancestors, so each target has a short table of
    :math:`p_i - 2 p_a`, looked up by :math:`c`. Memory is ``labels x depth`` and that of the rows.

    Args:
        depth: the number of labels from the root down to each label; roots have 1.
        ancestors: column ``t`` holds the ancestor (or self) at depth ``t + 1``, -1 below the label.
        distance_table: one vector a distance.
        root_sum: the sums :math:`p`, the last row for the virtual root above all roots; without it there is no path
            term.

    Shapes:
        - depth ``[L]``, ancestors ``[L, depth of the tree]``, distance_table ``[D + 1, K]``, root_sum ``[L + 1, K]``
        - rows ``[K, stop - start, L]``
    """

    def __init__(
        self, depth: Tensor, ancestors: Tensor, distance_table: Tensor, root_sum: Tensor | None = None
    ) -> None:
        self.depth, self.ancestors = depth, ancestors
        self.distance_table, self.root_sum = distance_table, root_sum
        self.num_nodes, self.channels = len(depth), distance_table.shape[1]

    def tensors(self) -> tuple[Tensor, ...]:
        """The two tables."""
        return (self.distance_table,) if self.root_sum is None else (self.distance_table, self.root_sum)

    def project(self, weight: Tensor, bias: Tensor | None = None) -> "TreeRows":
        """See :class:`PairRows`; the tables are mapped, not the pairs."""
        root_sum = None if self.root_sum is None else F.linear(self.root_sum, weight)
        return TreeRows(self.depth, self.ancestors, F.linear(self.distance_table, weight, bias), root_sum)

    def rows(self, start: int, stop: int, *tensors: Tensor) -> Tensor:
        """See :class:`PairRows`."""
        table = tensors[0].t()  # [K, D + 1]
        shared, distance = self._places(start, stop)
        near = distance.clamp(max=table.shape[1] - 1)
        size = (len(table), stop - start, -1)
        out = table.unsqueeze(1).expand(size).gather(2, near.expand(size))
        if len(tensors) == 1:
            return out
        root_sum = tensors[1]
        # What a target has at the lowest common ancestor that lies `t` labels below the virtual root.
        own = root_sum[start:stop, None] - 2 * F.embedding(self._above(start, stop), root_sum)  # [b, depth + 1, K]
        total = own.movedim(2, 0).gather(2, shared.expand(size)) + root_sum[:-1].t().unsqueeze(1)
        return torch.addcmul(out, total, distance.clamp(min=1).to(out.dtype).reciprocal())

    def add_rows(self, total: Tensor, start: int, stop: int, tensors: Sequence[Tensor], workspace: Workspace) -> None:
        """See :class:`PairRows`: :meth:`rows`, one term after the other in the same memory."""
        table = tensors[0].t().to(workspace.dtype)
        shared, distance = self._places(start, stop)
        size = (len(table), *shared.shape)
        near = distance.clamp(max=table.shape[1] - 1).expand(size)
        rows = workspace.take("rows", size)
        total += torch.gather(table.unsqueeze(1).expand(*size[:2], -1), 2, near, out=rows)
        if len(tensors) == 1:
            return
        root_sum = tensors[1].to(workspace.dtype)
        own = root_sum[start:stop, None] - 2 * F.embedding(self._above(start, stop), root_sum)  # [b, depth + 1, K]
        torch.gather(own.movedim(2, 0), 2, shared.expand(size), out=rows)
        rows += root_sum[:-1].t().unsqueeze(1)
        total.addcmul_(rows, distance.clamp(min=1).to(rows.dtype).reciprocal_())

    def add_gradients(
        self,
        back: Tensor,
        start: int,
        stop: int,
        tensors: Sequence[Tensor],
        gradients: Sequence[Tensor | None],
        workspace: Workspace,
    ) -> None:
        """See :class:`PairRows`: the transposed sums, by hand."""
        table = tensors[0]
        back = back if len(back) == table.shape[1] else back.sum(0, keepdim=True)
        shared, distance = self._places(start, stop)
        size = tuple(back.shape)
        if gradients[0] is not None:
            near = distance.clamp(max=len(table) - 1).expand(size)
            gradients[0] += back.new_zeros(*size[:2], len(table)).scatter_add_(2, near, back).sum(1).t()
        if len(tensors) == 1 or gradients[1] is None:
            return
        root_sum = gradients[1]
        inverse = distance.clamp(min=1).to(back.dtype).reciprocal_()
        scaled = torch.mul(back, inverse, out=workspace.take("rows", size))
        root_sum[start:stop] += scaled.sum(2).t()
        root_sum[:-1] += scaled.sum(1).t()
        above = self._above(start, stop)  # [b, depth + 1]
        at_lowest = back.new_zeros(*size[:2], above.shape[1]).scatter_add_(2, shared.expand(size), scaled)
        root_sum.index_add_(0, above.flatten(), at_lowest.movedim(0, 2).flatten(0, 1).to(root_sum.dtype), alpha=-2)

    def _places(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Shared ancestors and distance of each pair, ``[b, L]``."""
        shared = self.shared(start, stop)
        return shared, self.depth[start:stop, None] + self.depth - 2 * shared

    def _above(self, start: int, stop: int) -> Tensor:
        """The virtual root and the ancestors of each target, ``[b, depth + 1]``; label 0 below the target."""
        ancestors = self.ancestors[start:stop]
        return torch.cat([torch.full_like(ancestors[:, :1], self.num_nodes), ancestors.clamp(min=0)], dim=1).long()

    def shared(self, start: int, stop: int) -> Tensor:
        """How many ancestors (or selves) each target shares with each label, long ``[stop - start, L]``."""
        shared = torch.zeros(stop - start, self.num_nodes, dtype=torch.int32, device=self.depth.device)
        for own, others in zip(self.ancestors[start:stop].t(), self.ancestors.t(), strict=True):
            # -1 stands for no label and equals nothing.
            shared += own.masked_fill(own < 0, -2).unsqueeze(1) == others
        return shared.long()
