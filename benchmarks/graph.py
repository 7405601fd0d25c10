"""The label graph at a million labels: reading, checking, levels, closures, queries; against networkx; how time grows.

    python benchmarks/graph.py --json benchmarks/results/graph.json

Every hierarchy is measured in a process of its own, which also gives its peak memory. Of the steps that grow with the
hierarchy the best of `--repeat` tries counts, as the first one also pays for memory that the process never touched
before (at a million labels up to twice the time). networkx does the same work with its own functions on the same file
(`--networkx` labels), with fewer queries, compared by the query. The exponent of a step is the slope of log time over
log size from the smallest to the largest hierarchy: once over the number of labels and once over the size of the
answer (labels and edges for reading and levels, entries for closures).
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

DEPTH, QUERIES, LABELS_PER_QUERY, PAIRS, NETWORKX_QUERIES = 12, 100_000, 20, 100_000, 2_000
GROWING = ("read and validate", "levels", "ancestors", "descendants")
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

    def run(self, name: str, work, size, *, prepare=None, times: int = 1):
        """The shortest time of `work`, called on what `prepare()` gave; it is linear in `size` of its result."""
        for _ in range(times):
            given = () if prepare is None else (prepare(),)
            start = time.perf_counter()
            result = work(*given)
            seconds = time.perf_counter() - start
            self.seconds[name] = min(seconds, self.seconds.get(name, seconds))
            self.sizes[name] = int(size(result))
            del given
        return result


def measure_hgraph(path: Path, queries: np.ndarray, times: int) -> Steps:
    """All steps by hgraph."""
    import scipy.sparse as sp

    from hgraph.graph import read_taxonomy
    from hgraph.graph.structure import Structure

    steps = Steps()
    graph = steps.run(
        "read and validate", lambda: read_taxonomy(path), lambda g: g.num_labels + g.num_edges, times=times
    )
    size, edges = graph.num_labels, graph.edge_index.numpy()

    def fresh(*known: str) -> Structure:
        structure = Structure(edges, size)
        for name in known:
            getattr(structure, name)
        return structure

    steps.run("levels", lambda s: s.level, lambda _: size + graph.num_edges, prepare=fresh, times=times)
    above = ("order", "roots", "primary_parent")
    steps.run("ancestors", lambda s: s.ancestors, lambda m: m.nnz, prepare=lambda: fresh(*above), times=times)
    steps.run("descendants", lambda s: s.descendants, lambda m: m.nnz, prepare=lambda: fresh("ancestors"), times=times)
    queries = queries % size
    indptr = np.arange(0, queries.size + 1, queries.shape[1])
    matrix = sp.csr_matrix((np.ones(queries.size, np.float32), queries.ravel(), indptr), (len(queries), size))
    graph.with_ancestors([0])
    steps.run("expand, one matrix", lambda: graph.expand(matrix), lambda m: m.nnz)
    steps.run("expand, one by one", lambda: [len(graph.with_ancestors(row)) for row in queries], sum)
    left, right = queries[:PAIRS, 0], queries[:PAIRS, 1]
    steps.run("lca", lambda: graph.lca(left, right), len)
    return steps


def measure_networkx(path: Path, queries: np.ndarray, times: int) -> Steps:
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
    nodes = list(graph)
    rows = [[nodes[i] for i in row] for row in (queries % len(graph)).tolist()]
    few = rows[:NETWORKX_QUERIES]
    steps.run("expand", lambda: [len({*row}.union(*(nx.ancestors(graph, n) for n in row))) for row in few], sum)
    steps.seconds["expand"] *= len(rows) / len(few)
    steps.run("expand from kept sets", lambda: [len({*row}.union(*(above[n] for n in row))) for row in rows], sum)
    return steps


def one(tool: str, path: Path, times: int) -> None:
    """Measure in this process and print JSON."""
    queries = np.random.default_rng(1).integers(0, 2**40, (QUERIES, LABELS_PER_QUERY))
    if tool == "hgraph":
        import pyarrow.csv  # noqa: F401 - imports are not part of reading

        import hgraph.graph  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    steps = {"hgraph": measure_hgraph, "networkx": measure_networkx}[tool](path, queries, times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({**vars(steps), "peak_gb": round(peak, 2), "imports_gb": round(before, 2)}))


def child(tool: str, path: Path, times: int) -> dict:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--one", tool, str(path), str(times)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    run = json.loads(done.stdout)
    run["seconds"] = {step: round(seconds, 4) for step, seconds in run["seconds"].items()}
    run["seconds"]["all four"] = round(sum(run["seconds"][step] for step in GROWING), 4)
    return run


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """Slope of log seconds over log sizes by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def exponents(runs: dict[int, dict]) -> dict[str, dict[str, float]]:
    """Of every growing step over labels and over the size of its answer."""
    labels = list(runs)
    seconds = {step: [runs[size]["seconds"][step] for size in labels] for step in (*GROWING, "all four")}
    over_labels = {step: round(exponent(labels, values), 2) for step, values in seconds.items()}
    answers = {step: [runs[size]["sizes"][step] for size in labels] for step in GROWING}
    over_answer = {step: round(exponent(answers[step], seconds[step]), 2) for step in GROWING}
    return {"over labels": over_labels, "over the answer": over_answer}


def against_networkx(path: Path, times: int) -> dict:
    """Both tools on one file, and how many times faster hgraph is."""
    ours, theirs = (child(tool, path, times)["seconds"] for tool in ("hgraph", "networkx"))
    ours["expand"] = ours["expand, one matrix"]
    rivals = {
        **theirs,
        "expand, one by one": theirs["expand"],
        "expand from kept sets": theirs["expand from kept sets"],
    }
    mine = {**ours, "expand from kept sets": ours["expand"]}
    ratios = {step: round(seconds / mine[step], 1) for step, seconds in rivals.items()}
    return {"hgraph seconds": ours, "networkx seconds": theirs, "ratios": ratios}


def main() -> None:
    """Measure, compare, fit, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,31623,100000,316228,1000000")
    parser.add_argument("--networkx", type=int, default=100_000, help="labels for the comparison; 0 leaves it out")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=3, metavar=("TOOL", "FILE", "TIMES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one[0], Path(options.one[1]), int(options.one[2]))
        return
    sizes = [int(size) for size in options.sizes.split(",")]
    report: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, parents in KINDS.items():
            runs: dict[int, dict] = {}
            for size in sizes:
                path = Path(folder) / f"{kind}{size}.csv.gz"
                write(random_hierarchy(size, parents), path)
                runs[size] = child("hgraph", path, options.repeat)
                print(kind, f"{size:,}", runs[size]["seconds"], f"peak {runs[size]['peak_gb']} GB", flush=True)
            report[kind] = {"runs": runs}
            if len(sizes) > 1:
                report[kind]["exponents"] = exponents(runs)
                print(kind, "exponents", report[kind]["exponents"], flush=True)
            if options.networkx:
                path = Path(folder) / f"{kind}nx.csv.gz"
                write(random_hierarchy(options.networkx, parents), path)
                compared = against_networkx(path, options.repeat)
                report[kind]["networkx"] = {"labels": options.networkx, **compared}
                print(kind, f"times faster than networkx, {options.networkx:,} labels:", compared["ratios"], flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
