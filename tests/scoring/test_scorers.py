"""Scorers against loops over documents and labels."""

import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.scoring import AdditiveScorer, DotScorer, LinearScorer, additive_scores, dot_scores, log_odds

B, L, D = 3, 7, 5


def make(name, num_labels=L):
    torch.manual_seed(0)
    scorer = {
        "linear": lambda: LinearScorer(num_labels, D),
        "additive": lambda: AdditiveScorer(num_labels, D),
        "dot": lambda: DotScorer(D, scale=0.7),
        "cosine": lambda: DotScorer(D, num_labels=num_labels, similarity="cosine"),
    }[name]().double()
    torch.nn.init.normal_(scorer.bias)
    return scorer


def reference(scorer, text, labels):
    """Every score by its definition, one pair at a time."""
    scores = torch.zeros(len(text), len(labels), dtype=torch.float64)
    for i, h in enumerate(text):
        for j, f in enumerate(labels):
            if isinstance(scorer, LinearScorer):
                scores[i, j] = (scorer.weight @ h + scorer.bias)[j]
            elif isinstance(scorer, AdditiveScorer):
                scores[i, j] = (scorer.weight @ (h + f) + scorer.bias)[j]
            else:
                similarity = sum(a * b for a, b in zip(h, f, strict=True))
                if scorer.similarity == "cosine":
                    similarity = similarity / (sum(a * a for a in h).sqrt() * sum(a * a for a in f).sqrt())
                bias = scorer.bias[j] if scorer.num_labels else scorer.bias[0]
                scores[i, j] = scorer.log_scale.exp() * similarity + bias
    return scores


ALL = pytest.mark.parametrize("name", ["linear", "additive", "dot", "cosine"])


@ALL
@pytest.mark.parametrize(("batch", "num_labels"), [(B, L), (0, L), (2, 1)])
def test_scores_match_a_loop_over_pairs(name, batch, num_labels):
    scorer = make(name, num_labels)
    text, labels = torch.randn(batch, D).double(), torch.randn(num_labels, D).double()
    expected = reference(scorer, text, labels)
    torch.testing.assert_close(scorer(text, labels), expected, rtol=0, atol=1e-12)
    candidates = torch.randint(num_labels, (batch, 4))
    torch.testing.assert_close(
        scorer(text, labels, candidates=candidates), expected.gather(1, candidates), rtol=0, atol=1e-12
    )


@ALL
def test_frozen_scorer_gives_the_same_scores_without_label_vectors(name):
    scorer = make(name)
    text, labels = torch.randn(B, D).double(), torch.randn(L, D).double()
    candidates = torch.randint(L, (B, 3))
    frozen = scorer.freeze(labels)
    torch.testing.assert_close(frozen(text), scorer(text, labels), rtol=0, atol=1e-12)
    torch.testing.assert_close(
        frozen(text, candidates=candidates), scorer(text, labels, candidates), rtol=0, atol=1e-12
    )
    assert isinstance(frozen, LinearScorer) == (name != "cosine")
    assert not frozen.training
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    before = frozen(text).clone()
    with torch.no_grad():  # a copy: later training of the scorer does not reach it
        scorer.bias.add_(1.0)
    assert torch.equal(frozen(text), before)


def test_additive_scorer_folds_into_a_flat_classifier():
    scorer = make("additive")
    text, labels = torch.randn(B, D).double(), torch.randn(L, D).double()
    flat = scorer.fold(labels)
    assert type(flat) is LinearScorer
    assert torch.equal(flat.weight, scorer.weight)
    torch.testing.assert_close(flat(text), reference(scorer, text, labels), rtol=0, atol=1e-12)
    revived = LinearScorer(L, D).double()
    revived.load_state_dict(flat.state_dict())
    assert torch.equal(revived(text), flat(text))


@ALL
def test_a_score_depends_on_its_document_alone(name):
    scorer = make(name)
    text, labels = torch.randn(B, D).double(), torch.randn(L, D).double()
    scores, order = scorer(text, labels), torch.tensor([2, 0, 1])
    torch.testing.assert_close(scorer(text[order], labels), scores[order], rtol=0, atol=1e-12)
    torch.testing.assert_close(scorer(text[1:2], labels), scores[1:2], rtol=0, atol=1e-12)


def test_gradients_are_those_of_finite_differences():
    text, labels, weight = (torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (2, 4, 4))
    bias, candidates = torch.randn(4, dtype=torch.float64, requires_grad=True), torch.tensor([[0, 3], [2, 2]])
    for shortlist in (None, candidates):
        assert torch.autograd.gradcheck(
            lambda *args: additive_scores(*args, candidates=shortlist),  # noqa: B023
            (text, labels, weight, bias),
        )
        assert torch.autograd.gradcheck(
            lambda t, v, b: dot_scores(t, v, bias=b, candidates=shortlist),  # noqa: B023
            (text, labels, bias),
        )


def test_bias_starts_at_the_base_rates():
    prior = torch.tensor([0.25, 0.5, 0.0, 1.0])
    scorer = LinearScorer(4, D)
    scorer.init_bias(prior)
    torch.testing.assert_close(scorer(torch.zeros(1, D)).sigmoid()[0], prior, rtol=0, atol=1e-5)
    assert log_odds(torch.tensor([0.0, 1.0])).isfinite().all()
    with pytest.raises(ConfigError, match="one share a label"):
        scorer.init_bias(prior[:2])


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="needs label vectors"):
        make("additive")(torch.randn(1, D).double())
    with pytest.raises(ConfigError, match=r"must have shape \[7, 5\]"):
        make("additive")(torch.randn(1, D).double(), torch.randn(L + 1, D).double())
    with pytest.raises(ConfigError, match="'similarity' must be one of dot, cosine"):
        DotScorer(D, similarity="euclid")
    with pytest.raises(ConfigError, match="'scale' must be above 0"):
        DotScorer(D, scale=0.0)
    with pytest.raises(ConfigError, match="'num_labels' must be at least 1"):
        LinearScorer(0, D)


def test_cosine_ignores_the_length_of_vectors_and_new_labels_can_be_scored():
    scorer, text, labels = DotScorer(D, similarity="cosine"), torch.randn(B, D), torch.randn(L, D)
    torch.testing.assert_close(scorer(text * 9, labels * 0.1), scorer(text, labels), rtol=1e-4, atol=1e-4)
    assert scorer(text, torch.randn(L + 3, D)).shape == (B, L + 3)
    assert scorer(torch.zeros(1, D), labels).isfinite().all()
