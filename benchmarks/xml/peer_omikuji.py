"""Omikuji (Parabel's defaults, its own tree) on matrices in a folder; run by `linear.py` where omikuji is installed."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import omikuji
import scipy.sparse as sp


def write_xc(features: sp.csr_matrix, labels: sp.csr_matrix, path: Path) -> None:
    """The Extreme Classification Repository's text format; omikuji refuses documents without features or labels."""
    full = (np.diff(features.indptr) > 0) & (np.diff(labels.indptr) > 0)
    features, labels = features[full], labels[full]
    with path.open("w") as file:
        file.write(f"{features.shape[0]} {features.shape[1]} {labels.shape[1]}\n")
        for row in range(features.shape[0]):
            cells = slice(features.indptr[row], features.indptr[row + 1])
            names = labels.indices[labels.indptr[row] : labels.indptr[row + 1]]
            pairs = zip(features.indices[cells], features.data[cells], strict=True)
            file.write(",".join(map(str, names)) + " " + " ".join(f"{i}:{v:.6g}" for i, v in pairs) + "\n")


def main(folder: Path, threads: int) -> None:
    """Train, save, predict, and print the figures; prediction is one call a document, which is all its binding has."""
    features, labels = sp.load_npz(folder / "train_x.npz"), sp.load_npz(folder / "train_y.npz")
    test = sp.load_npz(folder / "test_x.npz")
    path = folder / "train.txt"
    write_xc(features, labels, path)
    start = time.perf_counter()
    model = omikuji.Model.train_on_data(str(path), omikuji.Model.default_hyper_param(), threads)
    seconds = time.perf_counter() - start
    path.unlink()
    model.save(str(folder / "omikuji_model"))
    size = sum(file.stat().st_size for file in (folder / "omikuji_model").rglob("*") if file.is_file())
    bounds = list(zip(test.indptr[:-1], test.indptr[1:], strict=True))
    queries = [list(zip(test.indices[a:b].tolist(), test.data[a:b].tolist(), strict=True)) for a, b in bounds]
    start = time.perf_counter()
    found = [model.predict(query, top_k=20) for query in queries]
    rate = len(queries) / (time.perf_counter() - start)
    rows = [row for row, pairs in enumerate(found) for _ in pairs]
    cells = [pair for pairs in found for pair in pairs]
    shape = (test.shape[0], labels.shape[1])
    matrix = sp.csr_matrix(([s for _, s in cells], (rows, [label for label, _ in cells])), shape=shape)
    sp.save_npz(folder / "omikuji_predictions.npz", matrix)
    print(json.dumps({"train_seconds": seconds, "docs_per_second": rate, "bytes": size}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
