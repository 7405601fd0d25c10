"""Two encoders in one: each part against its encoder alone."""

import numpy as np
import pytest
import torch
from tiny_encoders import TEXTS, bag, frozen, states_of, transformer

from hgraph.errors import ConfigError
from hgraph.scoring import LexicalScorer
from hgraph.text import VectorTextEncoder, WideDeepTextEncoder


@pytest.mark.parametrize("make", [transformer, frozen, lambda _: bag()])
@pytest.mark.parametrize("channels", [0, 5])
def test_each_part_is_its_encoder(tiny_tokenizer, make, channels):
    wide, deep = bag(channels=channels).eval(), make(tiny_tokenizer).eval()
    encoder = WideDeepTextEncoder(wide, deep)
    states, first, second = states_of(encoder, TEXTS), states_of(wide, TEXTS), states_of(deep, TEXTS)
    torch.testing.assert_close(states.pooled, second.pooled)
    for name in ("indices", "offsets", "weights"):
        torch.testing.assert_close(getattr(states.sparse, name), getattr(first.sparse, name))
    assert (states.tokens is None) == (second.tokens is None)
    if states.tokens is not None:
        torch.testing.assert_close(states.tokens, second.tokens)
        assert torch.equal(states.mask, second.mask)
    assert (encoder.channels, encoder.num_features, encoder.pads) == (deep.channels, wide.num_features, deep.pads)
    names = ["w1", "w2 w3"]
    torch.testing.assert_close(
        encoder.embed(encoder.collate(encoder.prepare(names))), deep.embed(deep.collate(deep.prepare(names)))
    )
    np.testing.assert_array_equal(encoder.lengths(encoder.prepare(TEXTS)), deep.lengths(deep.prepare(TEXTS)))


def test_a_lexical_scorer_reads_what_the_wide_part_gives():
    encoder = WideDeepTextEncoder(bag(channels=0, weighting="learned"), bag())
    scorer = LexicalScorer(encoder.num_features, 3)
    torch.nn.init.normal_(scorer.weight)
    sparse = encoder(**encoder.collate(encoder.prepare(TEXTS))).sparse
    scores = scorer(sparse.indices, sparse.offsets, sparse.weights)
    expected = torch.from_numpy(encoder.wide.features.transform(TEXTS).toarray()) @ scorer.weight
    torch.testing.assert_close(scores, expected)
    scores.square().sum().backward()
    assert encoder.wide.log_scale.grad.any()
    assert all(value.grad is None for value in encoder.deep.parameters())


def test_parts_that_do_not_fit():
    with pytest.raises(ConfigError, match="'wide' must give sparse features, but got VectorTextEncoder without any"):
        WideDeepTextEncoder(VectorTextEncoder(3), bag())
    with pytest.raises(ConfigError, match="'deep' must give vectors, but got BagTextEncoder with 'channels' 0"):
        WideDeepTextEncoder(bag(), bag(channels=0))
