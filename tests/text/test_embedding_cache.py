"""Vectors on disk against a dictionary, with damaged files, several processes and folders that cannot be written."""

import hashlib
import json
import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import ConfigError
from hgraph.text import EmbeddingCache
from hgraph.text.embedding_cache import EmbeddingShards, fingerprint, text_hashes

WEIGHTS = {"w": torch.arange(6.0).view(2, 3), "b": torch.ones(2, dtype=torch.bfloat16)}


def shards_in(folder, dtype="float16", channels=3):
    return EmbeddingShards(folder, channels=channels, dtype=np.dtype(dtype))


def vectors_of(texts, channels=3):
    return np.array([[len(text), *range(1, channels)] for text in texts], dtype=np.float16).reshape(-1, channels)


def write(shards, texts):
    with shards.writing():
        shards.write(text_hashes(texts), vectors_of(texts))


def test_hashes_are_those_of_the_bytes_of_a_text():
    texts = ["", "a", "straße", "\ud800", "a\x00"]
    expected = [hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=16).digest() for t in texts]
    assert [bytes(value.ljust(16, b"\0")) for value in text_hashes(texts).tolist()] == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.text("abc", max_size=3), unique=True, max_size=6), max_size=6), st.data())
def test_files_act_like_a_dictionary(tmp_path_factory, writes, data):
    folder = tmp_path_factory.mktemp("cache")
    known = {}
    for texts in writes:
        new = [text for text in texts if text not in known]
        if new:
            write(shards_in(folder), new)
        known |= dict(zip(new, vectors_of(new), strict=True))
    asked = data.draw(st.lists(st.text("abcd", max_size=3), unique=True, max_size=8))
    found, vectors = shards_in(folder).read(text_hashes(asked))
    assert found.tolist() == [text in known for text in asked]
    for row, text in enumerate(asked):
        np.testing.assert_array_equal(vectors[row], known.get(text, np.zeros(3)))


@pytest.mark.parametrize("damage", ["empty", "cut", "rubbish", "header", "vector", "hashe", "width", "dtype"])
def test_a_damaged_file_counts_as_unknown_and_is_removed(tmp_path, caplog, damage):
    shards = shards_in(tmp_path)
    write(shards, ["one", "three"])
    write(shards, ["seven"])
    paths = sorted(tmp_path.glob("*.safetensors"), key=lambda path: path.stat().st_size)
    content = bytearray(paths[1].read_bytes())
    if damage in ("width", "dtype"):
        other = (
            shards_in(tmp_path / "x", channels=4) if damage == "width" else shards_in(tmp_path / "x", dtype="float32")
        )
        with other.writing():
            other.write(text_hashes(["one", "three"]), np.ones((2, other.channels), dtype=other.dtype))
        content = bytearray(next((tmp_path / "x").glob("*.safetensors")).read_bytes())
    header = json.loads(content[8 : (start := 8 + int.from_bytes(content[:8], "little"))])
    position = {"header": 12, **{name: start + header[f"{name}s"]["data_offsets"][0] for name in ("vector", "hashe")}}
    if damage in position:
        content[position[damage]] ^= 0xFF
    changed = {"empty": b"", "cut": content[:-3], "rubbish": b"rubbish" * 30}.get(damage, bytes(content))
    paths[1].write_bytes(changed)
    with caplog.at_level(logging.WARNING):
        known, vectors = shards_in(tmp_path).read(text_hashes(["one", "seven", "three"]))
    assert known[1]
    assert vectors[1].tolist() == [5, 1, 2]
    assert not known[0]
    assert not known[2]
    assert not vectors[~known].any()
    assert "is damaged" in caplog.text
    assert not paths[1].exists()
    write(shards_in(tmp_path), ["one", "three"])
    assert shards_in(tmp_path).read(text_hashes(["one", "seven", "three"]))[0].all()


def test_half_written_files_are_not_read(tmp_path):
    shards = shards_in(tmp_path)
    write(shards, ["one"])
    (tmp_path / "killed.tmp").write_bytes(next(tmp_path.glob("*.safetensors")).read_bytes()[:50])
    assert shards.read(text_hashes(["one"]))[0].all()
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    shards = shards_in(tmp_path / "file" / "key")
    with caplog.at_level(logging.WARNING):
        write(shards, ["one"])
        write(shards, ["two"])
    assert "cannot be written" in caplog.text
    assert not shards.read(text_hashes(["one"]))[0].any()


def test_a_full_disk_costs_a_warning_and_leaves_no_rest(tmp_path, caplog, monkeypatch):
    def fail(self, content):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", fail)
    with caplog.at_level(logging.WARNING):
        write(shards_in(tmp_path), ["one"])
    assert "No space left on device" in caplog.text
    assert not [path for path in tmp_path.iterdir() if path.name != ".lock"]


def test_the_key_depends_on_settings_weights_and_precision(tmp_path):
    cache, base = EmbeddingCache(tmp_path), ({"pooling": "cls"}, WEIGHTS, 3)
    key = cache.shards(*base).folder
    assert cache.shards({"pooling": "cls"}, dict(reversed(WEIGHTS.items())), 3).folder == key
    assert EmbeddingCache(tmp_path).shards(*base).folder == key
    others = [
        cache.shards({"pooling": "mean"}, WEIGHTS, 3),
        cache.shards({"pooling": "cls", "max_length": 9}, WEIGHTS, 3),
        cache.shards({"pooling": "cls"}, {**WEIGHTS, "w": WEIGHTS["w"] + 1e-6}, 3),
        cache.shards({"pooling": "cls"}, {**WEIGHTS, "w": WEIGHTS["w"].double()}, 3),
        cache.shards({"pooling": "cls"}, {**WEIGHTS, "w": WEIGHTS["w"].view(3, 2)}, 3),
        cache.shards({"pooling": "cls"}, {**WEIGHTS, "v": torch.ones(1)}, 3),
        EmbeddingCache(tmp_path, dtype="float32").shards(*base),
    ]
    folders = [other.folder for other in others]
    assert len({key, *folders}) == len(others) + 1
    assert all(folder.parent == tmp_path for folder in folders)


def test_weights_may_lie_in_any_order_in_memory():
    transposed = WEIGHTS["w"].t().contiguous().t()
    assert not transposed.is_contiguous()
    assert fingerprint({}, {"w": transposed}) == fingerprint({}, {"w": WEIGHTS["w"]})


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HGRAPH_CACHE", str(tmp_path))
    assert EmbeddingCache().folder == tmp_path / "embeddings"
    assert EmbeddingCache(tmp_path / "mine").folder == tmp_path / "mine"
    monkeypatch.delenv("HGRAPH_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert EmbeddingCache().folder == tmp_path / ".cache" / "hgraph" / "embeddings"
    with pytest.raises(ConfigError, match="'dtype' must be one of float16, float32, but got 'int8'"):
        EmbeddingCache(dtype="int8")
