"""Attention over all pairs of labels of a tree in one fused kernel, where PyTorch can make one."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention

from hgraph.nn.encodings.pair_rows import PairRows, needs_gradient
from hgraph.nn.encodings.tree_rows import TreeRows

logger = logging.getLogger(__name__)

Backend = Literal["auto", "chunked", "flex"]
FLEX_FROM = 2048
"""The number of labels from which on ``auto`` compiles a kernel."""


def wants_flex(backend: Backend, query: Tensor, bias: PairRows | None, mask: Tensor | None, dropout: float) -> bool:
    """Whether the fused kernel is asked for and can do what is asked.

    It knows the bias of :class:`~hgraph.nn.TreeRows` alone, no dropout and no padding, and on a CPU no backward pass;
    ``auto`` takes it on CUDA, for labels that are many.
    """
    if not isinstance(bias, TreeRows) or mask is not None or dropout or query.dim() != 3:
        return False
    if query.is_cuda:
        return backend == "flex" or (backend == "auto" and query.shape[0] >= FLEX_FROM)
    return backend == "flex" and not needs_gradient(query, *bias.tensors())


def flex_rows(query: Tensor, key_value: Tensor, bias: TreeRows) -> Tensor:
    """What :func:`~hgraph.nn.conv.attention.attend_rows` gives, by PyTorch's `flex_attention`.

    The kernel computes depths, shared ancestors and the bias of a pair from the ancestors of its two labels, inside the
    attention; no tensor of pairs is ever written.

    Args:
        query: scaled queries.
        key_value: keys and values.
        bias: the bias of a tree.

    Shapes:
        - query ``[n, H, d]``, key_value ``[n, 2, H, d]``, output ``[n, H, d]``

    Raises:
        RuntimeError: PyTorch cannot make the kernel here.
    """
    inputs = [part.transpose(0, 1).unsqueeze(0) for part in (query, *key_value.unbind(1))]  # [1, H, n, d]
    return _compiled()(*inputs, score_mod=_score(bias), scale=1.0)[0].transpose(0, 1)


def try_flex_rows(query: Tensor, key_value: Tensor, bias: TreeRows) -> Tensor | None:
    """:func:`flex_rows`, or None and one warning where the kernel cannot be made."""
    if query.device.type in _failed:
        return None
    try:
        return flex_rows(query, key_value, bias)
    except Exception as error:  # a compiler that is missing or fails has no type of its own
        _failed.add(query.device.type)
        logger.warning(
            "flex_attention cannot be used here (%s); attention goes on in chunks.", str(error).split("\n")[0]
        )
        return None


_failed: set[str] = set()
"""Kinds of devices without a kernel; asking again would take as long as the first time."""


@cache
def _compiled() -> Callable[..., Any]:
    return torch.compile(flex_attention, dynamic=False)


def _score(bias: TreeRows) -> Callable[..., Tensor]:
    """The score of a pair plus its bias, as a function of the places of both."""
    ancestors, depth = bias.ancestors.t().contiguous(), bias.depth
    table, root_sum = bias.distance_table, bias.root_sum
    last, virtual_root = len(table) - 1, bias.num_nodes

    def score(value: Tensor, batch: Tensor, head: Tensor, target: Tensor, source: Tensor) -> Tensor:
        shared = torch.zeros_like(depth[target])
        for column in range(len(ancestors)):
            own = ancestors[column, target]
            shared = shared + ((own == ancestors[column, source]) & (own >= 0))
        distance = depth[target] + depth[source] - 2 * shared
        shared_head = head if table.shape[1] > 1 else torch.zeros_like(head)
        value = value + table[distance.clamp(max=last), shared_head]
        if root_sum is None:
            return value
        lowest = torch.where(shared > 0, ancestors[(shared - 1).clamp(min=0), target], virtual_root)
        ends = root_sum[target, shared_head] + root_sum[source, shared_head]
        return value + (ends - 2 * root_sum[lowest, shared_head]) / distance.clamp(min=1)

    return score
