"""Training steps of an HTLA-like model on shortlists, from 1,000 to 670,091 labels.

    python benchmarks/xml/alignment_scale.py --labels 1000 10000 100000 670091 --json alignment_scale.json

The model has a transformer of MiniLM's size with random weights (speed does not depend on what the weights are), a
GPTrans label encoder on an edge list with a memory of label vectors, the additive or the shrunk scorer, and BCE (sum)
beside TLA; documents have 64 tokens and five labels, each with its ancestors. The hierarchy has 6 children a label.
Each size runs in a process of its own:

- step: seconds of a step, forward, backward and optimiser; the median of several after the first one;
- step CPU: processor seconds of the same, of all threads: what other work on the machine does not change;
- freeze: seconds of the pass over all labels before a validation;
- peak: the most memory the process had, all tables, their moments and the frozen model included;
- model: bytes of all weights; docs/s: documents scored against all labels, alone on the machine.

With `--whole` the same model also trains on all labels in each step, where these are no more than `--whole-limit`. The
last lines are exponents of time and memory over labels (least squares on logarithms).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from peak_memory import process_bytes
from predict_speed import WORDS, random_encoder

from hgraph.data.collate import multi_hot
from hgraph.graph import LabelGraph
from hgraph.models import AlignmentModel
from hgraph.recipes import Recipe
from hgraph.recipes.builders import build_model
from hgraph.text import TransformerTextEncoder
from hgraph.training.evaluation import documents_at_once, predict_scores
from hgraph.training.optimizer import build_optimizer

BRANCHING, LABELS_OF_A_DOCUMENT = 6, 5
COLUMNS = ("labels", "trained on", "shortlist", "step s", "step CPU s", "freeze s", "docs/s", "peak GB", "model GB")


def hierarchy(num_labels: int, rng: np.random.Generator) -> LabelGraph:
    """A tree whose labels have three words for a name."""
    words = rng.choice(WORDS, (num_labels, 3))
    names = {str(i): " ".join(row) for i, row in enumerate(words)}
    return LabelGraph.from_edges([(str((i - 1) // BRANCHING), str(i)) for i in range(1, num_labels)], names=names)


def build(options: argparse.Namespace, graph: LabelGraph, folder: str, *, shortlist: bool) -> AlignmentModel:
    """The model, ready to train."""
    name = random_encoder(Path(folder) / "encoder")
    ids = str(options.ids).lower()
    settings = [
        f"label_encoder={{name: gptrans, form: edges, cached: {str(shortlist).lower()}, ids: {ids}}}",
        f"scorer={options.scorer}",
        f"text_encoder.max_length={options.tokens}",
    ]
    if shortlist:
        settings.append(f"shortlist={{random: {options.random}, siblings: {options.siblings}}}")
    recipe = Recipe.load("htla").with_text_encoder(name).override(settings)
    encoder = TransformerTextEncoder.from_pretrained(name, max_length=options.tokens, pooling="cls", dropout=0.1)
    return build_model(recipe, graph, encoder, np.full(graph.num_labels, 5))


def batches(options: argparse.Namespace, graph: LabelGraph, encoder: TransformerTextEncoder, rng: np.random.Generator):
    """Batches of random documents: tensors of the texts, and ids of their labels and all above them."""
    while True:
        texts = [" ".join(rng.choice(WORDS, options.tokens - 2)) for _ in range(options.batch)]
        own = rng.integers(0, graph.num_labels, (options.batch, LABELS_OF_A_DOCUMENT))
        rows = [np.unique([*labels, *graph.ancestors[labels].indices]) for labels in own]
        ids = np.full((options.batch, max(map(len, rows))), -1)
        for row, labels in zip(ids, rows, strict=True):
            row[: len(labels)] = labels
        yield encoder.collate(encoder.prepare(texts)), torch.from_numpy(ids)


def measure(options: argparse.Namespace, num_labels: int, *, shortlist: bool) -> dict:
    """Figures of one size, in this process."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    graph = hierarchy(num_labels, rng)
    with tempfile.TemporaryDirectory() as folder:
        model = build(options, graph, folder, shortlist=shortlist)
    optimizer = build_optimizer(model, learning_rate=1e-5, head_learning_rate=1e-3, lexical_learning_rate=1.0)
    source = batches(options, graph, model.text_encoder, rng)
    seconds, processor, sizes = [], [], []
    model.train()
    for _ in range(options.steps + 1):
        text, ids = next(source)
        start, start_processor = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        output = model(text, ids if shortlist else multi_hot(ids, num_labels))
        output["loss"].backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
        sizes.append(output["logits"].shape[1])
    start = time.perf_counter()
    frozen = model.freeze()
    freeze = time.perf_counter() - start
    small = argparse.Namespace(**{**vars(options), "batch": documents_at_once(options.batch, num_labels)})
    texts = [{"text": next(batches(small, graph, model.text_encoder, rng))[0]} for _ in range(3)]
    start = time.perf_counter()
    predict_scores(frozen, texts, num_labels)
    return {
        "labels": num_labels,
        "trained on": "shortlist" if shortlist else "all labels",
        "shortlist": int(statistics.median(sizes)),
        "step s": statistics.median(seconds[1:]),
        "step CPU s": statistics.median(processor[1:]),
        "freeze s": freeze,
        "docs/s": 3 * small.batch / (time.perf_counter() - start),
        "peak GB": process_bytes("VmHWM") / 1e9,
        "model GB": sum(weight.numel() * weight.element_size() for weight in model.parameters()) / 1e9,
    }


def child(arguments: list[str], num_labels: int, *, shortlist: bool) -> dict:
    """:func:`measure` in a process of its own."""
    one = json.dumps([num_labels, shortlist])
    command = [sys.executable, __file__, *arguments, "--one", one]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    if done.returncode:
        sys.exit(f"{num_labels} labels failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def exponents(rows: list[dict]) -> dict[str, float]:
    """Of seconds and memory over labels."""
    labels = np.log([row["labels"] for row in rows])
    return {name: float(np.polyfit(labels, np.log([row[name] for row in rows]), 1)[0]) for name in COLUMNS[3:]}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, nargs="+", default=[1000, 10_000, 100_000, 670_091])
    parser.add_argument("--scorer", choices=["additive", "shrunk"], default="additive")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--random", type=int, default=1024)
    parser.add_argument("--siblings", type=int, default=4)
    parser.add_argument("--ids", action="store_true", help="give the label encoder a free vector a label, too")
    parser.add_argument("--whole", action="store_true", help="train on all labels as well")
    parser.add_argument("--whole-limit", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        num_labels, shortlist = json.loads(options.one)
        print(json.dumps(measure(options, num_labels, shortlist=shortlist)))
        return
    rows = []
    print(" ".join(f"{name:>10}" for name in COLUMNS))
    for num_labels in options.labels:
        for shortlist in (True, False):
            if shortlist or (options.whole and num_labels <= options.whole_limit):
                rows.append(child(sys.argv[1:], num_labels, shortlist=shortlist))
                shown = [f"{v:10.3f}" if isinstance(v, float) else f"{v:>10}" for v in rows[-1].values()]
                print(" ".join(shown), flush=True)
    short = [row for row in rows if row["trained on"] == "shortlist"]
    fitted = exponents(short) if len(short) > 1 else {}
    for name, value in fitted.items():
        print(f"{name}: labels ^ {value:.2f}")
    if options.json:
        options.json.write_text(
            json.dumps({"options": vars(options) | {"json": None}, "rows": rows, "exponents": fitted})
        )


if __name__ == "__main__":
    main()
