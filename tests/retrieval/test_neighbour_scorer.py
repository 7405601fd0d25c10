"""Votes of similar documents against a loop."""

import math

import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError
from hgraph.retrieval import NeighbourScorer

D, L = 6, 7


def made(documents=20, k=5, seed=0, share=0.3, **options):
    torch.manual_seed(seed)
    vectors, labels = torch.randn(documents, D), (torch.rand(documents, L) < share).float()
    scorer = NeighbourScorer(D, L, k=k, **options)
    scorer.remember(vectors, sp.csr_matrix(labels.numpy()))
    return scorer, labels


def votes_loop(scorer, labels, text):
    """Score of each label, one document and one neighbour at a time."""
    rows = []
    for h in text:
        cosines = [float(torch.dot(h / h.norm(), v)) for v in scorer.memory]
        nearest = sorted(range(len(cosines)), key=lambda j: -cosines[j])[: scorer.k]
        weights = [math.exp(cosines[j] / scorer.temperature) for j in nearest]
        shares = [w / sum(weights) for w in weights]
        p = [sum(w * float(labels[j, label]) for w, j in zip(shares, nearest, strict=True)) for label in range(L)]
        p = [min(max(value, scorer.floor), 1 - scorer.floor) for value in p]
        rows.append([math.log(value / (1 - value)) for value in p])
    return torch.tensor(rows)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 9), st.integers(0, 99), st.sampled_from([0.0, 0.3, 1.0]))
def test_votes_match_a_loop(documents, k, seed, share):
    scorer, labels = made(documents, k, seed, share, temperature=0.2)
    text = torch.randn(3, D)
    torch.testing.assert_close(scorer(text), votes_loop(scorer, labels, text), rtol=1e-4, atol=1e-4)


def test_blocks_of_memory_do_not_matter(monkeypatch):
    scorer, _ = made(50)
    text = torch.randn(4, D)
    whole = scorer(text)
    monkeypatch.setattr("hgraph.retrieval.neighbour_scorer._ROWS", 7)
    torch.testing.assert_close(scorer(text), whole)


def test_candidates_and_batches():
    scorer, _ = made()
    text, candidates = torch.randn(4, D), torch.randint(L, (4, 3))
    torch.testing.assert_close(scorer(text, candidates), scorer(text).gather(1, candidates))
    torch.testing.assert_close(torch.cat([scorer(row[None]) for row in text]), scorer(text))
    assert scorer(text[:0]).shape == (0, L)


def test_state_dict_brings_the_documents():
    scorer, labels = made()
    other = NeighbourScorer(D, L, k=5)
    other.load_state_dict(scorer.state_dict())
    text = torch.randn(3, D)
    torch.testing.assert_close(other(text), scorer(text), rtol=0, atol=0)
    scorer.relabel(sp.csr_matrix(1 - labels.numpy()))
    assert not torch.allclose(other(text), scorer(text))


def test_memory_is_as_exact_as_it_is_stored():
    scorer, _ = made()
    assert torch.equal(scorer.memory, scorer.memory.half().float())


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: NeighbourScorer(2, 2, k=0), "'k' must be at least 1, but got 0"),
        (lambda: NeighbourScorer(2, 2, temperature=0.0), "'temperature' must be above 0"),
        (lambda: NeighbourScorer(2, 2, floor=0.5), "'floor' must be between 0 and 0.5"),
        (lambda: NeighbourScorer(2, 2)(torch.zeros(1, 2)), "remembers no documents"),
        (lambda: NeighbourScorer(2, 2).remember(torch.zeros(3, 2), sp.csr_matrix((2, 2))), r"\[3, 2\]"),
    ],
)
def test_wrong_input_is_named(make, word):
    with pytest.raises(ConfigError, match=word):
        make()
