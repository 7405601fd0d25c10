"""Label attention on all pairs against the published programs, and on edge lists up to 700,000 labels.

    python benchmarks/label_encoders.py --json benchmarks/results/label_encoders.json

- layers: one Graphormer and one GPTrans layer on all pairs of labels, the lookup of distances and paths included,
  against `published_layers.py`, forward and backward. Both sides run in turns in one process, on the same numbers,
  after outputs and gradients were found equal. Memory is measured in a process of its own for each: the peak of tensors
  during a step, the tables and parameters held between steps, and both together as the kernel sees them (peak resident
  size minus that before the layer was built).
- scale: one GPTrans layer on an edge list (each label listens to itself, its ancestors, up to 6 children and 4
  siblings) of 10,000 to 700,000 labels, each in a process of its own; the exponent of time over labels (log-log least
  squares); and a training step on 20,000 labels with their neighbours.
- plain: the same layer by softmax and scatter over all edges at once.
- gpu: all three on a GPU where there is one, beside the time below which the hardware cannot go.

What does not fit into memory is not started; the table says what it would need.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from edge_layers import measure_plain, measure_scale
from pair_layers import KINDS, measure_memory, measure_time

MEASURES: dict[str, Callable[..., dict]] = {
    "time": measure_time,
    "memory": measure_memory,
    "scale": measure_scale,
    "plain": measure_plain,
}


def child(measure: str, **options: object) -> dict:
    """What a measure gives in a process of its own."""
    command = [sys.executable, __file__, "--one", json.dumps([measure, options])]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **threads})
    if done.returncode:
        sys.exit(f"{measure} {options} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def layers(sizes: list[int], repeats: int, **options: object) -> list[dict]:
    """Times and memory of both layers, both sides."""
    rows = []
    print(f"\n{'layer':11} {'labels':>6} {'':9} {'seconds':>9} {'step GB':>9} {'held GB':>9} {'process GB':>10}")
    for kind in KINDS:
        for labels in sizes:
            row = child("time", kind=kind, labels=labels, repeats=repeats, **options)
            for side in ("ours", "published"):
                if side in row["seconds"]:
                    row.setdefault("memory", {})[side] = child("memory", kind=kind, labels=labels, side=side, **options)
                print_layer(row, side)
            rows.append(row)
    return rows


def print_layer(row: dict, side: str) -> None:
    """One line of the table."""
    start = f"{row['kind']:11} {row['labels']:6} {side:9}"
    if side not in row["seconds"]:
        print(f"{start} does not fit: {row['not_run']}")
        return
    memory, seconds = row["memory"][side], row["seconds"][side]
    step, held, process = (memory[f"{name}_bytes"] / 1e9 for name in ("step", "held", "process"))
    both = side == "ours" and "published" in row["seconds"]
    faster = f"   {row['seconds']['published'] / seconds:.1f} x faster" if both else ""
    print(f"{start} {seconds:9.4f} {step:9.3f} {held:9.3f} {process:10.3f}{floor(row)}{faster}")


def floor(row: dict) -> str:
    """What the hardware needs at least, where it was measured."""
    return f"   floor {row['floor']['seconds']:.4f} s" if "floor" in row else ""


def scale(sizes: list[int], **options: object) -> dict:
    """The edge list at growing sizes, and how time grows."""
    rows = []
    print(f"\n{'labels':>7} {'edges':>9} {'edges s':>8} {'blocks s':>8} {'forward s':>9} {'peak GB':>8} {'step s':>7}")
    for labels in sizes:
        row = child("scale", labels=labels, **options)
        rows.append(row)
        print(
            f"{labels:7} {row['edges']:9} {row['edges_seconds']:8.2f} {row['blocks_seconds']:8.2f} "
            f"{row['forward_seconds']:9.2f} {row['peak_bytes'] / 1e9:8.2f} {row['step']['seconds']:7.2f}{floor(row)}"
        )
    if len(sizes) < 2:
        return {"sizes": rows}
    seconds = [row["forward_seconds"] for row in rows]
    exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    print(f"forward time grows as labels^{exponent:.2f}")
    return {"sizes": rows, "exponent": round(exponent, 3)}


def plain(sizes: list[int], repeats: int, **options: object) -> list[dict]:
    """Blocks of edges against scatter over all edges."""
    rows = []
    print(f"\n{'labels':>7} {'':9} {'forward s':>10} {'step s':>8} {'peak GB, forward':>17} {'step':>7}")
    for labels in sizes:
        row = child("plain", labels=labels, repeats=repeats, **options)
        rows.append(row)
        for side in ("ours", "plain"):
            found = row[side]
            print(
                f"{labels:7} {side:9} {found['forward_seconds']:10.3f} {found['step_seconds']:8.3f} "
                f"{found['forward_bytes'] / 1e9:17.3f} {found['step_bytes'] / 1e9:7.3f}"
            )
    return rows


def gpu(options: argparse.Namespace) -> dict | str:
    """All of it on a GPU, in both precisions."""
    if not torch.cuda.is_available():
        print("\nno GPU")
        return "no GPU"
    report: dict[str, object] = {"device": torch.cuda.get_device_name()}
    for dtype in ("float32", "bfloat16"):
        print(f"\non {report['device']}, {dtype}")
        report[dtype] = {
            "layers": layers(options.labels, options.repeats, device="cuda", dtype=dtype),
            "scale": scale(options.scale, device="cuda", dtype=dtype),
            "plain": plain(options.plain, options.repeats, device="cuda", dtype=dtype),
        }
    return report


def numbers(text: str) -> list[int]:
    """Comma-separated sizes."""
    return [int(part.replace("_", "")) for part in text.split(",") if part]


def main() -> None:
    """Run the chosen parts, print the tables, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="layers,scale,plain,gpu", help="default: all four")
    parser.add_argument("--labels", type=numbers, default=[141, 1_000, 5_000], help="sizes for all pairs")
    parser.add_argument("--scale", type=numbers, default=[10_000, 30_000, 100_000, 300_000, 700_000])
    parser.add_argument("--plain", type=numbers, default=[10_000, 30_000, 100_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: one a core")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure, arguments = options.one
        print(json.dumps(MEASURES[measure](**arguments)))
        return
    torch.set_num_threads(options.threads)
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    report: dict[str, object] = {"torch": torch.__version__, "threads": torch.get_num_threads(), **machine}
    run: dict[str, Callable[[], object]] = {
        "layers": lambda: layers(options.labels, options.repeats),
        "scale": lambda: scale(options.scale),
        "plain": lambda: plain(options.plain, options.repeats),
        "gpu": lambda: gpu(options),
    }
    for part in options.parts.split(","):
        report[part] = run[part]()
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
