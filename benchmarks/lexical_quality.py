"""The default recipe against TF-IDF + one-vs-rest linear SVM, on the same documents in one run.

    python benchmarks/lexical_quality.py --data examples/data/onet

Both read word 1-2-grams that occur twice. For the SVM one threshold is tuned on validation documents for micro-F1 and
predictions are closed upward; for hgraph that is what training does. Labels are ranked by raw scores for the SVM and,
so that both are treated alike, also by scores closed upward.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from joblib import Parallel, delayed
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from hgraph import LabelGraph, Predictor, Recipe, train
from hgraph.data import Corpus, read_corpus
from hgraph.decoding import ranking_scores, scores_to_csr, threshold_decode, tune_global
from hgraph.metrics import evaluate

KEYS = ("micro_f1", "macro_f1_supported", "r_precision", "p@1", "p@5", "violation_rate")


def linear_svm(parts: dict[str, Corpus], graph: LabelGraph) -> dict[str, float]:
    """Figures of the SVM on the test documents."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)
    features = {name: vectorizer.fit_transform(part.texts) if name == "train" else vectorizer.transform(part.texts)
                for name, part in parts.items()}  # fmt: skip
    truth = sp.csc_matrix(parts["train"].labels)

    def fit(label: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.asarray(truth[:, [label]].todense()).ravel()
        if y.min() == y.max():
            constant = 1.0 if y[0] else -9.0
            return tuple(np.full(features[name].shape[0], constant) for name in ("val", "test"))  # type: ignore[return-value]
        model = LinearSVC(C=1.0, random_state=0).fit(features["train"], y)
        return model.decision_function(features["val"]), model.decision_function(features["test"])

    start = time.perf_counter()
    columns = Parallel(n_jobs=-1)(delayed(fit)(label) for label in range(graph.num_labels))
    seconds = time.perf_counter() - start
    scores = {}
    for position, name in enumerate(("val", "test")):
        dense = np.stack([column[position] for column in columns], axis=1)
        scores[name] = scores_to_csr(expit(dense), 512)
    thresholds = tune_global(scores["val"], parts["val"].labels, graph)
    raw = threshold_decode(scores["test"], thresholds)
    report = evaluate(parts["test"].labels, scores["test"], raw, graph)
    closed = evaluate(parts["test"].labels, ranking_scores(scores["test"], graph), raw, graph)
    figures = {key: round(report[key], 4) for key in KEYS}
    return {**figures, "r_precision_closed": round(closed["r_precision"], 4), "train_seconds": round(seconds, 1)}


def hgraph_default(parts: dict[str, Corpus], graph: LabelGraph, seed: int) -> dict[str, float]:
    """Figures of the default recipe on the test documents."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe.load("lexical").override([f"seed={seed}"])
        run = train(recipe, graph, parts["train"], parts["val"], Path(folder) / "run")
        size = sum(path.stat().st_size for path in run.folder.rglob("*") if path.is_file()) / 1e6
        predictor = Predictor(run.folder)
        start = time.perf_counter()
        report = predictor.evaluate(parts["test"].texts, parts["test"].labels).report
        speed = len(parts["test"]) / (time.perf_counter() - start)
    figures = {key: round(report[key], 4) for key in KEYS}
    return {
        **figures,
        "train_seconds": round(run.seconds, 1),
        "model_mb": round(size, 1),
        "docs_per_second": round(speed),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", default=[Path("examples/data/onet")])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--no-svm", action="store_true", help="hgraph alone")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for folder in options.data:
        graph = LabelGraph.load(folder / "taxonomy.json")
        parts = {name: read_corpus(folder / f"{name}.jsonl.gz", graph) for name in ("train", "val", "test")}
        rows = {} if options.no_svm else {"TF-IDF + LinearSVC": linear_svm(parts, graph)}
        for seed in range(options.seeds):
            rows[f"hgraph lexical, seed {seed}"] = hgraph_default(parts, graph, seed)
        results[folder.name] = rows
        for name, row in rows.items():
            print(folder.name, name, row, flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
