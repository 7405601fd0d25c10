"""Attention over all pairs of nodes, some targets at a time."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.conv.edge_blocks import EdgeBlocks
from hgraph.nn.conv.row_attention import Outputs, RowAttention, RowPlan, attend_all, attend_blocks
from hgraph.nn.encodings.pair_rows import PairRows, needs_gradient, row_blocks

CPU_BLOCK_BYTES = 16 * 2**20
CPU_BLOCK_ROWS = 64
"""Blocks of fewer targets make slow products of matrices."""
MOST_BLOCK_BYTES = 256 * 2**20
CUDA_BLOCK_BYTES = 512 * 2**20


class Attended(NamedTuple):
    """What attention over all pairs gives."""

    nodes: Tensor
    """``[*, n, H, d]``."""
    message: Tensor
    """``[*, n, De]``; without edge states of width 0."""
    pairs: Tensor | None
    """``[*, n, n, De]`` or None."""


def attend_rows(
    query: Tensor,
    key_value: Tensor,
    bias: PairRows | None,
    mask: Tensor | None = None,
    *,
    expand: nn.Linear | None = None,
    keep_pairs: bool = False,
    dropout: float = 0.0,
) -> Attended:
    """Attention of every node to every node, with GPTrans' propagation to pairs and back if `expand` is given.

    Targets are independent of each other, so they are gone through in blocks of a few megabytes; where the pairs of
    all take more than one block, a backward pass computes each block again.

    Args:
        query: scaled queries.
        key_value: keys and values.
        bias: what is added to the logits of each head.
        mask: true for nodes, false for padding.
        expand: from heads to edge channels.
        keep_pairs: whether the new states of pairs are returned.
        dropout: on the attention weights.

    Shapes:
        - query ``[*, n, H, d]``, key_value ``[*, n, 2, H, d]``, mask ``[*, n]``, bias of ``H`` channels
    """
    query, key, value = query.transpose(-3, -2), *key_value.movedim(-4, -2).unbind(-4)  # [*, H, n, d]
    num_nodes = query.shape[-2]
    tensors = () if bias is None else bias.tensors()
    linear = () if expand is None else (expand.weight, expand.bias)
    # Tensors of the width of heads and of pair states that a block holds at a time.
    width = 4 * query.shape[-3] + (0 if expand is None else 3 * expand.out_features)
    row_bytes = query[..., 0, 0, 0].numel() * num_nodes * width * query.element_size()
    cpu_bytes = max(CPU_BLOCK_BYTES, min(CPU_BLOCK_ROWS * row_bytes, MOST_BLOCK_BYTES))
    blocks = row_blocks(num_nodes, row_bytes, CUDA_BLOCK_BYTES if query.is_cuda else cpu_bytes)

    plan = RowPlan(blocks, bias, mask, dropout, keep_pairs, len(linear))
    inputs = (plan, query, key, value, *linear, *tensors)
    if len(blocks) == 1 or torch.compiler.is_exporting():
        nodes, message, pairs = attend_all(*inputs)
    else:
        nodes, message, pairs = _in_blocks(*inputs)
    return Attended(nodes.transpose(-3, -2), message, pairs)


@torch.compiler.disable  # a compiler would unroll the blocks and put them back into one
def _in_blocks(plan: RowPlan, *tensors: Tensor) -> Outputs:
    return RowAttention.apply(plan, *tensors) if needs_gradient(*tensors) else attend_blocks(plan, *tensors)


def source_and_target(x: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Both ends of the edges: one set of nodes, or two."""
    return (x, x) if isinstance(x, Tensor) else x


def check_heads(channels: int, heads: int) -> None:
    """Raise an error where the heads do not divide the channels."""
    if heads < 1 or channels < 1 or channels % heads:
        raise ConfigError(f"'out_channels' must be a multiple of 'heads', but got channels={channels}, heads={heads}.")


def edge_states(edge_index: Tensor | EdgeBlocks, edge_attr: Tensor | PairRows, channels: int) -> Tensor:
    """The states of edges, or an error where they and the edges do not fit."""
    if not isinstance(edge_attr, Tensor):
        raise ConfigError("'edge_attr' must be a tensor where 'edge_index' is given, but got PairRows.")
    num_edges = edge_index.num_edges if isinstance(edge_index, EdgeBlocks) else edge_index.shape[-1]
    if edge_attr.shape != (num_edges, channels):
        raise ConfigError(
            f"'edge_attr' must have shape {[num_edges, channels]}, a row for each edge, but got "
            f"{list(edge_attr.shape)}."
        )
    return edge_attr
