"""Rankers on disk."""

import json

import numpy as np
import pytest
from ranker_reference import TREES, make_documents

from hgraph.errors import DataError
from hgraph.ranking import LinearRanker

X, Y = make_documents()
DENSE = np.random.default_rng(5).normal(size=(60, 4)).astype(np.float32)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("name", TREES)
def test_round_trip(name, dense, tmp_path):
    features = [X, DENSE] if dense else X
    options = {"transform": "sigmoid", "beam_size": 3, "threads": 1}
    ranker = LinearRanker.fit(features, Y, TREES[name], **options)
    ranker.save(tmp_path / "ranker")
    ranker.save(tmp_path / "ranker")  # over the old one
    loaded = LinearRanker.load(tmp_path / "ranker")
    assert repr(loaded) == repr(ranker)
    assert (loaded.transform, loaded.beam_size) == (ranker.transform, ranker.beam_size)
    before, after = ranker.predict(features), loaded.predict(features)
    np.testing.assert_array_equal(before.indices, after.indices)
    np.testing.assert_array_equal(before.data, after.data)
    assert [path.name for path in tmp_path.iterdir()] == ["ranker"]
    assert {path.suffix for path in (tmp_path / "ranker").iterdir()} == {".npy", ".json"}


def test_arrays_are_mapped_and_small(tmp_path):
    LinearRanker.fit(X, Y, TREES["two levels"], threads=1).save(tmp_path / "ranker")
    level = LinearRanker.load(tmp_path / "ranker").levels[1]
    assert isinstance(level.weight.base, np.memmap) or isinstance(level.weight, np.memmap)
    assert (level.feature.dtype, level.count.dtype, level.offset.dtype) == (np.uint16, np.uint8, np.uint8)
    assert level.weight.dtype == np.float32


def test_a_ranker_without_weights(tmp_path):
    LinearRanker.fit(X[:0], Y[:0], TREES["padded"], threads=1).save(tmp_path / "ranker")
    assert LinearRanker.load(tmp_path / "ranker").predict(X).shape == (60, 9)


def test_folders_that_are_not_rankers(tmp_path):
    with pytest.raises(DataError, match="saved ranker"):
        LinearRanker.load(tmp_path)
    LinearRanker.fit(X, Y, TREES["flat"], threads=1).save(tmp_path / "ranker")
    (tmp_path / "ranker" / "0_weight.npy").unlink()
    with pytest.raises(DataError, match="0_weight"):
        LinearRanker.load(tmp_path / "ranker")
    options = json.loads((tmp_path / "ranker" / "ranker.json").read_text())
    (tmp_path / "ranker" / "ranker.json").write_text(json.dumps({**options, "version": 99}))
    with pytest.raises(DataError, match="version 1, found 99"):
        LinearRanker.load(tmp_path / "ranker")
