"""Labels of documents in the repository's formats: lists or matrices, by number or by id, and their names."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from hgraph.data.xmc.matrices import read_matrix
from hgraph.data.xmc.texts import read_label_lists, read_lines
from hgraph.errors import DataError
from hgraph.graph import LabelGraph


class LabelReader(Protocol):
    """Labels of the documents of one split.

    Attributes:
        path: The file.
        weighed: Documents that were read so far and have a relevance other than 1.
    """

    path: Path
    weighed: int

    def ids(self) -> list[str]:
        """All labels where nothing names them."""

    def rows(self, graph: LabelGraph, *, numbered: bool) -> Iterator[list[str]]:
        """For each document the ids of its labels; with `numbered` the file has their numbers in the hierarchy."""


class ListReader:
    """Labels from a file of lists; see :func:`hgraph.data.xmc.read_label_lists`."""

    def __init__(self, path: Path) -> None:
        self.path, self.weighed = path, 0

    def ids(self) -> list[str]:
        """Every label that a line has."""
        return sorted({label for row in read_label_lists(self.path) for label in row.labels})

    def rows(self, graph: LabelGraph, *, numbered: bool) -> Iterator[list[str]]:
        """See :class:`LabelReader`."""
        for row in read_label_lists(self.path):
            self.weighed += any(relevance != 1 for relevance in row.relevances)
            yield [self._label(label, graph, row.line) for label in row.labels] if numbered else row.labels

    def _label(self, label: str, graph: LabelGraph, line: int) -> str:
        if not (label.isascii() and label.isdigit() and int(label) < graph.num_labels):
            raise DataError(
                f"{self.path}:{line}: expected numbers of labels below {graph.num_labels}, found {label!r}. Correct it "
                "or remove the file of names if these are ids."
            )
        return graph.label_id[int(label)]


class MatrixReader:
    """Labels from a matrix; see :func:`hgraph.data.xmc.read_matrix`."""

    def __init__(self, path: Path) -> None:
        self.path, self.weighed = path, 0
        self.matrix = read_matrix(path)

    def ids(self) -> list[str]:
        """The numbers of its columns."""
        return [str(number) for number in range(self.matrix.shape[1])]

    def rows(self, graph: LabelGraph, *, numbered: bool) -> Iterator[list[str]]:
        """See :class:`LabelReader`; columns are numbers in any case."""
        if self.matrix.shape[1] != graph.num_labels:
            raise DataError(
                f"{self.path}: expected {graph.num_labels} columns, one for each label, found {self.matrix.shape[1]}. "
                "Check that the files belong together."
            )
        matrix = self.matrix
        for start, stop in zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True):
            self.weighed += bool((matrix.data[start:stop] != 1).any())
            yield [graph.label_id[index] for index in matrix.indices[start:stop].tolist()]


def open_labels(path: Path) -> LabelReader:
    """Lists, or a matrix where the name says so: `.npz` and `*_X_Y.txt`."""
    name = path.name.lower().removesuffix(".gz")
    return MatrixReader(path) if name.endswith((".npz", "_x_y.txt")) else ListReader(path)


def read_names(path: Path | None, readers: Sequence[LabelReader]) -> LabelGraph:
    """All labels without a hierarchy: one name a line of `path`; without it, the labels that the readers find.

    Raises:
        DataError: There is no label.
    """
    if path is not None:
        names = [name for _, name in read_lines(path)]
        while names and not names[-1].strip():
            names.pop()
        return flat_graph([str(number) for number in range(len(names))], names, path, range(1, len(names) + 1))
    found = {label for reader in readers for label in reader.ids()}
    if not found:
        raise DataError(f"{readers[0].path}: expected at least one label, found none. Check the file.")
    # Numbers by size, other ids by the alphabet.
    ids = sorted(found, key=lambda label: (0, int(label), label) if label.isdecimal() else (1, 0, label))
    return LabelGraph.from_edges([], nodes=ids)


def flat_graph(ids: Sequence[str], names: Sequence[str], path: Path, lines: Sequence[int]) -> LabelGraph:
    """A hierarchy of roots alone; a label without a name goes by its id.

    Raises:
        DataError: There is no label, or an id stands twice.
    """
    if not ids:
        raise DataError(f"{path}: expected at least one label, found none. Check the file.")
    first: dict[str, int] = {}
    for label, line in zip(ids, lines, strict=True):
        if first.setdefault(label, line) != line:
            raise DataError(f"{path}:{line}: the id {label!r} stands on line {first[label]} already. Make ids unique.")
    shown = [" ".join(name.split()) or label for label, name in zip(ids, names, strict=True)]
    return LabelGraph.from_edges([], nodes=ids, names=shown)
