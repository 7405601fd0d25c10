"""Low-rank updates: where they start, what they train, and that merging changes nothing."""

import sys

import pytest
import torch
from tiny_encoders import ARCHITECTURES, TEXTS, states_of, transformer

from hgraph.errors import ConfigError
from hgraph.text import LoRAOptions, TransformerTextEncoder

pytest.importorskip("peft")


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_updates_start_at_zero_and_merge_exactly(tiny_tokenizer, tmp_path, architecture):
    plain = transformer(tiny_tokenizer, architecture, pooling="mean").eval()
    encoder = transformer(tiny_tokenizer, architecture, pooling="mean", lora=LoRAOptions(rank=2)).eval()
    torch.testing.assert_close(states_of(encoder, TEXTS).pooled, states_of(plain, TEXTS).pooled)
    trained = [name for name, value in encoder.named_parameters() if value.requires_grad]
    assert trained
    assert all(".lora_" in name for name in trained)
    for name, value in encoder.named_parameters():
        if ".lora_" in name:
            torch.nn.init.normal_(value, std=0.2)
    before = states_of(encoder, TEXTS).pooled
    assert not torch.allclose(before, states_of(plain, TEXTS).pooled, atol=1e-3)
    encoder.save_assets(tmp_path)
    torch.testing.assert_close(states_of(encoder, TEXTS).pooled, before, rtol=1e-4, atol=1e-4)
    assert set(encoder.state_dict()) == set(plain.state_dict())
    again = TransformerTextEncoder.from_assets(tmp_path, encoder.state_dict()).eval()
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(states_of(again, TEXTS).pooled, before, rtol=1e-4, atol=1e-4)


def test_an_update_by_its_definition(tiny_tokenizer):
    encoder = transformer(tiny_tokenizer, lora=LoRAOptions(rank=2, alpha=6, dropout=0.0, targets=["query"]))
    layer = encoder.model.encoder.layer[0].attention.self.query
    assert {name for name, part in encoder.model.named_modules() if hasattr(part, "lora_A")} == {
        f"encoder.layer.{number}.attention.self.query" for number in (0, 1)
    }
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    torch.nn.init.normal_(up)
    x = torch.randn(3, 32)
    torch.testing.assert_close(layer(x), layer.base_layer(x) + 6 / 2 * x @ down.T @ up.T)


def test_training_moves_the_updates_with_less_memory_too(tiny_tokenizer):
    gradients = []
    for again in (False, True):
        encoder = transformer(tiny_tokenizer, dropout=0.0, lora=LoRAOptions(dropout=0.0), gradient_checkpointing=again)
        torch.manual_seed(3)
        for name, value in encoder.named_parameters():
            if ".lora_" in name:
                torch.nn.init.normal_(value, std=0.1)
        encoder.train()
        for part in encoder.modules():
            part.p = 0.0 if isinstance(part, torch.nn.Dropout) else getattr(part, "p", None)
        encoder(**encoder.collate(encoder.prepare(TEXTS))).pooled.square().sum().backward()
        gradients.append({name: p.grad for name, p in encoder.named_parameters() if p.grad is not None})
    assert gradients[0]
    assert gradients[0].keys() == gradients[1].keys()
    for name, value in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], value)


def test_without_peft(tiny_tokenizer, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r"'lora' needs the package peft: pip install 'hgraph-text\[lora\]'"):
        transformer(tiny_tokenizer, lora=LoRAOptions())


def test_options_that_make_no_sense(tiny_tokenizer):
    with pytest.raises(ConfigError, match=r"'targets' must name linear maps of the model \(dense, key, query, value\)"):
        transformer(tiny_tokenizer, lora=LoRAOptions(targets=["no_such_map"]))
    with pytest.raises(ConfigError, match="'rank' must be at least 1, but got 0"):
        LoRAOptions(rank=0)
    with pytest.raises(ConfigError, match="'dropout' must be at least 0 and below 1, but got 1"):
        LoRAOptions(dropout=1)
