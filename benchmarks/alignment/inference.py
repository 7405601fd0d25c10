"""Documents per second of a transformer model at 10,000 labels, with each scorer, against the bare text encoder.

    python benchmarks/alignment/inference.py --json benchmarks/results/inference.json

The encoder has MiniLM's size (6 layers, 384 wide), or that of BERT-base with `--size base` (12 layers, 768 wide), and
random weights: speed does not depend on what weights are. Each scorer is frozen, written as it is in a model folder
(kind, configuration, safetensors), read back, and run behind the same encoder. The encoder alone and the whole model
run in turns on the same batches; the ratio is the median over all turns. Tokenising is left out on both sides.

Memory is the most that tensors take while a batch is scored, text encoder excluded. The budget of a scorer bounds what
pairs of documents and labels take of it: no more than the peak without the keys and values of tokens, `pairs`, which
still has the scores in it. For training, the live label attention runs forward and backward with its budget and with a
quarter of it. The rest being equal, the peaks differ by at most three quarters of the budget.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from peak_memory import peak_tensor_bytes
from predict_speed import SIZES, WORDS, random_encoder

from hgraph.models import FrozenModel
from hgraph.scoring import (
    AdditiveScorer,
    BilinearScorer,
    ConcatScorer,
    DotScorer,
    GatedScorer,
    LabelAttentionScorer,
    LinearScorer,
    MLPScorer,
    Scorer,
    ShrunkLinearScorer,
    restore,
)
from hgraph.text import TransformerTextEncoder

SCORERS: dict[str, Callable[[int, int], Scorer]] = {
    "linear": lambda labels, channels: LinearScorer(labels, channels),
    "additive": lambda labels, channels: AdditiveScorer(labels, channels),
    "dot": lambda labels, channels: DotScorer(channels, num_labels=labels),
    "cosine": lambda labels, channels: DotScorer(channels, num_labels=labels, similarity="cosine"),
    "bilinear": lambda labels, channels: BilinearScorer(channels, num_labels=labels),
    "shrunk": lambda labels, channels: ShrunkLinearScorer(labels, channels, support=torch.arange(labels)),
    "mlp": lambda labels, channels: MLPScorer(labels, channels),
    "gated": lambda labels, channels: GatedScorer(labels, channels),
    "concat": lambda labels, channels: ConcatScorer(channels, num_labels=labels, hidden=128),
    "label_attention": lambda labels, channels: LabelAttentionScorer(channels, num_labels=labels),
}
FAST = ("linear", "additive", "dot", "bilinear", "shrunk")
"""Those that must keep 0.9 of the encoder's speed."""


def saved(scorer: Scorer, labels: Tensor, folder: Path) -> nn.Module:
    """The scorer frozen, written and read back."""
    frozen = scorer.freeze(labels)
    save_file(frozen.state_dict(), folder / "scorer.safetensors")
    (folder / "scorer.json").write_text(json.dumps({"kind": frozen.kind, "config": frozen.config()}))
    description = json.loads((folder / "scorer.json").read_text())
    revived = restore(description["kind"], description["config"])
    revived.load_state_dict(load_file(folder / "scorer.safetensors"), assign=True)
    return revived


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@torch.no_grad()
def measure(name: str, encoder: TransformerTextEncoder, batches: list[dict], labels: Tensor, rounds: int) -> dict:
    """Speed of one scorer behind the encoder, and the memory it takes."""
    scorer = SCORERS[name](*labels.shape)
    with tempfile.TemporaryDirectory() as folder:
        frozen = saved(scorer, labels, Path(folder))
    model = FrozenModel(text_encoder=encoder, num_labels=len(labels), scorer=frozen, lexical_scorer=None).eval()
    bare, whole = [], []
    for turn in range(rounds + 1):
        for batch in batches:
            times = seconds(lambda: encoder(**batch)), seconds(lambda: model(batch))  # noqa: B023
            if turn:  # the first is a warm-up
                bare.append(times[0])
                whole.append(times[1])
    states = encoder(**batches[0])
    text, options = (states.tokens, {"mask": states.mask}) if frozen.reads_tokens else (states.pooled, {})
    peak = peak_tensor_bytes(lambda: frozen(text, **options), torch.device("cpu"))
    keys_and_values = 2 * 4 * text.numel() if frozen.reads_tokens else 0
    documents = len(text)
    return {
        "scorer": name,
        "documents_per_second": round(documents / statistics.median(whole), 1),
        "encoder_documents_per_second": round(documents / statistics.median(bare), 1),
        "ratio": round(statistics.median(b / w for b, w in zip(bare, whole, strict=True)), 3),
        "peak_bytes": peak,
        "pair_bytes": peak - keys_and_values,
        "memory_budget": getattr(frozen, "memory_budget", None),
    }


def training(labels: Tensor, documents: int, tokens: int) -> dict:
    """Peak memory of a training step of label attention, with its budget and with a quarter of it."""
    scorer = LabelAttentionScorer(labels.shape[1], num_labels=len(labels))
    text, budget, peaks = torch.randn(documents, tokens, labels.shape[1]), scorer.memory_budget, []
    for part in (1, 4):
        scorer.memory_budget = budget // part
        scorer.zero_grad()
        peaks.append(peak_tensor_bytes(lambda: scorer(text, labels).sum().backward(), torch.device("cpu")))
    return {
        "memory_budget": budget,
        "peak_bytes": peaks[0],
        "peak_bytes_quarter": peaks[1],
        "one_product_bytes": 4 * documents * scorer.heads * len(labels) * tokens,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=10_000)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--batches", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", choices=SIZES, default="mini", help="of the encoder")
    parser.add_argument("--scorers", nargs="+", choices=SCORERS, default=list(SCORERS))
    parser.add_argument("--no-training", action="store_true", help="leave the training step out")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, options.tokens - 2)) for _ in range(options.batch * options.batches)]
    with tempfile.TemporaryDirectory() as folder:
        encoder = TransformerTextEncoder.from_pretrained(
            random_encoder(Path(folder), options.size), max_length=options.tokens
        ).eval()
    items = encoder.prepare(texts)
    batches = [encoder.collate(items[at : at + options.batch]) for at in range(0, len(items), options.batch)]
    labels = torch.randn(options.labels, encoder.channels)
    rows = []
    print(f"{'scorer':16} {'docs/s':>8} {'encoder':>8} {'ratio':>6} {'peak MB':>8} {'pairs MB':>9} {'budget MB':>9}")
    for name in options.scorers:
        row = measure(name, encoder, batches, labels, options.rounds)
        rows.append(row)
        budget = "" if row["memory_budget"] is None else f"{row['memory_budget'] / 1e6:.1f}"
        print(
            f"{name:16} {row['documents_per_second']:8.1f} {row['encoder_documents_per_second']:8.1f} "
            f"{row['ratio']:6.3f} {row['peak_bytes'] / 1e6:8.1f} {row['pair_bytes'] / 1e6:9.1f} {budget:>9}",
            flush=True,
        )
    result = {
        **{name: getattr(options, name) for name in ("size", "labels", "tokens", "batch", "threads")},
        "scorers": rows,
        "fast_enough": {row["scorer"]: row["ratio"] >= 0.9 for row in rows if row["scorer"] in FAST},
        "within_budget": all(row["pair_bytes"] <= row["memory_budget"] for row in rows if row["memory_budget"]),
    }  # fmt: skip
    if not options.no_training and "label_attention" in options.scorers:
        result["training"] = step = training(labels, 16, options.tokens)
        print(
            f"training step of label attention, 16 documents: peak {step['peak_bytes'] / 1e6:.0f} MB, with a quarter "
            f"of the budget {step['peak_bytes_quarter'] / 1e6:.0f} MB; all pairs at once would take several times "
            f"{step['one_product_bytes'] / 1e6:.0f} MB"
        )
    print(f"0.9 of the encoder's speed or more: {result['fast_enough']}; within budget: {result['within_budget']}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
