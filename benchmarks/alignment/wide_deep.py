"""Wide and deep against its halves: n-grams alone, frozen sentence vectors alone, both; test figures of one run each.

    python benchmarks/alignment/wide_deep.py --encoder FOLDER --data onet=examples/data/onet

`--encoder` is a sentence encoder (a hub name or a folder). `lexical` is the default recipe; `frozen` a hidden layer on
the vectors; `linear` n-grams and vectors in one linear scorer, without neighbours; `wide_deep` the recipe. Epochs,
weights of the scores and thresholds are chosen on validation documents. Training seconds are without encoding, which
the first run does once (its seconds stand beside).
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from hgraph import LabelGraph, Predictor, Recipe
from hgraph.data import read_corpus
from hgraph.recipes import train
from hgraph.recipes.run import prepare

KEYS = ("micro_f1", "macro_f1_supported", "r_precision", "p@1", "p@5")
HIDDEN = """
name: frozen
text_encoder: {name: frozen, max_length: 128}
scorer: {name: mlp}
training: {epochs: 20, batch_size: 128, metric: mean_f1, early_stopping: 0, label_documents: true}
"""


def recipes(encoder: str) -> dict[str, Recipe]:
    """The models that are compared."""
    both = Recipe.load("wide_deep").with_text_encoder(encoder)
    return {
        "lexical": Recipe.load("lexical"),
        "frozen": Recipe.parse(HIDDEN, "frozen").with_text_encoder(encoder),
        "linear": both.override(["neighbours=null", "fuse=false"]),
        "wide_deep": both,
    }


def measure(name: str, folder: Path, recipe: Recipe) -> dict[str, Any]:
    """Train, and measure on the test documents."""
    graph = LabelGraph.load(folder / "taxonomy.json")
    parts = {part: read_corpus(folder / f"{part}.jsonl.gz", graph) for part in ("train", "val", "test")}
    start = time.perf_counter()
    prepare(recipe, graph, parts["train"])  # encodes what is not in the cache yet
    seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as scratch:
        run = train(recipe, graph, parts["train"], parts["val"], scratch)
        megabytes = sum(path.stat().st_size for path in Path(scratch).rglob("*") if path.is_file()) / 1e6
        report = Predictor(scratch).evaluate(parts["test"].texts, parts["test"].labels).report
    return {
        "corpus": name,
        **{key: round(report[key], 4) for key in KEYS},
        "train_seconds": round(run.seconds),
        "prepare_seconds": round(seconds),
        "megabytes": round(megabytes),
    }


def main() -> None:
    """Run what is not done yet and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--recipes", nargs="+", default=["lexical", "frozen", "linear", "wide_deep"])
    parser.add_argument("--json", type=Path, help="Results, added to what the file holds.")
    arguments = parser.parse_args()
    results = json.loads(arguments.json.read_text()) if arguments.json and arguments.json.exists() else []
    done = {(result["corpus"], result["model"]) for result in results}
    for name, folder in (item.split("=", 1) for item in arguments.data):
        for model in arguments.recipes:
            if (name, model) in done:
                continue
            result = {"model": model, **measure(name, Path(folder), recipes(arguments.encoder)[model])}
            results.append(result)
            print(json.dumps(result), flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
