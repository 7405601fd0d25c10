"""Windows of long documents against slices of their tokens, and what is cut off."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import seeded, states_of, transformer

from hgraph.errors import ConfigError
from hgraph.text import ChunkedTextEncoder
from hgraph.text.windows import Truncation, token_windows

TEXTS = [" ".join(f"w{(3 * i + n) % 20}" for i in range(n)) for n in (0, 1, 6, 7, 20, 50)]


class SlowTokenizer:
    """What `token_windows` needs of a tokenizer that is written in Python."""

    is_fast = False

    def __init__(self, fast):
        self.fast = fast

    def num_special_tokens_to_add(self):
        return 2

    def build_inputs_with_special_tokens(self, ids):
        return [2, *ids, 3]

    def __call__(self, texts, **options):
        return self.fast(texts, **options)


def windows_by_slices(count, room, overlap):
    """Places of the tokens of each window of `count` tokens."""
    found, start = [list(range(min(room, count)))], 0
    while start + room < count:
        start += room - overlap
        found.append(list(range(start, min(start + room, count))))
    return found


@pytest.mark.parametrize("slow", [False, True])
@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=4), st.integers(3, 9), st.data())
def test_windows_are_slices(tiny_tokenizer, slow, counts, length, data):
    overlap = data.draw(st.integers(0, length - 3))
    tokenizer = SlowTokenizer(tiny_tokenizer()) if slow else tiny_tokenizer()
    texts = [" ".join(f"w{i % 20}" for i in range(count)) for count in counts]
    found = list(token_windows(tokenizer, texts, max_length=length, overlap=overlap))
    assert len(found) == len(texts)
    for count, (windows, added) in zip(counts, found, strict=True):
        expected = windows_by_slices(count, length - 2, overlap)
        assert [window.tolist() for window in windows] == [[2, *(4 + i % 20 for i in part), 3] for part in expected]
        seen, new = set(), []
        for part in expected:
            new.append(len(set(part) - seen))
            seen |= set(part)
        assert added.tolist() == new
        assert all(window.dtype == np.int32 for window in windows)


@pytest.mark.parametrize("pooling", ["mean", "max", "attention"])
def test_a_document_is_pooled_from_its_windows(tiny_tokenizer, pooling):
    encoder = seeded(
        ChunkedTextEncoder, transformer(tiny_tokenizer, max_length=9), windows=3, overlap=2, pooling=pooling
    )
    if pooling == "attention":
        torch.nn.init.normal_(encoder.attention.query.weight)
    encoder.eval()
    states = states_of(encoder, TEXTS)
    for row, text in enumerate(TEXTS):
        words = text.split()
        parts = [" ".join(words[place] for place in part) for part in windows_by_slices(len(words), 7, 2)][:3]
        alone = [states_of(encoder.encoder, [part]) for part in parts]
        vectors = torch.cat([state.pooled for state in alone])
        if pooling == "attention":
            scores = [(encoder.attention.query(torch.tanh(encoder.attention.map(v)))).item() for v in vectors]
            expected = sum(w * v for w, v in zip(np.exp(scores) / np.exp(scores).sum(), vectors, strict=True))
        else:
            expected = vectors.mean(0) if pooling == "mean" else vectors.amax(0)
        torch.testing.assert_close(states.pooled[row], expected.float(), rtol=0, atol=1e-5)
        tokens = torch.cat([state.tokens[0] for state in alone])
        torch.testing.assert_close(states.tokens[row][states.mask[row]], tokens, rtol=0, atol=1e-5)


def test_attention_begins_as_the_mean(tiny_tokenizer):
    encoders = [
        ChunkedTextEncoder(transformer(tiny_tokenizer), pooling=pooling, overlap=1).eval()
        for pooling in ("mean", "attention")
    ]
    torch.testing.assert_close(*[states_of(encoder, TEXTS).pooled for encoder in encoders])


def test_what_is_cut_is_counted(tiny_tokenizer, caplog):
    inner = transformer(tiny_tokenizer, max_length=9)
    with caplog.at_level(logging.INFO):
        inner.prepare(TEXTS)
    assert inner.truncation == Truncation(texts=6, cut=2, tokens=84, lost=13 + 43)
    assert inner.truncation.share == 2 / 6
    assert "2 of 6 texts are cut; they lose 66.7% of all tokens (at 9 tokens)" in caplog.text
    encoder = ChunkedTextEncoder(inner, windows=3, overlap=2)
    encoder.prepare(TEXTS)
    # Three windows of seven tokens that share two read 17 tokens.
    assert encoder.truncation == Truncation(texts=6, cut=2, tokens=84, lost=3 + 33)
    ChunkedTextEncoder(inner, windows=99, overlap=2).prepare(TEXTS)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        inner.prepare(["w1", "w2"])
        inner.prepare([])
    assert not caplog.text
    assert inner.truncation == Truncation()
    assert inner.truncation.share == inner.truncation.lost_share == 0


def test_label_names_are_read_from_their_first_windows(tiny_tokenizer):
    encoder = ChunkedTextEncoder(transformer(tiny_tokenizer, max_length=9), overlap=2).eval()
    inner = encoder.encoder
    found = encoder.embed(encoder.collate(encoder.prepare(TEXTS)))
    torch.testing.assert_close(found, inner.embed(inner.collate(inner.prepare(TEXTS))))


def test_arguments_that_make_no_sense(tiny_tokenizer):
    for options, message in (
        ({"pooling": "sum"}, "'pooling' must be one of mean, max, attention, but got 'sum'"),
        ({"windows": 0}, "'windows' must be at least 1, but got 0"),
        ({"overlap": 10}, "'overlap' must be 0 or more and below the 10 tokens of a window, but got 10"),
        ({"overlap": -1}, "'overlap' must be 0 or more"),
    ):
        with pytest.raises(ConfigError, match=message):
            ChunkedTextEncoder(transformer(tiny_tokenizer), **{"overlap": 1, **options})
