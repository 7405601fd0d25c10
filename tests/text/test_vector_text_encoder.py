"""Given vectors: arrays of all kinds, functions, and what cannot be saved."""

import logging

import numpy as np
import pytest
import torch
from tiny_encoders import TEXTS, count_words

from hgraph.errors import ConfigError, DataError
from hgraph.text import EmbeddingCache, FrozenTextEncoder, VectorTextEncoder, restore_text_encoder

VECTORS = np.arange(24, dtype=np.float64).reshape(3, 8) / 7


def mapped(tmp_path):
    np.save(tmp_path / "vectors.npy", VECTORS.astype(np.float16))
    return np.load(tmp_path / "vectors.npy", mmap_mode="r")


@pytest.mark.parametrize("kind", ["array", "half", "tensor", "bfloat16", "list", "rows", "mapped"])
def test_vectors_of_all_kinds(tmp_path, kind):
    given = {
        "array": VECTORS,
        "half": VECTORS.astype(np.float16),
        "tensor": torch.from_numpy(VECTORS),
        "bfloat16": torch.from_numpy(VECTORS).bfloat16(),
        "list": VECTORS.tolist(),
        "rows": list(VECTORS),
        "mapped": mapped(tmp_path),
    }[kind]
    encoder = VectorTextEncoder(8).eval()
    items = encoder.prepare(given)
    pooled = encoder(**encoder.collate([items[2], items[0]])).pooled
    assert pooled.dtype == torch.float32
    np.testing.assert_allclose(pooled.numpy(), VECTORS[[2, 0]], rtol=0.01 if kind == "bfloat16" else 1e-3)
    assert encoder.channels == 8
    if kind == "mapped":
        assert items.matrix is given  # not read as a whole


def test_a_function_is_called_in_batches():
    calls = []

    def encode(items):
        calls.append(list(items))
        return torch.tensor([[float(item.real), float(item.imag)] for item in items])

    encoder = VectorTextEncoder(2, encode=encode, batch_size=3)
    items = encoder.prepare([complex(i, -i) for i in range(7)])  # whatever the user has
    assert [len(call) for call in calls] == [3, 3, 1]
    np.testing.assert_array_equal(items.matrix, [[i, -i] for i in range(7)])
    assert len(encoder.prepare([])) == 0
    encoder.prepare(np.ones((2, 2)))
    assert len(calls) == 3  # vectors are taken as they are


def test_head_by_its_definition():
    encoder = VectorTextEncoder(8, channels=3).double()
    states = encoder(**encoder.collate(encoder.prepare(VECTORS)))
    linear = torch.from_numpy(VECTORS.astype(np.float32)).double() @ encoder.head.linear.weight.T
    normed = torch.nn.functional.layer_norm(linear + encoder.head.linear.bias, (3,))
    torch.testing.assert_close(states.pooled, torch.nn.functional.gelu(normed))


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones((2, 3)), r"'texts' must have shape \(2, 8\), but got \(2, 3\)"),
        (np.ones(8), r"'texts' must have shape \(8, 8\), but got \(8,\)"),
        ([[1.0, 2.0], [1.0]], "'texts' must be vectors of one width"),
        (["w1", "w2"], "'texts' must be vectors, but got strings and no function to encode them"),
        ([{"title": "w1"}], "'texts' must be vectors, but got strings"),
    ],
)
def test_what_is_no_vector(vectors, message):
    with pytest.raises(DataError, match=message):
        VectorTextEncoder(8).prepare(vectors)


def test_what_a_function_gives_is_checked():
    with pytest.raises(DataError, match=r"what 'encode' returns must have shape \(2, 8\), but got \(1, 8\)"):
        VectorTextEncoder(8, encode=lambda items: np.ones((1, 8))).prepare(["w1", "w2"])
    for bad in (np.nan, np.inf):
        encoder, vectors = VectorTextEncoder(2), np.array([[0, 1], [bad, 0]])
        with pytest.raises(DataError, match="must be finite, but item 1 of a batch has NaN or infinity"):
            encoder.collate(list(encoder.prepare(vectors)))


def test_a_function_is_given_again_when_a_model_is_loaded(tmp_path, caplog):
    encoder = VectorTextEncoder(8, encode=count_words, channels=4).eval()
    encoder.save_assets(tmp_path)
    with caplog.at_level(logging.WARNING):
        restored = restore_text_encoder(tmp_path, encoder.state_dict())
    assert "set 'encode' to it" in caplog.text
    with pytest.raises(DataError, match="argument 'encode' \\(it is not saved with a model\\)"):
        restored.prepare(TEXTS)
    restored.encode = count_words
    np.testing.assert_array_equal(restored.prepare(TEXTS).matrix, encoder.prepare(TEXTS).matrix)
    caplog.clear()
    assert restore_text_encoder(tmp_path, encoder.state_dict(), encode=count_words).encode is count_words
    assert not caplog.text


def test_what_a_function_gives_is_not_kept_on_disk(tmp_path):
    encoder = FrozenTextEncoder(VectorTextEncoder(8, encode=count_words), cache=EmbeddingCache(tmp_path))
    with pytest.raises(ConfigError, match="VectorTextEncoder does not say what decides its vectors"):
        encoder.prepare(TEXTS)


def test_arguments_that_make_no_sense():
    for options, message in (
        ({"in_channels": 0}, "'in_channels' must be at least 1, but got 0"),
        ({"in_channels": 3, "batch_size": 0}, "'batch_size' must be at least 1, but got 0"),
        ({"in_channels": 3, "channels": 0}, "'channels' of a head must be at least 1, but got 3 -> 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            VectorTextEncoder(**options)
