"""Messages along many edges, some at a time, in memory that does not grow with their number."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hgraph.nn.conv.edge_blocks import EdgeBlocks
from hgraph.nn.conv.replay import Replay
from hgraph.nn.encodings.pair_rows import needs_gradient

BlockFunction = Callable[..., tuple[Tensor, Tensor | None]]
"""`function(query [m, ...], source [w, m, ...], edge [w, m, K] or None, *parameters)` for `m` targets of `w` edges
each; it returns the nodes ``[m, ...]`` and the edges ``[w, m, K]`` or None."""

CPU_BLOCK_BYTES = 8 * 2**20
CUDA_BLOCK_BYTES = 512 * 2**20
KEEP_BYTES = 64 * 2**20
"""Up to this size the messages are kept for the backward pass; above, they are computed again."""


def propagate_blocks(
    function: BlockFunction,
    blocks: EdgeBlocks,
    query: Tensor,
    source: Tensor,
    edge: Tensor | None,
    *parameters: Tensor,
    random: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Apply `function` to all edges in blocks, and put its results where they belong.

    Memory beyond the results is that of one block. A backward pass computes each block again; the gradients of sources
    are added up in place.

    Args:
        function: what happens in a block.
        blocks: the edges.
        query: what the targets bring, a row each.
        source: what the sources bring, a row each; looked up for every edge.
        edge: what the edges bring, a row each, in the order of `blocks.edge_index`; or None.
        parameters: tensors given to `function` as they are.
        random: whether `function` draws random numbers, which the backward pass must draw again.

    Shapes:
        - query ``[targets, ...]``, source ``[sources, ...]``, edge ``[E, K]``
        - output: nodes ``[targets, ...]``, zero where there is no edge, and edges ``[E, K]`` or None
    """
    row_bytes = (source[:1].numel() + (0 if edge is None else 2 * edge.shape[1])) * source.element_size()
    budget = CUDA_BLOCK_BYTES if source.is_cuda else CPU_BLOCK_BYTES
    max_edges = max(1, budget // max(row_bytes, 1))
    if blocks.num_edges * row_bytes <= KEEP_BYTES or torch.compiler.is_exporting():
        return _joined(function, blocks, query, source, edge, *parameters)
    return _in_blocks(function, blocks, max_edges, random, query, source, edge, *parameters)


@torch.compiler.disable  # a compiler would unroll the blocks
def _in_blocks(
    function: BlockFunction, blocks: EdgeBlocks, max_edges: int, random: bool, *tensors: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    if needs_gradient(*(tensor for tensor in tensors if tensor is not None)):
        return _BlockPropagation.apply(function, blocks, max_edges, random, *tensors)
    return _written(function, blocks, max_edges, *tensors)  # type: ignore[arg-type]


def _joined(
    function: BlockFunction,
    blocks: EdgeBlocks,
    query: Tensor,
    source: Tensor,
    edge: Tensor | None,
    *parameters: Tensor,
) -> tuple[Tensor, Tensor | None]:
    """All edges at once, joined at the end: for autograd and export, which do not like writing in place."""
    # Looked up once for all: the backward pass of each lookup is a sum over all rows.
    query, source = query[blocks.node_order], source.index_select(0, blocks.edge_index[0][blocks.edge_order])
    edge = None if edge is None else edge[blocks.edge_order]
    nodes, edges = [], []
    for width, start, stop, position in blocks.runs:
        chosen, shape = slice(position, position + width * (stop - start)), (width, stop - start)
        own = None if edge is None else edge[chosen].unflatten(0, shape)
        node, new = function(query[start:stop], source[chosen].unflatten(0, shape), own, *parameters)
        nodes.append(node)
        edges += [] if new is None else [new.flatten(0, 1)]
    node, new = _first(function, query, source, edge, *parameters)
    alone = blocks.num_targets - sum(len(node) for node in nodes)  # targets without edges come first
    joined = torch.cat([node.new_zeros(alone, *node.shape[1:]), *nodes])[blocks.node_order.argsort()]
    if new is None:
        return joined, None
    return joined, torch.cat([new.flatten(0, 1), *edges])[blocks.edge_order.argsort()]


@torch.no_grad()
def _written(
    function: BlockFunction,
    blocks: EdgeBlocks,
    max_edges: int,
    query: Tensor,
    source: Tensor,
    edge: Tensor | None,
    *parameters: Tensor,
) -> tuple[Tensor, Tensor | None]:
    """All blocks, each written into the results at once."""
    nodes, edges = _first(function, query, source, edge, *parameters)
    nodes = nodes.new_zeros(blocks.num_targets, *nodes.shape[1:])
    edges = None if edges is None else edges.new_empty(blocks.num_edges, edges.shape[-1])
    for block in blocks.blocks(max_edges):
        node, new = function(
            query[block.targets], _rows(source, block.sources), None if edge is None else edge[block.edges], *parameters
        )
        nodes[block.targets] = node
        if edges is not None and new is not None:
            edges[block.edges] = new
    return nodes, edges


def _first(
    function: BlockFunction, query: Tensor, source: Tensor, edge: Tensor | None, *parameters: Tensor
) -> tuple[Tensor, Tensor | None]:
    """The results for no edges at all, which tell widths and types."""
    with torch.no_grad():
        none = torch.zeros(1, 0, dtype=torch.long, device=source.device)
        return function(query[none[0]], source[none], None if edge is None else edge[none], *parameters)


def _rows(tensor: Tensor, index: Tensor) -> Tensor:
    return tensor.index_select(0, index.flatten()).view(*index.shape, *tensor.shape[1:])


class _BlockPropagation(torch.autograd.Function):
    """Forward without a record, backward by computing each block again."""

    @staticmethod
    def forward(
        ctx: Any,
        function: BlockFunction,
        blocks: EdgeBlocks,
        max_edges: int,
        random: bool,
        query: Tensor,
        source: Tensor,
        edge: Tensor | None,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        ctx.function, ctx.blocks, ctx.max_edges = function, blocks, max_edges
        ctx.replay = Replay(source.device, random=random)
        ctx.save_for_backward(query, source, edge, *parameters)
        return _written(function, blocks, max_edges, query, source, edge, *parameters)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, node_gradient: Tensor, edge_gradient: Tensor | None) -> tuple[Tensor | None, ...]:
        query, source, edge, *parameters = ctx.saved_tensors
        needed = ctx.needs_input_grad[4:]
        inputs = (query, source, edge, *parameters)
        # Parameters add up over many blocks, so in full precision.
        gradients = [
            torch.zeros_like(tensor, dtype=torch.promote_types(tensor.dtype, torch.float32)) if need else None
            for tensor, need in zip(inputs, needed, strict=True)
        ]
        with ctx.replay:
            for block in ctx.blocks.blocks(ctx.max_edges):
                leaves = [
                    query[block.targets],
                    _rows(source, block.sources),
                    None if edge is None else edge[block.edges],
                    *(parameter.detach() for parameter in parameters),
                ]
                wanted = [
                    leaf.requires_grad_()
                    for leaf, need in zip(leaves, needed, strict=True)
                    if need and leaf is not None
                ]
                with torch.enable_grad():
                    node, new = ctx.function(*leaves)
                outputs, given = [node], [node_gradient[block.targets].to(node.dtype)]
                if new is not None and edge_gradient is not None:
                    outputs.append(new)
                    given.append(edge_gradient[block.edges].to(new.dtype))
                found = iter(torch.autograd.grad(outputs, wanted, given, allow_unused=True))
                _add(gradients, [next(found) if need else None for need in needed], block)
        out = [None if g is None else g.to(t.dtype) for g, t in zip(gradients, inputs, strict=True)]
        return (None, None, None, None, *out)


def _add(gradients: list[Tensor | None], found: list[Tensor | None], block: Any) -> None:
    """Add what a block gave to the gradients of all."""
    places = (block.targets, block.sources, block.edges)
    for number, (total, part) in enumerate(zip(gradients, found, strict=True)):
        if total is None or part is None:
            continue
        part = part.to(total.dtype)
        if number == 1:
            total.index_add_(0, block.sources.flatten(), part.flatten(0, 1))
        elif number in (0, 2):
            total[places[number]] = part  # each target and each edge is in one block
        else:
            total += part
