"""The lexical scorer against a sparse matrix product."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from live_tensors import LiveTensors

from hgraph.errors import ConfigError
from hgraph.scoring import LexicalScorer

V, L = 40, 7


def flat(matrix):
    """The three tensors of a CSR matrix."""
    parts = matrix.indices.astype(np.int64), matrix.indptr[:-1].astype(np.int64), matrix.data.astype(np.float32)
    return [torch.from_numpy(part) for part in parts]


@pytest.fixture
def scorer():
    torch.manual_seed(0)
    scorer = LexicalScorer(V, L)
    torch.nn.init.normal_(scorer.weight)
    torch.nn.init.normal_(scorer.bias)
    return scorer


@pytest.fixture
def x():
    matrix = sp.random(9, V, density=0.15, format="lil", random_state=0, dtype=np.float32)
    matrix[3] = 0  # a document without a known n-gram
    return sp.csr_matrix(matrix)


@pytest.mark.parametrize("training", [True, False])
def test_scores_equal_a_sparse_product(scorer, x, training):
    scorer.train(training)
    expected = x @ scorer.weight.detach().numpy() + scorer.bias.detach().numpy()
    np.testing.assert_allclose(scorer(*flat(x)).detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    assert scorer.double()(*flat(x)).dtype == torch.float64


def test_candidates_pick_from_all_scores(scorer, x):
    candidates = torch.randint(L, (9, 3))
    scores = scorer(*flat(x))
    torch.testing.assert_close(scorer(*flat(x), candidates=candidates), scores.gather(1, candidates))


@pytest.mark.parametrize("budget", [1, 400, 2**30])
def test_candidates_have_the_gradients_of_all_scores(scorer, x, budget, monkeypatch):
    """In sparse and dense form, also for the values of features, whatever the size of the parts."""
    monkeypatch.setattr("hgraph.scoring.lexical_candidates.MEMORY_BUDGET", budget)
    candidates = torch.tensor([[0, 6, 6], *torch.randint(L, (8, 3)).tolist()])
    indices, offsets, values = flat(x)
    upstream = torch.randn(9, 3)
    for training in (True, False):
        scorer.train(training).zero_grad()
        given, picked = values.clone().requires_grad_(), values.clone().requires_grad_()
        scorer.eval()(indices, offsets, given).gather(1, candidates).backward(upstream)
        expected = [scorer.weight.grad, scorer.bias.grad, given.grad]
        scorer.train(training).zero_grad()
        scorer(indices, offsets, picked, candidates).backward(upstream)
        gradient = scorer.weight.grad
        assert gradient.is_sparse == training
        actual = [gradient.to_dense() if training else gradient, scorer.bias.grad, picked.grad]
        for one, other in zip(actual, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_a_step_on_candidates_moves_their_weights_alone(scorer, x):
    candidates = torch.tensor([[2, 4]]).expand(9, -1)
    before = scorer.weight.detach().clone()
    optimizer = torch.optim.SGD(scorer.parameters(), lr=0.1)
    scorer.train()(*flat(x), candidates).sum().backward()
    expected = before.clone()
    expected[:, [2, 4]] -= 0.1 * torch.from_numpy(x.sum(0)).T
    optimizer.step()
    torch.testing.assert_close(scorer.weight.detach(), expected)


def test_candidates_do_not_cost_all_labels():
    """No tensor of documents x labels, nor of features x labels."""
    scorer = LexicalScorer(50, 20_000)
    x = sp.random(8, 50, density=0.2, format="csr", dtype=np.float32, random_state=0)
    with torch.no_grad(), LiveTensors() as live:
        scorer(*flat(x), candidates=torch.randint(20_000, (8, 5)))
    assert live.peak < 40 * x.nnz * 5 + 2000
    with torch.no_grad(), LiveTensors() as live:
        scorer(*flat(x))
    assert live.peak >= 4 * 8 * 20_000


def test_gradients_are_sparse_in_training_and_right_in_both_modes(scorer, x):
    upstream = torch.randn(9, L)
    expected = torch.from_numpy(x.T @ upstream.numpy())
    for training in (True, False):
        scorer.train(training).zero_grad()
        scorer(*flat(x)).backward(upstream)
        gradient = scorer.weight.grad
        assert gradient.is_sparse == training
        if training:
            touched = set(gradient.coalesce().indices()[0].tolist())
            assert touched == set(x.indices.tolist())
            assert len(touched) < V
            gradient = gradient.to_dense()
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(scorer.bias.grad, upstream.sum(0))


@pytest.mark.parametrize("training", [True, False])
def test_empty_documents_and_batches(scorer, training):
    scorer.train(training)
    scores = scorer(*flat(sp.csr_matrix((2, V))))
    torch.testing.assert_close(scores, scorer.bias.expand(2, L))
    scores.sum().backward()
    assert scorer(*flat(sp.csr_matrix((0, V)))).shape == (0, L)
    candidates = torch.randint(L, (2, 3))
    torch.testing.assert_close(scorer(*flat(sp.csr_matrix((2, V))), candidates=candidates), scorer.bias[candidates])
    assert scorer(*flat(sp.csr_matrix((0, V))), candidates=candidates[:0]).shape == (0, 3)


def test_starts_from_the_base_rates():
    scorer = LexicalScorer(V, 3)
    assert not scorer.weight.any()
    scorer.init_bias(torch.tensor([0.25, 0.0, 1.0]))
    scores = scorer(*flat(sp.csr_matrix((1, V)))).sigmoid()
    torch.testing.assert_close(scores, torch.tensor([[0.25, 1e-6, 1 - 1e-6]]), rtol=1e-3, atol=1e-7)
    assert scorer(*flat(sp.csr_matrix((1, V)))).isfinite().all()


def test_too_many_weights_are_refused():
    assert LexicalScorer(10, 10, max_weights=100).weight.numel() == 100
    with pytest.raises(ConfigError, match="10 features x 10 labels = 100 weights"):
        LexicalScorer(10, 10, max_weights=99)
    with pytest.raises(ConfigError, match="Lower 'max_features'"):
        LexicalScorer(200_000, 1_000_000)
