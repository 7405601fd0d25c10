"""The way back from a folder: damaged options, unknown classes, options that replace saved ones."""

import json

import pytest
from tiny_encoders import bag, frozen

from hgraph.errors import ConfigError
from hgraph.text import EmbeddingCache, restore_text_encoder


@pytest.mark.parametrize("content", [None, "{", "[]", '{"kind": "BagTextEncoder"}', '{"kind": 3, "options": 4}'])
def test_damaged_options(tmp_path, content):
    encoder = bag()
    encoder.save_assets(tmp_path)
    (tmp_path / "encoder.json").unlink()
    if content is not None:
        (tmp_path / "encoder.json").write_text(content)
    with pytest.raises(ConfigError, match=r"encoder\.json: expected the options of a text encoder that hgraph saved"):
        restore_text_encoder(tmp_path, encoder.state_dict())


@pytest.mark.parametrize("kind", ["MyTextEncoder", "TextEncoder", "TextStates", "plain_text", "__name__", "os"])
def test_unknown_classes(tmp_path, kind):
    (tmp_path / "encoder.json").write_text(json.dumps({"kind": kind, "options": {}}))
    with pytest.raises(ConfigError, match=f"'kind' must be a text encoder of hgraph, but got '{kind}'"):
        restore_text_encoder(tmp_path, {})


def test_options_replace_saved_ones(tmp_path, tiny_tokenizer):
    encoder = frozen(tiny_tokenizer, batch_size=7)
    encoder.save_assets(tmp_path)
    plain = restore_text_encoder(tmp_path, encoder.state_dict())
    assert (plain.batch_size, plain.cache) == (7, None)
    cache = EmbeddingCache(tmp_path / "cache")
    changed = restore_text_encoder(tmp_path, encoder.state_dict(), cache=cache, batch_size=9)
    assert (changed.batch_size, changed.cache) == (9, cache)
