"""PIFA and label tree beside PECOS, each in a process of its own: time, memory and how tight the clusters are.

The full shape of Amazon-670K, on two cores (see `shapes.py`; libpecos in an environment of its own):

    python3.11 -m venv pecos && pecos/bin/pip install libpecos==1.2.8
    python benchmarks/xml/pifa.py --scale 1 --threads 2 --pecos pecos/bin/python

Wall time is what a user waits for, CPU time what it costs on a machine that does other things too. `peak` is the most
memory of the process, `work` what came on top of Python, libraries and data. `tight` is the mean cosine between a label
and the sum of its cluster; both systems make the same number of clusters of the same size.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from shapes import DATA

MEASURE = """
import json, sys, time
import numpy as np, scipy.sparse as sp

def memory(field):
    for line in open("/proc/self/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1e6

def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    out = work()
    return out, time.perf_counter() - wall, time.process_time() - cpu

def report(load, vectors, tree, leaf_of):
    features, labels = (sp.load_npz(path).tocsr() for path in sys.argv[1:3])
    threads = int(sys.argv[3])
    before = load()
    z, wall_z, cpu_z = timed(lambda: vectors(features, labels, threads))
    made, wall_t, cpu_t = timed(lambda: tree(z, threads))
    peak = memory("VmHWM")
    leaf = leaf_of(made)
    sums = sp.csr_matrix((np.ones(len(leaf), np.float32), (leaf, np.arange(len(leaf))))) @ z
    tight = float(np.sqrt(np.asarray(sums.multiply(sums).sum(axis=1))).sum() / len(leaf))
    print(json.dumps({"pifa": wall_z, "pifa_cpu": cpu_z, "tree": wall_t, "tree_cpu": cpu_t, "peak": peak,
                      "work": peak - before, "entries": z.nnz, "clusters": int(leaf.max()) + 1,
                      "tight": tight}))
"""
HGRAPH = """
from hgraph import LabelGraph
from hgraph.clustering import label_tree, label_vectors

def load():
    small = sp.random(300, 50, 0.2, format="csr", dtype=np.float32, random_state=0)
    for threads in (1, 2):  # compile, or read what an earlier run compiled
        z = label_vectors(small, sp.identity(300), threads=threads)
        label_tree(LabelGraph.from_edges([], nodes=[str(i) for i in range(300)]), z, threads=threads)
    return memory("VmRSS")

def tree(z, threads):
    graph = LabelGraph.from_edges([], nodes=[str(label) for label in range(z.shape[0])])
    return label_tree(graph, z, branching=32, leaf_size=100, threads=threads)

def leaf_of(made):
    size = made.kind.count("label")
    above, under = made.edge_index.numpy()
    leaf = np.empty(size, np.int64)
    keep = under < size
    leaf[under[keep]] = np.unique(above[keep], return_inverse=True)[1]
    return leaf

report(load, lambda x, y, threads: label_vectors(x, y, threads=threads), tree, leaf_of)
"""
PECOS = """
from pecos.xmc import Indexer, LabelEmbeddingFactory

def tree(z, threads):
    return Indexer.gen(z, indexer_type="hierarchicalkmeans", nr_splits=32, max_leaf_size=100, threads=threads, seed=0)

def leaf_of(made):
    return made[-1].tocsr().indices

def vectors(x, y, threads):
    return LabelEmbeddingFactory.create(y, x, method="pifa", threads=threads)

report(lambda: memory("VmRSS"), vectors, tree, leaf_of)
"""
COLUMNS = ("pifa", "pifa_cpu", "tree", "tree_cpu", "peak", "work", "entries", "clusters", "tight")


def main() -> None:
    """Run both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.05, help="Of the number of labels and documents.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=DATA, help="Where the data are kept.")
    parser.add_argument("--pecos", type=Path, help="Python with libpecos; without it only hgraph is measured.")
    parser.add_argument("--repeat", type=int, default=1, help="Runs of each, in turn; the fastest of each counts.")
    options = parser.parse_args()
    data = Path(__file__).with_name("shapes.py")
    subprocess.run([sys.executable, data, "--scale", str(options.scale), "--folder", options.folder], check=True)
    systems = {"hgraph": (sys.executable, HGRAPH)}
    if options.pecos and options.pecos.exists():
        systems["pecos"] = (str(options.pecos), PECOS)
    else:
        print("No libpecos: give its Python with --pecos.")
    best: dict[str, dict[str, float]] = {}
    for _ in range(options.repeat):
        for name, (python, code) in systems.items():
            figures = measured(python, code, options)
            old = best.get(name, figures)
            best[name] = {key: min(figures[key], old[key]) for key in figures}
    print("system  pifa s  (cpu)  tree s  (cpu)  peak GB  work GB      entries  clusters   tight")
    for name, row in best.items():
        cells = [row[column] for column in COLUMNS]
        form = "{:<6}  {:>6.1f} {:>6.1f}  {:>6.1f} {:>6.1f}  {:>7.2f}  {:>7.2f}  {:>11,}  {:>8,}  {:.4f}"
        print(form.format(name, *cells))


def measured(python: str, code: str, options: argparse.Namespace) -> dict[str, float]:
    """Figures of one run, in a process of its own."""
    paths = [str(options.folder / f"{kind}-{options.scale:g}.npz") for kind in ("features", "labels")]
    threads = str(options.threads)
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    command = [python, "-c", MEASURE + code, *paths, threads]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{python} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
