"""The label graph at a million labels: reading, checking, levels, closures, queries; against networkx; how time grows.

    python benchmarks/graph.py --json benchmarks/results/graph.json

Every hierarchy is measured in a process of its own, which also gives its peak memory. networkx does the same work with
its own functions on the same file (`--networkx` labels). The exponent of a step is the slope of log time over log size
from the smallest to the largest hierarchy, where the size is that of the answer: labels and edges for reading and
levels, entries for closures and queries.
"""

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

DEPTH, QUERIES, LABELS_PER_QUERY, PAIRS = 12, 100_000, 20, 100_000
KINDS = {"tree": 1.0, "dag": 1.3}


def random_hierarchy(size: int, parents: float, seed: int = 0) -> np.ndarray:
    """Edges `[2, E]` on shuffled indices: `DEPTH` levels that widen evenly, `parents` parents a label on average."""
    draw = np.random.default_rng(seed)
    share = size ** (0.75 * np.arange(DEPTH) / (DEPTH - 1))
    widths = np.maximum(2, (share / share.sum() * size).astype(int))
    widths[-1] += size - widths.sum()
    starts = np.concatenate([[0], np.cumsum(widths)])
    above, below = [], []
    for level in range(1, DEPTH):
        labels = np.arange(starts[level], starts[level + 1])
        more = labels[draw.random(len(labels)) < parents - 1]
        above += [draw.integers(starts[level - 1], starts[level], len(labels))]
        above += [draw.integers(0, starts[level], len(more))]
        below += [labels, more]
    edges = draw.permutation(size)[np.stack([np.concatenate(above), np.concatenate(below)])]
    edges = np.unique(edges, axis=1)
    return edges[:, draw.permutation(edges.shape[1])]


def write(edges: np.ndarray, path: Path) -> None:
    """A gzipped edge list, one `parent,child` a line."""
    with gzip.open(path, "wt", compresslevel=1) as stream:
        stream.writelines(f"L{parent},L{child}\n" for parent, child in edges.T.tolist())


class Steps:
    """Seconds and answer sizes of named steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.sizes: dict[str, int] = {}

    def run(self, name: str, work, size) -> object:
        """Time `work()`; `size` of its result is what the step is linear in."""
        start = time.perf_counter()
        result = work()
        self.seconds[name], self.sizes[name] = time.perf_counter() - start, int(size(result))
        return result


def measure_hgraph(path: Path, queries: np.ndarray) -> Steps:
    """All steps by hgraph."""
    import scipy.sparse as sp

    from hgraph.graph import read_taxonomy
    from hgraph.graph.structure import Structure

    steps = Steps()
    graph = steps.run("read and validate", lambda: read_taxonomy(path), lambda g: g.num_labels + g.num_edges)
    numbers = np.array([graph.id_to_index[f"L{i}"] for i in range(graph.num_labels)])
    queries = numbers[queries % graph.num_labels]
    edges = graph.edge_index.numpy()
    steps.run("levels", lambda: Structure(edges, graph.num_labels).level, lambda _: graph.num_labels + graph.num_edges)
    steps.run("ancestors", lambda: graph.ancestors, lambda m: m.nnz)
    steps.run("descendants", lambda: graph.descendants, lambda m: m.nnz)
    width = queries.shape[1]
    indptr = np.arange(0, queries.size + 1, width)
    matrix = sp.csr_matrix((np.ones(queries.size, np.float32), queries.ravel(), indptr), (len(queries), len(numbers)))
    graph.with_ancestors([0])
    steps.run("expand, one matrix", lambda: graph.expand(matrix), lambda m: m.nnz)
    steps.run("expand, one by one", lambda: [len(graph.with_ancestors(row)) for row in queries], sum)
    left, right = queries[:PAIRS, 0], queries[:PAIRS, 1]
    steps.run("lca", lambda: graph.lca(left, right), len)
    return steps


def measure_networkx(path: Path, queries: np.ndarray) -> Steps:
    """The same by networkx."""
    import networkx as nx

    steps = Steps()

    def read() -> nx.DiGraph:
        graph = nx.read_edgelist(path, delimiter=",", create_using=nx.DiGraph)
        assert nx.is_directed_acyclic_graph(graph)
        return graph

    def levels(graph: nx.DiGraph) -> dict[str, int]:
        level: dict[str, int] = {}
        for node in nx.topological_sort(graph):
            level[node] = 1 + max((level[parent] for parent in graph.pred[node]), default=0)
        return level

    graph = steps.run("read and validate", read, len)
    steps.run("levels", lambda: levels(graph), len)
    above = steps.run("ancestors", lambda: {node: nx.ancestors(graph, node) for node in graph}, len)
    steps.run("descendants", lambda: {node: nx.descendants(graph, node) for node in graph}, len)
    rows = [[f"L{i}" for i in row] for row in (queries % len(graph)).tolist()]
    steps.run("expand, one by one", lambda: [len(set(row).union(*(above[n] for n in row))) for row in rows], sum)
    return steps


def one(tool: str, path: Path) -> None:
    """Measure in this process and print JSON."""
    queries = np.random.default_rng(1).integers(0, 2**40, (QUERIES, LABELS_PER_QUERY))
    if tool == "hgraph":
        import hgraph.graph  # noqa: F401 - the import is not part of reading

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    steps = {"hgraph": measure_hgraph, "networkx": measure_networkx}[tool](path, queries)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({**vars(steps), "peak_gb": round(peak, 2), "imports_gb": round(before, 2)}))


def child(tool: str, path: Path) -> dict:
    """The same in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--one", tool, str(path)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """Slope of log seconds over log sizes by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def main() -> None:
    """Measure, compare, fit, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,31623,100000,316228,1000000")
    parser.add_argument("--networkx", type=int, default=100_000, help="labels for the comparison; 0 leaves it out")
    parser.add_argument("--repeat", type=int, default=3, help="best of so many runs below 200,000 labels")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("TOOL", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one[0], Path(options.one[1]))
        return
    sizes = [int(size) for size in options.sizes.split(",")]
    report: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, parents in KINDS.items():
            runs = {}
            for size in sizes:
                path = Path(folder) / f"{kind}{size}.csv.gz"
                write(random_hierarchy(size, parents), path)
                repeats = [child("hgraph", path) for _ in range(options.repeat if size < 200_000 else 1)]
                runs[size] = repeats[0]
                runs[size]["seconds"] = {
                    step: round(min(run["seconds"][step] for run in repeats), 4) for step in repeats[0]["seconds"]
                }
                print(kind, f"{size:,}", runs[size]["seconds"], f"peak {runs[size]['peak_gb']} GB", flush=True)
            steps = list(runs[sizes[0]]["seconds"])
            report[kind] = {"runs": runs}
            if len(sizes) > 2:
                fitted = {
                    step: round(
                        exponent([runs[s]["sizes"][step] for s in sizes], [runs[s]["seconds"][step] for s in sizes]), 2
                    )
                    for step in steps
                    if step != "lca"
                }
                report[kind]["exponents"] = fitted
                print(kind, "exponents", fitted, flush=True)
            if options.networkx:
                path = Path(folder) / f"{kind}nx.csv.gz"
                write(random_hierarchy(options.networkx, parents), path)
                ours, theirs = child("hgraph", path), child("networkx", path)
                ratios = {step: round(theirs["seconds"][step] / ours["seconds"][step], 1) for step in theirs["seconds"]}
                shared = theirs["seconds"]
                ratios["all"] = round(sum(shared.values()) / sum(ours["seconds"][step] for step in shared), 1)
                report[kind]["networkx"] = {"labels": options.networkx, **theirs, "ratios": ratios}
                print(kind, f"networkx, {options.networkx:,} labels:", ratios, flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
