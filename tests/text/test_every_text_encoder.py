"""What every text encoder must do, run over all of them: batches, padding, saving, gradients, mixed precision."""

import pickle

import numpy as np
import pytest
import torch
from tiny_encoders import CASES, count_words, states_of, texts_for

import hgraph.text
from hgraph.errors import DataError
from hgraph.text import FrozenTextEncoder, TextEncoder, VectorTextEncoder, plain_text, restore_text_encoder


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(params=CASES)
def case(request, tiny_tokenizer):
    return request.param, CASES[request.param](tiny_tokenizer).eval()


def tensors_of(states, row):
    """All that the states say of one document, without padding."""
    found = {"pooled": states.pooled[row]}
    if states.tokens is not None:
        found["tokens"] = states.tokens[row][states.mask[row]]
    for number, layer in enumerate(states.layers or ()):
        found[f"layer {number}"] = layer[row][states.mask[row]]
    if states.fields is not None:
        found |= {"fields": states.fields[row], "field mask": states.field_mask[row]}
    if states.sparse is not None:
        ends = [*states.sparse.offsets.tolist(), len(states.sparse.indices)]
        here = slice(ends[row], ends[row + 1])
        found |= {"columns": states.sparse.indices[here], "weights": states.sparse.weights[here]}
    return found


def assert_same(first, second, atol=1e-5):
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=0, atol=atol, msg=lambda m, name=name: f"{name}: {m}")


def test_there_is_a_case_for_every_encoder(tiny_tokenizer):
    members = [getattr(hgraph.text, name) for name in hgraph.text.__all__]
    encoders = {kind for kind in members if isinstance(kind, type) and issubclass(kind, TextEncoder)} - {TextEncoder}
    assert {type(make(tiny_tokenizer)) for make in CASES.values()} == encoders


def test_a_document_depends_neither_on_its_batch_nor_on_padding(case):
    name, encoder = case
    texts = texts_for(name)
    # The vectors of a frozen encoder are computed in `prepare`, in mixed precision for one of them.
    atol = 2e-2 if name == "frozen with a head" else 1e-5
    whole, turned = states_of(encoder, texts), states_of(encoder, texts[::-1])
    for row, text in enumerate(texts):
        alone = tensors_of(states_of(encoder, [text]), 0)
        assert_same(tensors_of(whole, row), alone, atol)
        assert_same(tensors_of(turned, len(texts) - 1 - row), alone, atol)


def test_shapes_and_finite_values(case):
    name, encoder = case
    texts = texts_for(name)
    states = states_of(encoder, texts)
    assert states.pooled.shape == (len(texts), encoder.channels)
    assert states.pooled.isfinite().all()
    if states.tokens is not None:
        assert states.tokens.shape == (*states.mask.shape, encoder.channels)
        assert states.mask.dtype == torch.bool
        assert states.tokens.isfinite().all()
    assert (states.sparse is not None) == (encoder.num_features > 0)
    if encoder.channels > 0:
        different = states.pooled.round(decimals=4).unique(dim=0)
        assert len(different) >= len(texts) - 2  # documents do not collapse


def test_empty_batches_and_empty_texts(case):
    _, encoder = case
    for texts in ([], [""], ["", ""], ["w1"]):
        states = encoder(**encoder.collate(encoder.prepare(texts)))
        assert states.pooled.shape == (len(texts), encoder.channels)
        assert states.pooled.isfinite().all()
        if states.pooled.requires_grad:
            states.pooled.square().sum().backward()
    assert all(parameter.grad is None or _dense(parameter.grad).isfinite().all() for parameter in encoder.parameters())
    assert encoder.lengths(encoder.prepare([])).shape == (0,)


def test_lengths_are_the_work_of_an_item(case):
    name, encoder = case
    items = encoder.prepare(texts_for(name))
    lengths = encoder.lengths(items)
    assert lengths.shape == (len(items),)
    assert lengths.dtype == np.int64
    np.testing.assert_array_equal(encoder.lengths([items[row] for row in range(len(items))]), lengths)
    states = encoder(**encoder.collate([items[row] for row in range(len(items))]))
    if states.mask is not None:
        np.testing.assert_array_equal(lengths, states.mask.sum(1).numpy())


def test_items_travel_to_loader_processes(case):
    name, encoder = case
    items = encoder.prepare(texts_for(name))
    rows = pickle.loads(pickle.dumps([items[row] for row in range(len(items))]))
    first, second = encoder.collate(rows), encoder.collate([items[row] for row in range(len(items))])
    assert all(torch.equal(first[key], second[key]) for key in second)
    assert len(pickle.loads(pickle.dumps(items))) == len(items)


def test_a_saved_encoder_comes_back_the_same(case, tmp_path):
    name, encoder = case
    encoder.save_assets(tmp_path)
    state = {key: value.clone() for key, value in encoder.state_dict().items()}
    options = {"encode": count_words} if isinstance(encoder, VectorTextEncoder) else {}
    torch.manual_seed(7)
    again = restore_text_encoder(tmp_path, state, **options).eval()
    again.load_state_dict(state, assign=True)
    assert type(again) is type(encoder)
    assert (again.channels, again.num_features, again.pads) == (encoder.channels, encoder.num_features, encoder.pads)
    texts = texts_for(name)
    first, second = states_of(encoder, texts), states_of(again, texts)
    for row in range(len(texts)):
        assert_same(tensors_of(first, row), tensors_of(second, row), atol=0)
    again.save_assets(tmp_path)  # and once more
    third = restore_text_encoder(tmp_path, again.state_dict(), **options)
    third.load_state_dict(state)


def test_training_reaches_every_weight_that_is_trained(case):
    name, encoder = case
    encoder.train()
    states = encoder(**encoder.collate(encoder.prepare(texts_for(name))))
    outputs = [states.pooled, *([states.sparse.weights] if states.sparse is not None else [])]
    loss = sum((output * torch.linspace(0.5, 1.5, output.numel()).view(output.shape)).sum() for output in outputs)
    trained = {key: value for key, value in encoder.named_parameters() if value.requires_grad}
    if not trained:
        assert not loss.requires_grad
        return
    loss.backward()
    # hgraph pools by itself; the poolers of the architectures are idle.
    idle = [key for key, value in trained.items() if value.grad is None]
    assert all("pooler" in key or "mask_emb" in key or "seg_embed" in key or ".r_s_bias" in key for key in idle), idle
    assert all(_dense(value.grad).isfinite().all() for value in trained.values() if value.grad is not None)
    for part in encoder.modules():
        if isinstance(part, FrozenTextEncoder):
            assert not any(value.requires_grad for value in part.encoder.parameters())
            assert not part.encoder.training


def _dense(gradient):
    return gradient.to_dense() if gradient.is_sparse else gradient


def test_mixed_precision_stays_near(case):
    name, encoder = case
    batch = encoder.collate(encoder.prepare(texts_for(name)))
    with torch.no_grad():
        exact = encoder(**batch).pooled
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = encoder(**batch).pooled
    assert mixed.isfinite().all()
    torch.testing.assert_close(mixed.float(), exact, rtol=0.05, atol=0.1)


def test_label_names_get_vectors(case):
    _, encoder = case
    if not encoder.channels:
        pytest.skip("no dense vectors")
    names = ["w1 w2", "w3", "w1 w2"]
    vectors = encoder.embed(encoder.collate(encoder.prepare(names)))
    assert vectors.shape == (3, encoder.channels)
    assert vectors.isfinite().all()
    torch.testing.assert_close(vectors[0], vectors[2])
    assert not torch.allclose(vectors[0], vectors[1])


def test_fields_are_joined_where_one_text_is_read(case):
    name, encoder = case
    if "field" in name or name.startswith("vectors"):
        pytest.skip("reads fields, or no text")
    texts = [{"title": "w1 w2", "note": "", "body": "w3"}, "w5"]
    first, second = states_of(encoder, texts), states_of(encoder, [plain_text(text) for text in texts])
    for row in range(2):
        assert_same(tensors_of(first, row), tensors_of(second, row), atol=0)


def test_one_string_is_no_list_of_texts(case):
    name, encoder = case
    if name.startswith("vectors"):
        pytest.skip("items are whatever the user has")
    with pytest.raises(DataError, match="'texts' must be a list of texts, but got one string"):
        encoder.prepare("w1 w2")
    with pytest.raises(DataError, match="item 1 must be a string or a mapping of strings, but got int"):
        encoder.prepare(["w1", 3])
