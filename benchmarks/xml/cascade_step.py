"""Seconds and memory of one training step of CascadeXML at 670,000 labels.

The shape is that of Amazon-670K: a random tree of 1,024 / 8,192 / 65,536 clusters above 670,091 labels, an encoder of
MiniLM's size with random weights, 16 documents of 64 tokens, sparse gradients, and the published 128 / 256 / 400
selected clusters. Speed and memory do not depend on what the weights are.

    python benchmarks/xml/cascade_step.py
    python benchmarks/xml/cascade_step.py --labels 10000 --json step.json
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from hgraph.graph import LabelGraph
from hgraph.models import CascadeModel
from hgraph.text import TransformerTextEncoder
from hgraph.training.optimizer import build_optimizer

sys.path.insert(0, str(Path(__file__).parents[1]))
from predict_speed import WORDS, random_encoder

BAR_GB = 6.0


def random_tree(sizes: list[int]) -> LabelGraph:
    """Labels (the last of `sizes`), then the clusters of each level, the top's last; fan-outs differ by at most one."""
    starts = dict(zip(range(len(sizes) - 1, -1, -1), np.cumsum([0, *sizes[:0:-1]]).tolist(), strict=True))
    names = [f"n{node}" for node in range(sum(sizes))]
    edges = []
    for level in range(len(sizes) - 1):
        parent = starts[level] + np.arange(sizes[level + 1]) * sizes[level] // sizes[level + 1]
        edges += zip(parent.tolist(), range(starts[level + 1], starts[level + 1] + sizes[level + 1]), strict=True)
    return LabelGraph.from_edges(((names[parent], names[child]) for parent, child in edges), nodes=names)


def peak() -> float:
    """Most memory that this process had, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=670_091)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4, help="the first one is not counted")
    parser.add_argument("--dense", action="store_true", help="dense gradients")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    clusters = [size for size in (1024, 8192, 65536) if size * 4 <= options.labels] or [max(1, options.labels // 8)]
    begin = time.perf_counter()
    tree = random_tree([*clusters, options.labels])
    made = time.perf_counter() - begin
    with tempfile.TemporaryDirectory() as folder:
        encoder = TransformerTextEncoder.from_pretrained(random_encoder(Path(folder)), max_length=options.tokens)
    begin = time.perf_counter()
    torch.manual_seed(0)
    model = CascadeModel(
        text_encoder=encoder,
        num_labels=options.labels,
        tree=tree,
        topk=[128, 256, 400][: len(clusters)],
        sparse=not options.dense,
    )
    built, before = time.perf_counter() - begin, peak()
    optimizer = build_optimizer(
        model, learning_rate=1e-4, head_learning_rate=1e-3, lexical_learning_rate=0.0, weight_decay=0.05
    )
    seconds, work = [], []
    model.train()
    for _ in range(options.steps):
        texts = [" ".join(rng.choice(WORDS, options.tokens - 2)) for _ in range(options.batch)]
        batch = encoder.collate(encoder.prepare(texts))
        labels = torch.from_numpy(rng.integers(0, options.labels, (options.batch, 5)))
        begin, busy = time.perf_counter(), time.process_time()
        model(text=batch, labels=labels)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - begin)
        work.append(time.process_time() - busy)
    with torch.no_grad():
        model.eval()
        begin = time.perf_counter()
        found = model(text=batch)["labels"]
        predict = time.perf_counter() - begin
        cells = int((found >= 0).sum()) // options.batch
    result = {
        "labels": options.labels,
        "clusters": clusters,
        "batch": options.batch,
        "tokens": options.tokens,
        "sparse": not options.dense,
        "threads": torch.get_num_threads(),
        "tree_seconds": round(made, 1),
        "build_seconds": round(built, 1),
        "step_seconds": round(statistics.median(seconds[1:] or seconds), 3),
        "step_core_seconds": round(statistics.median(work[1:] or work), 3),
        "predict_seconds": round(predict, 3),
        "candidate_labels": cells,
        "model_gb": round(sum(w.numel() * w.element_size() for w in model.parameters()) / 1e9, 3),
        "peak_gb_before": round(before, 2),
        "peak_gb": round(peak(), 2),
    }
    for name, value in result.items():
        print(f"{name:>18}  {value}")
    print(f"{'bar':>18}  {'met' if peak() < BAR_GB else 'missed'}: below {BAR_GB:g} GB")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
