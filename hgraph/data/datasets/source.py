"""What a converter makes of downloaded files: a hierarchy, a stream of documents, and an account of what was done."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hgraph.data.records import decode_lines
from hgraph.errors import DataError
from hgraph.graph import LabelGraph

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Document:
    """One document on its way into a corpus.

    Args:
        split: Where it goes.
        id: Unique in its split.
        text: One string, or named fields.
        labels: Ids of labels.
        where: File and line, for messages.
    """

    split: Split
    id: str
    text: str | dict[str, str]
    labels: list[str]
    where: str


@dataclass
class Source:
    """An opened data set.

    Args:
        graph: The hierarchy.
        documents: Read once, in any order of splits.
        inputs: The files that are read, for their checksums.
        notes: Sentences for the README; reading documents may add some.
        total: Number of documents, None where it is not known beforehand.
        unknown: Whether a label that the hierarchy does not have is an error, or is left out and counted.
    """

    graph: LabelGraph
    documents: Iterable[Document]
    inputs: list[Path]
    notes: list[str] = field(default_factory=list)
    total: int | None = None
    unknown: Literal["error", "drop"] = "error"


class Folder:
    """The folder of files that a user downloaded.

    Args:
        path: The folder.
        page: Where the files come from.
        terms: Their licence, or the agreement that they need.

    Raises:
        DataError: There is no such folder.
    """

    def __init__(self, path: Path, *, page: str, terms: str) -> None:
        if not path.is_dir():
            raise DataError(f"{path}: expected a folder with the files of the data set, found none. Check the path.")
        self.path, self.page, self.terms = path, page, terms

    def find(self, *names: str) -> Path | None:
        """The first of these files that is there, gzipped or not."""
        candidates = (self.path / f"{name}{end}" for name in names for end in ("", ".gz"))
        return next((path for path in candidates if path.is_file()), None)

    def need(self, *names: str) -> Path:
        """The first of these files that is there.

        Raises:
            DataError: None is there; the message says where to get it.
        """
        found = self.find(*names)
        if found is None:
            raise self.missing(*names)
        return found

    def missing(self, *names: str) -> DataError:
        """The error for files that are not there."""
        wanted = " or ".join(names)
        return DataError(f"{self.path}: {wanted} is not there. Get it from {self.page} ({self.terms}).")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""(number from 1, line without its end) of a UTF-8 file, gzipped or not.

    Raises:
        DataError: It cannot be read, is damaged or in another encoding.
    """
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            for number, line in enumerate(decode_lines(stream, str(path)), 1):  # type: ignore[arg-type]
                yield number, line.rstrip("\r\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip data is damaged or cut short ({error}). Download it again.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from None


def count_of(number: int, noun: str) -> str:
    """A number and its noun.

    Example:
        >>> count_of(1, "text"), count_of(1234, "text")
        ('1 text', '1,234 texts')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"
