"""What a training step of each published system costs over the flat model with the same text encoder, and its memory.

    python benchmarks/systems/cost.py --json benchmarks/results/systems_cost.json

The text encoder has MiniLM's size and random weights: neither speed nor memory depends on what weights are. `time` runs
all systems in turns on the same documents at the 141 labels of WOS, forward, backward and AdamW; the ratio to the flat
model is the median over turns. HMCN is given the same words as one field, and as two fields of half the length, which
it encodes one by one. `memory` trains a few steps at 5,000 labels (a tree of three levels), batch 16, each system in a
process of its own, whose peak (`VmHWM`) is given.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1]))
from peak_memory import process_bytes
from predict_speed import WORDS, random_encoder
from transformers.utils.logging import disable_progress_bar

from hgraph import LabelGraph, Recipe
from hgraph.recipes.builders import build_model, build_text_encoder

SYSTEMS = {
    "flat": "flat",
    "HTLA": "htla",
    "HTLA^n": "htla_n",
    "HyILR": "hyilr",
    "HGCLR": "hgclr",
    "HJCL": "hjcl",
    "HMCN": "hmcn",
    "HMCN, 2 fields": "hmcn",
    "HBGL": "hbgl",
}
BARS = {"HTLA": 1.10, "HJCL": 1.5, "HGCLR": 2.2, "HMCN": 1.3, "HBGL": 2.0}
DOCUMENT_LABELS = 2  # leaves of a document


def tree(num_labels: int) -> LabelGraph:
    """A tree of three levels with names of three words."""
    rng = np.random.default_rng(0)
    middle = max(num_labels // 20, 2)
    top = max(middle // 15, 1)
    parents = [int(rng.integers(top)) for _ in range(middle)]
    parents += [top + leaf % middle for leaf in range(num_labels - top - middle)]
    edges = [(f"l{parent}", f"l{top + child}") for child, parent in enumerate(parents)]
    names = {f"l{label}": " ".join(rng.choice(WORDS, 3)) for label in range(num_labels)}
    return LabelGraph.from_edges(edges, names=names)


class Step:
    """Training steps of one system."""

    def __init__(self, system: str, graph: LabelGraph, encoder: str, batch: int, tokens: int) -> None:
        torch.manual_seed(0)
        recipe = Recipe.load(SYSTEMS[system]).with_text_encoder(encoder)
        if system.startswith("HMCN"):
            recipe = recipe.override(["stages=[]"])
        rng = np.random.default_rng(0)
        words = [list(rng.choice(WORDS, tokens - 2)) for _ in range(batch)]
        texts: list[Any] = [" ".join(row) for row in words]
        if "2 fields" in system:
            half = tokens // 2
            texts = [{"title": " ".join(row[: half - 3]), "text": " ".join(row[half:])} for row in words]
        elif recipe.reads_fields:
            texts = [{"text": text} for text in texts]
        place = "text_encoder.encoder" if recipe.reads_fields else "text_encoder"
        recipe = recipe.override([f"{place}.max_length={tokens}"])
        text_encoder = build_text_encoder(recipe, texts)
        self.model = build_model(recipe, graph, text_encoder, np.ones(graph.num_labels, dtype=np.int64)).train()
        leaves = rng.choice(graph.leaves, (batch, DOCUMENT_LABELS))
        labels = np.zeros((batch, graph.num_labels), dtype=np.float32)
        labels[np.arange(batch)[:, None], leaves] = 1
        closed = graph.expand(labels)
        text = text_encoder.collate(text_encoder.prepare(texts))
        self.batch = {"text": text, "labels": torch.from_numpy(closed.toarray()).float()}
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5)

    def __call__(self) -> float:
        """Seconds of one step."""
        start = time.perf_counter()
        self.optimizer.zero_grad()
        self.model(**self.batch)["loss"].backward()
        self.optimizer.step()
        return time.perf_counter() - start


def measure_time(encoder: str, systems: list[str], rounds: int, batch: int, tokens: int) -> dict[str, Any]:
    """Seconds a step of each system, and how many times those of the flat model they are."""
    graph = LabelGraph.from_name("wos")
    steps = {system: Step(system, graph, encoder, batch, tokens) for system in systems}
    seconds: dict[str, list[float]] = {system: [] for system in systems}
    for turn in range(rounds + 2):
        for system, step in steps.items():
            taken = step()
            if turn > 1:  # the first two warm up
                seconds[system].append(taken)
    flat = seconds["flat"]
    return {
        system: {
            "seconds": round(statistics.median(taken), 4),
            "times_flat": round(statistics.median(a / b for a, b in zip(taken, flat, strict=True)), 3),
        }
        for system, taken in seconds.items()
    }


def measure_memory(system: str, encoder: str, num_labels: int, batch: int, tokens: int) -> dict[str, Any]:
    """Peak of this process after some training steps."""
    step = Step(system, tree(num_labels), encoder, batch, tokens)
    before = process_bytes("VmRSS")
    seconds = [step() for _ in range(3)]
    peak = process_bytes("VmHWM")
    return {"peak_gb": round(peak / 1e9, 2), "before_gb": round(before / 1e9, 2), "seconds": round(min(seconds), 2)}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=("time", "memory"), default=["time", "memory"])
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--labels", type=int, default=5000, help="of the memory part")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    disable_progress_bar()
    torch.set_num_threads(options.threads)
    if options.one:
        system, encoder = options.one
        print(json.dumps(measure_memory(system, encoder, options.labels, options.batch, options.tokens)))
        return
    result: dict[str, Any] = {name: getattr(options, name) for name in ("labels", "batch", "tokens", "threads")}
    with tempfile.TemporaryDirectory() as folder:
        encoder = random_encoder(Path(folder))
        if "time" in options.parts:
            systems = list(dict.fromkeys(["flat", *options.systems]))
            result["time"] = measure_time(encoder, systems, options.rounds, options.batch, options.tokens)
            for system, row in result["time"].items():
                bar = f"  (at most {BARS[system]})" if system in BARS else ""
                print(
                    f"{system:16} {row['seconds']:8.3f} s a step  {row['times_flat']:6.2f} times flat{bar}", flush=True
                )
        if "memory" in options.parts:
            result["memory"] = {}
            sizes = [f"--{name}={getattr(options, name)}" for name in ("labels", "batch", "tokens", "threads")]
            for system in options.systems:
                command = [sys.executable, __file__, "--one", system, encoder, *sizes]
                done = subprocess.run(command, capture_output=True, text=True)
                row = json.loads(done.stdout) if not done.returncode else {"error": done.stderr.splitlines()[-1:]}
                result["memory"][system] = row
                print(f"{system:16} {row}", flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
