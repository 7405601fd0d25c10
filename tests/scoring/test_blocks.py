"""Scores in blocks: the same numbers and gradients, in no more memory than allowed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from live_tensors import LiveTensors
from scorer_cases import BLOCKED, inputs, make

from hgraph.errors import ConfigError
from hgraph.scoring import ConcatScorer, GatedScorer, HJCLScorer, LabelAttentionScorer
from hgraph.scoring.blocks import block_shape, in_blocks

EACH = pytest.mark.parametrize("name", BLOCKED)


def run(scorer, text, labels, candidates, mask):
    """Scores, and the gradients of their weighted sum."""
    text, labels = text.clone().requires_grad_(), labels.clone().requires_grad_()
    scorer.zero_grad()
    scores = scorer(text, labels, candidates, **mask)
    weights = torch.linspace(-1, 1, scores.numel(), dtype=scores.dtype).view_as(scores)
    (scores * weights).sum().backward()
    leaves = {"text": text, "labels": labels, **dict(scorer.named_parameters())}
    return scores.detach(), {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}


@EACH
@pytest.mark.parametrize("pairs", [1, 2, 7])
@pytest.mark.parametrize("shortlist", [False, True])
def test_blocks_change_neither_scores_nor_gradients(name, pairs, shortlist, monkeypatch):
    scorer = make(name)
    text, labels, mask = inputs(scorer, 3)
    candidates = torch.tensor([[0, 6, 2, 2, 5], [1, 1, 1, 3, 4], [6, 5, 4, 3, 2]]) if shortlist else None
    scores, gradients = run(scorer, text, labels, candidates, mask)

    seen = []
    blocks = in_blocks.__globals__["block_shape"]

    def few(num_documents, width, *, pair_bytes, memory_budget):
        seen.append(blocks(num_documents, width, pair_bytes=pair_bytes, memory_budget=pairs * pair_bytes))
        return seen[-1]

    monkeypatch.setitem(in_blocks.__globals__, "block_shape", few)
    blocked, block_gradients = run(scorer, text, labels, candidates, mask)
    assert seen and all(rows * columns <= pairs for rows, columns in seen)
    torch.testing.assert_close(blocked, scores, rtol=0, atol=1e-12)
    assert block_gradients.keys() == gradients.keys()
    for key, gradient in gradients.items():
        torch.testing.assert_close(block_gradients[key], gradient, rtol=0, atol=1e-11)
    with torch.no_grad():
        torch.testing.assert_close(scorer(text, labels, candidates, **mask), scores, rtol=0, atol=1e-12)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 9), st.integers(1, 3000))
@settings(deadline=None)
def test_a_block_is_as_large_as_the_budget_allows(num_documents, width, pair_bytes, memory_budget):
    if memory_budget < pair_bytes:
        with pytest.raises(ConfigError, match="'memory_budget' must hold one document and one label"):
            block_shape(num_documents, width, pair_bytes=pair_bytes, memory_budget=memory_budget)
        return
    rows, columns = block_shape(num_documents, width, pair_bytes=pair_bytes, memory_budget=memory_budget)
    assert rows >= 1 and columns >= 1
    assert rows * columns * pair_bytes <= memory_budget
    if rows < num_documents:  # not one label for all of them
        assert (rows + 1) * pair_bytes > memory_budget
    elif rows == num_documents and columns < width:
        assert rows * (columns + 1) * pair_bytes > memory_budget


BATCH, LABELS, TOKENS, WIDTH, SHORTLIST = 8, 300, 96, 48, 200
LARGE = {
    "gated": lambda: GatedScorer(LABELS, WIDTH),
    "concat": lambda: ConcatScorer(WIDTH, hidden=128),
    "concat-gelu": lambda: ConcatScorer(WIDTH, hidden=128, activation="gelu"),
    "attention": lambda: LabelAttentionScorer(WIDTH, num_labels=LABELS),
    "attention-one-head": lambda: LabelAttentionScorer(WIDTH, num_labels=LABELS, heads=1, dropout=0.2),
    "attention-many-heads": lambda: LabelAttentionScorer(WIDTH, num_labels=LABELS, heads=8, dropout=0.2),
    "attention-short-texts": lambda: LabelAttentionScorer(WIDTH, num_labels=LABELS, heads=1),
    "hjcl": lambda: HJCLScorer(LABELS, WIDTH),
    "hjcl-short-texts": lambda: HJCLScorer(LABELS, WIDTH, heads=1),
}
USES = {
    f"{name}-{method}{'-shortlist' * shortlist}{'-gradient' * gradient}": (name, method, shortlist, gradient)
    for name in LARGE
    for method in (("forward", "label_text") if name.startswith(("attention", "hjcl")) else ("forward",))
    for shortlist in (False, True)
    for gradient in (False, True)
}


def peak_bytes(name, method, shortlist, gradient, budget):
    """The most that tensors take during a call and, where wanted, its backward pass; and what no budget changes."""
    torch.manual_seed(0)
    scorer = LARGE[name]()
    scorer.memory_budget = budget
    tokens = 3 if name.endswith("short-texts") else TOKENS
    shape = (BATCH, tokens, WIDTH) if scorer.reads_tokens else (BATCH, WIDTH)
    text, labels = torch.randn(shape, requires_grad=True), torch.randn(LABELS, WIDTH, requires_grad=True)
    candidates = torch.randint(LABELS, (BATCH, SHORTLIST)) if shortlist else None
    mask = {"mask": torch.rand(BATCH, tokens) < 0.8} if scorer.reads_tokens else {}
    with LiveTensors() as live, torch.set_grad_enabled(gradient):
        output = getattr(scorer, method)(text, labels, candidates, **mask)
        if gradient:
            output.backward(torch.ones_like(output))
    # Keys, values and their gradients, once for the blocks so far and once for the last; the same of labels; results.
    label_side = labels.numel() + sum(parameter.numel() for parameter in scorer.parameters())
    return live.peak, 4 * (10 * text.numel() + 3 * label_side + 3 * output.numel())


@pytest.mark.parametrize("use", USES)
def test_pairs_stay_within_the_budget(use, monkeypatch):
    """A larger block takes no more on top than the budget counts for it, and no block outlives its turn."""
    counts = []

    def fixed(num_documents, width, *, pair_bytes, memory_budget):
        counts.append(pair_bytes)
        return num_documents, memory_budget

    monkeypatch.setitem(in_blocks.__globals__, "block_shape", fixed)
    (small, _), (large, rest), (whole, _) = (peak_bytes(*USES[use], budget=columns) for columns in (10, 40, LABELS))
    pair_bytes = counts[0]
    assert large - small <= 30 * BATCH * pair_bytes
    assert large <= rest + 40 * BATCH * pair_bytes
    if "label_text" not in use:  # whose results are larger than its blocks
        assert whole - large > 0.05 * (LABELS - 40) * BATCH * pair_bytes  # the budget is not far more than is needed


def test_dropout_is_the_same_in_both_passes():
    torch.manual_seed(0)
    scorer = LabelAttentionScorer(6, num_labels=9, heads=2, dropout=0.5).double()
    tokens, labels = torch.randn(2, 5, 6).double(), torch.randn(9, 6).double()
    scorer.memory_budget = 6 * 2 * 5 * 8 * 2 * 2  # two labels of both documents

    def scores(weight):
        torch.manual_seed(1)
        return torch.func.functional_call(scorer, {"weight": weight}, (tokens, labels))

    assert torch.autograd.gradcheck(scores, scorer.weight.detach().clone().requires_grad_())
    assert not torch.equal(scorer(tokens, labels), scorer(tokens, labels))
    assert torch.equal(scorer.eval()(tokens, labels), scorer(tokens, labels))
