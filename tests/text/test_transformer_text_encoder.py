"""A transformer of two layers: pooling, padding, truncation, and loading without a network."""

import logging

import pytest
import torch

from hgraph.errors import ConfigError
from hgraph.text import TransformerTextEncoder

TEXTS = ["w1 w2 w3", "w4", "", "w5 w6 unknown w7 w8 w9 w1 w1", "w2 w2"]


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def make(tiny_bert, tiny_tokenizer):
    def build(*, tokenizer=None, config=None, **options):
        return TransformerTextEncoder(tiny_bert(**(config or {})), tokenizer or tiny_tokenizer(), **options)

    return build


def states_of(encoder, texts):
    with torch.no_grad():
        return encoder(**encoder.collate(encoder.prepare(texts)))


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_pooled_vector_by_its_definition(make, pooling):
    encoder = make(pooling=pooling).eval()
    states = states_of(encoder, TEXTS)
    for row, text in enumerate(TEXTS):
        tokens = torch.tensor([encoder.tokenizer(text)["input_ids"]])
        with torch.no_grad():
            hidden = encoder.model(input_ids=tokens).last_hidden_state[0]
        expected = hidden[0] if pooling == "cls" else hidden.mean(0)
        torch.testing.assert_close(states.pooled[row], expected, rtol=0, atol=1e-5)
        assert states.mask[row].sum() == len(hidden)
        torch.testing.assert_close(states.tokens[row, : len(hidden)], hidden, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_document_depends_neither_on_its_batch_nor_on_padding(make, pooling):
    encoder = make(pooling=pooling).eval()
    whole = states_of(encoder, TEXTS).pooled
    alone = torch.cat([states_of(encoder, [text]).pooled for text in TEXTS])
    turned = states_of(encoder, TEXTS[::-1]).pooled.flip(0)
    torch.testing.assert_close(alone, whole, rtol=0, atol=1e-5)
    torch.testing.assert_close(turned, whole, rtol=0, atol=1e-5)
    batch = encoder.collate(encoder.prepare(TEXTS))
    padded = {name: torch.nn.functional.pad(value, (0, 9)) for name, value in batch.items()}
    with torch.no_grad():
        torch.testing.assert_close(encoder(**padded).pooled, whole, rtol=0, atol=1e-5)


def test_batches_are_padded_to_their_longest_text(make):
    encoder = make()
    batch = encoder.collate(encoder.prepare(["w1", "w1 w2 w3"]))
    assert batch["input_ids"].tolist() == [[2, 5, 3, 0, 0], [2, 5, 6, 7, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1] * 5]
    assert all(value.dtype == torch.int64 for value in batch.values())


def test_truncation_counts_special_tokens(make):
    items = make(max_length=6).prepare(["w1 " * 50, "w1 w2"])
    assert items[0].tolist() == [2, 5, 5, 5, 5, 3]
    assert items[1].tolist() == [2, 5, 6, 3]


@pytest.mark.parametrize(
    ("tokenizer_length", "positions", "asked", "expected"),
    [(None, 32, 512, 32), (20, 32, 512, 20), (None, 32, 8, 8), (int(1e30), 600, 512, 512)],
)
def test_length_limit(make, tiny_tokenizer, caplog, tokenizer_length, positions, asked, expected):
    with caplog.at_level(logging.WARNING):
        encoder = make(
            tokenizer=tiny_tokenizer(tokenizer_length), config={"max_position_embeddings": positions}, max_length=asked
        )
    assert encoder.max_length == expected
    assert ("more than the model reads" in caplog.text) == (expected < asked)
    encoder.eval()
    assert states_of(encoder, ["w1 " * 1000]).tokens.shape[1] == expected


@pytest.mark.parametrize(("padding", "usable"), [(1, 30), (0, 31)])
def test_length_limit_of_roberta(tiny_tokenizer, padding, usable):
    from transformers import RobertaConfig, RobertaModel

    config = RobertaConfig(
        vocab_size=24,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        pad_token_id=padding,
    )
    encoder = TransformerTextEncoder(RobertaModel(config), tiny_tokenizer()).eval()
    assert encoder.max_length == usable
    assert states_of(encoder, ["w9 " * 100, "w9"]).pooled.isfinite().all()


@pytest.mark.parametrize("positions", [-1, 0])
def test_models_with_relative_positions_have_no_limit(make, positions):
    model = make().model
    model.config.max_position_embeddings = positions
    assert TransformerTextEncoder(model, make().tokenizer, max_length=99).max_length == 99


def test_embed_is_the_mean_of_the_embedding_layer(make):
    encoder = make().eval()
    batch = encoder.collate(encoder.prepare(TEXTS))
    found = encoder.embed(batch)
    assert found.requires_grad
    for row, text in enumerate(TEXTS):
        tokens = torch.tensor([encoder.tokenizer(text)["input_ids"]])
        torch.testing.assert_close(found[row], encoder.model.embeddings(input_ids=tokens)[0].mean(0))


def test_embed_without_an_embedding_module(make):
    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.config = make().model.config
            self.table = torch.nn.Embedding(24, 16)

        def get_input_embeddings(self):
            return self.table

    encoder = TransformerTextEncoder(Plain(), make().tokenizer)
    found = encoder.embed(encoder.collate(encoder.prepare(["w0", "w0 w1"])))
    torch.testing.assert_close(found[0], encoder.model.table.weight[[2, 4, 3]].mean(0))


def test_a_tokenizer_that_leaves_nothing(make, tiny_tokenizer):
    encoder = make(tokenizer=tiny_tokenizer(specials=False), pooling="mean").eval()
    assert states_of(encoder, [""]).pooled.tolist() == [[0.0] * 16]


def test_assets_rebuild_the_architecture(make, tmp_path):
    encoder = make(pooling="mean", max_length=9).eval()
    encoder.save_assets(tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
    again = TransformerTextEncoder.from_assets(tmp_path, pooling="mean", max_length=9).eval()
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(states_of(again, TEXTS).pooled, states_of(encoder, TEXTS).pooled, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_are_float32_whatever_the_checkpoint_holds(make, tmp_path, dtype):
    encoder = make()
    encoder.model.to(dtype).save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    loaded = TransformerTextEncoder.from_pretrained(str(tmp_path), max_length=7)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert loaded.max_length == 7
    for name, value in encoder.model.state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[name], value.to(loaded.model.state_dict()[name].dtype))
    assert next(TransformerTextEncoder.from_assets(tmp_path).parameters()).dtype == torch.float32


def error_of(name):
    with pytest.raises(ConfigError) as caught:
        TransformerTextEncoder.from_pretrained(str(name))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/nowhere-at-all"])
def test_missing_folder(name):
    assert f"there is no folder '{name}'" in error_of(name)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", None),
        ("config.json", "{"),
        ("config.json", '{"model_type": "nonsense"}'),
        ("config.json", '{"model_type": "bert", "hidden_size": "wide"}'),
        ("model.safetensors", None),
        ("model.safetensors", "rubbish" * 9),
        ("tokenizer.json", '{"a": 1}'),
    ],
)
def test_damaged_folder(make, tmp_path, file, content):
    encoder = make()
    encoder.model.save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(content)
    assert f"the model '{tmp_path}' cannot be loaded" in error_of(tmp_path)


def test_unknown_pooling(make):
    with pytest.raises(ConfigError, match="'pooling' must be one of cls, mean, max, last, but got 'sum'"):
        make(pooling="sum")
