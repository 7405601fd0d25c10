"""Mining over 100,000 texts x 100,000 labels of 384 channels: recall, speed against exact search, memory.

    OMP_NUM_THREADS=2 python benchmarks/alignment/mining.py --json benchmarks/results/mining.json

Each line is measured in a fresh process, whose peak memory (`VmHWM`) it gives, the vectors included. Exact search is
done twice, by torch (`ExactIndex`, float32, blocks) and by FAISS (flat); the true neighbours are those of the latter.
`index` searches every text; `miner` is all of `HardNegativeMiner.mine_labels` on raw vectors: the index, the search,
positives and their ancestors left out, the summary.

The vectors are made to be no easier than those of a sentence encoder. A label is a node of a tree of 75, 2,600, 4,050
and 93,275 nodes whose sizes are skewed (Zipf): a child is its parent plus a step. To that comes a second, independent
tree of 2,200 facets, so that vectors that share a branch of the one part in the other, and clusters overlap as they do
in text. All steps have a falling spectrum (a few directions carry most of the length), and a common mean shifts
everything. A text is a leaf label plus noise, and keeps the label's facet in one case of three.

The constants were fitted to 44,264 distinct mean-pooled vectors of all-MiniLM-L6-v2 (documents and label descriptions
of three corpora; queries are 500 of their test documents) with as many made ones: similarity of the 1st, 10th and 50th
neighbour 0.66, 0.47, 0.40 (real 0.61, 0.48, 0.40), local intrinsic dimension of 50 neighbours 25 (25), effective number
of directions 79 (68), skewness of how often a vector is among the first 10 3.1 (3.9), recall@50 of 512 k-means lists
of which 16 or 64 are searched 0.86 and 0.95 (0.86 and 0.97). `--compare FILE.npy --queries FILE.npy` prints these
figures for other vectors beside those of as many made ones.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from peak_memory import process_bytes

WIDTHS, STEPS, SKEW = (75, 2_600, 4_050), (1.16, 0.65, 0.80, 0.96), 0.81
FACETS, FACET_STEPS, KEPT_FACET = (30, 2_200), (1.15, 1.02), 0.35
NOISE, DECAY, FLATTENED, MEAN = 1.80, 0.56, 10, 0.25
K = 50
BLOCK = 100  # documents whose labels are checked at a time
LINES = ("torch, exact", "faiss, flat", "faiss, ivf", "faiss, ivf, tuned", "faiss, hnsw, tuned", "miner")


def make_tree(draw, sizes, steps, rng) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of all nodes, level by level, and the parent of each, -1 at a root."""
    vectors, parents = [steps[0] * draw(sizes[0])], [np.full(sizes[0], -1)]
    for step, size in zip(steps[1:], sizes[1:], strict=True):
        above = vectors[-1]
        share = rng.permutation((np.arange(len(above)) + 5.0) ** -SKEW)
        parent = rng.choice(len(above), size, p=share / share.sum())
        vectors.append(above[parent] + np.float32(step) * draw(size))
        parents.append(parent + sum(map(len, vectors[:-2])))
    return np.concatenate(vectors), np.concatenate(parents)


def make_vectors(num_texts: int, num_labels: int, channels: int, seed: int = 0):
    """Unit vectors of texts and labels, the label of each text, and the parent of each label."""
    rng = np.random.default_rng(seed)
    spectrum = (np.arange(1, channels + 1) + FLATTENED) ** -DECAY
    spectrum = (spectrum / np.linalg.norm(spectrum)).astype(np.float32)

    def draw(size: int) -> np.ndarray:
        return rng.standard_normal((size, channels), dtype=np.float32) * spectrum

    labels, parents = make_tree(draw, (*WIDTHS, num_labels - sum(WIDTHS)), STEPS, rng)
    facets = make_tree(draw, FACETS, FACET_STEPS, rng)[0][FACETS[0] :]
    mean = MEAN * rng.standard_normal(channels).astype(np.float32) / np.sqrt(channels, dtype=np.float32)
    own = rng.integers(sum(WIDTHS), num_labels, num_texts)
    of_label = rng.integers(0, len(facets), num_labels)
    of_text = rng.integers(0, len(facets), num_texts)
    of_text = np.where(rng.random(num_texts) < KEPT_FACET, of_label[own], of_text)
    texts = labels[own] + facets[of_text] + mean
    texts += np.float32(NOISE) * draw(num_texts)
    labels += facets[of_label] + mean
    for vectors in (texts, labels):
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return texts, labels, own, parents


def load(folder: Path) -> list[np.ndarray]:
    """What :func:`make_vectors` gave."""
    return [np.load(folder / f"{name}.npy") for name in ("texts", "labels", "own", "parents")]


def measure_search(line: str, folder: Path) -> dict:
    """Seconds to build and to search, and the neighbours."""
    import torch

    from hgraph.retrieval import ExactIndex, FaissIndex

    texts, labels, *_ = load(folder)
    start = time.perf_counter()
    if line.startswith("torch"):
        index = ExactIndex(torch.from_numpy(labels), similarity="cosine", precision="float32")
    else:
        index = FaissIndex(labels, similarity="cosine", kind=line.split(", ")[1], device="cpu")
    built = time.perf_counter()
    if line.endswith("tuned"):
        index.tune(texts, K, recall=0.98)
    tuned = time.perf_counter()
    _, found = index.search(texts, K)
    done = time.perf_counter()
    np.save(folder / f"{line}.npy", found.numpy().astype(np.int32))
    seconds = {"build": built - start, "tune": tuned - built, "search": done - tuned}
    return {**{name: round(value, 2) for name, value in seconds.items()}, "index": repr(index)}


def measure_miner(folder: Path) -> dict:
    """Seconds of a whole mining, and its table."""
    import scipy.sparse as sp
    import torch

    from hgraph.graph import LabelGraph
    from hgraph.retrieval import HardNegativeMiner

    texts, vectors, own, parents = load(folder)
    child = np.flatnonzero(parents >= 0)
    edges = torch.from_numpy(np.stack([parents[child], child]))
    graph = LabelGraph(edges, [str(label) for label in range(len(vectors))])
    labels = sp.csr_matrix((np.ones(len(own)), (np.arange(len(own)), own)), (len(own), len(vectors)))
    start = time.perf_counter()
    mined = HardNegativeMiner(graph=graph, num_negatives=K, relative_margin=0.05).mine_labels(texts, vectors, labels)
    seconds = time.perf_counter() - start
    above = graph.expand(labels)
    wrong = 0
    for row in range(0, len(own), BLOCK):
        ids = mined.ids[row : row + BLOCK]
        carried = above[row : row + BLOCK].toarray()
        wrong += int((np.take_along_axis(carried, np.maximum(ids, 0), axis=1) * (ids >= 0)).sum())
    return {"seconds": round(seconds, 2), "own labels and ancestors mined": wrong, "table": str(mined.summary)}


def child(line: str, folder: Path) -> dict:
    """One line of the table, measured in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--one", line, str(folder)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def one(line: str, folder: Path) -> None:
    """Measure in this process and print JSON."""
    result = measure_miner(folder) if line == "miner" else measure_search(line, folder)
    print(json.dumps({**result, "peak_gb": round(process_bytes("VmHWM") / 2**30, 2)}))


def recall(found: np.ndarray, true: np.ndarray) -> float:
    """Share of the true neighbours that were found."""
    both = np.sort(np.concatenate([found, true], axis=1), axis=1)
    return float((both[:, 1:] == both[:, :-1]).sum() / true.size)


def figures(queries: np.ndarray, vectors: np.ndarray) -> dict[str, float]:
    """What makes a search easy or hard."""
    import faiss

    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    scores, true = flat.search(queries, K)
    distance = np.sqrt(np.maximum(2 - 2 * scores, 1e-9))
    dimension = -1 / np.log(distance[:, :-1] / distance[:, -1:]).mean(1)
    spectrum = np.linalg.eigvalsh(np.cov(vectors.T))
    often = np.bincount(true[:, :10].ravel(), minlength=len(vectors))
    lists = faiss.IndexIVFFlat(faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], 512, faiss.METRIC_INNER_PRODUCT)
    lists.cp.spherical, lists.cp.niter = True, 5
    lists.train(vectors)
    lists.add(vectors)
    found = {}
    for lists.nprobe in (16, 64):
        found[f"recall@{K}, {lists.nprobe} of 512 lists"] = recall(lists.search(queries, K)[1], true)
    return {
        **{f"similarity of neighbour {rank}": float(scores[:, rank - 1].mean()) for rank in (1, 10, K)},
        "local intrinsic dimension": float(np.median(dimension)),
        "effective directions": float(spectrum.sum() ** 2 / (spectrum**2).sum()),
        "skewness of hubs": float(((often - often.mean()) ** 3).mean() / often.std() ** 3),
        **found,
    }


def compare(vectors: Path, queries: Path) -> None:
    """Figures of given vectors beside those of made ones."""
    given = [np.load(path).astype(np.float32) for path in (queries, vectors)]
    given = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in given]
    made = make_vectors(*map(len, given), given[0].shape[1])
    columns = figures(*given), figures(*made[:2])
    for name, value in columns[0].items():
        print(f"{name:<34}{value:8.3f}{columns[1][name]:8.3f}")


def main() -> None:
    """Make the vectors, measure each line, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=100_000)
    parser.add_argument("--channels", type=int, default=384)
    parser.add_argument("--lines", nargs="+", default=LINES, choices=LINES)
    parser.add_argument("--folder", type=Path, default=Path("mining_vectors"), help="for vectors and neighbours")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--compare", type=Path, help="vectors to compare made ones with")
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("LINE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one[0], Path(options.one[1]))
        return
    if options.compare:
        compare(options.compare, options.queries)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    made = make_vectors(options.texts, options.labels, options.channels)
    for name, array in zip(("texts", "labels", "own", "parents"), made, strict=True):
        np.save(options.folder / f"{name}.npy", array)
    del made
    report: dict[str, dict] = {}
    for line in options.lines:
        report[line] = child(line, options.folder)
        truth = options.folder / "faiss, flat.npy"
        if line.startswith("faiss") and truth.exists():
            report[line][f"recall@{K}"] = round(recall(np.load(options.folder / f"{line}.npy"), np.load(truth)), 4)
        for exact in LINES[:2]:
            if line.startswith("faiss") and exact in report:
                report[line][f"times {exact}"] = round(report[exact]["search"] / report[line]["search"], 2)
        print(line, *(f"{name} {value}" for name, value in report[line].items()), sep="\n  ", flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
