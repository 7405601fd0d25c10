"""XR-Linear, CascadeXML and an alignment model from 1,000 to 670,091 labels: time, memory, size, and their exponents.

    python benchmarks/xml/scaling.py --json benchmarks/results/xml_scaling.json

- XR-Linear: the whole training on synthetic documents in the shape of Amazon-670K (`shapes.py`; fewer labels have fewer
  documents in the same proportion), from features to a saved model: PIFA, tree, classifiers. Teacher-forced negatives.
- CascadeXML: one step of 16 documents of 64 tokens (`cascade_step.py`).
- Alignment: one step of the same kind on a shortlist of labels (`alignment_scale.py`).

Each figure comes from a process of its own. Exponents are least squares on logarithms: time grows as labels ^ exponent.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

sys.path.append(str(Path(__file__).parents[1]))
from peak_memory import process_bytes
from shapes import DATA, LABELS, files

HERE = Path(__file__).parent
QUERIES = 5000


def measure(num_labels: int, folder: Path, threads: int) -> dict[str, Any]:
    """XR-Linear at one size, in this process."""
    from hgraph.graph import LabelGraph
    from hgraph.ranking import LinearRanker
    from hgraph.recipes.search_trees import search_tree

    paths = files(folder, num_labels / LABELS)
    features, labels = (sp.load_npz(path) for path in paths)
    graph = LabelGraph(None, [str(label) for label in range(labels.shape[1])])
    few = features[:64], labels[:64]  # compile
    LinearRanker.fit(*few, search_tree("pifa", graph, *few, leaf_size=8), threads=threads).predict(few[0])
    start = time.perf_counter()
    tree = search_tree("pifa", graph, features, labels, branching=32, leaf_size=100, threads=threads)
    clustered = time.perf_counter()
    ranker = LinearRanker.fit(features, labels, tree, negatives="teacher", threads=threads)
    trained = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        ranker.save(Path(place) / "ranker")
        size = sum(path.stat().st_size for path in (Path(place) / "ranker").iterdir())
    queries = features[:QUERIES]
    begin = time.perf_counter()
    ranker.predict(queries, top_k=10, threads=threads)
    return {
        "labels": labels.shape[1],
        "documents": labels.shape[0],
        "tree s": round(clustered - start, 2),
        "train s": round(trained - clustered, 2),
        "docs/s": round(queries.shape[0] / (time.perf_counter() - begin)),
        "model GB": round(size / 1e9, 4),
        "peak GB": round(process_bytes("VmHWM") / 1e9, 2),
    }


def child(command: list[str]) -> str:
    """What a process prints."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return done.stdout


def rows_of(system: str, labels: list[int], options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a size."""
    if system == "xr_linear":
        one = [str(Path(__file__)), "--folder", str(options.folder), "--threads", str(options.threads), "--one"]
        return [shown(system, json.loads(child([*one, str(size)]).splitlines()[-1])) for size in labels]
    rows = []
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "row.json"
        for size in labels:
            script = "cascade_step.py" if system == "cascade_xml" else "alignment_scale.py"
            child([str(HERE / script), "--labels", str(size), "--json", str(path)])
            found = json.loads(path.read_text())
            if system == "cascade_xml":
                row = {"labels": size, "step s": found["step_seconds"], "peak GB": found["peak_gb"]}
                row |= {"docs/s": found["batch"] / found["predict_seconds"], "model GB": found["model_gb"]}
            else:
                row = {k: found["rows"][0][k] for k in ("labels", "step s", "docs/s", "peak GB", "model GB")}
            rows.append(shown(system, row))
    return rows


def shown(system: str, row: dict[str, Any]) -> dict[str, Any]:
    """The row, printed."""
    print(f"{system:12}", "  ".join(f"{name} {value:,.6g}" for name, value in row.items()), flush=True)
    return row


def exponents(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Of every figure over labels."""
    labels = np.log([row["labels"] for row in rows])
    names = [name for name in rows[0] if name not in ("labels", "documents")]
    return {name: round(float(np.polyfit(labels, np.log([row[name] for row in rows]), 1)[0]), 2) for name in names}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, nargs="+", default=[1000, 10_000, 100_000, LABELS])
    parser.add_argument("--systems", nargs="+", default=["xr_linear", "cascade_xml", "alignment"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=DATA, help="Where the synthetic data are kept.")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print("\n" + json.dumps(measure(options.one, options.folder, options.threads)))
        return
    result: dict[str, Any] = {}
    for system in options.systems:
        rows = rows_of(system, options.labels, options)
        result[system] = {"rows": rows, "exponents": exponents(rows) if len(rows) > 1 else {}}
        print(f"{system}: labels ^", result[system]["exponents"], flush=True)
        if options.json:
            options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
