"""Text files: read in bounded pieces with one-line errors, written all or nothing, gzipped when named `.gz`."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import os
import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from hgraph.errors import ConfigError, TaxonomyError

PathLike = str | os.PathLike[str]

MAX_BYTES = 2**31
"""Most bytes, unpacked, of a file in a format that is read whole (JSON, YAML, RDF, GraphML)."""
MAX_LINE = 2**20
"""Most bytes of a line in a format that is read line by line."""
HEAD_BYTES = 2**16
"""How much of a file is read to find out its format."""
CHUNK = 2**18


def stem(path: PathLike) -> str:
    """File name without folders, `.gz` and the extension.

    Example:
        >>> stem("data/wos.taxonomy.gz")
        'wos'
    """
    path = Path(path)
    return Path(path.name[:-3] if path.suffix.lower() == ".gz" else path.name).stem


def suffix(path: PathLike) -> str:
    """Lower-case extension, the one before `.gz` if there is one."""
    path = Path(path)
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


class ByteSource:
    """The bytes of a file, unpacked while they are read, so that a small file that unpacks to a huge one costs nothing.

    Args:
        path: the file; what begins like gzip or is named `.gz` is unpacked.
        limit: most bytes that may be read.

    Raises:
        TaxonomyError: no such file, a folder, a pipe, unreadable, damaged gzip, more than `limit` bytes.
    """

    def __init__(self, path: PathLike, *, limit: int | None = None) -> None:
        self.path, self.limit, self.count = Path(path), limit, 0
        self.line = 0  # of the byte to come, where the reader counts lines
        if os.path.isdir(path):
            raise TaxonomyError(f"{path}: is a folder, expected a taxonomy file. Name a file in it.")
        if os.path.exists(path) and not os.path.isfile(path):  # it is opened twice: to find the format, and to read
            raise TaxonomyError(f"{path}: is a pipe or a device, expected a taxonomy file. Save it as a file first.")
        try:
            self._file: BinaryIO = self.path.open("rb")
        except FileNotFoundError:
            raise TaxonomyError(f"{path}: no such file. Check the path.") from None
        except OSError as error:
            raise TaxonomyError(f"{path}: cannot be read ({error.strerror}).") from None
        start = self._file.read(2)
        self._file.seek(0)
        packed = start == b"\x1f\x8b" or self.path.suffix.lower() == ".gz"
        self._stream = gzip.GzipFile(fileobj=self._file) if packed else self._file

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer at the end; all that is left for a negative size."""
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        try:
            data = self._stream.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            where = f"{self.path}:{self.line}" if self.line else f"{self.path}"
            raise TaxonomyError(f"{where}: damaged or cut off gzip file. Copy or download it again.") from None
        except OSError as error:
            raise TaxonomyError(f"{self.path}: cannot be read ({error.strerror}).") from None
        self.count += len(data)
        if self.limit is not None and self.count > self.limit:
            size_text = f"more than {self.limit:,} bytes"
            raise TaxonomyError(
                f"{self.path}: {size_text}, too large for a format that is read whole. Use an edge list."
            )
        return data

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._file.close()

    def __enter__(self) -> ByteSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_text(path: PathLike) -> str:
    r"""The UTF-8 text of a file, without byte order mark and with `\n` at the end of every line.

    Raises:
        TaxonomyError: what :class:`ByteSource` raises; more than `MAX_BYTES`; binary, not UTF-8, or empty.
    """
    with ByteSource(path, limit=MAX_BYTES) as source:
        text = decode(source.read(), path)
    if not text.strip():
        raise empty_error(path)
    return text


def read_head(path: PathLike) -> tuple[str, bool]:
    """The text of the first `HEAD_BYTES` of a file, and whether that is all of it.

    Of a longer file the last, incomplete line is left out.
    """
    with ByteSource(path) as source:
        data = source.read(HEAD_BYTES)
        whole = not source.read(1)
    if not whole:
        cut = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        data = data[:cut] if cut else data[: len(data) - _broken_tail(data)]
    if data.lstrip().startswith(b"<?xml"):  # it may name its own encoding, which the XML parser knows
        return data.decode("utf-8", errors="replace"), whole
    text = decode(data, path)
    if not text.strip():
        raise empty_error(path)
    return text, whole


def empty_error(path: PathLike) -> TaxonomyError:
    """The error for a file without content."""
    return TaxonomyError(f"{path}: the file is empty, expected a taxonomy.")


def decode(data: bytes, path: PathLike, *, offset: int = 0, line: int = 1) -> str:
    r"""Text of UTF-8 bytes with `\n` as the only line end.

    Args:
        data: bytes that begin and end between two characters.
        path: the file, for messages.
        offset: where `data` begins in the file; a byte order mark at 0 is dropped.
        line: the line that `data` begins on.

    Raises:
        TaxonomyError: binary, or another encoding, with line and byte.
    """
    marked = offset == 0 and data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-8-sig" if offset == 0 else "utf-8")
    except UnicodeDecodeError as error:
        if b"\0" in data[:4096] and not marked:
            raise _binary_error(path, data) from None
        hint = " (it looks like UTF-16)" if marked else ""
        newlines = data.count(b"\n", 0, error.start)
        where = f"{path}:{line + newlines}"
        raise TaxonomyError(
            f"{where}: byte {offset + error.start} is not UTF-8; save the file as UTF-8{hint}."
        ) from None
    if "\0" in text:
        raise _binary_error(path, data)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def check_start(data: bytes, path: PathLike) -> None:
    """Refuse what begins like UTF-16 or like no text at all.

    Raises:
        TaxonomyError: with what it looks like.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        decode(data[:2], path)
    if b"\0" in data[:4096]:
        raise _binary_error(path, data)


def _binary_error(path: PathLike, data: bytes) -> TaxonomyError:
    wide = any(data[first::2] and not any(data[first:HEAD_BYTES:2]) for first in (0, 1))
    return TaxonomyError(f"{path}: binary content, expected a text file{' (UTF-16? save it as UTF-8)' * wide}.")


def _broken_tail(data: bytes) -> int:
    """Number of bytes at the end that begin a character without ending it."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    decoder.decode(data)
    return len(decoder.getstate()[0])


class Lines:
    r"""The lines of a UTF-8 text file, each ending in `\n`, in bounded memory.

    Args:
        path: the file, gzipped or not.

    Raises:
        TaxonomyError: while iterating: what :class:`ByteSource` raises; another encoding; a line of more than
            `MAX_LINE` bytes; an empty file; each with its line.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = path

    def text(self) -> str:
        """All lines at once, for a parser that wants them so.

        Raises:
            TaxonomyError: more than `MAX_BYTES` characters, beside what iterating raises.
        """
        pieces, count = [], 0
        for block in self.blocks():
            pieces.append(block)
            count += len(block)
            if count > MAX_BYTES:
                raise TaxonomyError(
                    f"{self.path}: more than {MAX_BYTES:,} characters, too large for a format that is read whole. "
                    "Use an edge list."
                )
        return "".join(pieces)

    def __iter__(self) -> Iterator[str]:
        for block in self.blocks():
            yield from split_lines(block)

    def numbered(self) -> Iterator[tuple[int, str]]:
        """(line number from 1, stripped line) of every line that is not blank."""
        for number, line in enumerate(self, start=1):
            if line := line.strip():
                yield number, line

    def blocks(self) -> Iterator[str]:
        """Pieces of some hundred kilobytes that end at the end of a line."""
        rest, offset, line, blank = b"", 0, 1, True
        with ByteSource(self.path) as source:
            while True:
                source.line = line
                chunk = source.read(CHUNK)
                if not offset and not rest:
                    check_start(chunk, self.path)
                data = rest + chunk
                # a last \r may be half of \r\n, so it waits for the next chunk
                cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1 if chunk else len(data)
                block, rest = data[:cut], data[cut:]
                if block:
                    text = decode(block, self.path, offset=offset, line=line)
                    self._check_length(text.find("\n") if "\n" in text else len(text), line)
                    blank = blank and not text.strip()
                    yield text
                    offset, line = offset + len(block), line + text.count("\n")
                if not chunk:
                    break
                self._check_length(len(rest), line)
        if blank:
            raise empty_error(self.path)

    def _check_length(self, length: int, line: int) -> None:
        if length > MAX_LINE:
            raise TaxonomyError(f"{self.path}:{line}: a line of more than {MAX_LINE:,} bytes. Is this a taxonomy file?")


def split_lines(text: str) -> Iterator[str]:
    r"""The lines of a text, each ending in `\n` but perhaps the last; no other character ends a line.

    Example:
        >>> list(split_lines("a\u2028b\nc"))
        ['a\u2028b\n', 'c']
    """
    return iter(io.StringIO(text, newline="\n"))


def write_text(path: PathLike, text: str, *, overwrite: bool = False) -> None:
    """Write UTF-8 text through a temporary file in the same folder: the target is complete or untouched.

    Raises:
        ConfigError: the file exists and `overwrite` is False, or the system refuses (permission, space, no folder).
    """
    check_target(path, overwrite=overwrite)
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        wrong = text[error.start].encode("unicode_escape").decode()
        raise ConfigError(f"{path}: a text holds {wrong}, half a character that UTF-8 cannot write.") from None
    if Path(path).suffix.lower() == ".gz":
        data = gzip.compress(data, compresslevel=6, mtime=0)  # no time stamp: the same graph gives the same bytes
    write_bytes(path, data, overwrite=overwrite)


def write_bytes(path: PathLike, data: bytes, *, overwrite: bool = False) -> None:
    """The same with bytes, as they are.

    Raises:
        ConfigError: the file exists and `overwrite` is False, or the system refuses (permission, space, no folder).
    """
    check_target(path, overwrite=overwrite)
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # /dev/stdout is written to, never replaced
            path.write_bytes(data)
            return
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror or error}).") from None
    finally:
        with contextlib.suppress(OSError):  # gone already when all went well
            os.unlink(temporary)


def check_target(path: PathLike, *, overwrite: bool) -> None:
    """Refuse, before any work, a target that is a folder or exists.

    Raises:
        ConfigError: it is a folder, or it is a file and `overwrite` is False.
    """
    if os.path.isdir(path):
        raise ConfigError(f"{path}: is a folder. Give the name of a file.")
    if os.path.isfile(path) and not overwrite:
        raise ConfigError(f"{path}: the file exists. Choose another name or pass overwrite=True.")
