"""Text files: read with one-line errors, written all or nothing, gzipped when the name ends in `.gz`."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import os
import secrets
import zlib
from pathlib import Path

from hgraph.errors import ConfigError, TaxonomyError

PathLike = str | os.PathLike[str]


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


def read_text(path: PathLike) -> str:
    r"""The UTF-8 text of a file, without byte order mark and with `\n` at the end of every line.

    Raises:
        TaxonomyError: no such file, a folder, unreadable, damaged gzip, binary, not UTF-8, or empty.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise TaxonomyError(f"{path}: is a folder, expected a taxonomy file. Name a file in it.")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise TaxonomyError(f"{path}: no such file. Check the path.") from None
    except OSError as error:
        raise TaxonomyError(f"{path}: cannot be read ({error.strerror}).") from None
    if data[:2] == b"\x1f\x8b" or path.suffix.lower() == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            raise TaxonomyError(f"{path}: damaged or cut off gzip file. Copy or download it again.") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if b"\0" in data[:4096] and data[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise TaxonomyError(f"{path}: binary content, expected a text file.") from None
        where = f"byte {error.start} is not UTF-8"
        raise TaxonomyError(f"{path}: {where}; save the file as UTF-8.") from None
    if "\0" in text:
        raise TaxonomyError(f"{path}: binary content, expected a text file.")
    if not text.strip():
        raise TaxonomyError(f"{path}: the file is empty, expected a taxonomy.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write_text(path: PathLike, text: str, *, overwrite: bool = False) -> None:
    """Write UTF-8 text through a temporary file in the same folder: the target is complete or untouched.

    Raises:
        ConfigError: the file exists and `overwrite` is False, or the system refuses (permission, space, no folder).
    """
    path = Path(path)
    if os.path.isdir(path):
        raise ConfigError(f"{path}: is a folder. Give the name of a file.")
    device = os.path.exists(path) and not os.path.isfile(path)  # /dev/stdout is written to, never replaced
    if os.path.exists(path) and not overwrite and not device:
        raise ConfigError(f"{path}: the file exists. Choose another name or pass overwrite=True.")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        wrong = text[error.start].encode("unicode_escape").decode()
        raise ConfigError(f"{path}: a text holds {wrong}, half a character that UTF-8 cannot write.") from None
    if path.suffix.lower() == ".gz":
        data = gzip.compress(data, compresslevel=6, mtime=0)  # no time stamp: the same graph gives the same bytes
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        if device:
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
