"""Attention over all pairs, block by block of targets, with a backward pass that computes each block again."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.nn.conv.replay import Replay
from hgraph.nn.encodings.pair_rows import PairRows


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
    dropped: Tensor
    """The same after dropout."""
    summed: Tensor | None
    """Weights after dropout plus raw logits."""
    update: Tensor | None
    """New states of pairs, ``[*, De, b, n]``."""
    shares: Tensor | None
    """What share of the message each pair has, likewise."""


Outputs = tuple[Tensor, Tensor, Tensor | None]
"""Nodes ``[*, H, b, d]``, messages ``[*, b, De]``, pairs ``[*, b, n, De]`` or None."""


def attend_block(
    plan: RowPlan, start: int, stop: int, query: Tensor, key: Tensor, value: Tensor, *rest: Tensor
) -> Outputs:
    """The targets ``start`` to ``stop - 1``, whose queries are ``[*, H, b, d]``."""
    bias = None if plan.bias is None else plan.bias.rows(start, stop, *rest[plan.num_expand :])
    block = _compute(plan, query, key, bias, rest[: plan.num_expand])
    nodes = block.dropped @ value
    if block.update is None or block.shares is None:
        return nodes, nodes.new_zeros(*nodes.shape[:-3], stop - start, 0), None
    message = (block.shares * block.update).sum(-1).transpose(-2, -1)
    return nodes, message, _real(plan, block.update.movedim(-3, -1), start, stop) if plan.keep_pairs else None


def attend_blocks(plan: RowPlan, query: Tensor, key: Tensor, value: Tensor, *rest: Tensor) -> Outputs:
    """All targets, one block after the other."""
    parts = [
        attend_block(plan, start, stop, query[..., start:stop, :], key, value, *slices(plan, start, stop, rest))
        for start, stop in plan.blocks
    ]
    if len(parts) == 1:
        return parts[0]
    nodes = torch.cat([part[0] for part in parts], dim=-2)
    message = torch.cat([part[1] for part in parts], dim=-2)
    pairs = torch.cat([part[2] for part in parts if part[2] is not None], dim=-3) if plan.keep_pairs else None
    return nodes, message, pairs


@torch.no_grad()
def write_blocks(plan: RowPlan, query: Tensor, key: Tensor, value: Tensor, *rest: Tensor) -> Outputs:
    """All targets, each block written into the results at once, so that nothing lives on between two blocks.

    Results of blocks that live on among the temporary tensors of the next would leave memory in pieces.
    """
    outputs: list[Tensor | None] = [None, None, None]
    for start, stop in plan.blocks:
        rows = query[..., start:stop, :]
        parts = attend_block(plan, start, stop, rows, key, value, *slices(plan, start, stop, rest))
        for number, (part, dim) in enumerate(zip(parts, (-2, -2, -3), strict=True)):
            if part is None:
                continue
            if outputs[number] is None:
                shape = list(part.shape)
                shape[dim] = query.shape[-2]
                outputs[number] = part.new_empty(shape)
            outputs[number].narrow(dim, start, stop - start).copy_(part)  # type: ignore[union-attr]
    nodes, message, pairs = outputs
    assert nodes is not None
    assert message is not None
    return nodes, message, pairs


def slices(plan: RowPlan, start: int, stop: int, rest: Sequence[Tensor]) -> list[Tensor]:
    """`rest` as a block needs it: of tensors with a row a target, those rows."""
    return [tensor[..., start:stop, :, :] if _has_rows(plan, number) else tensor for number, tensor in enumerate(rest)]


def _has_rows(plan: RowPlan, number: int) -> bool:
    """Whether a tensor of `rest` has a row a target."""
    return plan.bias is not None and 0 <= number - plan.num_expand < plan.bias.num_by_row


def _compute(plan: RowPlan, query: Tensor, key: Tensor, bias: Tensor | None, expand: tuple[Tensor, ...]) -> Block:
    logits = query @ key.transpose(-2, -1)  # [*, H, b, n]
    if bias is not None:
        logits = logits + bias
    weights = _masked(logits, plan.mask).softmax(-1)
    dropped = F.dropout(weights, plan.dropout, plan.dropout > 0)
    if not expand:
        return Block(weights, dropped, None, None, None)
    # Node to edge: the weights plus the raw logits, which padding has not touched. Channels stay in front, where a
    # linear map is one product of matrices and softmaxes run over neighbours in memory.
    summed = dropped + logits
    update = (expand[0] @ summed.flatten(-2)).unflatten(-1, summed.shape[-2:]) + expand[1][:, None, None]
    # Edge to node: each channel picks the pairs it listens to.
    return Block(weights, dropped, summed, update, _masked(update, plan.mask).softmax(-1))


def _masked(values: Tensor, mask: Tensor | None) -> Tensor:
    """`values` ``[*, c, b, n]`` with padded sources at the lowest number."""
    if mask is None:
        return values
    # Not -inf: a graph without any node gives zeros in the end, not NaN.
    return values.masked_fill(~mask[..., None, None, :], torch.finfo(values.dtype).min)


def _real(plan: RowPlan, pairs: Tensor, start: int, stop: int) -> Tensor:
    """Pairs ``[*, b, n, De]``, zero at padding."""
    if plan.mask is None:
        return pairs
    return pairs * (plan.mask[..., start:stop, None] & plan.mask[..., None, :]).unsqueeze(-1)


class RowAttention(torch.autograd.Function):
    """All targets; no pair outlives its block, but for the new states that are wanted."""

    @staticmethod
    def forward(ctx: Any, plan: RowPlan, query: Tensor, key: Tensor, value: Tensor, *rest: Tensor) -> Outputs:
        """As :func:`attend_block`, for all targets."""
        ctx.plan, ctx.replay = plan, Replay(query.device, random=plan.dropout > 0)
        nodes, message, pairs = write_blocks(plan, query, key, value, *rest)
        ctx.save_for_backward(query, key, value, message, *rest)
        return nodes, message, pairs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, node_gradient: Tensor, message_gradient: Tensor, pair_gradient: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Gradients of queries, keys, values and `rest`."""
        query, key, value, message, *rest = ctx.saved_tensors
        plan, needed = ctx.plan, ctx.needs_input_grad[4:]
        query_gradient = torch.empty_like(query)
        key_gradient, value_gradient = _zeros(key), _zeros(value)
        gradients = [_zeros(tensor) if need else None for tensor, need in zip(rest, needed, strict=True)]
        with ctx.replay:
            for start, stop in plan.blocks:
                leaves = [
                    part.detach().requires_grad_(need)
                    for part, need in zip(slices(plan, start, stop, rest), needed, strict=True)
                ]
                with torch.enable_grad():
                    bias = None if plan.bias is None else plan.bias.rows(start, stop, *leaves[plan.num_expand :])
                rows, heard = query[..., start:stop, :], node_gradient[..., start:stop, :].to(value.dtype)
                expand = tuple(rest[: plan.num_expand])
                block = _compute(plan, rows, key, None if bias is None else bias.detach(), expand)
                given = (message[..., start:stop, :], message_gradient[..., start:stop, :])
                pairs = (
                    None if pair_gradient is None else _real(plan, pair_gradient[..., start:stop, :, :], start, stop)
                )
                slope, parts = _slope(plan, block, heard @ value.transpose(-2, -1), expand, given, pairs)
                _add(plan, gradients, parts, start, stop)
                if bias is not None and bias.requires_grad:
                    wanted = [leaf for leaf in leaves[plan.num_expand :] if leaf.requires_grad]
                    found = iter(torch.autograd.grad(bias, wanted, slope.sum_to_size(bias.shape).to(bias.dtype)))
                    of_bias = (next(found) if leaf.requires_grad else None for leaf in leaves[plan.num_expand :])
                    _add(plan, gradients, [*(None,) * plan.num_expand, *of_bias], start, stop)
                slope = slope.to(query.dtype)
                query_gradient[..., start:stop, :] = slope @ key
                key_gradient += slope.transpose(-2, -1) @ rows
                value_gradient += block.dropped.to(value.dtype).transpose(-2, -1) @ heard
        inputs = (key, value, *rest)
        totals = (key_gradient, value_gradient, *gradients)
        return (
            None,
            query_gradient,
            *(None if g is None else g.to(t.dtype) for g, t in zip(totals, inputs, strict=True)),
        )


def _slope(
    plan: RowPlan,
    block: Block,
    towards: Tensor,
    expand: tuple[Tensor, ...],
    message: tuple[Tensor, Tensor],
    pairs: Tensor | None,
) -> tuple[Tensor, list[Tensor | None]]:
    """The gradient of the logits ``[*, H, b, n]``, and of the tensors of `expand`.

    Args:
        plan: the pass.
        block: what the block computed.
        towards: what comes back to the weights from the nodes; overwritten.
        expand: the map from heads to channels of a pair.
        message: the message of each target, and what comes back to it.
        pairs: what comes back to the pairs, ``[*, b, n, De]``.
    """
    towards = towards.to(block.weights.dtype)
    parts: list[Tensor | None] = []
    through = None
    if block.update is not None and block.shares is not None and block.summed is not None:
        # The derivative of a sum that is weighted by its own softmax: share x (1 + value - sum).
        total, back = (part.transpose(-2, -1).unsqueeze(-1) for part in message)  # [*, De, b, 1]
        onward = (block.update - (total - 1)).mul_(block.shares).mul_(back)
        if pairs is not None:
            onward = onward + pairs.movedim(-1, -3)
        flat = onward.flatten(-2)
        weight = flat @ block.summed.flatten(-2).transpose(-2, -1)
        parts = [weight.sum_to_size(expand[0].shape), flat.sum(-1).sum_to_size(expand[1].shape)]
        through = (expand[0].t() @ flat).unflatten(-1, onward.shape[-2:])
        towards += through
    if plan.dropout:
        # What was kept was scaled, what was dropped is zero.
        towards *= block.dropped / block.weights.clamp(min=torch.finfo(towards.dtype).tiny)
    towards -= (towards * block.weights).sum(-1, keepdim=True)
    towards *= block.weights
    if through is not None:
        towards += through
    return towards, parts


def _add(plan: RowPlan, gradients: list[Tensor | None], parts: Sequence[Tensor | None], start: int, stop: int) -> None:
    """Add what a block gave to the gradients of `rest`, which `parts` begins with."""
    for number, part in enumerate(parts):
        total = gradients[number]
        if part is not None and total is not None:
            place = total[..., start:stop, :, :] if _has_rows(plan, number) else total
            place += part


def _zeros(tensor: Tensor) -> Tensor:
    """A place for a sum over many blocks, so in full precision."""
    return torch.zeros_like(tensor, dtype=torch.promote_types(tensor.dtype, torch.float32))
