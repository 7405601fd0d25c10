"""Objective x negatives x label encoder on frozen sentence vectors, three seeds each; a table of means and deviations.

    python benchmarks/alignment/ablation.py --encoder FOLDER --data onet=examples/data/onet edam=FOLDER --jobs 2

The first 5,000 training documents are read (`--documents`), in an order that depends on their texts alone. `--encoder`
is a sentence encoder (a hub name or a folder); each different text passes it once. What is trained is a linear map of
its vectors to 128 channels, the label encoder and a scorer that draws the weights of rare labels to their label
vectors. Epoch and threshold are chosen on validation documents; the figures are of the test documents. Finished runs
are kept in --output and skipped when the command is given again. Without warm-up and clipping, models with a label
encoder lose several points on some seeds.
"""

import argparse
import hashlib
import json
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

BASE = """
name: ablation
text_encoder: {{name: frozen, model: "{encoder}", max_length: 128, channels: 128, dropout: 0.1}}
label_encoder: {label_encoder}
scorer: {{name: {scorer}}}
objectives: {objectives}
{mining}
training: {{epochs: 10, batch_size: 64, learning_rate: 0.003, warmup: 0.1, max_grad_norm: 1.0, metric: mean_f1,
  early_stopping: 0}}
"""
BCE = "{name: bce, reduction: sum}"
MINED = "mining: {{negatives: 16, every_epochs: 2, strategy: {strategy}}}"
ENCODERS = {
    "none": "null",
    "names": "{name: names, ids: true}",
    "gat": "{name: gat, layers: 2, heads: 4}",
    "gptrans": "{name: gptrans, layers: 1, heads: 4, edge_channels: 8, form: edges}",
}
OBJECTIVES = {
    "bce": [BCE],
    "zlpr": ["{name: zlpr}"],
    "squared hinge": ["{name: squared_hinge, reduction: sum}"],
    "asymmetric": ["{name: asymmetric, reduction: sum, gamma_neg: 2.0}"],
    "class-balanced bce": ["{name: class_balanced_bce, reduction: sum}"],
    "max-constraint": ["{name: max_constraint}"],
    "bce + path": [BCE, "{name: path_regularisation, weight: 0.1}"],
    "bce + recursive": [BCE, "{name: recursive_regularisation, weight: 0.001}"],
    "bce + supcon (any label)": [BCE, "{name: supcon, positives: jaccard}"],
    "bce + hmcl": [BCE, "{name: hmcl}"],
    "bce + instance contrast": [BCE, "{name: instance_contrast}"],
    "bce + tla": [BCE, "{name: tla, negatives: NEGATIVES}"],
    "bce + level margin": [BCE, "{name: level_margin}"],
    "bce + hyperbolic tla": [BCE, "{name: lorentz_tla}"],
}
NEGATIVES = ("all", "level", "sibling", "mined: hardest")
STRATEGIES = ("mined: semi_hard", "mined: random", "mined: fixed")
LATER = ("level", *STRATEGIES)
WITHOUT_VECTORS = ("bce", "zlpr", "squared hinge", "bce + recursive")
WITH_EVERY_ENCODER = ("bce", "zlpr", "bce + tla")
GRAPH_NEGATIVES = ("all", "mined: hardest")
KEYS = ("micro_f1", "macro_f1_supported", "r_precision")


def md5(text: str) -> bytes:
    """A number that scatters texts."""
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()


def configurations() -> list[tuple[str, str, str]]:
    """(label encoder, objective, negatives) of all rows."""
    rows = [("none", objective, "") for objective in WITHOUT_VECTORS]
    for encoder in ("names", "gat", "gptrans"):
        for objective in OBJECTIVES if encoder == "names" else WITH_EVERY_ENCODER:
            kinds: tuple[str, ...] = ("",)
            if objective == "bce + tla":
                kinds = (*NEGATIVES, *STRATEGIES) if encoder == "names" else GRAPH_NEGATIVES
            rows += [(encoder, objective, kind) for kind in kinds]
    return rows


def tiers() -> list[list[tuple[str, str, str]]]:
    """The rows in two parts; what is asked most often is run first."""
    later_objectives = (
        "squared hinge", "class-balanced bce", "bce + recursive", "bce + instance contrast", "asymmetric"
    )  # fmt: skip
    late = [row for row in configurations() if row[1] in later_objectives or row[2] in LATER]
    late += [row for row in configurations() if row[0] in ("gat", "gptrans") and (row[1] == "zlpr" or ":" in row[2])]
    return [[row for row in configurations() if row not in late], late]


def run(job: dict[str, Any]) -> dict[str, Any]:
    """One training; figures of the test documents."""
    import torch

    from hgraph import LabelGraph, Predictor, Recipe
    from hgraph.data import read_corpus
    from hgraph.recipes import train
    from hgraph.text import EmbeddingCache

    torch.set_num_threads(1)
    encoder, objective, negatives = job["row"]
    kind, _, strategy = negatives.partition(": ")
    text = BASE.format(
        encoder=job["encoder"],
        label_encoder=ENCODERS[encoder],
        scorer="linear" if encoder == "none" else "shrunk",
        objectives="[" + ", ".join(OBJECTIVES[objective]).replace("NEGATIVES", kind) + "]",
        mining=MINED.format(strategy=strategy) if strategy else "",
    )
    folder = Path(job["data"])
    graph = LabelGraph.load(folder / "taxonomy.json")
    parts = {part: read_corpus(folder / f"{part}.jsonl.gz", graph) for part in ("train", "val", "test")}
    texts = parts["train"].texts
    order = sorted(range(len(texts)), key=lambda row: md5(texts[row]))
    parts["train"] = parts["train"].select(np.array(order[: job["documents"]]))
    with tempfile.TemporaryDirectory() as scratch:
        recipe = Recipe.parse(text, "ablation").override([f"seed={job['seed']}"])
        made = train(recipe, graph, parts["train"], parts["val"], scratch)
        predictor = Predictor(scratch)
        predictor.model.text_encoder.cache = EmbeddingCache()  # the test documents are the same in every run
        report = predictor.evaluate(parts["test"].texts, parts["test"].labels).report
    return {**{key: job[key] for key in ("corpus", "row", "seed")}, "seconds": round(made.seconds, 1),
            **{key: round(report[key], 4) for key in (*KEYS, "violation_rate")}}  # fmt: skip


def table(results: list[dict[str, Any]]) -> str:
    """Markdown: mean and deviation of the seeds."""
    corpora = list(dict.fromkeys(result["corpus"] for result in results))
    heads = [f"{corpus} {name}" for corpus in corpora for name in ("micro-F1", "macro-F1", "R-Prec")]
    lines = ["| label encoder | objective | negatives | " + " | ".join(heads) + " |", "|" + "---|" * (3 + len(heads))]
    for row in configurations():
        cells = []
        for corpus in corpora:
            runs = [r for r in results if r["corpus"] == corpus and tuple(r["row"]) == row]
            for key in KEYS:
                values = 100 * np.array([r[key] for r in runs])
                cells.append(f"{values.mean():.1f} ± {values.std():.1f}" if len(values) else "")
        if any(cells):
            lines.append(f"| {row[0]} | {row[1]} | {row[2]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run what is not done yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/ablation.json"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    results = json.loads(arguments.output.read_text()) if arguments.output.exists() else []
    done = {(r["corpus"], tuple(r["row"]), r["seed"]) for r in results}
    jobs = [
        {
            "corpus": name,
            "data": folder,
            "row": row,
            "seed": seed,
            "encoder": arguments.encoder,
            "documents": arguments.documents,
        }
        for rows in tiers()
        for seed in range(arguments.seeds)
        for name, folder in (item.split("=", 1) for item in arguments.data)
        for row in rows
        if (name, row, seed) not in done
    ]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for number, result in enumerate(pool.map(run, jobs), 1):
            results.append(result)
            temporary = arguments.output.with_suffix(".new")
            temporary.write_text(json.dumps(results, indent=1) + "\n")
            temporary.replace(arguments.output)
            print(f"{number}/{len(jobs)}", json.dumps(result), flush=True)
    print(table(results))


if __name__ == "__main__":
    main()
