"""Whether each published system can learn 200 real documents by heart: micro-F1 on its own training documents.

    python benchmarks/systems/overfit.py --encoder FOLDER --data edam=FOLDER

A system that cannot has a mistake in its maths, its masks or its gradients. The threshold is tuned on the same
documents; training ends as soon as the bar is reached.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from quality import SYSTEMS, recipe_of, scattered
from transformers import TrainerCallback, set_seed

from hgraph import LabelGraph
from hgraph.data import read_corpus
from hgraph.recipes import train

BAR = 0.97
BUDGET = ["learning_rate=3e-4", "head_learning_rate=3e-3", "scheduler=constant", "warmup_steps=20", "metric=micro_f1"]


class UntilLearnt(TrainerCallback):
    """Ends training at the bar."""

    def __init__(self) -> None:
        self.micro_f1: list[float] = []

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        """Look at the figure."""
        self.micro_f1.append(round(metrics["eval_micro_f1"], 4))
        control.should_training_stop |= self.micro_f1[-1] > BAR


def run(
    system: str, encoder: str, folder: Path, documents: int, epochs: int, tokens: int, changes: list[str]
) -> dict[str, Any]:
    """One training."""
    set_seed(0)
    graph = LabelGraph.load(folder / "taxonomy.json")
    corpus = scattered(read_corpus(folder / "train.jsonl.gz", graph), documents)
    recipe = recipe_of(system, encoder, seed=0)
    place = "text_encoder.encoder" if recipe.reads_fields else "text_encoder"
    recipe = recipe.override([*BUDGET, f"epochs={epochs}", f"{place}.max_length={tokens}"])
    curve = UntilLearnt()
    with tempfile.TemporaryDirectory() as scratch:
        train(recipe.override(changes), graph, corpus, corpus, scratch, callbacks=[curve])
    return {
        "system": system,
        "micro_f1": max(curve.micro_f1),
        "epochs": len(curve.micro_f1),
        "labels": graph.num_labels,
    }


def main() -> None:
    """Run what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="sentence-transformers/all-MiniLM-L6-v2", help="hub name or folder")
    parser.add_argument("--data", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/systems_overfit.json"))
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--set", nargs="+", metavar="KEY=VALUE", default=[], help="other changes of the recipe")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    corpus, folder = arguments.data.split("=", 1)
    sizes = {name: getattr(arguments, name) for name in ("documents", "tokens")}
    results = json.loads(arguments.output.read_text()) if arguments.output.exists() else []
    for system in arguments.systems:
        if any(row["system"] == system and row["corpus"] == corpus for row in results):
            continue
        row = run(system, arguments.encoder, Path(folder), epochs=arguments.epochs, changes=arguments.set, **sizes)
        results.append({"corpus": corpus, **sizes, **row})
        temporary = arguments.output.with_suffix(".new")
        temporary.write_text(json.dumps(results, indent=1) + "\n")
        temporary.replace(arguments.output)
        print(json.dumps(results[-1]), flush=True)


if __name__ == "__main__":
    main()
