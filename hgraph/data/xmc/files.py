"""Files of the Extreme Classification Repository as bytes: read in blocks of whole lines, written all or nothing."""

import contextlib
import gzip
import os
import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from hgraph.errors import ConfigError, DataError

BLOCK_BYTES = 1 << 24
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_blocks(path: Path, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    r"""Blocks of whole lines, each of about `size` bytes and with `\n` at its end; gzip or not, no byte order mark.

    Raises:
        DataError: The file cannot be read, or its gzip data is damaged.
    """
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            rest = stream.read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)
            while block := stream.read(size):
                block, rest = rest + block, b""
                end = block.rfind(b"\n") + 1
                if end:
                    yield block[:end]
                rest = block[end:]
            if rest:
                yield rest + b"\n"
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip data is damaged or cut short ({error}). Copy the file again.") from None
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file. Check the path.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from None


@contextlib.contextmanager
def whole_file(path: Path, *, overwrite: bool = False) -> Iterator[IO[bytes]]:
    """A binary file that appears whole at the end or not at all, gzipped without a time stamp when named `.gz`.

    Raises:
        ConfigError: It exists and `overwrite` is False, or it cannot be written.
    """
    if path.is_dir() or (path.exists() and not overwrite):
        raise ConfigError(f"{path}: exists already. Nothing is overwritten; choose another name.")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "wb") as raw:
            if path.suffix.lower() == ".gz":
                with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield raw
        os.replace(temporary, path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}. Choose another folder.") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
