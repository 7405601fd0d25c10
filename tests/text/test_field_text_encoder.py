"""Several fields: against attention written as loops, one field against the encoder alone, field dropout, markers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import FIELD_TEXTS, FIELDS, bag, frozen, seeded, states_of, transformer

from hgraph.errors import ConfigError, DataError
from hgraph.text import FieldTextEncoder, LoRAOptions
from hgraph.text.field_pooling import FieldPooling, drop_fields


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def pool_by_loops(pooling, vectors):
    """`FieldPooling` of the fields [F, D] of one document, one head and one pair of fields at a time."""
    count, width = vectors.shape
    weight, bias = pooling.to_heads.weight.detach().numpy(), pooling.to_heads.bias.detach().numpy()
    query, key, value = (vectors @ weight[s : s + width].T + bias[s : s + width] for s in (0, width, 2 * width))
    size = width // pooling.heads
    attended = np.zeros((count, width))
    for head in range(pooling.heads):
        here = slice(head * size, (head + 1) * size)
        for field in range(count):
            scores = np.array([query[field, here] @ key[other, here] / np.sqrt(size) for other in range(count)])
            shares = np.exp(scores) / np.exp(scores).sum()
            attended[field, here] = sum(share * value[other, here] for other, share in enumerate(shares))
    attended = attended @ pooling.from_heads.weight.detach().numpy().T + pooling.from_heads.bias.detach().numpy()
    fields = vectors + attended
    attention = pooling.attention
    scores = [
        float(
            attention.query.weight.detach().numpy()[0]
            @ np.tanh(attention.map.weight.detach().numpy() @ field + attention.map.bias.detach().numpy())
        )
        for field in fields
    ]
    shares = np.exp(scores) / np.exp(scores).sum()
    return sum(share * field for share, field in zip(shares, fields, strict=True)), fields


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.sampled_from([1, 2, 3]), st.lists(st.integers(1, 31), min_size=1, max_size=4))
def test_pooling_by_its_definition(fields, heads, documents):
    pooling = FieldPooling(6, heads=heads).double().eval()
    torch.manual_seed(fields)
    torch.nn.init.normal_(pooling.attention.query.weight)
    torch.nn.init.normal_(pooling.from_heads.bias)
    torch.nn.init.normal_(pooling.to_heads.bias)
    mask = torch.tensor([[bool(bits >> f & 1) for f in range(fields)] for bits in documents])
    mask[~mask.any(1), 0] = True
    vectors = torch.randn(len(mask), fields, 6, dtype=torch.float64)
    pooled, states = pooling(vectors, mask)
    for row in range(len(mask)):
        here = mask[row].numpy()
        expected, expected_fields = pool_by_loops(pooling, vectors[row].numpy()[here])
        np.testing.assert_allclose(pooled[row].detach().numpy(), expected, atol=1e-9)
        np.testing.assert_allclose(states[row].detach().numpy()[here], expected_fields, atol=1e-9)
        assert not states[row][~mask[row]].any()


@pytest.mark.parametrize("kind", ["transformer", "bag", "frozen"])
def test_each_field_is_encoded_alone(tiny_tokenizer, kind):
    make = {"transformer": transformer, "bag": lambda _: bag(), "frozen": frozen}[kind]
    encoder = seeded(FieldTextEncoder, make(tiny_tokenizer), FIELDS, heads=2).eval()
    inner, states = encoder.encoder, states_of(encoder, FIELD_TEXTS)
    for row, text in enumerate(FIELD_TEXTS):
        values = [text, "", ""] if isinstance(text, str) else [text.get(name, "") for name in FIELDS]
        present = [place for place, value in enumerate(values) if value] or [0]
        assert states.field_mask[row].nonzero().flatten().tolist() == present
        vectors = []
        for place in present:
            marked = f"[FIELD_{FIELDS[place]}] {values[place]}" if kind == "transformer" else values[place]
            vector = states_of(inner, [marked]).pooled[0]
            if kind != "transformer":
                vector = vector + encoder.field_vectors.weight[place].detach()
            vectors.append(vector.numpy())
        expected, fields = pool_by_loops(encoder.pooling, np.array(vectors))
        np.testing.assert_allclose(states.pooled[row].numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(states.fields[row, present].numpy(), fields, atol=1e-5)


def test_one_field_is_the_encoder_itself(tiny_tokenizer):
    inner = transformer(tiny_tokenizer).eval()
    size = len(inner.tokenizer)
    encoder = FieldTextEncoder(inner, ["title"], field_dropout=0.9).eval()
    texts = ["w1 w2", "", "w5 " * 30]
    alone, fielded = states_of(inner, texts), states_of(encoder, [{"title": text, "other": "w9"} for text in texts])
    for name in ("pooled", "tokens", "mask"):
        torch.testing.assert_close(getattr(fielded, name), getattr(alone, name), rtol=0, atol=0)
    torch.testing.assert_close(fielded.fields, alone.pooled[:, None])
    assert len(inner.tokenizer) == size
    assert {name.removeprefix("encoder.") for name in encoder.state_dict()} == set(inner.state_dict())
    encoder.train()
    assert encoder(**encoder.collate(encoder.prepare(texts))).field_mask.all()


def test_tokens_of_all_fields_stand_side_by_side(tiny_tokenizer):
    encoder = seeded(FieldTextEncoder, transformer(tiny_tokenizer), FIELDS, max_lengths={"title": 5}).eval()
    text = {"title": "w1 w2 w3 w4", "note": "w5"}
    states = states_of(encoder, [text, {"body": "w6 w7 w8"}])
    parts = [states_of(encoder.encoder, [marked]) for marked in ("[FIELD_title] w1 w2", "[FIELD_note] w5")]
    expected = torch.cat([part.tokens[0] for part in parts])
    torch.testing.assert_close(states.tokens[0][states.mask[0]], expected, rtol=0, atol=1e-5)
    assert states.mask.sum(1).tolist() == [5 + 4, 6]  # the title is cut to five tokens
    assert states.tokens.shape[1] == 5 + 6 + 4
    assert not states.tokens[0][~states.mask[0]].any()


def test_field_dropout_never_drops_all(tiny_tokenizer):
    encoder = seeded(FieldTextEncoder, bag(), FIELDS, heads=2, field_dropout=0.5, dropout=0.0)
    texts = [{"title": "w1", "body": "w2 w3", "note": "w4"}, {"body": "w5"}] * 400
    batch = encoder.collate(encoder.prepare(texts))
    encoder.train()
    mask = encoder(**batch).field_mask
    assert mask.any(1).all()
    assert not (mask & ~batch["field_mask"]).any()
    # Each of three fields stays with 1/2, and if none does one of them stays: 1/2 + 1/8/3.
    np.testing.assert_allclose(mask[::2].float().mean(0).numpy(), 1 / 2 + 1 / 24, atol=0.08)
    assert torch.equal(encoder.eval()(**batch).field_mask, batch["field_mask"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=5), st.floats(0, 0.99))
def test_dropped_fields_were_there(rows, share):
    mask = torch.tensor(rows, dtype=torch.bool).reshape(-1, 3)
    kept = drop_fields(mask, share)
    assert not (kept & ~mask).any()
    assert torch.equal(kept.any(1), mask.any(1))
    assert torch.equal(drop_fields(mask, 0.0), mask)


def test_dropped_fields_leave_no_trace(tiny_tokenizer):
    encoder = seeded(FieldTextEncoder, transformer(tiny_tokenizer, dropout=0.0), FIELDS, field_dropout=0.6, dropout=0.0)
    batch = encoder.collate(encoder.prepare([{"title": "w1 w2", "body": "w3", "note": "w4 w5"}] * 12))
    encoder.train()
    encoder.encoder.eval()
    states = encoder(**batch)
    assert not states.fields[~states.field_mask].any()
    for row in range(12):
        has = states.field_mask[row].tolist()
        text = {name: value for name, value, here in zip(FIELDS, ("w1 w2", "w3", "w4 w5"), has, strict=True) if here}
        encoder.eval()
        expected = states_of(encoder, [text])
        torch.testing.assert_close(states.pooled[row], expected.pooled[0], rtol=0, atol=1e-5)
        assert states.mask[row].sum() == expected.mask.sum()


def test_special_tokens_are_added_once_and_trained(tiny_tokenizer):
    inner = transformer(tiny_tokenizer)
    encoder = FieldTextEncoder(inner, FIELDS)
    assert len(inner.tokenizer) == 24 + 3
    assert inner.model.get_input_embeddings().num_embeddings == 27
    assert inner.model.config.vocab_size == 27
    ids = inner.tokenizer.convert_tokens_to_ids([f"[FIELD_{name}]" for name in FIELDS])
    assert encoder.prepare([{"title": "w1", "note": "w2"}])[0][2].tolist() == [2, ids[2], 6, 3]
    encoder(**encoder.collate(encoder.prepare(FIELD_TEXTS))).pooled.square().sum().backward()
    assert inner.model.get_input_embeddings().weight.grad[ids].abs().sum(1).all()
    FieldTextEncoder(inner, FIELDS)
    assert len(inner.tokenizer) == 27


def test_where_tokens_are_not_trained_a_vector_marks_the_field(tiny_tokenizer):
    pytest.importorskip("peft")
    for inner in (transformer(tiny_tokenizer, lora=LoRAOptions(rank=2)), frozen(tiny_tokenizer), bag()):
        encoder = FieldTextEncoder(inner, FIELDS, heads=2)
        assert encoder.marker == "vector"
        assert encoder.field_vectors.weight.requires_grad
    assert FieldTextEncoder(transformer(tiny_tokenizer), FIELDS).marker == "token"
    assert FieldTextEncoder(transformer(tiny_tokenizer), FIELDS, marker="vector").field_vectors is not None


def test_label_names_are_the_first_field(tiny_tokenizer):
    for inner in (frozen(tiny_tokenizer), bag()):
        encoder = FieldTextEncoder(inner.eval(), FIELDS, heads=2).eval()
        names = ["w1 w2", "w3", ""]
        found = encoder.embed(encoder.collate(encoder.prepare(names)))
        torch.testing.assert_close(found, inner.embed(inner.collate(inner.prepare(names))))


def test_texts_without_any_of_the_fields():
    encoder = FieldTextEncoder(bag(), ["title", "body"], heads=2)
    with pytest.raises(DataError, match=r"item 1 must have one of the fields 'title', 'body', but got 'text'"):
        encoder.prepare([{"title": "w1"}, {"text": "w2"}])
    with pytest.raises(DataError, match="but got none"):
        encoder.prepare([{}])
    items = encoder.prepare([{"": "w1 w2"}, {"title": None, "body": "w3"}])
    assert items.present.tolist() == [[True, False], [False, True]]
    assert items[-1][0] is None
    with pytest.raises(IndexError):
        items[2]


def test_arguments_that_make_no_sense(tiny_tokenizer):
    for make, message in (
        (lambda: FieldTextEncoder(bag(), []), r"'fields' must be different names, at least one, but got \[\]"),
        (lambda: FieldTextEncoder(bag(), ["a", "a"]), "'fields' must be different names"),
        (lambda: FieldTextEncoder(bag(channels=0), ["a"]), "'encoder' must give vectors, but got BagTextEncoder"),
        (
            lambda: FieldTextEncoder(bag(), FIELDS, heads=4),
            "'heads' must divide the width of the vectors, 6, but got 4",
        ),
        (lambda: FieldTextEncoder(bag(), FIELDS, heads=2, field_dropout=1.0), "'field_dropout' must be at least 0"),
        (lambda: FieldTextEncoder(bag(), FIELDS, heads=2, marker="token"), "'marker' must be 'vector' for BagText"),
        (lambda: FieldTextEncoder(bag(), FIELDS, heads=2, marker="bold"), "'marker' must be one of token, vector"),
        (lambda: FieldTextEncoder(bag(), FIELDS, heads=2, max_lengths={"title": 4}), "'max_lengths' needs a Transf"),
        (lambda: FieldTextEncoder(transformer(tiny_tokenizer), FIELDS, max_lengths={"t": 4}), "must name some of"),
        (
            lambda: FieldTextEncoder(transformer(tiny_tokenizer), FIELDS, max_lengths={"title": 3}),
            "'max_lengths' must be at least 4 tokens, but got 3 for 'title'",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            make()
