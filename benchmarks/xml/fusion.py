"""Sparse and neural scores together: what models reach alone, by a plain mean, and by weights learnt on validation.

    python benchmarks/xml/recipes.py budget --encoder FOLDER --data onet=FOLDER --scores SCORES
    python benchmarks/xml/fusion.py --data onet=FOLDER --scores SCORES --json benchmarks/results/xml_fusion.json

Weights (`learnt`) and thresholds are fitted to the validation documents, on which the members' own thresholds were
tuned as well; figures are of test documents. Combinations whose scores are not there are passed over.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from recipes import HEADS, KEYS, scores_path

TOGETHER = (
    ("xr_linear", "wide_deep"),
    ("xr_linear", "xr_transformer, 800 steps"),
    ("wide_deep", "xr_transformer, 800 steps"),
    ("lexical", "xr_linear"),
    ("lexical", "xr_linear", "wide_deep", "xr_transformer, 800 steps"),
)


def combinations(folder: Path, corpus: str, data: Path, seed: int) -> list[dict[str, Any]]:
    """Figures of all combinations and of their members."""
    from hgraph import LabelGraph
    from hgraph.data import read_corpus
    from hgraph.decoding import ensemble, fit_sparse_fusion, read_scores, tune_global
    from hgraph.training.evaluation import Evaluation

    graph = LabelGraph.load(data / "taxonomy.json")
    parts = {part: read_corpus(data / f"{part}.jsonl.gz", graph) for part in ("val", "test")}
    rows: list[dict[str, Any]] = []

    def report(names: tuple[str, ...], method: str, scores: Any, thresholds: Any, **more: Any) -> None:
        found = Evaluation.of(scores, parts["test"].labels, graph, thresholds).report
        figures = {name: round(found[name], 4) for name in KEYS}
        rows.append({"corpus": corpus, "models": " + ".join(names), "method": method, "seed": seed, **figures, **more})

    for name in dict.fromkeys(name for names in TOGETHER for name in names):
        path = scores_path(folder, corpus, name, seed, "test")
        if path.exists():
            file = read_scores(path)
            report((name,), "alone", file.scores, file.thresholds)
    for names in TOGETHER:
        paths = {part: [scores_path(folder, corpus, name, seed, part) for name in names] for part in parts}
        if not all(path.exists() for path in (*paths["val"], *paths["test"])):
            continue
        val, test = ([read_scores(path).scores for path in paths[part]] for part in ("val", "test"))
        truth = parts["val"].labels
        report(names, "mean", ensemble(test), tune_global(ensemble(val), truth, graph))
        fusion = fit_sparse_fusion(val, truth)
        weights = [round(float(weight), 3) for weight in fusion.weights]
        report(names, "learnt", fusion.apply(test), tune_global(fusion.apply(val), truth, graph), weights=weights)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, a table for each corpus."""
    lines = []
    for corpus in dict.fromkeys(row["corpus"] for row in rows):
        lines += ["", corpus, "", f"| models | method | {' | '.join(HEADS)} |", "|" + "---|" * (len(HEADS) + 2)]
        for row in rows:
            if row["corpus"] == corpus:
                cells = " | ".join(f"{100 * row[name]:.1f}" for name in KEYS)
                lines.append(f"| {row['models']} | {row['method']} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", metavar="NAME=FOLDER", required=True)
    parser.add_argument("--scores", type=Path, required=True, help="folder that `recipes.py --scores` wrote")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for item in options.data:
        name, folder = item.split("=", 1)
        rows += combinations(options.scores, name, Path(folder), options.seed)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
