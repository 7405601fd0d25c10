"""Transformers of several architectures: layers, checkpointing, tokens, and the order of special tokens."""

import pytest
import torch
from tiny_encoders import ARCHITECTURES, TEXTS, states_of, tiny_model, transformer

from hgraph.errors import ConfigError
from hgraph.text import TransformerTextEncoder


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_chosen_layers(tiny_tokenizer, architecture):
    encoder = transformer(tiny_tokenizer, architecture, pooling="mean", layers=[0, 1, -1, 2]).eval()
    states = states_of(encoder, TEXTS)
    assert len(states.layers) == 4
    torch.testing.assert_close(states.layers[2], states.tokens)
    torch.testing.assert_close(states.layers[3], states.tokens)
    batch = encoder.collate(encoder.prepare(TEXTS))
    with torch.no_grad():
        hidden = encoder.model(**batch, output_hidden_states=True).hidden_states
    torch.testing.assert_close(states.layers[0], hidden[0])
    torch.testing.assert_close(states.layers[1], hidden[1])
    assert not torch.allclose(states.layers[0], states.layers[1])


def test_layers_that_are_none(tiny_tokenizer):
    for layers in ([], [3], [-4]):
        with pytest.raises(ConfigError, match="'layers' must be some of 0 to 2"):
            transformer(tiny_tokenizer, layers=layers)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_recomputed_activations_give_the_same_gradients(tiny_tokenizer, architecture):
    def gradients(**options):
        encoder = transformer(tiny_tokenizer, architecture, pooling="mean", **options)
        encoder.train()
        for part in encoder.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
            for name in ("dropout", "attention_dropout", "dropout_prob"):  # probabilities, not modules
                if isinstance(getattr(part, name, None), float):
                    setattr(part, name, 0.0)
        passes = []
        for part in encoder.modules():
            if isinstance(part, torch.nn.Linear):
                part.register_forward_hook(lambda *_: passes.append(1))
        encoder(**encoder.collate(encoder.prepare(TEXTS))).pooled.square().sum().backward()
        return len(passes), {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}

    if not tiny_model(architecture).supports_gradient_checkpointing:
        with pytest.raises(ConfigError, match="'gradient_checkpointing' must be False for"):
            gradients(gradient_checkpointing=True)
        return
    passes, plain = gradients()
    more_passes, again = gradients(gradient_checkpointing=True)
    assert more_passes > 1.5 * passes
    assert plain.keys() == again.keys()
    for name, value in plain.items():
        torch.testing.assert_close(again[name], value, msg=lambda m, name=name: f"{name}: {m}")


def test_the_token_that_stands_for_the_text_may_come_last(tiny_tokenizer):
    from tokenizers import processors

    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP] [CLS]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    encoder = TransformerTextEncoder(tiny_model("xlnet"), tokenizer, pooling="cls").eval()
    states = states_of(encoder, TEXTS)
    for row in range(len(TEXTS)):
        torch.testing.assert_close(states.pooled[row], states.tokens[row][states.mask[row]][-1])
    first = transformer(tiny_tokenizer, pooling="cls").eval()
    states = states_of(first, TEXTS)
    torch.testing.assert_close(states.pooled, states.tokens[:, 0])


def test_a_tokenizer_that_pads_on_the_left_changes_nothing(tiny_tokenizer):
    right, left = tiny_tokenizer(), tiny_tokenizer()
    left.padding_side = "left"
    first, second = (
        TransformerTextEncoder(tiny_model(), t, pooling="last", max_length=9).eval() for t in (right, left)
    )
    torch.testing.assert_close(states_of(first, TEXTS).pooled, states_of(second, TEXTS).pooled)


def test_narrow_embedding_layers_are_widened_for_label_names(tiny_tokenizer):
    encoder = transformer(tiny_tokenizer, "electra").eval()
    batch = encoder.collate(encoder.prepare(["w1 w2"]))
    states = encoder.model.embeddings_project(encoder.model.embeddings(input_ids=batch["input_ids"]))
    torch.testing.assert_close(encoder.embed(batch), states.mean(1))
    del encoder.model.embeddings_project
    with pytest.raises(ConfigError, match="the embedding layer of ElectraModel is narrower than its states"):
        encoder.embed(batch)


def test_length_of_one_call(tiny_tokenizer):
    encoder = transformer(tiny_tokenizer, max_length=8)
    assert len(encoder.prepare(["w1 " * 30], max_length=5)[0]) == 5
    assert len(encoder.prepare(["w1 " * 30], max_length=50)[0]) == 8
    assert len(encoder.prepare(["w1 " * 30])[0]) == 8
