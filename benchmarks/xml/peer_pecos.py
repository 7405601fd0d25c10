"""PECOS XR-Linear on matrices in a folder; run by `linear.py` in an environment that has libpecos 1.2.8."""

import json
import sys
import time
from pathlib import Path

import scipy.sparse as sp
from pecos.utils import smat_util
from pecos.xmc import Indexer, LabelEmbeddingFactory
from pecos.xmc.base import HierarchicalMLModel, MLModel
from pecos.xmc.xlinear.model import XLinearModel

LAYOUTS = ["BINARY_SEARCH_CHUNKED", "HASH_CHUNKED"]


def build_tree(folder: Path) -> None:
    """The PIFA tree, as the cluster of each label and of each cluster, bottom first."""
    features, labels = sp.load_npz(folder / "train_x.npz"), sp.load_npz(folder / "train_y.npz")
    start = time.perf_counter()
    chain = Indexer.gen(LabelEmbeddingFactory.create(labels, features, method="pifa"), seed=0, threads=2)
    print(json.dumps({"seconds": time.perf_counter() - start}))
    for level, matrix in enumerate(chain):
        sp.save_npz(folder / f"chain_{level}.npz", matrix.tocsr())


def load_chain(folder: Path) -> list:
    """The chain that `build_tree` wrote."""
    return [smat_util.load_matrix(str(path)).tocsc() for path in sorted(folder.glob("chain_*.npz"))]


def train(folder: Path, threads: int, scheme: list[str]) -> None:
    """Train, save, and print the seconds."""
    features, labels = sp.load_npz(folder / "train_x.npz"), sp.load_npz(folder / "train_y.npz")
    chain = load_chain(folder)
    names = scheme[:1] * (len(chain) - 1) + scheme[-1:]
    solver = [MLModel.TrainParams(threads=threads) for _ in chain]
    levels = HierarchicalMLModel.TrainParams(neg_mining_chain=names, model_chain=solver)
    params = XLinearModel.TrainParams(hlm_args=levels)
    start, cpu = time.perf_counter(), time.process_time()
    model = XLinearModel.train(features, labels, C=chain, train_params=params, beam_size=10, only_topk=20)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    model.save(str(folder / "pecos_model"))
    print(json.dumps({"train_seconds": seconds, "train_cpu_seconds": cpu}))


def predict(folder: Path, threads: int) -> None:
    """Predict with the faster layout, save the predictions, and print documents a second."""
    features = sp.load_npz(folder / "test_x.npz")
    best, rates = None, {}
    for layout in LAYOUTS:
        model = XLinearModel.load(str(folder / "pecos_model"), is_predict_only=True, weight_matrix_type=layout)
        rates[layout] = 0.0
        for _ in range(5):
            start = time.perf_counter()
            best = model.predict(features, only_topk=20, threads=threads)
            rates[layout] = max(rates[layout], features.shape[0] / (time.perf_counter() - start))
    sp.save_npz(folder / "pecos_predictions.npz", best)
    size = sum(path.stat().st_size for path in (folder / "pecos_model").rglob("*") if path.is_file())
    print(json.dumps({"docs_per_second": max(rates.values()), "bytes": size, "layouts": rates}))


if __name__ == "__main__":
    verb, place = sys.argv[1], Path(sys.argv[2])
    if verb == "tree":
        build_tree(place)
    elif verb == "train":
        train(place, int(sys.argv[3]), sys.argv[4].split(","))
    else:
        predict(place, int(sys.argv[3]))
