"""Attention over all pairs, block by block of targets, with a backward pass that computes each block again."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.nn.conv.replay import Replay
from hgraph.nn.encodings.pair_rows import PairRows
from hgraph.nn.workspace import Workspace


class RowPlan(NamedTuple):
    """What a pass over all pairs needs beside its tensors."""

    blocks: list[tuple[int, int]]
    """Bounds of the blocks of targets."""
    bias: PairRows | None
    """What is added to the logits of each head."""
    mask: Tensor | None
    """True for nodes, false for padding, ``[*, n]``."""
    dropout: float
    keep_pairs: bool
    """Whether the new states of pairs are wanted."""
    num_expand: int
    """2 where pairs are updated and speak to nodes, as in GPTrans, by the first tensors of `rest`; else 0."""


class Block(NamedTuple):
    """What attention computes for ``b`` targets."""

    weights: Tensor
    """Attention weights, ``[*, H, b, n]``."""
    kept: Tensor | None
    """What dropout multiplies them with, likewise."""
    dropped: Tensor
    """The product of the two."""
    summed: Tensor | None
    """Weights after dropout plus raw logits, likewise."""
    update: Tensor | None
    """New states of pairs, ``[*, De, b, n]``."""
    shares: Tensor | None
    """What share of the message each pair has, likewise."""


Outputs = tuple[Tensor, Tensor, Tensor | None]
"""Nodes ``[*, H, b, d]``, messages ``[*, b, De]``, pairs ``[*, b, n, De]`` or None."""


def attend_all(plan: RowPlan, query: Tensor, key: Tensor, value: Tensor, *rest: Tensor) -> Outputs:
    """All targets at once, ``query [*, H, n, d]``, by operations that autograd and export follow."""
    logits = query @ key.transpose(-2, -1)  # [*, H, n, n]
    if plan.bias is not None:
        logits = logits + plan.bias.rows(0, query.shape[-2], *rest[plan.num_expand :])
    weights = F.dropout(_masked(plan, logits).softmax(-1), plan.dropout, plan.dropout > 0)
    nodes = weights @ value
    if not plan.num_expand:
        return nodes, nodes.new_zeros(*nodes.shape[:-3], nodes.shape[-2], 0), None
    # Node to edge: the weights plus the raw logits, which padding has not touched. Channels stay in front, where a
    # linear map is one product of matrices and softmaxes run over neighbours in memory.
    summed = (weights + logits).flatten(-2)
    update = (rest[0] @ summed + rest[1][:, None]).unflatten(-1, logits.shape[-2:])  # [*, De, n, n]
    # Edge to node: each channel picks the pairs it listens to.
    message = (_masked(plan, update).softmax(-1) * update).sum(-1).transpose(-2, -1)
    return nodes, message, _real(plan, update.movedim(-3, -1), 0, None) if plan.keep_pairs else None


@torch.no_grad()
def attend_blocks(plan: RowPlan, query: Tensor, key: Tensor, value: Tensor, *rest: Tensor) -> Outputs:
    """The same without a record, block by block; nothing but the results lives on between two blocks."""
    lead, (heads, num_nodes, width) = query.shape[:-3], query.shape[-3:]
    edge_channels = rest[0].shape[0] if plan.num_expand else 0
    nodes, workspace = value.new_empty(*lead, heads, num_nodes, width), Workspace(query)
    message = value.new_empty(*lead, num_nodes, edge_channels)
    pairs = value.new_empty(*lead, num_nodes, num_nodes, edge_channels) if plan.keep_pairs else None
    for start, stop in plan.blocks:
        block = _compute(plan, workspace, start, stop, query, key, slices(plan, start, stop, rest))
        nodes[..., start:stop, :] = workspace.product("nodes", block.dropped.to(value.dtype), value)
        if block.update is not None and block.shares is not None:
            heard = torch.mul(block.shares, block.update, out=workspace.take("product", block.update.shape))
            message[..., start:stop, :] = heard.sum(-1).transpose(-2, -1)
            if pairs is not None:
                pairs[..., start:stop, :, :] = _real(plan, block.update.movedim(-3, -1), start, stop)
    return nodes, message, pairs


def slices(plan: RowPlan, start: int, stop: int, rest: Sequence[Tensor]) -> list[Tensor]:
    """`rest` as a block needs it: of tensors with a row a target, those rows."""
    return [tensor[..., start:stop, :, :] if _has_rows(plan, number) else tensor for number, tensor in enumerate(rest)]


def _has_rows(plan: RowPlan, number: int) -> bool:
    """Whether a tensor of `rest` has a row a target."""
    return plan.bias is not None and 0 <= number - plan.num_expand < plan.bias.num_by_row


def _compute(
    plan: RowPlan, workspace: Workspace, start: int, stop: int, query: Tensor, key: Tensor, rest: Sequence[Tensor]
) -> Block:
    """The steps of :func:`attend_all` up to the shares of pairs, in memory that is there."""
    logits = workspace.product("logits", query[..., start:stop, :], key.transpose(-2, -1))
    if plan.bias is not None:
        plan.bias.add_rows(logits, start, stop, rest[plan.num_expand :], workspace)
    weights = workspace.take("weights", logits.shape)
    torch.softmax(_masked(plan, logits), -1, out=weights)
    kept, dropped = None, weights
    if plan.dropout:
        kept = workspace.take("kept", logits.shape).bernoulli_(1 - plan.dropout).div_(1 - plan.dropout)
        dropped = torch.mul(weights, kept, out=workspace.take("dropped", logits.shape))
    if not plan.num_expand:
        return Block(weights, kept, dropped, None, None, None)
    summed = torch.add(logits, dropped, out=workspace.take("summed", logits.shape))
    update = workspace.product("update", rest[0].to(summed.dtype), summed.flatten(-2)).add_(rest[1][:, None])
    update = update.unflatten(-1, logits.shape[-2:])
    shares = torch.softmax(_masked(plan, update), -1, out=workspace.take("shares", update.shape))
    return Block(weights, kept, dropped, summed, update, shares)


def _masked(plan: RowPlan, values: Tensor) -> Tensor:
    """`values` ``[*, c, b, n]`` with padded sources at the lowest number."""
    if plan.mask is None:
        return values
    # Not -inf: a graph without any node gives zeros in the end, not NaN.
    return values.masked_fill(~plan.mask[..., None, None, :], torch.finfo(values.dtype).min)


def _real(plan: RowPlan, pairs: Tensor, start: int, stop: int | None) -> Tensor:
    """Pairs ``[*, b, n, De]``, zero at padding."""
    if plan.mask is None:
        return pairs
    return pairs * (plan.mask[..., start:stop, None] & plan.mask[..., None, :]).unsqueeze(-1)


class RowAttention(torch.autograd.Function):
    """:func:`attend_blocks` with gradients; no pair outlives its block, but for the new states that are wanted."""

    @staticmethod
    def forward(ctx: Any, plan: RowPlan, query: Tensor, key: Tensor, value: Tensor, *rest: Tensor) -> Outputs:
        """As :func:`attend_all`."""
        ctx.plan, ctx.replay = plan, Replay(query.device, random=plan.dropout > 0)
        nodes, message, pairs = attend_blocks(plan, query, key, value, *rest)
        ctx.save_for_backward(query, key, value, message, *rest)
        return nodes, message, pairs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, node_gradient: Tensor, message_gradient: Tensor, pair_gradient: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Gradients of queries, keys, values and `rest`."""
        query, key, value, message, *rest = ctx.saved_tensors
        plan, workspace = ctx.plan, Workspace(query)
        query_gradient, key_gradient, value_gradient = torch.empty_like(query), _zeros(key), _zeros(value)
        gradients = [
            _zeros(tensor) if need else None for tensor, need in zip(rest, ctx.needs_input_grad[4:], strict=True)
        ]
        with ctx.replay:
            for start, stop in plan.blocks:
                own, own_gradients = slices(plan, start, stop, rest), _slices(plan, start, stop, gradients)
                block = _compute(plan, workspace, start, stop, query, key, own)
                heard = node_gradient[..., start:stop, :].to(value.dtype)
                back = workspace.product("back", heard, value.transpose(-2, -1))  # [*, H, b, n]
                if plan.num_expand:
                    given = (message[..., start:stop, :], message_gradient[..., start:stop, :])
                    pairs = None if pair_gradient is None else pair_gradient[..., start:stop, :, :]
                    pairs = None if pairs is None else _real(plan, pairs, start, stop)
                    through = _through_pairs(workspace, block, own[0], own_gradients, given, pairs)
                    back += through
                slope = _slope(workspace, block, back)
                if plan.num_expand:
                    slope += through
                if plan.bias is not None:
                    tensors, places = own[plan.num_expand :], own_gradients[plan.num_expand :]
                    plan.bias.add_gradients(slope, start, stop, tensors, places, workspace)
                rows, slope = query[..., start:stop, :], slope.to(query.dtype)
                query_gradient[..., start:stop, :] = slope @ key
                key_gradient += workspace.product("to_keys", slope.transpose(-2, -1), rows)
                value_gradient += workspace.product("to_values", block.dropped.to(value.dtype).transpose(-2, -1), heard)
        totals = (key_gradient, value_gradient, *gradients)
        found = (None if g is None else g.to(t.dtype) for g, t in zip(totals, (key, value, *rest), strict=True))
        return None, query_gradient, *found


def _slices(plan: RowPlan, start: int, stop: int, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    """:func:`slices` of gradients, of which some are not wanted."""
    return [
        tensor[..., start:stop, :, :] if tensor is not None and _has_rows(plan, number) else tensor
        for number, tensor in enumerate(gradients)
    ]


def _slope(workspace: Workspace, block: Block, back: Tensor) -> Tensor:
    """The gradient of the logits, in place of what comes back to the weights: that of a softmax."""
    if block.kept is not None:
        back *= block.kept
    back -= torch.mul(back, block.weights, out=workspace.take("logits", back.shape)).sum(-1, keepdim=True)
    return back.mul_(block.weights)


def _through_pairs(
    workspace: Workspace,
    block: Block,
    expand: Tensor,
    gradients: Sequence[Tensor | None],
    message: tuple[Tensor, Tensor],
    pairs: Tensor | None,
) -> Tensor:
    """What comes back to the sum of weights and logits ``[*, H, b, n]`` through the states of pairs.

    Args:
        workspace: memory.
        block: what the block computed.
        expand: the map from heads to channels of a pair.
        gradients: of this map and its constant; added to.
        message: the message of each target ``[*, b, De]``, and what comes back to it.
        pairs: what comes back to the pairs, ``[*, b, n, De]``.
    """
    assert block.update is not None
    assert block.shares is not None
    assert block.summed is not None
    # The derivative of a sum that is weighted by its own softmax: share x (1 + value - sum).
    total, back = (part.transpose(-2, -1).unsqueeze(-1).to(block.update.dtype) for part in message)  # [*, De, b, 1]
    onward = torch.sub(block.update, total - 1, out=workspace.take("product", block.update.shape))
    onward.mul_(block.shares).mul_(back)
    if pairs is not None:
        onward += pairs.movedim(-1, -3)
    flat = onward.flatten(-2)
    if gradients[0] is not None:
        gradients[0] += (flat @ block.summed.flatten(-2).transpose(-2, -1)).sum_to_size(gradients[0].shape)
    if gradients[1] is not None:
        gradients[1] += flat.sum(-1).sum_to_size(gradients[1].shape)
    return workspace.product("summed", expand.t().to(flat.dtype), flat).view(block.summed.shape)


def _zeros(tensor: Tensor) -> Tensor:
    """A place for a sum over many blocks, so in full precision."""
    return torch.zeros_like(tensor, dtype=torch.promote_types(tensor.dtype, torch.float32))
