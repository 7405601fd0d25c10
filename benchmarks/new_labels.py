"""How well labels that a model has never seen are found after `hgraph update`, against labels it was trained on.

Leaves are taken out of the hierarchy, a model is trained without them and moved to the whole hierarchy. For documents
of the test file that carry such a leaf: its area under the ROC curve (0.5: no better than chance) and how often it is
among the ten best leaves. The same leaves in a model that was trained with them are the upper end; the mean of the
parent's scores alone is the lower one.

    python benchmarks/new_labels.py --data examples/data/onet --json benchmarks/results/new_labels.json
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from hgraph import Predictor, Recipe, read_taxonomy, train
from hgraph.data import read_corpus


def measure(scores: np.ndarray, parent_of: np.ndarray, truth: np.ndarray, held: np.ndarray, leaves: np.ndarray) -> dict:
    """Figures of the held-out leaves; the parent's scores are shared by siblings."""
    rank = (scores[:, leaves][:, None, :] > scores[:, held][:, :, None]).sum(2)
    present = truth[:, held] > 0
    aucs = [roc_auc_score(truth[:, label], scores[:, label]) for label in held]
    parents = [roc_auc_score(truth[:, label], scores[:, parent_of[label]]) for label in held]
    return {
        "auc": round(float(np.mean(aucs)), 4),
        "auc of the parent": round(float(np.mean(parents)), 4),
        "in top 10": round(float((rank[present] < 10).mean()), 4),
    }


def main() -> None:
    """Train twice, move once, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("examples/data/onet"))
    parser.add_argument("--recipe", default="lexical")
    parser.add_argument("--remove", type=int, default=200, help="leaves to hold out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    whole = read_taxonomy(options.data / "taxonomy.json")
    corpora = {name: read_corpus(options.data / f"{name}.jsonl.gz", whole) for name in ("train", "val", "test")}
    truth = corpora["test"].labels.toarray()
    usable = whole.leaves[(truth.sum(0)[whole.leaves] > 0) & (whole.level.numpy()[whole.leaves] > 1)]
    held = np.sort(np.random.default_rng(options.seed).choice(usable, min(options.remove, len(usable)), replace=False))
    kept = np.setdiff1d(np.arange(whole.num_labels), held)
    smaller = whole.subgraph(torch.from_numpy(kept))
    recipe, parent_of = Recipe.load(options.recipe), whole._structure.primary_parent
    figures = {"labels": whole.num_labels, "held out": len(held), "recipe": options.recipe}
    with tempfile.TemporaryDirectory() as folder:
        for name, graph in (("not trained on", smaller), ("trained on", whole)):
            parts = [read_corpus(options.data / f"{part}.jsonl.gz", graph, unknown="drop") for part in ("train", "val")]
            run = train(recipe, graph, *parts, Path(folder) / name)
            predictor = Predictor(run.folder, taxonomy=whole)
            scores = predictor.scores(corpora["test"].texts).toarray()
            figures[name] = measure(scores, parent_of, truth, held, whole.leaves)
            print(name, figures[name], flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
