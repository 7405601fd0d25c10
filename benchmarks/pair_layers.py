"""A label layer on all pairs, ours and as published: agreement, time, memory. Used by `label_encoders.py`."""

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F
from gpu_floor import floor_seconds
from peak_memory import available_bytes, forget_peak, peak_tensor_bytes, process_bytes
from published_layers import DISTANCES, SLOTS, PairTables, PublishedGPTrans, PublishedGraphormer
from torch import Tensor, nn

from hgraph.nn.conv import GPTransConv, GraphormerConv
from hgraph.nn.encodings import LabelStructure, TreeRows

CHANNELS, HEADS, EDGE_CHANNELS, FAN_OUT = 768, 12, 30, 6
KINDS = {"graphormer": 1, "gptrans": EDGE_CHANNELS}  # the width of what the tables hold
TOLERANCE = {"float32": 1e-3, "bfloat16": 1e-1}
"""How far outputs and gradients may be apart, relative to the largest number."""


def tree(labels: int) -> Tensor:
    """The edges of a tree in which every label has `FAN_OUT` children, level by level."""
    child = torch.arange(1, labels)
    return torch.stack([(child - 1) // FAN_OUT, child])


class Ours(nn.Module):
    """Our layer with the tables that the published one has; `x` `[L, C]` to `[L, C]`."""

    def __init__(self, kind: str, labels: int) -> None:
        super().__init__()
        structure, width = LabelStructure(tree(labels), labels), KINDS[kind]
        self.register_buffer("depth", structure.depth, persistent=False)
        self.register_buffer("ancestors", structure.ancestors, persistent=False)
        self.distance_table = nn.Parameter(torch.randn(DISTANCES, width))
        self.edge_vectors = nn.Parameter(torch.randn(labels, width))
        if kind == "graphormer":
            self.conv = GraphormerConv(CHANNELS, CHANNELS, heads=HEADS)
        else:
            self.conv = GPTransConv(CHANNELS, CHANNELS, width, heads=HEADS, update_edges=False)

    def forward(self, x: Tensor) -> Tensor:
        """The new label vectors."""
        # -1, below a label, picks the row of zeros at the end.
        padded = torch.cat([self.edge_vectors, self.edge_vectors.new_zeros(1, self.edge_vectors.shape[1])])
        root_sum = F.embedding(self.ancestors % len(padded), padded).sum(1)  # [L, K]
        root_sum = torch.cat([root_sum, root_sum.new_zeros(1, root_sum.shape[1])])
        out = self.conv(x, None, TreeRows(self.depth, self.ancestors, self.distance_table, root_sum))
        return out if isinstance(out, Tensor) else out[0]


def published(kind: str, labels: int) -> PublishedGraphormer | PublishedGPTrans:
    """The published layer."""
    tables = PairTables(tree(labels), labels)
    if kind == "graphormer":
        return PublishedGraphormer(tables, CHANNELS, HEADS)
    return PublishedGPTrans(tables, CHANNELS, HEADS, EDGE_CHANNELS)


def published_bytes(kind: str, labels: int) -> dict[str, int]:
    """What a training step of the published layer takes, from its definition."""
    pairs, width = labels**2, KINDS[kind]
    lookup = 4 * SLOTS * width * pairs
    # Beside the tables: the lookup with its sum and mean, or what attention keeps of each pair for the backward pass.
    attention = 4 * (4 * HEADS + (4 * width if kind == "gptrans" else 0)) * pairs
    return {"lookup": lookup, "step": 8 * (SLOTS + 1) * pairs + max(lookup + 8 * width * pairs, attention)}


def copy_parameters(ours: Ours, theirs: nn.Module) -> list[tuple[Tensor, Callable[[dict], Tensor]]]:
    """Give ours the numbers of the published layer; pairs of a parameter and the same part of their gradients."""
    by_name = dict(theirs.named_parameters())
    conv, same = ours.conv, []

    def take(parameter: Tensor, pick: Callable[[dict], Tensor]) -> None:
        parameter.data.copy_(pick(by_name).detach())
        same.append((parameter, pick))

    take(ours.distance_table, lambda of: of["distance_embedding.weight"])
    take(ours.edge_vectors, lambda of: of["edge_embedding.weight"][1:])
    for name in ("weight", "bias"):
        take(getattr(conv.lin_out, name), lambda of, name=name: of[f"output.{name}"])
    if isinstance(theirs, PublishedGraphormer):
        for name in ("weight", "bias"):
            take(getattr(conv.lin_query, name), lambda of, name=name: of[f"query.{name}"])
            take(
                getattr(conv.lin_key_value, name),
                lambda of, name=name: torch.cat([of[f"key.{name}"], of[f"value.{name}"]]),
            )
        return same
    for layer in (conv.lin_query, conv.lin_key_value):
        nn.init.zeros_(layer.bias)  # the published layer has none
    take(conv.lin_query.weight, lambda of: of["qkv.weight"][:CHANNELS])
    take(conv.lin_key_value.weight, lambda of: of["qkv.weight"][CHANNELS:])
    for layer in ("reduce", "expand"):
        take(getattr(conv, layer).weight, lambda of, layer=layer: of[f"{layer}.weight"][:, :, 0, 0])
        take(getattr(conv, layer).bias, lambda of, layer=layer: of[f"{layer}.bias"])
    for name in ("weight", "bias"):
        take(getattr(conv.edge_to_node, name), lambda of, name=name: of[f"edge_to_node.{name}"])
    return same


class Step:
    """A forward and backward pass of a layer, on the numbers that all layers get."""

    def __init__(self, layer: nn.Module, labels: int, device: torch.device, dtype: str) -> None:
        generator = torch.Generator().manual_seed(1)
        wide = torch.float64 if dtype == "float64" else torch.float32
        self.layer, self.device, self.dtype = layer.to(device, wide), device, dtype
        x, self.weights = (torch.randn(labels, CHANNELS, generator=generator).to(device, wide) for _ in range(2))
        self.x = x.requires_grad_()

    def __call__(self) -> Tensor:
        """The result; gradients are left in `x` and the parameters."""
        self.layer.zero_grad()
        self.x.grad = None
        with autocast(self.device, self.dtype):
            out = self.layer(self.x)
        (out.float() if out.dtype == torch.bfloat16 else out).mul(self.weights).sum().backward()
        return out.detach()

    def seconds(self) -> float:
        """Time of one step."""
        start = time.perf_counter()
        self()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - start


def autocast(device: torch.device, dtype: str) -> AbstractContextManager:
    """Matrix products in bfloat16 where that is asked for."""
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16")


def gap(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference over the largest number."""
    return float((ours.double() - theirs.double()).abs().max() / theirs.double().abs().max().clamp(min=1e-300))


def agreement(ours: Step, theirs: Step, same: list, tolerance: float) -> float:
    """The largest gap of outputs and gradients; an error where it is too large."""
    gaps = {"output": gap(ours(), theirs()), "x": gap(ours.x.grad, theirs.x.grad)}
    gradients = {name: parameter.grad for name, parameter in theirs.layer.named_parameters()}
    names = {id(parameter): name for name, parameter in ours.layer.named_parameters()}
    for parameter, pick in same:
        mine, expected = parameter.grad, pick(gradients)
        # The vector of distance 0 is frozen there and cancels from every softmax but one here: it is no parameter.
        first = 1 if names[id(parameter)] == "distance_table" else 0
        gaps[names[id(parameter)]] = gap(mine[first:], expected[first:])
    worst = max(gaps, key=gaps.get)
    if not gaps[worst] <= tolerance:
        raise SystemExit(f"ours and the published layer disagree: {gaps}")
    return gaps[worst]


def measure_time(kind: str, labels: int, repeats: int, device: str = "cpu", dtype: str = "float32") -> dict:
    """Medians of both sides in turns, after they were found to agree."""
    torch.manual_seed(0)
    where, needed = torch.device(device), published_bytes(kind, labels)
    row: dict = {"kind": kind, "labels": labels, "published_lookup_bytes": needed["lookup"], "seconds": {}}
    available = available_bytes(where)
    layers: dict[str, nn.Module] = {"ours": Ours(kind, labels)}
    if needed["step"] < 0.9 * available:
        layers["published"] = published(kind, labels)
        same = copy_parameters(layers["ours"], layers["published"])
    else:
        row["not_run"] = (
            f"a lookup of paths takes {needed['lookup'] / 1e9:.1f} GB, a step {needed['step'] / 1e9:.1f} GB, "
            f"and {available / 1e9:.1f} GB are available"
        )
    if labels <= 1_000 or device == "cuda":
        wide = layers if needed["step"] < 0.4 * available else {"ours": layers["ours"]}
        exact = {side: Step(layer, labels, where, "float64") for side, layer in wide.items()}
        exact_output = exact["ours"]()
        if "published" in exact:
            row["gap_float64"] = agreement(exact["ours"], exact["published"], same, tolerance=1e-9)
        del exact
    steps = {side: Step(layer, labels, where, dtype) for side, layer in layers.items()}
    if labels <= 1_000 or device == "cuda":
        row["gap_to_float64"] = {side: gap(step(), exact_output) for side, step in steps.items()}
    if "published" in layers:
        row["gap"] = agreement(steps["ours"], steps["published"], same, TOLERANCE[dtype])
    times: dict[str, list[float]] = {side: [] for side in steps}
    first = {side: step.seconds() for side, step in steps.items()}
    for _ in range(max(repeats, min(50, int(2 / max(first.values()))))):
        for side, step in steps.items():
            times[side].append(step.seconds())
    row["seconds"] = {side: statistics.median(values) for side, values in times.items()}
    row["fastest_seconds"] = {side: min(values) for side, values in times.items()}
    if device == "cuda":
        row["floor"] = floor_seconds(dtype, **work(kind, labels))
    return row


def measure_memory(kind: str, labels: int, side: str, device: str = "cpu", dtype: str = "float32") -> dict:
    """What one side holds and what a step takes beyond that, in a process that has done nothing else."""
    torch.manual_seed(0)
    where = torch.device(device)
    Step(nn.Linear(CHANNELS, CHANNELS), 8, where, dtype)()  # what PyTorch itself takes at first use
    before = process_bytes("VmRSS")
    layer = Ours(kind, labels) if side == "ours" else published(kind, labels)
    held = sum(tensor.nbytes for tensor in (*layer.parameters(), *layer.buffers()))
    step = Step(layer, labels, where, dtype)
    forget_peak()
    step()
    process = process_bytes("VmHWM") - before if device == "cpu" else torch.cuda.max_memory_allocated(where)
    return {"held_bytes": held, "process_bytes": process, "step_bytes": peak_tensor_bytes(step, where)}


def work(kind: str, labels: int) -> dict[str, float]:
    """Operations and bytes that forward and backward cannot do without, if no pair is ever written to memory."""
    pairs, products = labels**2, 2 * labels * CHANNELS**2
    forward = 4 * products + 4 * pairs * CHANNELS
    if kind == "gptrans":
        forward += 2 * labels * EDGE_CHANNELS * CHANNELS + 2 * pairs * HEADS * EDGE_CHANNELS
    # Read x, the gradient of the output and each weight; write the output, the gradient of x and of each weight.
    return {"operations": 3 * forward, "bytes": 4 * (4 * labels * CHANNELS + 2 * 4 * CHANNELS**2)}
