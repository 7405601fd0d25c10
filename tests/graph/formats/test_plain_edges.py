"""The fast way into a plain edge list gives what the careful one gives, and gives way where it must."""

import gzip

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.errors import TaxonomyError
from hgraph.graph.formats import edge_list, plain_edges, read_taxonomy
from hgraph.graph.formats.plain_edges import read_plain


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Reader of some bytes: what the fast way gives (or None), and what reading row by row gives (or its error)."""

    def read(data, *, header=False, name="toy.csv"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        fast = read_plain(path, delimiter=",", header=header)
        with monkeypatch.context() as patch:
            patch.setattr(edge_list, "read_plain", lambda *a, **k: None)
            try:
                careful = read_taxonomy(path, format="edges")
            except TaxonomyError as error:
                careful = str(error)
        return path, fast, careful

    return read


def assert_same(fast, careful):
    assert fast.label_id == careful.label_id and fast.name == careful.name and fast.title == careful.title
    assert torch.equal(fast.edge_index, careful.edge_index)
    assert fast.num_dropped_edges == careful.num_dropped_edges


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(1, 4)), min_size=1, max_size=30),
    st.booleans(),
    st.sampled_from(["\n", "\n\n"]),
    st.sampled_from(["", "\n"]),
)
def test_plain_files(tmp_path_factory, steps, header, between, end):
    lines = ["parent,child"] * header + [f"é{low},é{low + up}" for low, up in steps]
    path = tmp_path_factory.mktemp("plain") / "toy.csv"
    path.write_text(between.join(lines) + end, encoding="utf-8")
    fast = read_plain(path, delimiter=",", header=header)
    keep, edge_list.read_plain = edge_list.read_plain, lambda *a, **k: None
    try:
        careful = read_taxonomy(path, format="edges")
    finally:
        edge_list.read_plain = keep
    assert_same(fast, careful)
    assert_same(read_taxonomy(path), careful)


def test_a_gzipped_file_of_several_blocks(both, monkeypatch):
    monkeypatch.setattr(plain_edges, "BLOCK", 2**12)
    draw = np.random.default_rng(0)
    lines = "".join(f"L{draw.integers(0, child)},L{child}\n" for child in range(1, 5000))
    _, fast, careful = both(lines.encode(), name="toy.csv.gz")
    assert_same(fast, careful)


@pytest.mark.parametrize(
    "data",
    [
        b'a,"b"\n',
        b"a, b\n",
        b"a,b\r\nb,c\r\n",
        b"\xef\xbb\xbfa,b\n",
        b"a,b\n,c\n",
        "a,b\u00a0\n".encode(),
        b"a,b\nb,c,d\n",
        b"a,b\nb,a\n",
        b"a,b\nb,b\n",
        b"a,b\n\xff,c\n",
        b"a,b\nc\n",
        b"a,b\n,\n",
        b"a,b\n" + b"x" * 2**20 + b",c\n",
    ],
)
def test_what_is_not_plain_is_left_to_the_careful_reader(both, data):
    path, fast, careful = both(data)
    assert fast is None
    if isinstance(careful, str):
        with pytest.raises(TaxonomyError) as error:
            read_taxonomy(path, format="edges")
        assert str(error.value) == careful
    else:
        assert_same(read_taxonomy(path, format="edges"), careful)


def test_missing_values_of_other_tools_are_labels(both):
    _, fast, careful = both(b"NA,null\nnull,nan\n")
    assert_same(fast, careful)
    assert fast.label_id == ["NA", "null", "nan"]
