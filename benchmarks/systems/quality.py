"""The published systems on real data with one small text encoder and one budget: quality, seconds a step, memory.

    python benchmarks/systems/quality.py --encoder FOLDER --data edam=FOLDER arxiv60k=FOLDER

Every system trains on the same 2,000 documents (`--documents`; chosen by their texts alone), cut at 64 tokens (HMCN,
which encodes a title and a text apart: 16 of the one and 48 of the other), for the same number of epochs with the same
rates, and is chosen and given its threshold on the same 500 validation documents.
What a recipe says about the system itself (losses and their weights, label encoder, scorer, sampler) is kept; budget
and optimiser are the same for all, so the rows compare systems and not the care they were tuned with. Biases start at
the labels' log-odds where scores are log-odds (not under ZLPR or a conditional head). BCE is the sum over labels, or
where a row says so their mean, which weighs other losses as the programs of the papers do. A system with a stage of
pre-training takes it on top: HMCL two epochs, HBGL 100 steps of 8 copies of the hierarchy (the paper: 300 of 32).

Each run has a process of its own, whose peak memory (`VmHWM`) is given. Runs that --output has are skipped.
"""

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from job_runner import run_missing
from peak_memory import process_bytes

MEAN, SUM = (f"objectives.bce.reduction={kind}" for kind in ("mean", "sum"))
BOTH_MEAN, BOTH_SUM = (
    [f"objectives.{name}.reduction={kind}" for name in ("bce", "branch_bce")] for kind in ("mean", "sum")
)
SYSTEMS: dict[str, tuple[str, list[str]]] = {
    "flat, BCE": ("flat", [SUM]),
    "flat, ZLPR": ("flat", ["objectives=[{name: zlpr}]", "prior_bias=false"]),
    "flat, conditional": ("flat_conditional", ["prior_bias=false"]),
    "HTLA": ("htla", [SUM]),
    "HTLA, mean BCE": ("htla", [MEAN]),
    "HGCLR": ("hgclr", BOTH_SUM),
    "HGCLR, mean BCE": ("hgclr", BOTH_MEAN),
    "HTLA^n": ("htla_n", [SUM]),
    "HyILR": ("hyilr", [SUM]),
    "HJCL": ("hjcl", ["prior_bias=false"]),
    "HMCN": ("hmcn", ["stages=[]"]),
    "HMCN + HMCL": ("hmcn", ["stages.hmcl.training.epochs=2", "stages.hmcl.training.precision=bf16"]),
    "HBGL": ("hbgl", ["model.steps=100", "model.copies=8"]),
}
BUDGET = [
    "epochs=4", "batch_size=16", "learning_rate=5e-5", "head_learning_rate=1e-3", "scheduler=linear", "warmup=0",
    "warmup_steps=50", "max_grad_norm=1.0", "early_stopping=0", "metric=mean_f1", "precision=bf16",
    "prior_bias=true",
]  # fmt: skip
"""What all systems share."""
TOKENS = 64
FIELD_TOKENS = (16, TOKENS - 16)
"""Of a first and a second field, where a system reads them apart."""
VALIDATION, TEST = 500, 2000
KEYS = ("micro_f1", "macro_f1_supported", "r_precision", "violation_rate")


def scattered(corpus: Any, count: int) -> Any:
    """Some documents of a corpus, chosen by their texts alone."""
    keys = [hashlib.md5(text.encode(), usedforsecurity=False).digest() for text in corpus.texts]
    return corpus.select(np.array(sorted(range(len(keys)), key=keys.__getitem__)[:count]))


def recipe_of(system: str, encoder: str, fields: Sequence[str], seed: int) -> Any:
    """The recipe of a system in the budget of all, for documents of two fields."""
    from hgraph import Recipe

    name, changes = SYSTEMS[system]
    recipe = Recipe.load(name).with_text_encoder(encoder)
    place, lengths = "text_encoder", [f"text_encoder.max_length={TOKENS}"]
    if recipe.reads_fields:
        place = "text_encoder.encoder"
        shares = zip(fields, FIELD_TOKENS, strict=True)
        lengths = [f"text_encoder.max_lengths.{field}={tokens}" for field, tokens in shares]
    return recipe.override([*lengths, f"{place}.pooling=mean", *BUDGET, *changes, f"seed={seed}"])


def run(job: dict[str, Any]) -> dict[str, Any]:
    """One training; figures of the test documents."""
    import torch
    from transformers import TrainerCallback

    from hgraph import LabelGraph, Predictor
    from hgraph.data import read_corpus
    from hgraph.recipes import train

    class Steps(TrainerCallback):
        """Seconds of each step."""

        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.start = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.seconds.append(time.perf_counter() - self.start)

    torch.set_num_threads(job["threads"])
    folder = Path(job["data"])
    graph = LabelGraph.load(folder / "taxonomy.json")
    sizes = {"train": job["documents"], "val": VALIDATION, "test": TEST}
    parts = {part: scattered(read_corpus(folder / f"{part}.jsonl.gz", graph), size) for part, size in sizes.items()}
    fields = list(parts["train"].field_texts[0])
    steps = Steps()
    with tempfile.TemporaryDirectory() as scratch:
        made = train(
            recipe_of(job["system"], job["encoder"], fields, job["seed"]), graph, parts["train"], parts["val"],
            scratch, callbacks=[steps],
        )  # fmt: skip
        predictor = Predictor(scratch)
        texts = parts["test"].field_texts if predictor.saved.reads_fields else parts["test"].texts
        report = predictor.evaluate(texts, parts["test"].labels).report
    return {
        **{key: job[key] for key in ("corpus", "system", "seed", "documents")},
        **{key: round(report[key], 4) for key in KEYS},
        "seconds": round(made.seconds, 1),
        "seconds_a_step": round(statistics.median(steps.seconds), 4),
        "peak_gb": round(process_bytes("VmHWM") / 1e9, 2),
    }


def key(job: dict[str, Any]) -> tuple:
    """What a result is of."""
    return job["corpus"], job["system"], job["seed"], job["documents"]


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: mean and deviation of the seeds; seconds of the fastest, since machines differ, and median memory."""
    lines = []
    for corpus in dict.fromkeys(result["corpus"] for result in results):
        lines += [
            f"\n{corpus}\n",
            "| system | micro-F1 | macro-F1 | R-Prec | violations | s a step | peak GB | seeds |",
        ]
        lines.append("|" + "---|" * 8)
        for system in SYSTEMS:
            runs = [r for r in results if r["corpus"] == corpus and r["system"] == system]
            if not runs:
                continue
            values = {key: 100 * np.array([r[key] for r in runs]) for key in KEYS}
            cells = [f"{value.mean():.1f} ± {value.std():.1f}" for value in values.values()]
            step, peak = min(r["seconds_a_step"] for r in runs), np.median([r["peak_gb"] for r in runs])
            lines.append(f"| {system} | {' | '.join(cells)} | {step:.2f} | {peak:.1f} | {len(runs)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is not done yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="sentence-transformers/all-MiniLM-L6-v2", help="hub name or folder")
    parser.add_argument("--data", nargs="+", metavar="NAME=FOLDER", default=[])
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/systems.json"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1, help="of each run")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time; seconds a step suffer a little")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        result = run(json.loads(arguments.one))
        print("\n" + json.dumps(result))
        return
    jobs = [
        {
            "corpus": name, "data": folder, "system": system, "seed": seed, "encoder": arguments.encoder,
            "documents": arguments.documents, "threads": arguments.threads,
        }
        for seed in range(arguments.seeds)
        for system in arguments.systems
        for name, folder in (item.split("=", 1) for item in arguments.data)
    ]  # fmt: skip
    results = run_missing(__file__, jobs, arguments.output, key, workers=arguments.jobs)
    print(table(results))


if __name__ == "__main__":
    main()
