"""Matrices by name of the file, and split files."""

import numpy as np
import pytest
import scipy.sparse as sp

from hgraph.data.xmc import read_matrix, read_split, write_matrix, write_split
from hgraph.errors import ConfigError, DataError


@pytest.mark.parametrize("name", ["Y.npz", "trn_X_Y.txt", "trn_X_Y.txt.gz"])
def test_matrices_come_back(tmp_path, name):
    matrix = np.array([[0, 0.1, 0], [0, 0, 0], [3, 0, -1e-9]], np.float32)
    write_matrix(tmp_path / name, sp.csc_matrix(matrix))
    found = read_matrix(tmp_path / name)
    np.testing.assert_array_equal(found.toarray(), matrix)
    assert found.dtype == np.float32 and found.has_canonical_format


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float64])
@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix, sp.coo_matrix, sp.csr_array])
def test_every_npz_of_scipy_is_read(tmp_path, kind, dtype):
    dense = np.array([[1, 0], [0, 0], [0, 1]]).astype(dtype)
    sp.save_npz(tmp_path / "m.npz", kind(dense))
    found = read_matrix(tmp_path / "m.npz")
    assert found.toarray().tolist() == dense.tolist() and found.dtype == np.float32


def test_an_unsorted_npz_with_repeats_and_zeros_is_put_in_order(tmp_path):
    raw = sp.csr_matrix((np.array([1.0, 2, 3, 0]), np.array([2, 0, 2, 1]), np.array([0, 4])), shape=(1, 3))
    sp.save_npz(tmp_path / "m.npz", raw)
    found = read_matrix(tmp_path / "m.npz")
    assert found.indices.tolist() == [0, 2] and found.data.tolist() == [2, 4]


def test_npz_files_that_are_none(tmp_path):
    path = tmp_path / "m.npz"
    with pytest.raises(DataError, match="there is no such file"):
        read_matrix(path)
    for content in (b"", b"PK\3\4", b"text"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="no sparse matrix that can be read"):
            read_matrix(path)
    np.savez(path, a=np.ones(3))
    with pytest.raises(DataError, match="no sparse matrix"):
        read_matrix(path)
    np.savez(path, format=b"csr", shape=(1, 2), data=np.ones(1), indices=np.array([7]), indptr=np.array([0, 1]))
    with pytest.raises(DataError, match="no sparse matrix"):
        read_matrix(path)
    objects = np.empty(1, object)
    np.savez(path, format=b"csr", shape=(1, 2), data=objects, indices=np.array([0]), indptr=np.array([0, 1]))
    with pytest.raises(DataError, match="no sparse matrix"):
        read_matrix(path)
    np.savez(path, format=b"csr", shape=(1, 2), data=np.array([np.inf]), indices=np.array([0]), indptr=np.array([0, 1]))
    with pytest.raises(DataError, match=r"m\.npz: .*NaN or infinity"):
        read_matrix(path)


def test_splits_come_back_and_count_from_one(tmp_path):
    (tmp_path / "s.txt").write_text("3 1 2\n\n1 4 4\r\n")
    assert read_split(tmp_path / "s.txt").tolist() == [[2, 0, 1], [0, 3, 3]]
    rows = np.random.default_rng(0).integers(0, 50, (20, 10))
    write_split(tmp_path / "t.txt.gz", rows)
    np.testing.assert_array_equal(read_split(tmp_path / "t.txt.gz"), rows)
    (tmp_path / "s.txt").write_text("")
    assert read_split(tmp_path / "s.txt").shape == (0, 0)


@pytest.mark.parametrize("text", ["1 2\n3\n", "1 2\n0 1\n", "1 2\n1 x\n", "1 2\n1 -1\n"])
def test_malformed_splits(tmp_path, text):
    (tmp_path / "s.txt").write_text(text)
    with pytest.raises(DataError, match=r"s\.txt:2: expected 2 document numbers from 1"):
        read_split(tmp_path / "s.txt")


def test_splits_that_cannot_be_written(tmp_path):
    for rows in ([1, 2], [[0.5]], [[-1]]):
        with pytest.raises(DataError, match="'rows' must be whole numbers"):
            write_split(tmp_path / "s.txt", rows)
    write_split(tmp_path / "s.txt", [[0]])
    with pytest.raises(ConfigError, match="exists already"):
        write_split(tmp_path / "s.txt", [[0]])
