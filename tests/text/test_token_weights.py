"""Weights on word embeddings: the same as a table whose rows are multiplied, for every architecture."""

import pytest
import torch
from tiny_encoders import ARCHITECTURES, SIZES, TEXTS, bag, frozen, seeded, tiny_model, transformer

from hgraph.errors import ConfigError
from hgraph.text import ChunkedTextEncoder, FieldTextEncoder, TransformerTextEncoder, WideDeepTextEncoder


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def mpnet():
    import transformers as t

    torch.manual_seed(0)
    return t.MPNetModel(t.MPNetConfig(**SIZES, max_position_embeddings=40, pad_token_id=0))


def make(tokenizer, architecture, **options):
    model = mpnet() if architecture == "mpnet" else tiny_model(architecture)
    return TransformerTextEncoder(model, tokenizer(), max_length=12, pooling="mean", **options).eval()


def batch_of(encoder, texts=TEXTS):
    return encoder.collate(encoder.prepare(texts))


def weights_for(ids, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(ids.shape, generator=generator).round(decimals=1) * (torch.rand(ids.shape) < 0.7)


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "mpnet"])
def test_weights_multiply_what_the_table_gives_and_nothing_else(tiny_tokenizer, architecture):
    """The reference multiplies inside the model: positions and types are its own."""
    encoder = make(tiny_tokenizer, architecture, layers=[0, -1])
    # The padding of MPNet is number 1 whatever its configuration says, here that of unknown words.
    batch = batch_of(encoder, [text.replace("unknown", "w4") for text in TEXTS])
    weights = weights_for(batch["input_ids"])
    in_order = weights.t() if architecture == "xlnet" else weights  # XLNet has tokens first
    with torch.no_grad():
        found = encoder(**batch, token_weights=weights)
        table = encoder.model.get_input_embeddings()
        hook = table.register_forward_hook(lambda _, __, output: output * in_order.unsqueeze(-1))
        expected = encoder(**batch)
        hook.remove()
        plain = encoder(**batch)
    real = expected.mask
    torch.testing.assert_close(found.pooled, expected.pooled, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.tokens[real], expected.tokens[real], rtol=0, atol=1e-5)
    torch.testing.assert_close(found.layers[0][real], expected.layers[0][real], rtol=0, atol=1e-5)
    assert torch.equal(found.mask, plain.mask)
    assert not torch.allclose(found.pooled, plain.pooled, atol=1e-3)
    with torch.no_grad():
        ones = encoder(**batch, token_weights=torch.ones_like(weights))
    torch.testing.assert_close(ones.pooled, plain.pooled, rtol=0, atol=1e-5)


def test_bert_by_hand(tiny_tokenizer):
    encoder = make(tiny_tokenizer, "bert")
    batch = batch_of(encoder, ["w1 w2 w3", "w4"])
    weights = torch.tensor([[1.0, 0, 1, 0, 1], [1, 0, 1, 1, 1]])
    layer = encoder.model.embeddings
    words = layer.word_embeddings.weight[batch["input_ids"]] * weights.unsqueeze(-1)
    start = layer.LayerNorm(words + layer.position_embeddings.weight[:5] + layer.token_type_embeddings.weight[0])
    found = encoder(**batch, token_weights=weights)
    states = TransformerTextEncoder(encoder.model, encoder.tokenizer, layers=[0], max_length=12).eval()
    torch.testing.assert_close(states(**batch, token_weights=weights).layers[0], start)
    assert found.tokens.requires_grad


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "mpnet"])
def test_word_embeddings_are_rows_of_the_table(tiny_tokenizer, architecture):
    encoder = make(tiny_tokenizer, architecture)
    batch = batch_of(encoder)
    words = encoder.word_embeddings(batch)
    table = encoder.model.get_input_embeddings().weight
    assert words.vectors.shape == (*batch["input_ids"].shape, encoder.word_channels)
    torch.testing.assert_close(words.vectors, table[batch["input_ids"]])
    for row, item in enumerate(encoder.prepare(TEXTS)):
        for place in range(batch["input_ids"].shape[1]):
            token = item[place] if place < len(item) else 0
            assert words.mask[row, place] == (place < len(item))
            assert words.special[row, place] == (token in (0, 2, 3))  # an unknown word, 1, is a word
    assert words.document.tolist() == list(range(len(TEXTS)))


def test_gradient_reaches_weights_and_table(tiny_tokenizer):
    encoder = make(tiny_tokenizer, "bert")
    batch = batch_of(encoder)
    weights = torch.ones(batch["input_ids"].shape, requires_grad=True)
    encoder(**batch, token_weights=weights).pooled.square().sum().backward()
    real = batch["attention_mask"].bool()
    assert (weights.grad[real] != 0).all() and not weights.grad[~real].any()
    assert encoder.model.get_input_embeddings().weight.grad.any()


def test_a_document_depends_neither_on_its_batch_nor_on_padding(tiny_tokenizer):
    encoder = make(tiny_tokenizer, "roberta")
    batch = batch_of(encoder)
    weights = weights_for(batch["input_ids"])
    with torch.no_grad():
        whole = encoder(**batch, token_weights=weights).pooled
        padded = {name: torch.nn.functional.pad(value, (0, 7)) for name, value in batch.items()}
        longer = encoder(**padded, token_weights=torch.nn.functional.pad(weights, (0, 7), value=5.0)).pooled
        turned = encoder(**{n: v.flip(0) for n, v in batch.items()}, token_weights=weights.flip(0)).pooled.flip(0)
    torch.testing.assert_close(longer, whole, rtol=0, atol=1e-5)
    torch.testing.assert_close(turned, whole, rtol=0, atol=1e-5)


def test_windows_know_their_document(tiny_tokenizer):
    encoder = ChunkedTextEncoder(transformer(tiny_tokenizer), windows=3, overlap=2).eval()
    batch = batch_of(encoder)
    words = encoder.word_embeddings(batch)
    counts = [len(windows) for windows in encoder.prepare(TEXTS)]
    assert max(counts) > 1
    assert words.document.tolist() == [row for row, count in enumerate(counts) for _ in range(count)]
    assert encoder.word_channels == words.vectors.shape[-1]
    weights = weights_for(batch["input_ids"])
    with torch.no_grad():
        found = encoder(**batch, token_weights=weights)
        inner = encoder.encoder(batch["input_ids"], batch["attention_mask"], token_weights=weights).pooled
    for row, windows in enumerate(batch["windows"]):
        torch.testing.assert_close(found.pooled[row], inner[windows[windows >= 0]].mean(0))


def test_the_deep_half_is_weighed(tiny_tokenizer):
    deep = transformer(tiny_tokenizer)
    encoder = WideDeepTextEncoder(bag(channels=0), deep).eval()
    batch, own = batch_of(encoder), batch_of(deep)
    weights = weights_for(own["input_ids"])
    with torch.no_grad():
        found, expected = encoder(**batch, token_weights=weights), deep(**own, token_weights=weights)
    torch.testing.assert_close(found.pooled, expected.pooled)
    torch.testing.assert_close(encoder.word_embeddings(batch).vectors, deep.word_embeddings(own).vectors)
    assert encoder.word_channels == 32 and found.sparse is not None


def test_an_empty_batch(tiny_tokenizer):
    encoder = make(tiny_tokenizer, "bert")
    batch = encoder.collate([])
    words = encoder.word_embeddings(batch)
    assert words.vectors.shape == (0, 1, 32)
    assert encoder(**batch, token_weights=torch.ones(0, 1)).pooled.shape == (0, 32)


def test_half_precision(tiny_tokenizer):
    encoder = make(tiny_tokenizer, "bert")
    batch = batch_of(encoder)
    weights = weights_for(batch["input_ids"])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = encoder(**batch, token_weights=weights).pooled
    with torch.no_grad():
        torch.testing.assert_close(half.float(), encoder(**batch, token_weights=weights).pooled, rtol=0, atol=0.1)


def test_encoders_without_words_say_so(tiny_tokenizer):
    for encoder in (bag(), frozen(tiny_tokenizer), seeded(FieldTextEncoder, transformer(tiny_tokenizer), ["title"])):
        kind = type(encoder).__name__
        for ask in (lambda e: e.word_embeddings({}), lambda e: e.word_channels):
            with pytest.raises(ConfigError, match=f"but {kind} gives none. Use the text encoder 'transformer'"):
                ask(encoder)


def test_wrong_weights_and_models_that_take_none(tiny_tokenizer):
    encoder = make(tiny_tokenizer, "bert")
    batch = batch_of(encoder)
    with pytest.raises(ConfigError, match=r"'token_weights' must have shape \[6, 12\], but got \[6, 3\]"):
        encoder(**batch, token_weights=torch.ones(6, 3))
    encoder.model.forward = lambda input_ids, attention_mask: None
    with pytest.raises(ConfigError, match="takes 'inputs_embeds', but BertModel does not"):
        encoder.word_embeddings(batch)
