"""Bag-of-words files against a plain reader of one line at a time."""

import gzip
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.data.xmc import read_bow, read_text_matrix, write_bow, write_text_matrix
from hgraph.errors import ConfigError, DataError


def slow_reader(text):
    """The definition: lists of labels and dictionaries of features, one line after the other."""
    header, *lines = text.split("\n")
    count, num_features, num_labels = map(int, header.split())
    features, labels = np.zeros((count, num_features), np.float32), np.zeros((count, num_labels), np.float32)
    for row, line in enumerate(lines[:count]):
        tokens = line.replace("\r", " ").split()
        if tokens and ":" not in tokens[0]:
            for label in tokens.pop(0).split(","):
                labels[row, int(label)] = 1
        for token in tokens:
            column, value = token.split(":")
            features[row, int(column)] += np.float32(value)
    return features, labels


def check_form(matrix):
    assert matrix.dtype == np.float32 and matrix.format == "csr"
    assert matrix.has_canonical_format and (matrix.data != 0).all()


NUMBERS = st.one_of(
    st.integers(-50, 50).map(str),
    st.floats(-1e30, 1e30).map(repr),
    st.floats(0, 1, width=32).map(lambda value: f"{value:.6f}"),
    st.sampled_from(
        ["1e-05", "+.5", "-3.", "1E3", "0.1000000014901161193847656250001", "123456789012345678901234567890", "1e-60"]
        # The middle of two float32, a little more, a little less; a subnormal; a long zero.
        + [
            "1.00000005960464477539",
            "1.000000059604644775390626",
            "1.00000005960464477538",
            "1e-42",
            "0." + "0" * 40 + "1",
        ]
    ),
)


@st.composite
def files(draw):
    rows = draw(st.integers(0, 6))
    lines = [f"{rows} 7 5"]
    for _ in range(rows):
        labels = ",".join(map(str, draw(st.lists(st.integers(0, 4), max_size=4))))
        pairs = draw(st.lists(st.tuples(st.integers(0, 6), NUMBERS), max_size=5, unique_by=lambda pair: pair[0]))
        blank = draw(st.sampled_from([" ", "  ", "\t"]))
        lines.append(
            labels
            + "".join(f"{blank}{column}:{value}" for column, value in pairs)
            + draw(st.sampled_from(["", " ", "\r"]))
        )
    ends = ["\n", "\n\n \n"] if lines[-1] == "" else ["", "\n", "\n\n \n"]
    return "\n".join(lines) + draw(st.sampled_from(ends))


@settings(max_examples=60, deadline=None)
@given(files(), st.integers(1, 40))
def test_a_file_is_read_as_by_the_slow_reader(tmp_path_factory, text, block_bytes):
    path = tmp_path_factory.mktemp("bow") / "train.txt"
    path.write_bytes(text.encode())
    features, labels = slow_reader(text)
    for size in (1 << 20, block_bytes):
        found = read_bow(path, block_bytes=size)
        np.testing.assert_array_equal(found.features.toarray(), features)
        np.testing.assert_array_equal(found.labels.toarray(), labels)
        check_form(found.features)
        check_form(found.labels)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 8), st.floats(width=32, allow_nan=False, allow_infinity=False)), max_size=6),
        max_size=5,
    ),
    st.sampled_from(["m.txt", "m.txt.gz"]),
)
def test_what_is_written_is_read_back_bit_for_bit(tmp_path_factory, rows, name):
    matrix = np.zeros((len(rows), 9), np.float32)
    for row, pairs in enumerate(rows):
        for column, value in pairs:
            matrix[row, column] = value
    labels = (matrix[:, ::2] != 0).astype(np.int8)
    folder = tmp_path_factory.mktemp("bow")
    write_bow(folder / name, matrix, labels)
    found = read_bow(folder / name)
    np.testing.assert_array_equal(found.features.toarray(), matrix)
    np.testing.assert_array_equal(found.labels.toarray(), labels)
    write_text_matrix(folder / f"alone_{name}", sp.coo_matrix(matrix))
    np.testing.assert_array_equal(read_text_matrix(folder / f"alone_{name}").toarray(), matrix)


def test_many_random_values_keep_their_bits(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2**32, 200_000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values) & (values != 0)]
    matrix = sp.csr_matrix(values[None])
    write_text_matrix(tmp_path / "m.txt", matrix)
    np.testing.assert_array_equal(read_text_matrix(tmp_path / "m.txt").data.view(np.uint32), values.view(np.uint32))


def test_values_are_written_short_where_few_digits_do(tmp_path):
    write_text_matrix(tmp_path / "m.txt", np.array([[0.1, 1 / 3, 2e-8]], np.float32))
    assert (tmp_path / "m.txt").read_text() == "1 3\n0:0.1 1:0.333333343 2:2e-08\n"


@pytest.mark.parametrize("text", ["0.636961728334426936", "0.269786730408668547", "-0.0409735273569822278"])
def test_decimals_just_beside_the_middle_of_two_float32_are_rounded_right(tmp_path, text):
    digits, power = int(text.replace(".", "")), len(text.split(".")[1])
    assert np.float32(digits / 10.0**power) != np.float32(text), "a quotient in float64 goes the wrong way"
    (tmp_path / "m.txt").write_text(f"1 1\n0:{text}\n")
    assert read_text_matrix(tmp_path / "m.txt")[0, 0] == np.float32(text)


def test_repeats_are_summed_and_labels_taken_once(tmp_path):
    (tmp_path / "t.txt").write_text("1 4 4\n3,1,3 2:1 0:0.5 2:0.25 1:1 1:-1\n")
    found = read_bow(tmp_path / "t.txt")
    assert found.features.toarray().tolist() == [[0.5, 0, 1.25, 0]] and found.features.nnz == 2
    assert found.labels.indices.tolist() == [1, 3] and found.labels.data.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r":1: expected the header 'N D L', whole numbers, found ''"),
        ("3 4\n", r":1: expected the header 'N D L'"),
        ("1 2 x\n", r":1: expected the header"),
        ("1 2 99999999999\n", r":1: expected the header"),
        ("2 4 3\n1 0:1\n0,a 0:1\n", r":3: expected labels such as '3,17', whole numbers, found 'a'"),
        ("1 4 3\n0, 0:1\n", r":2: expected labels"),
        ("1 4 3\n-1 0:1\n", r":2: expected labels .* found '-1'"),
        ("1 4 3\n3 0:1\n", r":2: expected a label below 3, as the header says, found '3'"),
        ("1 4 3\n0 4:1\n", r":2: expected a column below 4, as the header says, found '4:1'"),
        ("1 4 3\n0 1\n", r":2: expected 'column:value', such as '4:0\.25', found '1'"),
        ("1 4 3\n0 1:\n", r":2: expected 'column:value'"),
        ("1 4 3\n0 1:2:3\n", r":2: expected 'column:value'"),
        ("1 4 3\n0 1:nan\n", r":2: expected 'column:value'.* found '1:nan'"),
        ("1 4 3\n0 1:1e\n", r":2: expected 'column:value'"),
        ("1 4 3\n0 1:.\n", r":2: expected 'column:value'"),
        ("1 4 3\n0 1: 2\n", r":2: expected 'column:value'"),
        ("1 4 3\n0 99999999999999999999:2\n", r":2: expected 'column:value'"),
        ("2 4 3\n0 1:1\n0 1:1e39\n", r":3: a value is beyond what float32 holds"),
        ("2 4 3\n0 1:1\n0 1:1e400\n", r":3: a value is beyond"),
        ("1 4 3\n0 1:\0\n", r":2: expected 'column:value'"),
        ("3 4 3\n0 1:1\n\n", r"the header says 3 rows, found 2"),
        ("1 4 3\n0 1:1\n\n0 1:1\n", r":4: the header says 1 rows, found more"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_malformed_lines_are_named(tmp_path, text, said, block_bytes):
    path = tmp_path / "t.txt"
    path.write_bytes(text.encode())
    with pytest.raises(DataError, match=said) as caught:
        read_bow(path, block_bytes=block_bytes)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_no_row_no_column_and_a_byte_order_mark(tmp_path):
    for text in (b"\xef\xbb\xbf0 0 0\n", b"0 0 0"):
        (tmp_path / "t.txt").write_bytes(text)
        for size in (1, 1 << 20):
            found = read_bow(tmp_path / "t.txt", block_bytes=size)
            assert found.features.shape == (0, 0) and found.labels.shape == (0, 0)
    (tmp_path / "t.txt").write_text("2 0 1\n0\n\n")
    assert read_bow(tmp_path / "t.txt").labels.toarray().tolist() == [[1], [0]]


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        read_bow(tmp_path / "no.txt")
    with pytest.raises(DataError, match="cannot be read"):
        read_bow(tmp_path)
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"1 2 3\n" * 100)[:-9])
    with pytest.raises(DataError, match="damaged or cut short"):
        read_bow(tmp_path / "cut.txt.gz")


def test_files_that_cannot_be_written(tmp_path):
    (tmp_path / "t.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write_text_matrix(tmp_path / "t.txt", [[1]])
    with pytest.raises(ConfigError, match="cannot be written"):
        write_text_matrix(tmp_path / "no" / "t.txt", [[1]])
    with pytest.raises(DataError, match="NaN"):
        write_text_matrix(tmp_path / "u.txt", [[np.nan]])
    with pytest.raises(DataError, match="'labels' must have 1 rows"):
        write_bow(tmp_path / "u.txt", [[1]], [[1], [0]])
    assert [path.name for path in tmp_path.iterdir()] == ["t.txt"]
    write_text_matrix(tmp_path / "t.txt", [[1]], overwrite=True)
    assert (tmp_path / "t.txt").read_text() == "1 1\n0:1\n"


def test_gzipped_bytes_depend_on_the_content_alone(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_text_matrix(tmp_path / name, [[1, 2]])
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.slow
def test_importing_the_formats_does_not_compile_them():
    import subprocess

    script = "import sys, hgraph.data.xmc; sys.exit('hgraph.data.xmc.scan' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
