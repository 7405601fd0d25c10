"""Writing a file of bytes all or nothing, as :func:`hgraph.graph.files.write_text` does with text."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from hgraph.errors import ConfigError

PathLike = str | os.PathLike[str]


def check_target(path: PathLike, *, overwrite: bool) -> None:
    """Refuse, before any work, a target that is a folder or exists.

    Raises:
        ConfigError: it is a folder, or it exists and `overwrite` is False.
    """
    if os.path.isdir(path):
        raise ConfigError(f"{path}: is a folder. Give the name of a file.")
    if os.path.isfile(path) and not overwrite:
        raise ConfigError(f"{path}: the file exists. Choose another name or pass overwrite=True.")


def write_bytes(path: PathLike, data: bytes, *, overwrite: bool = False) -> None:
    """Write through a temporary file in the same folder: the target is complete or untouched.

    Raises:
        ConfigError: the file exists and `overwrite` is False, or the system refuses (permission, space, no folder).
    """
    check_target(path, overwrite=overwrite)
    path = Path(path)
    if path.exists() and not path.is_file():  # /dev/stdout is written to, never replaced
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
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
