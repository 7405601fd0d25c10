"""Recipes side by side on whole corpora: which hierarchy helps a ranker, and which recipe is best in ten minutes.

    python benchmarks/xml/recipes.py transfer --data onet=FOLDER edam=FOLDER arxiv60k=FOLDER wordnet=FOLDER
    python benchmarks/xml/recipes.py budget --encoder FOLDER --data onet=FOLDER edam=FOLDER ... --scores SCORES

`transfer` asks whether a real hierarchy helps where extreme classifiers make their own: XR-Linear without tree, on the
taxonomy, on a PIFA tree of the same documents, and on the taxonomy with wide fan-outs split. Nothing else differs.
`budget` compares recipes on all cores of a CPU; with --scores the scores of validation and test documents are kept
there, and `fusion.py` measures what several models reach together.

A folder has `taxonomy.json` and `{train,val,test}.jsonl.gz`. Thresholds and probabilities are fitted to validation
documents; figures are of test documents, predictions closed upward, violations those before. Each run has a process of
its own. Runs that --output has are skipped.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from job_runner import run_missing
from peak_memory import process_bytes

BERT = "text_encoder.max_length=64"
ROWS: dict[str, dict[str, tuple[str, str, list[str]]]] = {
    "transfer": {
        "flat": ("xr_linear", "bag", ["model.hierarchy=flat"]),
        "taxonomy": ("xr_linear", "bag", ["model.hierarchy=taxonomy"]),
        "PIFA tree": ("xr_linear", "bag", ["model.hierarchy=pifa"]),
        "hybrid": ("xr_linear", "bag", ["model.hierarchy=hybrid", "model.leaf_size=16"]),
    },
    "budget": {
        "lexical": ("lexical", "bag", []),
        "xr_linear": ("xr_linear", "bag", []),
        "xr_linear, small weights kept": ("xr_linear", "bag", ["model.threshold=0.01"]),
        "xr_linear, frozen encoder": ("xr_linear", "transformer", [BERT]),
        "wide_deep": ("wide_deep", "transformer", [BERT]),
        "xr_transformer, 800 steps": ("xr_transformer", "transformer", [BERT, "model.matcher_steps=800"]),
    },
}  # fmt: skip
"""Recipe, text encoder, changes."""
KEYS = ("p@1", "p@3", "p@5", "r_precision", "micro_f1", "macro_f1_supported", "violation_rate")
HEADS = ("P@1", "P@3", "P@5", "R-Prec", "micro-F1", "macro-F1", "violations")


def run(job: dict[str, Any]) -> dict[str, Any]:
    """One training; figures of the test documents."""
    from hgraph import LabelGraph, Predictor, Recipe
    from hgraph.data import read_corpus
    from hgraph.decoding import ScoreFile, write_scores
    from hgraph.recipes import train
    from hgraph.training.evaluation import Evaluation

    folder = Path(job["data"])
    graph = LabelGraph.load(folder / "taxonomy.json")
    parts = {part: read_corpus(folder / f"{part}.jsonl.gz", graph) for part in ("train", "val", "test")}
    name, encoder, changes = ROWS[job["group"]][job["row"]]
    recipe = Recipe.load(name)
    if encoder != "bag":
        recipe = recipe.with_text_encoder(job["encoder"])
    recipe = recipe.override([*changes, f"seed={job['seed']}"])
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        train(recipe, graph, parts["train"], parts["val"], scratch)
        seconds = time.perf_counter() - start
        predictor = Predictor(scratch)
        start = time.perf_counter()
        scores = predictor.scores(parts["test"].texts)
        speed = len(parts["test"]) / (time.perf_counter() - start)
        report = Evaluation.of(scores, parts["test"].labels, graph, predictor.thresholds).report
        size = sum(path.stat().st_size for path in Path(scratch).rglob("*") if path.is_file())
        if job["scores"]:
            kept = {"val": predictor.scores(parts["val"].texts), "test": scores}
            for part, matrix in kept.items():
                path = scores_path(Path(job["scores"]), job["corpus"], job["row"], job["seed"], part)
                path.parent.mkdir(parents=True, exist_ok=True)
                ids = parts[part].documents["id"]
                write_scores(path, ScoreFile(matrix, ids, graph.label_id, predictor.thresholds), overwrite=True)
    return {
        **{field: job[field] for field in ("group", "corpus", "row", "seed")},
        **{field: round(report[field], 4) for field in KEYS},
        "seconds": round(seconds, 1),
        "docs_per_second": round(speed),
        "model_mb": round(size / 1e6, 1),
        "peak_gb": round(process_bytes("VmHWM") / 1e9, 2),
    }


def scores_path(folder: Path, corpus: str, row: str, seed: int, part: str) -> Path:
    """Where the scores of a run are kept."""
    return folder / corpus / f"{row.replace(', ', '-').replace(' ', '-')}-{seed}-{part}.npz"


def key(job: dict[str, Any]) -> tuple:
    """What a result is of."""
    return job["group"], job["corpus"], job["row"], job["seed"]


def table(results: list[dict[str, Any]], group: str) -> str:
    """Markdown: mean of the seeds, and deviation where there are several."""
    lines = []
    for corpus in dict.fromkeys(result["corpus"] for result in results if result["group"] == group):
        lines += ["", corpus, "", f"| | {' | '.join(HEADS)} | training s | seeds |", "|" + "---|" * (len(HEADS) + 3)]
        for row in ROWS[group]:
            runs = [r for r in results if key(r)[:3] == (group, corpus, row)]
            if not runs:
                continue
            values = [100 * np.array([run[field] for run in runs]) for field in KEYS]
            spread = [f" ± {value.std():.1f}" if len(runs) > 1 else "" for value in values]
            cells = [f"{value.mean():.1f}{more}" for value, more in zip(values, spread, strict=True)]
            seconds = np.median([run["seconds"] for run in runs])
            lines.append(f"| {row} | {' | '.join(cells)} | {seconds:.0f} | {len(runs)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is not done yet and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("group", nargs="?", choices=ROWS, default="transfer")
    parser.add_argument("--encoder", default="sentence-transformers/all-MiniLM-L6-v2", help="hub name or folder")
    parser.add_argument("--data", nargs="+", metavar="NAME=FOLDER", default=[])
    parser.add_argument("--rows", nargs="+", help="some rows of the group")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/xml_recipes.json"))
    parser.add_argument("--scores", type=Path, help="folder for the scores of every run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print("\n" + json.dumps(run(json.loads(arguments.one))))
        return
    jobs = [
        {
            "group": arguments.group, "corpus": name, "data": folder, "row": row, "seed": seed,
            "encoder": arguments.encoder, "scores": str(arguments.scores or ""),
        }
        for seed in range(arguments.seeds)
        for name, folder in (item.split("=", 1) for item in arguments.data)
        for row in arguments.rows or ROWS[arguments.group]
    ]  # fmt: skip
    results = run_missing(__file__, jobs, arguments.output, key)
    print(table(results, arguments.group))


if __name__ == "__main__":
    main()
