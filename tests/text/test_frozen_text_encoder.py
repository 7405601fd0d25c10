"""A frozen transformer: its vectors, what reaches it at all, and what is kept between runs."""

import logging
import multiprocessing

import numpy as np
import pytest
import torch
from tiny_encoders import TEXTS, bag, states_of, tiny_model, transformer

from hgraph.errors import ConfigError
from hgraph.text import EmbeddingCache, FrozenTextEncoder, TransformerTextEncoder, frozen_text_encoder

MANY = [f"w{i % 20} w{i % 7} " * (1 + i % 5) for i in range(30)]


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def make(tiny_tokenizer):
    """Maker of a frozen encoder and the list of how many documents each of its passes took."""

    def build(change=None, *, architecture="bert", inner=None, **options):
        encoder = FrozenTextEncoder(
            transformer(tiny_tokenizer, architecture, **{"pooling": "mean", **(inner or {})}), **options
        )
        if change is not None:
            change(encoder.encoder)
        passes = []
        encoder.encoder.model.register_forward_pre_hook(
            lambda module, args, kwargs: passes.append(len(kwargs["input_ids"])), with_kwargs=True
        )
        return encoder, passes

    return build


def vectors_of(encoder, texts):
    return np.asarray(encoder.prepare(texts).matrix)


def test_vectors_are_those_of_the_encoder_text_by_text(make, monkeypatch, tmp_path):
    monkeypatch.setattr(frozen_text_encoder, "BLOCK", 4)
    encoder, _ = make(batch_size=3)
    texts = [*TEXTS, *TEXTS[::-1], *MANY]
    expected = torch.cat([states_of(encoder.encoder.eval(), [text]).pooled for text in texts]).numpy()
    found = encoder.prepare(texts)
    assert found.matrix.dtype == np.float32
    np.testing.assert_allclose(found.matrix, expected, atol=1e-5)
    np.testing.assert_array_equal(found[-1], found.matrix[-1])
    for dtype, atol in (("float32", 1e-5), ("float16", 3e-3)):
        stored, _ = make(batch_size=3, cache=EmbeddingCache(tmp_path, dtype=dtype))
        for _ in range(2):
            np.testing.assert_allclose(vectors_of(stored, texts), expected, atol=atol)
            assert vectors_of(stored, texts).dtype == dtype


def test_each_text_passes_once(make, tmp_path):
    cache = EmbeddingCache(tmp_path)
    first, passes = make(cache=cache, batch_size=4)
    whole = vectors_of(first, [*MANY[:10], *MANY[:10], MANY[0]])
    assert sum(passes) == 10
    vectors_of(first, MANY[:10])
    assert sum(passes) == 10
    vectors_of(first, MANY[5:15])
    assert sum(passes) == 15
    second, passes = make(cache=EmbeddingCache(tmp_path))  # another run
    np.testing.assert_array_equal(vectors_of(second, MANY[:10]), whole[:10])
    assert passes == []
    alone, passes = make()  # without a cache, only the texts of one call
    vectors_of(alone, [*MANY[:5], *MANY[:5]])
    assert sum(passes) == 5
    vectors_of(alone, MANY[:5])
    assert sum(passes) == 10


def test_the_mean_of_the_training_texts_is_taken_away(make):
    plain, _ = make()
    centered, _ = make(center=True, normalize=True)
    raw = vectors_of(plain, MANY).astype(np.float64)
    items = centered.prepare(MANY)
    centered.adapt(items)
    expected = raw - raw.mean(0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    pooled = centered(**centered.collate([items[row] for row in range(len(MANY))])).pooled
    np.testing.assert_allclose(pooled.detach().numpy(), expected, atol=1e-5)
    other, _ = make(center=True, normalize=True)
    other.load_state_dict(centered.state_dict())
    torch.testing.assert_close(other.mean, centered.mean, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({"inner": {"pooling": "cls"}}, False),
        ({"inner": {"max_length": 5}}, False),
        ({"precision": "bfloat16"}, False),
        ({"architecture": "roberta"}, False),
        ({"change": lambda encoder: encoder.model.embeddings.word_embeddings.weight.data[5].add_(1e-3)}, False),
        ({"change": lambda encoder: encoder.tokenizer.add_tokens(["w99"])}, False),
        ({"change": lambda encoder: setattr(encoder.model.config, "layer_norm_eps", 1e-3)}, False),
        ({"channels": 5, "dropout": 0.3, "normalize": True, "batch_size": 2}, True),
        ({"inner": {"dropout": 0.4, "layers": [1]}}, True),
    ],
)
def test_what_decides_the_vectors_decides_the_folder(make, tmp_path, options, same):
    plain, _ = make(cache=EmbeddingCache(tmp_path))
    vectors_of(plain, TEXTS)
    other, passes = make(cache=EmbeddingCache(tmp_path), **options)
    vectors_of(other, TEXTS)
    assert (sum(passes) == 0) == same
    assert len(list(tmp_path.iterdir())) == (1 if same else 2)


def test_the_folder_does_not_depend_on_where_the_model_was_loaded_from(make, tmp_path, tiny_tokenizer):
    cache = EmbeddingCache(tmp_path / "cache")
    encoder, _ = make(cache=cache)
    for name in ("a", "b"):
        encoder.encoder.model.save_pretrained(tmp_path / name)
        encoder.encoder.tokenizer.save_pretrained(tmp_path / name)
        loaded = TransformerTextEncoder.from_pretrained(str(tmp_path / name), pooling="mean", max_length=12)
        FrozenTextEncoder(loaded, cache=cache).prepare(TEXTS)
    assert len(list(cache.folder.iterdir())) == 1
    encoder.save_assets(tmp_path)
    again = FrozenTextEncoder.from_assets(tmp_path, encoder.state_dict(), cache=cache)
    again.load_state_dict(encoder.state_dict(), assign=True)
    again.prepare(MANY)
    assert len(list(cache.folder.iterdir())) == 1


def test_a_damaged_file_is_encoded_again(make, tmp_path, caplog):
    encoder, passes = make(cache=EmbeddingCache(tmp_path))
    expected = vectors_of(encoder, TEXTS)
    path = next(tmp_path.glob("*/*.safetensors"))
    path.write_bytes(path.read_bytes()[:-1] + b"\x77")
    passes.clear()
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(vectors_of(encoder, TEXTS), expected)
    assert f"{path} is damaged" in caplog.text
    assert sum(passes) == len(TEXTS)
    np.testing.assert_array_equal(vectors_of(encoder, TEXTS), expected)
    assert sum(passes) == len(TEXTS)


def test_a_killed_run_keeps_what_it_finished(make, tmp_path):
    encoder, passes = make(cache=EmbeddingCache(tmp_path), batch_size=4, shard_size=8)
    encoder.encoder.model.register_forward_hook(lambda *_: _interrupt() if len(passes) == 6 else None)
    with pytest.raises(KeyboardInterrupt):
        encoder.prepare(MANY)
    again, passes = make(cache=EmbeddingCache(tmp_path), batch_size=4, shard_size=8)
    different = len(set(MANY))
    np.testing.assert_allclose(vectors_of(again, MANY), vectors_of(make()[0], MANY), atol=3e-3)
    assert sum(passes) == different - 16  # five batches of four were done, two files of eight written


def _interrupt():
    raise KeyboardInterrupt


def test_a_cache_that_cannot_be_written_does_not_stop_the_work(make, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    encoder, passes = make(cache=EmbeddingCache(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        found = vectors_of(encoder, TEXTS)
    np.testing.assert_allclose(found, vectors_of(make()[0], TEXTS), atol=3e-3)
    assert "cannot be written" in caplog.text
    assert sum(passes) == len(TEXTS)


def test_only_the_head_is_trained(make):
    encoder, _ = make(inner={"dropout": 0.5}, channels=5)
    encoder.train()
    assert encoder.training
    assert not any(part.training for part in encoder.encoder.modules())
    assert {name for name, value in encoder.named_parameters() if value.requires_grad} == {
        "head.linear.weight", "head.linear.bias", "head.norm.weight", "head.norm.bias"
    }  # fmt: skip
    torch.testing.assert_close(
        torch.from_numpy(vectors_of(encoder, TEXTS)), torch.from_numpy(vectors_of(encoder, TEXTS)), rtol=0, atol=0
    )
    assert any(name.startswith("encoder.model.") for name in encoder.state_dict())


def test_head_normalisation_and_dropout_by_their_definitions(make):
    encoder, _ = make(channels=5, normalize=True, dropout=0.5)
    encoder.eval()
    batch = encoder.collate(encoder.prepare(TEXTS))
    unit = batch["vectors"] / batch["vectors"].norm(dim=1, keepdim=True)
    head = encoder.head
    linear = unit @ head.linear.weight.T + head.linear.bias
    normed = torch.nn.functional.layer_norm(linear, (5,), head.norm.weight, head.norm.bias)
    expected = normed * 0.5 * (1 + torch.erf(normed / 2**0.5))
    torch.testing.assert_close(encoder(**batch).pooled, expected)
    torch.testing.assert_close(encoder.embed(batch), expected)
    encoder.train()
    torch.manual_seed(0)
    dropped = encoder(**batch).pooled
    torch.testing.assert_close(dropped[dropped != 0], 2 * expected[dropped != 0])
    assert (dropped == 0).any()


def test_mixed_precision_is_near(make):
    exact, mixed = vectors_of(make()[0], MANY), vectors_of(make(precision="bfloat16")[0], MANY)
    assert not np.array_equal(exact, mixed)
    np.testing.assert_allclose(mixed, exact, atol=0.1)


def test_vectors_too_large_for_half_precision(make, tmp_path):
    def enlarge(encoder):
        encoder.model.encoder.layer[-1].output.LayerNorm.weight.data.fill_(1e6)

    encoder, _ = make(enlarge, cache=EmbeddingCache(tmp_path))
    with pytest.raises(ConfigError, match="must be finite in float16"):
        encoder.prepare(TEXTS)
    assert not list(tmp_path.glob("*/*.safetensors"))
    wide, _ = make(enlarge, cache=EmbeddingCache(tmp_path, dtype="float32"))
    assert np.isfinite(vectors_of(wide, TEXTS)).all()


def test_arguments_that_make_no_sense(make):
    for options, message in (
        ({"precision": "float16"}, "'precision' must be one of auto, float32, bfloat16, but got 'float16'"),
        ({"batch_size": 0}, "'batch_size' must be at least 1, but got 0"),
        ({"shard_size": -1}, "'shard_size' must be at least 1, but got -1"),
        ({"channels": 0}, "'channels' of a head must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            make(**options)
    with pytest.raises(ConfigError, match="'encoder' must give vectors, but got BagTextEncoder with 'channels' 0"):
        FrozenTextEncoder(bag(channels=0))


def test_any_encoder_can_be_frozen(tmp_path):
    inner = bag()
    encoder = FrozenTextEncoder(inner, cache=EmbeddingCache(tmp_path, dtype="float32"))
    np.testing.assert_allclose(vectors_of(encoder, TEXTS), states_of(inner, TEXTS).pooled.numpy(), atol=1e-6)


def test_an_encoder_without_settings_has_no_cache(tmp_path, tiny_tokenizer):
    class Own(TransformerTextEncoder):
        def settings(self):
            return super(TransformerTextEncoder, self).settings()

    encoder = FrozenTextEncoder(Own(tiny_model(), tiny_tokenizer()), cache=EmbeddingCache(tmp_path))
    with pytest.raises(ConfigError, match="Own does not say what decides its vectors"):
        encoder.prepare(TEXTS)


def _encode(encoder, texts, gate, results):
    """One process: how many texts it encoded, and what it got."""
    rows = []
    encoder.encoder.register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(len(kwargs["offsets"])), with_kwargs=True
    )
    gate.wait(timeout=60)
    vectors = encoder.prepare(texts).matrix
    results.put((sum(rows), texts[0], vectors))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes would start slowly")
def test_several_processes_share_the_work(tmp_path):
    encoder = FrozenTextEncoder(bag(), cache=EmbeddingCache(tmp_path), batch_size=2, shard_size=4)
    jobs = [[f"w{i} w{i // 7} x{i}" for i in numbers] for numbers in (range(1, 40), range(20, 60), range(60))]
    expected = {texts[0]: FrozenTextEncoder(bag()).prepare(texts).matrix for texts in jobs}
    context = multiprocessing.get_context("fork")
    results, gate = context.Queue(), context.Barrier(3)
    processes = [context.Process(target=_encode, args=(encoder, texts, gate, results)) for texts in jobs]
    for process in processes:
        process.start()
    answers = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sum(count for count, _, _ in answers) == 60
    for _, first, vectors in answers:
        np.testing.assert_allclose(vectors, expected[first], atol=3e-3)
