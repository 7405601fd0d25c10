"""Ensembles against their definitions, a document and a label at a time."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.decoding import ensemble
from hgraph.errors import ConfigError, DataError

METHODS = ["mean", "rank", "sigmoid", "softmax", "round_robin"]


def rows_of(matrix):
    """Each document as {label: score}."""
    csr = sp.csr_matrix(matrix)
    bounds = zip(csr.indptr[:-1], csr.indptr[1:], strict=True)
    return [dict(zip(csr.indices[a:b].tolist(), csr.data[a:b].tolist(), strict=True)) for a, b in bounds]


def ranking(row):
    return sorted(row, key=lambda label: (-row[label], label))


def mapped(row, method, longest):
    if method == "rank":
        return {label: longest - place for place, label in enumerate(ranking(row))}
    if method == "sigmoid":
        return {label: 1 / (1 + math.exp(-score)) for label, score in row.items()}
    if method == "softmax":
        return {label: math.exp(score) / sum(map(math.exp, row.values())) for label, score in row.items()}
    return row


def plain(rows, method, missing):
    """The definition for one document: `rows` are {label: score}, one a model."""
    labels = set().union(*rows)
    if method == "round_robin":
        order = []
        for turn in range(max(map(len, rows))):
            for row in rows:
                if turn < len(row) and ranking(row)[turn] not in order:
                    order.append(ranking(row)[turn])
        return {label: 1 / (1 + place) for place, label in enumerate(order)}
    maps = [mapped(row, method, max(map(len, rows))) for row in rows]
    absent = [min(values.values(), default=0) if missing == "lowest" else 0 for values in maps]
    return {
        label: sum(values.get(label, low) for values, low in zip(maps, absent, strict=True)) / len(rows)
        for label in labels
    }


@st.composite
def cases(draw, low=0.0):
    shape = draw(st.integers(0, 5)), draw(st.integers(1, 6))
    scores = st.one_of(st.sampled_from([0.0, 0.25, 0.5]), st.floats(low, 4, width=32))
    matrices = []
    for _ in range(draw(st.integers(1, 3))):
        cells = {(r, c): draw(scores) for r in range(shape[0]) for c in range(shape[1]) if draw(st.booleans())}
        rows, columns = [r for r, _ in cells], [c for _, c in cells]
        # Stored zeros stay: a stored 0 is a score.
        counts = np.bincount(rows, minlength=shape[0]) if rows else np.zeros(shape[0], int)
        indptr = np.concatenate([[0], np.cumsum(counts)])
        matrices.append(sp.csr_matrix((list(cells.values()), columns, indptr), shape=shape, dtype=np.float32))
    return matrices


def check(matrices, method, missing, block_cells):
    found = ensemble(matrices, method, missing=missing, block_cells=block_cells)
    assert found.shape == matrices[0].shape and found.dtype == np.float32 and found.has_sorted_indices
    for row, parts in zip(rows_of(found), zip(*map(rows_of, matrices), strict=True), strict=True):
        expected = plain(parts, method, missing)
        assert row.keys() == expected.keys()
        for label, score in row.items():
            assert score == pytest.approx(expected[label], rel=1e-6, abs=1e-7)
    whole = ensemble(matrices, method, missing=missing)
    np.testing.assert_array_equal(found.data, whole.data)


@settings(max_examples=120, deadline=None)
@given(cases(), st.sampled_from(METHODS), st.sampled_from([1, 5, 1 << 22]))
def test_missing_labels_count_zero(matrices, method, block_cells):
    check(matrices, method, "zero", block_cells)


@settings(max_examples=120, deadline=None)
@given(cases(low=-4), st.sampled_from(METHODS[:-1]), st.sampled_from([1, 5, 1 << 22]))
def test_missing_labels_count_the_lowest(matrices, method, block_cells):
    check(matrices, method, "lowest", block_cells)


@given(cases(low=-4), st.sampled_from(["rank", "sigmoid", "softmax"]))
def test_a_document_is_combined_on_its_own_and_models_count_alike(matrices, method):
    whole = ensemble(matrices, method)
    backwards = ensemble(matrices[::-1], method)
    np.testing.assert_allclose(backwards.toarray(), whole.toarray(), rtol=1e-6)
    for row in range(whole.shape[0]):
        alone = ensemble([matrix[row] for matrix in matrices], method)
        np.testing.assert_array_equal(alone.toarray(), whole[row].toarray())


def test_raw_scores_of_any_size_have_a_softmax():
    found = ensemble([sp.csr_matrix([[1000.0, 999.0], [-1000.0, -1001.0]])], "softmax").toarray()
    expected = 1 / (1 + math.exp(-1))
    np.testing.assert_allclose(found, [[expected, 1 - expected]] * 2, rtol=1e-6)


def test_a_shorter_list_does_not_count_less_at_its_top():
    long, short = sp.csr_matrix([[0.9, 0.8, 0.7, 0.0]]), sp.csr_matrix([[0.0, 0.0, 0.0, 0.1]])
    assert ensemble([long, short], "rank").toarray().tolist() == [[1.5, 1, 0.5, 1.5]]


def test_negative_means_need_a_word_about_missing_labels():
    first, second = sp.csr_matrix([[-1.0, 2.0]]), sp.csr_matrix([[-3.0, 0.0]])
    second.eliminate_zeros()
    with pytest.raises(ConfigError, match="has negative scores, and 0 for a label that it does not store"):
        ensemble([first, second], "mean")
    assert ensemble([first, second], "mean", missing="lowest").toarray().tolist() == [[-2, -0.5]]
    # Where both store all labels nothing is missing.
    assert ensemble([first, first], "mean").toarray().tolist() == [[-1, 2]]


@pytest.mark.parametrize("method", METHODS)
def test_nothing_to_combine(method):
    for shape in ((0, 3), (2, 3), (2, 0)):
        found = ensemble([sp.csr_matrix(shape)] * 2, method)
        assert found.shape == shape and found.nnz == 0 and found.dtype == np.float32


def test_wrong_input_is_named():
    one = sp.csr_matrix([[1.0]])
    with pytest.raises(ConfigError, match="'matrices' is empty"):
        ensemble([])
    with pytest.raises(ConfigError, match="'method' is 'median'"):
        ensemble([one], "median")
    with pytest.raises(ConfigError, match="no meaning for round_robin"):
        ensemble([one], "round_robin", missing="lowest")
    with pytest.raises(DataError, match=r"'matrices\[1\]' has shape"):
        ensemble([one, sp.csr_matrix((2, 1))])
    with pytest.raises(DataError, match=r"'matrices\[0\]' contains NaN"):
        ensemble([sp.csr_matrix([[np.nan]])])
