"""A GPTrans layer on a list of edges, up to 700,000 labels. Used by `label_encoders.py`."""

import copy
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from gpu_floor import floor_seconds
from pair_layers import TOLERANCE, autocast, gap, tree
from peak_memory import peak_tensor_bytes, process_bytes
from published_layers import ScatterGPTrans
from torch import Tensor, nn

from hgraph.nn.conv import EdgeBlocks, GPTransConv
from hgraph.nn.encodings import EdgeEncoding, LabelEdges, LabelStructure, label_edges
from hgraph.nn.label_sampling import NeighbourSampler

CHANNELS, EDGE_CHANNELS, HEADS, TARGETS = 128, 16, 8, 20_000


def edges_of(labels: int) -> LabelEdges:
    """Each label listens to itself, all its ancestors, up to 6 children and 4 siblings."""
    return label_edges(LabelStructure(tree(labels), labels), max_children=6, max_siblings=4)


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def measure_scale(labels: int, device: str = "cpu", dtype: str = "float32") -> dict:
    """Edges, blocks and one forward pass over all labels; a training step on some."""
    torch.manual_seed(0)
    where, row = torch.device(device), {"labels": labels, "imports_bytes": process_bytes("VmRSS")}
    start = time.perf_counter()
    edges = edges_of(labels)
    row.update(edges=len(edges.kind), edges_seconds=time.perf_counter() - start)
    start = time.perf_counter()
    blocks = EdgeBlocks(edges.edge_index, labels).to(where)
    row["blocks_seconds"] = time.perf_counter() - start
    conv = GPTransConv(CHANNELS, CHANNELS, EDGE_CHANNELS, heads=HEADS).to(where)
    encoding = EdgeEncoding(EDGE_CHANNELS).to(where)
    x = torch.randn(labels, CHANNELS, device=where)
    with torch.no_grad(), autocast(where, dtype):
        state = encoding(edges.kind.to(where), edges.level_difference.to(where))
        row["forward_seconds"] = statistics.median(timed(lambda: conv(x, blocks, state), where) for _ in range(3))
        row["peak_bytes"] = process_bytes("VmHWM") if device == "cpu" else torch.cuda.max_memory_allocated(where)
    row["step"] = training_step(edges, conv, encoding, x, where, dtype)
    if device == "cuda":
        row["floor"] = floor_seconds(dtype, **work(labels, len(edges.kind)))
    return row


def training_step(
    edges: LabelEdges, conv: GPTransConv, encoding: nn.Module, x: Tensor, device: torch.device, dtype: str
) -> dict:
    """Neighbours, forward, backward and update for `TARGETS` labels, with gradients of the vectors they read."""
    sampler = NeighbourSampler(edges.edge_index, len(x))
    parameters = [*conv.parameters(), *encoding.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.01)
    sizes: dict[str, int] = {}

    def step() -> None:
        targets = torch.randperm(len(x))[:TARGETS]
        part = sampler(targets, hops=1)
        sources = x[part.nodes.to(device)].requires_grad_()
        sizes.update(labels=len(targets), neighbours=len(part.nodes), edges=len(part.edges))
        with autocast(device, dtype):
            state = encoding(edges.kind[part.edges].to(device), edges.level_difference[part.edges].to(device))
            nodes, update = conv((sources, sources[: len(targets)]), part.edge_index.to(device), state)
            loss = nodes.square().mean() + update.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step()
    return {"seconds": statistics.median(timed(step, device) for _ in range(3)), **sizes}


def measure_plain(labels: int, repeats: int, device: str = "cpu", dtype: str = "float32") -> dict:
    """Our layer in blocks and the same by scatter, in turns, after both were found to agree with float64."""
    torch.manual_seed(0)
    where, edges = torch.device(device), edges_of(labels)
    edge_index = edges.edge_index.to(where)
    blocks = EdgeBlocks(edges.edge_index, labels).to(where)
    ours = GPTransConv(CHANNELS, CHANNELS, EDGE_CHANNELS, heads=HEADS).to(where)
    scatter = ScatterGPTrans(CHANNELS, EDGE_CHANNELS, HEADS).to(where)
    scatter.load_state_dict(ours.state_dict())
    inputs = [torch.randn(labels, CHANNELS, device=where), torch.randn(len(edges.kind), EDGE_CHANNELS, device=where)]
    weights = [torch.randn_like(tensor) for tensor in inputs]
    sides: dict[str, tuple[nn.Module, Tensor | EdgeBlocks]] = {"ours": (ours, blocks), "plain": (scatter, edge_index)}

    def forward(side: str) -> None:
        layer, where_from = sides[side]
        with torch.no_grad(), autocast(where, dtype):
            layer(inputs[0], where_from, inputs[1])

    def step(layer: nn.Module, where_from: Tensor | EdgeBlocks, dtype: str = dtype) -> list[Tensor]:
        """Nodes, edges, and the gradients of inputs and parameters."""
        leaves = [tensor.to(next(layer.parameters()).dtype, copy=True).requires_grad_() for tensor in inputs]
        with autocast(where, dtype):
            results = layer(leaves[0], where_from, leaves[1])
        loss = sum((result * weight).sum() for result, weight in zip(results, weights, strict=True))
        gradients = torch.autograd.grad(loss, [*leaves, *layer.parameters()])
        return [result.detach() for result in results] + list(gradients)

    exact = step(copy.deepcopy(scatter).double(), edge_index, "float64")
    row: dict = {"labels": labels, "edges": len(edges.kind), "gap_to_float64": {}}
    for side, (layer, where_from) in sides.items():
        found = zip(step(layer, where_from), exact, strict=True)
        row["gap_to_float64"][side] = max(gap(mine, theirs) for mine, theirs in found)
    # In bfloat16, scatter also adds up gradients in bfloat16: that of a label which many listen to is far off.
    if not max(row["gap_to_float64"][side] for side in (sides if dtype == "float32" else ["ours"])) <= TOLERANCE[dtype]:
        raise SystemExit(f"the layers disagree with float64: {row['gap_to_float64']}")
    del exact
    tasks = {"forward": forward, "step": lambda side: step(*sides[side])}
    for name, task in tasks.items():
        times: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(repeats):
            for side in sides:
                times[side].append(timed(partial(task, side), where))
        for side in sides:
            found = row.setdefault(side, {})
            found[f"{name}_seconds"] = statistics.median(times[side])
            found[f"{name}_bytes"] = peak_tensor_bytes(partial(task, side), where)
    return row


def work(labels: int, edges: int) -> dict[str, float]:
    """Operations and bytes of one forward pass: every array once, keys and values once an edge."""
    dense = labels * CHANNELS
    return {
        "operations": 8 * dense * CHANNELS + edges * (4 * CHANNELS + 4 * HEADS * EDGE_CHANNELS),
        "bytes": 4.0 * (5 * dense + edges * (2 * CHANNELS + 2 * EDGE_CHANNELS)) + 8 * edges,
    }
