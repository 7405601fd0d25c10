"""Edge lists of two plain columns, read by Arrow's CSV parser: several times faster than row by row.

What is not plain (quotes, blanks around ids, empty cells, carriage returns, any mistake) is left to the careful reader,
which finds the line and the words for it; so nothing here raises an error about the file.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import torch

from hgraph.errors import TaxonomyError
from hgraph.graph.files import MAX_LINE, ByteSource, PathLike, stem
from hgraph.graph.label_graph import LabelGraph

if TYPE_CHECKING:
    import pyarrow as pa

MAX_PLAIN_BYTES = 2**30
"""Most bytes, unpacked, that are read at once; larger files are read row by row."""
BLOCK = 2**24
NOT_PLAIN = (b'"', b"\r", b"\0", b"\xef\xbb\xbf")


class _NotPlain(Exception):
    """The careful reader must decide."""


class _PlainBytes(io.RawIOBase):
    """The bytes of a source for as long as they are plain."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self.source.read(size)
        if any(mark in data for mark in NOT_PLAIN):
            raise _NotPlain
        return data


def read_plain(path: PathLike, *, delimiter: str, header: bool) -> LabelGraph | None:
    """The hierarchy of a plain edge list, or None where the careful reader must decide.

    Args:
        path: the file, two columns wide: parent and child.
        delimiter: one character between them.
        header: whether the first line names the columns.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    try:
        with ByteSource(path, limit=MAX_PLAIN_BYTES) as source:
            table = csv.read_csv(
                pa.PythonFile(_PlainBytes(source), mode="r"),
                csv.ReadOptions(column_names=["parent", "child"], skip_rows=int(header), block_size=BLOCK),
                csv.ParseOptions(delimiter=delimiter, quote_char=False, double_quote=False),
                csv.ConvertOptions(
                    column_types={"parent": pa.string(), "child": pa.string()}, strings_can_be_null=False
                ),
            )
        if not len(table):
            return None
        values, edges = _numbered(table)
        length = pc.min_max(pc.binary_length(values)).as_py()
        if length["min"] == 0 or length["max"] > MAX_LINE // 2 or not values.equals(pc.utf8_trim_whitespace(values)):
            return None
        return LabelGraph(torch.from_numpy(edges), values.to_pylist(), title=stem(path))
    except (_NotPlain, TaxonomyError, pa.ArrowException, UnicodeDecodeError):
        return None


def _numbered(table: pa.Table) -> tuple[pa.StringArray, np.ndarray]:
    """Ids `[L]` in the order of their first mention, parent before child, and int64 edges `[2, E]` between them."""
    import pyarrow as pa

    cells = pa.concat_arrays([*table["parent"].chunks, *table["child"].chunks]).dictionary_encode()
    edges = cells.indices.to_numpy().reshape(2, -1)
    named = edges.T.ravel()[::-1]
    first = np.empty(len(cells.dictionary), dtype=np.int64)
    first[named] = np.arange(len(named))[::-1]  # the last write wins: the first mention
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return cells.dictionary.take(pa.array(order)), rank[edges]
