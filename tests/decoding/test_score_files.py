"""Files of scores with ids beside."""

import json

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from hgraph.decoding import ScoreFile, Thresholds, read_scores, write_scores
from hgraph.decoding.cells import best_cells
from hgraph.errors import ConfigError, DataError


@pytest.fixture
def content():
    scores = sp.csr_matrix((np.array([0.5, 0.0, 0.25], np.float32), [2, 0, 1], [0, 2, 2, 3]), shape=(3, 3))
    return ScoreFile(scores, ["d1", "d2", "ü"], ["a", "b", "c"], Thresholds.from_arrays([0.5, 0.25, 0.125]))


def test_what_is_written_is_read_back(tmp_path, content):
    write_scores(tmp_path / "s.npz", content)
    found = read_scores(tmp_path / "s.npz")
    assert found.documents == content.documents and found.labels == content.labels
    assert found.thresholds.to_dict() == content.thresholds.to_dict()
    assert found.scores.nnz == 3, "a stored 0 is a score"
    np.testing.assert_array_equal(found.scores.toarray(), content.scores.toarray())


def test_a_bare_matrix(tmp_path):
    sp.save_npz(tmp_path / "p.npz", sp.csc_matrix([[0.5, 0], [0, 1]]))
    found = read_scores(tmp_path / "p.npz")
    assert found.documents is None and found.labels is None and found.thresholds is None
    found.check_labels(["x", "y"], "here")
    assert found.rows(["p", "q"], "here") is found.scores
    with pytest.raises(DataError, match="here: expected 3 rows, found 2"):
        found.rows(["p", "q", "r"], "here")
    with pytest.raises(DataError, match="here: expected scores of 1 labels, found 2"):
        found.check_labels(["x"], "here")


def test_rows_follow_the_ids(content):
    assert content.rows(["ü", "d1"], "here").toarray().tolist() == [[0, 0.25, 0], [0, 0, 0.5]]
    assert content.rows(list(content.documents), "here") is content.scores
    with pytest.raises(DataError, match="here: there are no scores of the document 'd9'"):
        content.rows(["d9"], "here")


def test_other_labels_are_refused(content):
    content.check_labels(["a", "b", "c"], "here")
    with pytest.raises(DataError, match="here: expected label 2 to be 'c', found 'b'"):
        content.check_labels(["a", "c", "b"], "here")
    with pytest.raises(DataError, match="here: expected scores of 4 labels, found 3"):
        content.check_labels(["a", "b", "c", "d"], "here")
    with pytest.raises(DataError, match="'labels' must be 3 ids"):
        ScoreFile(content.scores, labels=["a"])


def test_names_and_files_in_the_way(tmp_path, content):
    for function in (lambda: write_scores(tmp_path / "s.txt", content), lambda: read_scores(tmp_path / "s.txt")):
        with pytest.raises(ConfigError, match=r"expected a file named \*\.npz"):
            function()
    (tmp_path / "s.json").write_text("mine")
    with pytest.raises(ConfigError, match=r"s\.json: the file exists"):
        write_scores(tmp_path / "s.npz", content)
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]
    write_scores(tmp_path / "s.npz", content, overwrite=True)
    write_scores(tmp_path / "s.npz", content, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.json", "s.npz"]


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "is none of hgraph-scores"),
        ('{"format": "hgraph-scores", "version": 2}', "is none of hgraph-scores, version 1"),
        ({"labels": ["a"]}, "'labels' must be 3 ids"),
        ({"documents": [1, 2, 3]}, "must list strings under 'documents'"),
        ({"thresholds": {"kind": "x"}}, "thresholds have the keys"),
    ],
)
def test_damaged_ids(tmp_path, content, beside, said):
    write_scores(tmp_path / "s.npz", content)
    if isinstance(beside, dict):
        beside = json.dumps({**json.loads((tmp_path / "s.json").read_text()), **beside})
    (tmp_path / "s.json").write_text(beside)
    with pytest.raises(DataError, match=rf"s\.npz: .*{said}"):
        read_scores(tmp_path / "s.npz")


def test_scores_that_are_none(tmp_path):
    sp.save_npz(tmp_path / "s.npz", sp.csr_matrix([[np.inf]]))
    with pytest.raises(DataError, match="expected finite numbers"):
        read_scores(tmp_path / "s.npz")
    sp.save_npz(tmp_path / "s.npz", sp.csr_matrix((np.ones(2), [0, 0], [0, 2]), shape=(1, 1)))
    with pytest.raises(DataError, match="more than once"):
        read_scores(tmp_path / "s.npz")


@given(
    st.lists(st.lists(st.sampled_from([0.25, 0.5, 0.75, 1.0]), min_size=4, max_size=4), max_size=4), st.integers(1, 5)
)
def test_best_cells_are_those_of_a_sort(rows, k):
    scores = sp.csr_matrix(np.array(rows, np.float32).reshape(-1, 4))
    kept = best_cells(scores, k)
    for row, values in enumerate(rows):
        order = sorted(range(4), key=lambda label: (-values[label], label))[:k]
        assert kept[row].indices.tolist() == sorted(order)
        assert kept[row].data.tolist() == [values[label] for label in sorted(order)]
