"""Pooling of token states against loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from hgraph.text.attention_pooling import AttentionPooling
from hgraph.text.pooling import masked_max, masked_mean, masked_softmax, pool

LENGTHS = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def padded(lengths, seed=0, width=3):
    states = torch.randn(len(lengths), 6, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return states - 5, torch.arange(6) < torch.tensor(lengths)[:, None]  # below zero: padding must not win a maximum


@settings(max_examples=30, deadline=None)
@given(LENGTHS)
def test_each_way_over_real_tokens(lengths):
    states, mask = padded(lengths)
    expected = {
        "cls": lambda rows: rows[0],
        "last": lambda rows: rows[-1],
        "mean": lambda rows: rows.mean(0),
        "max": lambda rows: rows.max(0),
    }
    for how, function in expected.items():
        found = pool(states, mask, how)
        for row, length in enumerate(lengths):
            np.testing.assert_allclose(found[row].numpy(), function(states[row, :length].numpy()), atol=1e-12)


def test_nothing_real_gives_zeros():
    states, mask = torch.randn(2, 3, 4), torch.zeros(2, 3, dtype=torch.bool)
    assert not masked_mean(states, mask).any()
    assert not masked_max(states, mask).any()
    assert not masked_softmax(states[..., 0], mask).any()
    assert not AttentionPooling(4)(states, mask).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_for_the_softmax(dtype):
    scores, mask = torch.tensor([[5.0, 5.01, -3.0]], dtype=dtype), torch.tensor([[True, True, False]])
    found = masked_softmax(scores, mask)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[0, :2].numpy(), softmax(scores[0, :2].float().numpy()), atol=1e-6)
    assert found[0, 2] == 0


@settings(max_examples=20, deadline=None)
@given(LENGTHS)
def test_attention_pooling_has_finite_exact_gradients(lengths):
    vectors, mask = padded(lengths)
    layer = AttentionPooling(3).double()
    torch.nn.init.normal_(layer.query.weight)
    vectors.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: layer(v, mask), vectors)
    assert not torch.autograd.grad(layer(vectors, mask).sum(), vectors)[0][~mask].any()
