"""Options and small helpers that several commands share."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from hgraph.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)


def data_options(command: F) -> F:
    """How documents are read."""
    for option in (
        click.option(
            "--unknown-labels",
            type=click.Choice(["error", "drop"]),
            default="error",
            show_default=True,
            help="Stop at a label the taxonomy does not have, or leave such labels out and count them.",
        ),
        click.option(
            "--text-fields",
            help="Fields that make up the text, joined by commas. Default: those of training; in training `text`, else "
            "every text column.",
        ),
        click.option(
            "--label-separator", default="|", show_default=True, help="Between the labels of one csv or tsv cell."
        ),
    ):
        command = option(command)
    return command


def fields_of(text_fields: str | None) -> list[str] | None:
    """`a,b` as a list, nothing as None."""
    return [name.strip() for name in text_fields.split(",") if name.strip()] if text_fields else None


def fields_like(record: Mapping[str, Any], trained: Sequence[str]) -> list[str] | None:
    """Fields to read where none are named: those a model was trained on, where `record` has more than these.

    None leaves the choice to the reader, which is right for a plain `text` and for records like those of training.
    """
    inner = record["text"] if isinstance(record.get("text"), Mapping) else record
    if list(trained) == [""] or not all(name in inner for name in trained):
        return None
    from hgraph.data.documents import ID_COLUMNS, LABEL_COLUMNS, TEXT_COLUMNS

    same = inner is not record or not any(name in record for name in TEXT_COLUMNS)
    found = {name for name, cell in inner.items() if isinstance(cell, str)} - {*ID_COLUMNS, *LABEL_COLUMNS}
    return None if same and found <= set(trained) else list(trained)


overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")


def check_output(path: Path | None, option: str, *, overwrite: bool) -> None:
    """Refuse, before any work, an output file that exists or cannot be made.

    Raises:
        ConfigError: It exists and `overwrite` is off, or its folder is missing or not writable.
    """
    if path is None or _is_device(path):
        return
    if path.is_dir():
        raise ConfigError(f"{option} {path}: expected a file name, found a folder.")
    if path.exists() and not overwrite:
        raise ConfigError(f"{option} {path}: the file exists. Choose another name, or replace it with --overwrite.")
    if not path.parent.is_dir():
        raise ConfigError(f"{option} {path}: the folder '{path.parent}' does not exist. Make it first.")
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"{option} {path}: no permission to write into '{path.parent}'. Choose another folder.")


def _is_device(path: Path) -> bool:
    """Whether `path` is a device or a pipe such as /dev/stdout, which is written to and never replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextlib.contextmanager
def atomic_writer(path: Path, option: str) -> Iterator[IO[str]]:
    """A text file that appears whole at the end, or not at all.

    Raises:
        ConfigError: The system refuses: no space, no permission.
    """
    in_place = _is_device(path)
    temporary = path if in_place else path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "w", encoding="utf-8", newline="") as stream:
            yield stream
        if not in_place:
            os.replace(temporary, path)
    except OSError as error:
        raise ConfigError(f"{option} {path}: cannot be written: {error.strerror or error}.") from None
    finally:
        if not in_place:
            with contextlib.suppress(OSError):
                temporary.unlink()


def table(rows: Sequence[Sequence[str]], *, align: str = "") -> str:
    """Rows as aligned columns; the first row is the header.

    Args:
        rows: Cells.
        align: One letter a column, `l` or `r`; left where none is given.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if align[column : column + 1] == "r" else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
