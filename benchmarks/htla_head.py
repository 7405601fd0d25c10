"""Time of the HTLA head, forward and backward: closed form against the definition.

The definition is one Python call a (document, label) pair: a linear layer with an output a label, on the sum of the
document vector and the label vector, of which one output is kept. Both run in this process, on the same numbers, and
must agree before they are timed.

    python benchmarks/htla_head.py --labels 141 --batch 12 --channels 768
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.scoring import AdditiveScorer


def by_definition(scorer: AdditiveScorer, text: Tensor, labels: Tensor) -> Tensor:
    """Every score through the whole linear layer, one pair at a time."""
    rows = []
    for document in text:
        rows.append(
            torch.stack(
                [F.linear(document + label, scorer.weight, scorer.bias)[number] for number, label in enumerate(labels)]
            )
        )
    return torch.stack(rows)


def step(head: Callable[[Tensor, Tensor], Tensor], inputs: list[Tensor], target: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Scores, and the gradients of a weighted sum of them."""
    scores = head(inputs[0], inputs[1])
    return scores.detach(), list(torch.autograd.grad((scores * target).sum(), inputs))


def main() -> None:
    """Check that both heads agree, time them, print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, default=141, help="number of labels (default: 141, as Web of Science)")
    parser.add_argument("--batch", type=int, default=12, help="documents in a batch (default: 12)")
    parser.add_argument("--channels", type=int, default=768, help="width of the vectors (default: 768)")
    parser.add_argument("--repeats", type=int, default=5, help="timed steps of the definition (default: 5)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()

    torch.manual_seed(0)
    scorer = AdditiveScorer(args.labels, args.channels)
    text = torch.randn(args.batch, args.channels, requires_grad=True)
    labels = torch.randn(args.labels, args.channels, requires_grad=True)
    inputs = [text, labels, scorer.weight, scorer.bias]
    target = torch.randn(args.batch, args.labels)
    heads = {"closed form": scorer, "definition": lambda text, labels: by_definition(scorer, text, labels)}

    # In float64 both are the same function; in float32 they differ by the order of additions.
    wide = AdditiveScorer(args.labels, args.channels).double()
    wide.load_state_dict(scorer.state_dict())
    pair = [text.detach().double(), labels.detach().double()]
    with torch.no_grad():
        torch.testing.assert_close(wide(*pair), by_definition(wide, *pair), rtol=0, atol=1e-11)
    fast_scores, fast_gradients = step(heads["closed form"], inputs, target)
    slow_scores, slow_gradients = step(heads["definition"], inputs, target)
    torch.testing.assert_close(fast_scores, slow_scores, rtol=1e-3, atol=1e-3)
    for fast, slow in zip(fast_gradients, slow_gradients, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-3, atol=1e-3)
    print("scores agree to 1e-11 in float64; scores and gradients agree to 1e-3 in float32")

    seconds = {}
    for name, repeats in (("closed form", 20 * args.repeats), ("definition", args.repeats)):
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            step(heads[name], inputs, target)
            times.append(time.perf_counter() - start)
        seconds[name] = statistics.median(times)
        print(f"{name:12} {1000 * seconds[name]:10.3f} ms  (median of {repeats})")
    ratio = seconds["definition"] / seconds["closed form"]
    sizes = {"labels": args.labels, "batch": args.batch, "channels": args.channels, "threads": torch.get_num_threads()}
    print(f"ratio        {ratio:10.1f} x   ({', '.join(f'{name} {value}' for name, value in sizes.items())})")
    if args.json:
        figures = {**sizes, "torch": torch.__version__, "seconds": seconds, "ratio": ratio}
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
