"""XR-Linear beside PECOS and omikuji on the same matrices: quality, training, prediction, size.

    python benchmarks/xml/linear.py --data wordnet=FOLDER onet=FOLDER --synthetic 100000 --pecos PECOS/bin/python \
        --threads 2 --repeats 3 --json benchmarks/results/xml_linear.json

A folder has `train.jsonl.gz` and `test.jsonl.gz` with texts and labels. Features are TF-IDF of words and pairs of words
in two or more documents. PECOS builds the PIFA tree, of which both rankers take the same; omikuji builds its own. PECOS
and omikuji are those of the environment given. Times are the best of the repeats, taken in turns; compiling is not
counted. On a machine that others use too, compare the seconds of all cores. `teacher` trains with teacher-forced
negatives, `both` adds the matcher's on the last level.

The synthetic labels are leaves of a hidden tree; a document draws a label by a power law, others near it, and words of
the label, of the branches above it and of all documents.
"""

import argparse
import gzip
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp

SCHEMES = {"teacher": (["tfn"], "teacher"), "both": (["tfn", "tfn+man"], None)}
HERE = Path(__file__).parent


def corpus(folder: Path) -> dict[str, sp.csr_matrix]:
    """Features and labels of the documents of a folder."""
    from hgraph.text import plain_text
    from hgraph.text.vocabulary import NGrams, TfidfFeatures

    texts, names = {}, {}
    for part in ("train", "test"):
        with gzip.open(folder / f"{part}.jsonl.gz", "rt", encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        texts[part], names[part] = (
            [plain_text(record["text"]) for record in records],
            [record["labels"] for record in records],
        )
    labels = {name: at for at, name in enumerate(sorted({x for part in names.values() for row in part for x in row}))}
    features = TfidfFeatures([NGrams(max_features=None)]).fit(texts["train"])
    result = {}
    for part in ("train", "test"):
        result[f"{part}_x"] = features.transform(texts[part]).astype(np.float32)
        indptr = np.cumsum([0, *map(len, names[part])])
        indices = [labels[name] for row in names[part] for name in row]
        shape = (len(names[part]), len(labels))
        result[f"{part}_y"] = sp.csr_matrix((np.ones(len(indices), dtype=np.float32), indices, indptr), shape=shape)
    return result


def synthetic(num_labels: int, *, num_words: int = 100_000, seed: int = 0) -> dict[str, sp.csr_matrix]:
    """A made corpus with as many documents as labels."""
    rng, result = np.random.default_rng(seed), {}
    chance = (np.arange(num_labels) + 10.0) ** -0.7
    order, cumulative = rng.permutation(num_labels), np.cumsum(chance / chance.sum())
    for part, size in (("train", num_labels), ("test", max(1000, num_labels // 20))):
        main = order[np.minimum(np.searchsorted(cumulative, rng.random(size)), num_labels - 1)]
        near = np.minimum(main[:, None] // 8 * 8 + rng.integers(0, 8, (size, 4)), num_labels - 1)
        labels = np.where(rng.random((size, 4)) < 0.5, near, main[:, None])
        words = np.concatenate(
            [word_draws(main, num_words, rng), word_draws(near[:, 0], num_words, rng)[:, :30]], axis=1
        )
        result[f"{part}_x"] = weighted(words, num_words)
        rows = np.repeat(np.arange(size), 5)
        matrix = sp.csr_matrix(
            (np.ones(len(rows), dtype=np.float32), (rows, np.column_stack([main, labels]).ravel())),
            shape=(size, num_labels),
        )
        matrix.data[:] = 1
        result[f"{part}_y"] = matrix
    return result


def word_draws(labels: np.ndarray, num_words: int, rng: np.random.Generator) -> np.ndarray:
    """Words of documents: of the label, of the branches of 8, 64 and 512 labels around it, and of the language."""
    blocks = []
    for width, draws, pool in ((1, 10, 12), (8, 12, 30), (64, 12, 60), (512, 12, 200)):
        word = (rng.random((len(labels), draws)) ** 2 * pool).astype(np.int64)
        blocks.append(((labels // width)[:, None] * 7_919 + width * 104_729 + word * 15_485_863) % num_words)
    common = (num_words * rng.random((len(labels), 25)) ** 4).astype(np.int64)
    return np.concatenate([*blocks, common], axis=1)


def weighted(words: np.ndarray, num_words: int) -> sp.csr_matrix:
    """Counts with an idf, rows of length 1."""
    from sklearn.preprocessing import normalize

    rows = np.repeat(np.arange(len(words)), words.shape[1])
    counts = sp.csr_matrix(
        (np.ones(words.size, dtype=np.float32), (rows, words.ravel())), shape=(len(words), num_words)
    )
    df = np.bincount(counts.indices, minlength=num_words)
    return normalize(counts @ sp.diags(1 + np.log((1 + len(words)) / (1 + df)))).astype(np.float32).tocsr()


def peer(python: str, script: str, *arguments: object) -> dict[str, float]:
    """The figures that a script of another environment prints last."""
    command = [python, str(HERE / script), *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def load_tree(folder: Path):
    """The tree that PECOS built: clusters in the order of their parents, labels in that of their clusters."""
    from hgraph.ranking import RankerTree

    chain = [sp.load_npz(path).tocsr() for path in sorted(folder.glob("chain_*.npz"))]
    order, parents, rank = [], [], None
    for matrix in chain:
        above = matrix.indices if rank is None else rank[matrix.indices]
        order = np.argsort(above, kind="stable")
        parents.append(above[order])
        rank = np.argsort(order)
    return RankerTree(parents[1:], num_top=chain[0].shape[0], labels=order, num_labels=chain[-1].shape[0])


def hgraph_train(data: dict[str, sp.csr_matrix], tree, negatives, threads: int, folder: Path) -> dict[str, float]:
    """Train and save; the seconds of training, on the clock and of all cores."""
    from hgraph.ranking import LinearRanker

    start, cpu = time.perf_counter(), time.process_time()
    ranker = LinearRanker.fit(data["train_x"], data["train_y"], tree, negatives=negatives, threads=threads)
    times = {"train_seconds": time.perf_counter() - start, "train_cpu_seconds": time.process_time() - cpu}
    ranker.save(folder / "hgraph_model")
    return times


def hgraph_predict(data: dict[str, sp.csr_matrix], threads: int, folder: Path) -> tuple[float, sp.csr_matrix]:
    """Documents a second of the saved model, best of five, and the predictions."""
    from hgraph.ranking import LinearRanker

    ranker, rate = LinearRanker.load(folder / "hgraph_model"), 0.0
    for _ in range(5):
        start = time.perf_counter()
        found = ranker.predict(data["test_x"], top_k=20, threads=threads)
        rate = max(rate, data["test_x"].shape[0] / (time.perf_counter() - start))
    return rate, found


def quality(truth: sp.csr_matrix, found: sp.csr_matrix) -> dict[str, float]:
    """P@1, P@5 and R-Precision."""
    from hgraph.metrics.ranking import RankedCells

    cells = RankedCells.from_scores(truth, found)
    return {"P@1": cells.precision(1), "P@5": cells.precision(5), "R-Precision": cells.r_precision()}


def compare(name: str, data: dict[str, sp.csr_matrix], options: argparse.Namespace) -> list[dict]:
    """All rows of one corpus."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for part, matrix in data.items():
            sp.save_npz(folder / f"{part}.npz", matrix)
        peer(options.pecos, "peer_pecos.py", "tree", folder)
        tree = load_tree(folder)
        for scheme in options.negatives:
            theirs, ours = SCHEMES[scheme]
            figures: dict[str, dict[str, float]] = {"pecos": {}, "hgraph": {}}
            for _ in range(options.repeats):
                found = peer(options.pecos, "peer_pecos.py", "train", folder, options.threads, ",".join(theirs))
                keep_best(figures["pecos"], found, min)
                keep_best(figures["hgraph"], hgraph_train(data, tree, ours, options.threads, folder), min)
                pecos = peer(options.pecos, "peer_pecos.py", "predict", folder, options.threads)
                docs, predictions = hgraph_predict(data, options.threads, folder)
                keep_best(figures["pecos"], {"docs_per_second": pecos["docs_per_second"]}, max)
                keep_best(figures["hgraph"], {"docs_per_second": docs}, max)
            figures["hgraph"]["bytes"] = sum(path.stat().st_size for path in (folder / "hgraph_model").iterdir())
            figures["pecos"]["bytes"] = pecos["bytes"]
            outputs = {"pecos": sp.load_npz(folder / "pecos_predictions.npz"), "hgraph": predictions}
            for system, output in outputs.items():
                rows.append(report(name, f"{system} {scheme}", quality(data["test_y"], output), figures[system]))
        if options.omikuji:
            found = peer(options.pecos, "peer_omikuji.py", folder, options.threads)
            output = sp.load_npz(folder / "omikuji_predictions.npz")
            rows.append(report(name, "omikuji", quality(data["test_y"], output), found))
    return rows


def keep_best(best: dict[str, float], found: dict[str, float], better: Callable[[float, float], float]) -> None:
    """The better of the figures so far and those found."""
    for name, value in found.items():
        best[name] = better(best.get(name, value), value)


def report(name: str, system: str, measures: dict[str, float], figures: dict[str, float]) -> dict:
    """Print one row and return it."""
    row = {"data": name, "system": system, **measures, **figures}
    print(
        f"{name:12} {system:16} P@1 {row['P@1']:.4f}  P@5 {row['P@5']:.4f}  R-Prec {row['R-Precision']:.4f}  "
        f"train {row['train_seconds']:7.2f} s, cores {row.get('train_cpu_seconds', np.nan):7.2f} s  "
        f"{row['docs_per_second']:9,.0f} docs/s  {row['bytes'] / 1e6:8.2f} MB",
        flush=True,
    )
    return row


def main() -> None:
    """Compare on all corpora given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--synthetic", nargs="*", type=int, default=[], metavar="LABELS")
    parser.add_argument("--pecos", required=True, metavar="PYTHON", help="a Python that has libpecos")
    parser.add_argument("--omikuji", action="store_true", help="that Python has omikuji too")
    parser.add_argument("--negatives", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    from hgraph.ranking import RankerTree

    warm = synthetic(300, num_words=500)
    with tempfile.TemporaryDirectory() as place:
        hgraph_train(warm, RankerTree.flat(300), None, options.threads, Path(place))
        hgraph_predict(warm, options.threads, Path(place))
    rows = []
    for item in options.data:
        name, folder = item.split("=", 1)
        rows += compare(name, corpus(Path(folder)), options)
    for size in options.synthetic:
        rows += compare(f"synthetic-{size}", synthetic(size), options)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
