"""Mined negatives in a file, and strategies side by side."""

import os

import numpy as np
import pytest
import scipy.sparse as sp
from safetensors.numpy import save_file

from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph
from hgraph.retrieval import HardNegativeMiner, MinedNegatives, compare_strategies


@pytest.fixture
def case():
    """A tree of 40 labels, 300 documents near their labels, vectors before and after some training."""
    rng = np.random.default_rng(0)
    graph = LabelGraph.from_edges([(f"n{i // 3}", f"n{i}") for i in range(1, 40)])
    own = rng.integers(13, 40, 300)
    labels = sp.csr_matrix((np.ones(300), (np.arange(300), own)), (300, 40))
    before = rng.standard_normal((300, 8)), rng.standard_normal((40, 8))
    now = before[1][own] + 0.8 * before[0], before[1]
    return graph, labels, before, now


def test_a_file_gives_back_what_was_mined(case, tmp_path):
    graph, labels, _, now = case
    path = tmp_path / "mined.safetensors"
    for strategy in ("hardest", "semi_hard"):  # the second replaces the first
        mined = HardNegativeMiner(graph=graph, num_negatives=30, strategy=strategy).mine_labels(*now, labels)
        mined.save(path)
    loaded = MinedNegatives.load(path)
    assert (loaded.ids.dtype, loaded.similarity.dtype) == (np.int32, np.float32)
    np.testing.assert_array_equal(loaded.ids, mined.ids)
    np.testing.assert_array_equal(loaded.similarity, mined.similarity)
    assert (loaded.ids == -1).any() and len(loaded) == 300
    assert loaded.summary == mined.summary
    assert [p.name for p in tmp_path.iterdir()] == ["mined.safetensors"]


def test_figures_that_are_no_numbers_survive_a_file(tmp_path):
    mined = HardNegativeMiner(num_negatives=2).mine_labels(np.eye(2), np.eye(2), sp.csr_matrix((2, 2)))
    mined.save(tmp_path / "mined")
    assert str(MinedNegatives.load(tmp_path / "mined").summary) == str(mined.summary)


def test_a_crash_while_saving_leaves_the_old_file(case, tmp_path, monkeypatch):
    graph, labels, _, now = case
    path = tmp_path / "mined.safetensors"
    mined = HardNegativeMiner(graph=graph).mine_labels(*now, labels)
    mined.save(path)
    before = path.read_bytes()

    def crash(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr(os, "replace", crash)
        mined.save(path)
    assert path.read_bytes() == before


def test_other_files_are_refused(tmp_path):
    for name, write in (
        ("missing", lambda path: None),
        ("text", lambda path: path.write_text("hello")),
        ("weights", lambda path: save_file({"weight": np.zeros(2)}, path)),
    ):
        path = tmp_path / name
        write(path)
        with pytest.raises(DataError, match="expected mined negatives") as error:
            MinedNegatives.load(path)
        assert str(path) in str(error.value)


def test_strategies_side_by_side(case):
    graph, labels, before, now = case
    earlier = HardNegativeMiner(graph=graph, num_negatives=4, strategy="fixed").mine_labels(*before, labels)
    compared = compare_strategies(*now, labels, graph=graph, earlier=earlier, num_negatives=4)
    assert list(compared.summaries) == ["hardest", "semi_hard", "random", "fixed"]
    text, vectors = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in now)
    scores = text @ vectors.T
    for name, summary in compared.summaries.items():
        strategy = HardNegativeMiner(graph=graph, num_negatives=4, strategy=name)
        ids = earlier.ids if name == "fixed" else strategy.mine_labels(*now, labels).ids
        values = [scores[i, c] for i in range(300) for c in ids[i] if c >= 0]
        assert summary.negatives.mean == pytest.approx(np.mean(values), abs=1e-5)
        least = [scores[i, labels[i].indices].min() for i in range(300)]
        above = [scores[i, c] > least[i] for i in range(300) for c in ids[i] if c >= 0]
        assert summary.above_least == pytest.approx(np.mean(above))
        assert compared.summaries["hardest"].positives == summary.positives
        hardest = strategy.__class__(graph=graph, num_negatives=4).mine_labels(*now, labels).ids
        shared = [c in hardest[i] for i in range(300) for c in ids[i] if c >= 0]
        assert compared.among_hardest[name] == pytest.approx(np.mean(shared))
    means = {name: summary.negatives.mean for name, summary in compared.summaries.items()}
    assert means["hardest"] > means["semi_hard"] > means["random"]
    assert means["hardest"] > means["fixed"]
    assert compared.summaries["semi_hard"].above_least == 0
    lines = str(compared).splitlines()
    assert lines[0].split() == list(compared.summaries)
    assert len({len(line) for line in lines}) == 1
    assert f"{means['random']:.3f}" in lines[1]
    assert "100.0 %" in next(line for line in lines if line.startswith("among the hardest"))


def test_fixed_needs_what_was_mined_before(case):
    graph, labels, _, now = case
    assert list(compare_strategies(*now, labels, graph=graph).summaries) == ["hardest", "semi_hard", "random"]
    alone = compare_strategies(*now, labels, strategies=["random"])
    assert np.isnan(alone.among_hardest["random"])
    with pytest.raises(ConfigError, match="'fixed' is compared by what it mined before: give 'earlier'"):
        compare_strategies(*now, labels, strategies=["fixed"])
    earlier = HardNegativeMiner().mine_labels(now[0][:9], now[1], labels[:9])
    with pytest.raises(ConfigError, match="'earlier' must hold negatives of 300 documents, but got 9"):
        compare_strategies(*now, labels, earlier=earlier)
