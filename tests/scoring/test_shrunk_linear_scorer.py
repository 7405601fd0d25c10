"""Weights between a label vector and a vector of their own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scorer_cases import C, D, L, inputs, make

from hgraph.errors import ConfigError
from hgraph.scoring import BilinearScorer, ShrunkLinearScorer, shrinkage


def test_starts_at_the_label_vectors():
    torch.manual_seed(0)
    scorer = ShrunkLinearScorer(L, D, support=torch.arange(L))
    bilinear = BilinearScorer(D)
    text, labels = torch.randn(3, D), torch.randn(L, D)
    torch.testing.assert_close(scorer(text, labels), bilinear(text, labels))


def test_a_label_without_documents_is_scored_from_its_vector_and_one_with_many_from_its_own_weight():
    scorer = make("shrunk")
    scorer.init_support(torch.tensor([0.0, 1e12, *[5.0] * (L - 2)]))
    text, labels, _ = inputs(scorer, 4)
    scores = scorer(text, labels)
    from_label = text @ scorer.text_map @ labels.t()
    torch.testing.assert_close(scores[:, 0], from_label[:, 0] + scorer.bias[0])
    own = scorer.text_map @ labels[1] + scorer.difference[1]
    torch.testing.assert_close(scores[:, 1], text @ own + scorer.bias[1])


def test_without_support_no_label_has_a_weight_of_its_own():
    scorer = ShrunkLinearScorer(L, D)
    torch.nn.init.normal_(scorer.difference)
    assert not scorer.shares().any()
    text, labels = torch.randn(3, D), torch.randn(L, D)
    torch.testing.assert_close(scorer(text, labels), text @ scorer.text_map @ labels.t())


def test_gradient_of_the_own_weight_has_the_share_as_a_factor():
    scorer = make("shrunk")
    text, labels, _ = inputs(scorer, 4)
    scorer(text, labels).sum().backward()
    expected = scorer.shares().detach().unsqueeze(1) * text.sum(0)
    torch.testing.assert_close(scorer.difference.grad, expected)
    assert not scorer.difference.grad[0].any()  # a label without documents
    assert scorer.log_kappa.grad is None


def test_kappa_can_be_learned():
    scorer = ShrunkLinearScorer(L, D, support=torch.arange(L), kappa=4.0, learn_kappa=True)
    torch.nn.init.normal_(scorer.difference)
    scorer(torch.randn(3, D), torch.randn(L, D)).square().sum().backward()
    assert scorer.log_kappa.grad.abs() > 0
    assert float(scorer.log_kappa.detach().exp()) == pytest.approx(4.0)


def test_penalty_is_the_squared_distance_over_the_support():
    scorer = make("shrunk")
    labels = inputs(scorer, 1)[1]
    weights = scorer.label_weights(labels)
    expected = 0.0
    for label in range(L):
        if scorer.support[label] > 0:
            distance = weights[label] - scorer.text_map @ labels[label]
            expected += distance.square().sum() / scorer.support[label]
    torch.testing.assert_close(scorer.penalty(), expected)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.floats(1e-3, 1e6))
def test_more_documents_count_more(few, more, kappa):
    few, more = sorted((few, more))
    shares = shrinkage(torch.tensor([few, more], dtype=torch.float64), kappa)
    assert 0 <= shares[0] <= shares[1] <= 1
    assert (shares[0] == 0) == (few == 0)


def test_support_is_saved():
    scorer = make("shrunk")
    other = ShrunkLinearScorer(L, D, label_channels=C).double()
    other.load_state_dict(scorer.state_dict())
    text, labels, _ = inputs(scorer, 2)
    assert torch.equal(other(text, labels), scorer(text, labels))


def test_wrong_input_is_named():
    with pytest.raises(ConfigError, match="'kappa' must be above 0, but got 0"):
        ShrunkLinearScorer(L, D, kappa=0)
    with pytest.raises(ConfigError, match=r"'support' must hold one count a label, shape \[7\], but got \[3\]"):
        ShrunkLinearScorer(L, D, support=torch.ones(3))
    with pytest.raises(ConfigError, match="'support' must hold counts, 0 or more, but got -1"):
        ShrunkLinearScorer(2, D, support=torch.tensor([-1.0, 3.0]))
    with pytest.raises(ConfigError, match="'support' must hold counts"):
        ShrunkLinearScorer(2, D, support=torch.tensor([float("nan"), 3.0]))
