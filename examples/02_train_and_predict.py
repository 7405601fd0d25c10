"""Train on a part of the O*NET corpus, measure on test documents and classify a text, all from Python.

python examples/02_train_and_predict.py --output runs/python
python examples/02_train_and_predict.py --output runs/all --documents 13722 --epochs 10
"""

import argparse
from pathlib import Path

import numpy as np

from hgraph import HGraphError, Predictor, Recipe, read_taxonomy, train
from hgraph.data import Corpus, read_corpus

DATA = Path(__file__).parent / "data" / "onet"
TEXT = "Repair brakes on freight trains."


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="model folder to write; new or empty")
    parser.add_argument("--documents", type=int, default=2000, help="training documents to use (default: 2000)")
    parser.add_argument("--epochs", type=int, default=5, help="passes over them (default: 5)")
    parser.add_argument("--text", default=TEXT, help="a text to classify at the end")
    arguments = parser.parse_args()
    try:
        run(arguments.output, arguments.documents, arguments.epochs, arguments.text)
    except HGraphError as error:
        parser.error(str(error))


def run(output: Path, documents: int, epochs: int, text: str) -> None:
    """Read, train, measure, predict."""
    graph = read_taxonomy(DATA / "taxonomy.json")
    corpora = {name: read_corpus(DATA / f"{name}.jsonl.gz", graph) for name in ("train", "val", "test")}
    train_corpus = subsample(corpora["train"], documents)
    print(f"{graph}\n{len(train_corpus)} training documents")

    # A recipe names a member of every axis; `override` takes what `hgraph train --set` takes.
    recipe = Recipe.load("lexical").override([f"epochs={epochs}", "text_encoder.word_ngrams=1"])
    # Thresholds are tuned on validation documents, never on test documents.
    result = train(recipe, graph, train_corpus, corpora["val"], output)
    print(f"trained {result.parameters:,} weights in {result.seconds:.0f} s")

    predictor = Predictor(output)
    report = predictor.evaluate(corpora["test"].texts, corpora["test"].labels).report
    for name in ("micro_f1", "macro_f1_supported", "r_precision", "p@1", "p@5"):
        print(f"test {name:20s} {report[name]:.4f}")

    prediction = predictor.predict([text], top_k=3)[0]
    print(f"\n{text}")
    for label in prediction.labels or prediction.top:
        print(f"{label.probability:.3f}  {label.id:12s} {label.path}")


def subsample(corpus: Corpus, documents: int) -> Corpus:
    """That many documents, drawn at random, or all of them."""
    rows = np.random.default_rng(0).permutation(len(corpus))[:documents]
    return corpus.select(np.sort(rows))


if __name__ == "__main__":
    main()
