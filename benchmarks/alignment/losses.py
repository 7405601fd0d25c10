"""Time of every objective, forward and backward, against its definition as plain loops.

    python benchmarks/alignment/losses.py --json benchmarks/results/losses.json

Both run in this process on the same batch of documents of a random hierarchy (a DAG of five levels). First they must
agree, value and gradients, in float64. Then both are timed in float32. Where loops over all documents take minutes,
they run on some of them (column `documents`), and their time is scaled up (column `scaled by`): by how many times more
documents there are for objectives that treat each document alone, by the square of it for HiLeCon, which compares all
labels of all documents.

Two more tables: HiLeCon where the hierarchy has 1,000 and 100,000 labels, on the labels that documents have; and the
memory of the instance contrast, which must grow with the square of the documents; reading a dense matrix of labels
takes a byte for each entry.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from loss_rows import Inputs, Row, batch_of, label_sets, random_hierarchy, rows
from torch import Tensor

from hgraph.losses import HiLeConLoss, InstanceContrastLoss

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from peak_memory import peak_tensor_bytes

PER_DOCUMENT = ("scores", "labels", "text", "views", "label_text", "label_slots")


def share(inputs: Inputs, documents: int) -> Inputs:
    """The first documents of a batch, as leaves of their own."""
    cut = {name: x[:documents] if name in PER_DOCUMENT else x for name, x in inputs.items()}
    return {name: x.detach().clone().requires_grad_(inputs[name].requires_grad) for name, x in cut.items()}


def step(value: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """Gradients; zeros for what was not read."""
    found = torch.autograd.grad(value, inputs, allow_unused=True)
    return [torch.zeros_like(x) if gradient is None else gradient for x, gradient in zip(inputs, found, strict=True)]


def assert_agreement(row: Row, inputs: Inputs) -> float:
    """Value and gradients of both in float64; the largest difference of a gradient, relative to the largest entry."""
    objective = row.objective.double()
    given = {name: inputs[name] for name in row.reads}
    leaves = [x for x in given.values() if x.requires_grad] + list(objective.parameters())
    value, expected = objective(**given), row.definition(inputs, objective)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-9)
    worst = 0.0
    for ours, theirs in zip(step(value, leaves), step(expected, leaves), strict=True):
        scale = float(theirs.abs().max())
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6 * scale)
        worst = max(worst, float((ours - theirs).abs().max()) / max(scale, 1e-30))
    objective.float()
    return worst


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median time."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(row: Row, wide: Inputs, narrow: Inputs, args: argparse.Namespace) -> dict:
    """Agreement, both times and their ratio."""
    documents = args.batch if row.whole else args.loop_documents
    difference = assert_agreement(row, share(wide, documents))
    given = {name: narrow[name] for name in row.reads}
    leaves = [x for x in given.values() if x.requires_grad] + list(row.objective.parameters())
    ours = seconds(lambda: step(row.objective(**given), leaves), args.repeats)
    part = share(narrow, documents)
    part_leaves = [part[name] for name in row.reads if part[name].requires_grad] + list(row.objective.parameters())
    loop = seconds(lambda: step(row.definition(part, row.objective), part_leaves), 1)
    factor = (args.batch / documents) ** row.power
    return {
        "seconds": ours,
        "loop_seconds": loop * factor,
        "loop_documents": documents,
        "scaled_by": factor,
        "ratio": loop * factor / ours,
        "gradient_difference": difference,
    }


def hilecon_seconds(num_labels: int, args: argparse.Namespace) -> float:
    """A step on the labels of the documents alone: shortlists of 32 candidates, of which about 6 are positive."""
    graph = random_hierarchy(num_labels)
    torch.manual_seed(0)
    width = 32
    candidates = torch.stack([torch.randperm(num_labels)[:width] for _ in range(args.batch)])
    labels = torch.zeros(args.batch, width)
    for row, marks, own in zip(candidates, labels, label_sets(graph, args.batch), strict=True):
        others = row[~torch.isin(row, torch.tensor(own))]
        row[: len(own)], marks[: len(own)] = torch.tensor(own), 1
        row[len(own) :] = others[: width - len(own)]
    # As many positives at any number of labels: documents of one hierarchy may have more labels than of another.
    labels[:, 5:] = 0
    label_text = torch.randn(args.batch, width, args.channels, requires_grad=True)
    loss = HiLeConLoss(graph)
    inputs = {"labels": labels, "candidates": candidates, "label_text": label_text}
    return seconds(lambda: step(loss(**inputs), [label_text]), args.repeats)


def instance_bytes(documents: int, num_labels: int, args: argparse.Namespace) -> int:
    """The most that tensors take in a step, beside the batch itself."""
    graph = random_hierarchy(num_labels)
    inputs = batch_of(graph, documents, args.channels, torch.float32)
    loss = InstanceContrastLoss(graph)
    text = inputs["text"]
    return peak_tensor_bytes(lambda: step(loss(labels=inputs["labels"], text=text), [text]), torch.device("cpu"))


def main() -> None:
    """Check, time and print all rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64, help="documents in a batch (default: 64)")
    parser.add_argument("--labels", type=int, default=1000, help="labels (default: 1000)")
    parser.add_argument("--channels", type=int, default=384, help="width of the vectors (default: 384)")
    parser.add_argument("--loop-documents", type=int, default=8, help="documents that loops run over (default: 8)")
    parser.add_argument("--repeats", type=int, default=15, help="timed steps of an objective (default: 15)")
    parser.add_argument("--only", help="only the rows whose names hold this text")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()

    graph = random_hierarchy(args.labels)
    wide, narrow = (batch_of(graph, args.batch, args.channels, dtype) for dtype in (torch.float64, torch.float32))
    positives = float(wide["labels"].sum(1).mean())
    print(f"{graph}, {args.batch} documents with {positives:.1f} labels, {args.channels} channels, ", end="")
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'objective':26} {'ours ms':>9} {'loops ms':>11} {'documents':>9} {'scaled by':>9} {'ratio':>9}")
    figures: dict[str, dict] = {}
    for name, row in rows(graph, args.channels).items():
        if args.only and args.only not in name:
            continue
        figures[name] = measured = measure(row, wide, narrow, args)
        print(
            f"{name:26} {1000 * measured['seconds']:9.2f} {1000 * measured['loop_seconds']:11.0f} "
            f"{measured['loop_documents']:9} {measured['scaled_by']:9.0f} {measured['ratio']:9.0f}",
            flush=True,
        )
    if args.only:
        return

    print("\nHiLeCon, 5 labels a document, on shortlists")
    hilecon = {num_labels: hilecon_seconds(num_labels, args) for num_labels in (1_000, 100_000)}
    for num_labels, value in hilecon.items():
        print(f"{num_labels:10,} labels {1000 * value:9.2f} ms")
    print("\nInstance contrast, most memory of a step")
    memory = [
        {"documents": documents, "labels": num_labels, "bytes": instance_bytes(documents, num_labels, args)}
        for documents, num_labels in ((64, 1_000), (64, 10_000), (128, 1_000), (256, 1_000), (512, 1_000))
    ]
    for entry in memory:
        square = entry["bytes"] / (4 * entry["documents"] ** 2)
        print(
            f"{entry['documents']:6} documents, {entry['labels']:7,} labels: {entry['bytes'] / 2**20:8.2f} MiB, ",
            end="",
        )
        print(f"{square:6.1f} matrices B x B")
    if args.json:
        sizes = {"labels": args.labels, "batch": args.batch, "channels": args.channels, "positives": positives}
        setting = {**sizes, "threads": torch.get_num_threads(), "torch": torch.__version__}
        result = {**setting, "objectives": figures, "hilecon_seconds": hilecon, "instance_contrast_memory": memory}
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
