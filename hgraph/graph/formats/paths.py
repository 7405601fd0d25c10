"""Path lists: one path of names from a root a line, `A > B > C`."""

from __future__ import annotations

from collections.abc import Sequence

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.files import Lines, PathLike, read_head, write_text
from hgraph.graph.formats.builder import SEPARATOR, TaxonomyBuilder
from hgraph.graph.formats.guards import name_paths
from hgraph.graph.label_graph import LabelGraph

EXAMPLE = """\
Science
Science > Physics
Science > Physics > Optics
Science > Biology"""

SPACED = (" > ", " :: ", " | ", " / ", " -> ")
BARE = ("::", "->", "|", ">", "/")


def find_separator(lines: Sequence[str]) -> str:
    """The separator that some lines use; `" > "` when none does.

    One with spaces around it wins when any line has it. One without must split more than half of the lines, leave no
    name empty, and lead to a name that begins several lines: so names such as `Sales/Marketing` stay whole.

    Example:
        >>> find_separator(["Arts", "Arts > Audio/Video"])
        ' > '
        >>> find_separator(["Arts", "Arts/Music", "Arts/Film"])
        '/'
        >>> find_separator(["Corporate/industrial", "Economics", "Markets"])
        ' > '
    """
    for separator in SPACED:
        if any(separator in line for line in lines):
            return separator
    for separator in BARE:
        rows = [[name.strip() for name in split_path(line, separator)] for line in lines]
        split = sum(len(row) > 1 for row in rows)
        shared = len({row[0] for row in rows}) < len(rows)
        if 2 * split > len(rows) and shared and not any("" in row for row in rows):
            return separator
    return SEPARATOR


def read(path: PathLike, *, separator: str | None = None) -> LabelGraph:
    """Read one path a line; the id of a label is its whole path, its name the last part.

    Blank lines, a first line `path`, and quotes around a whole line (a CSV of one column) are dropped.

    Args:
        path: the file.
        separator: text between two names; by default :func:`find_separator` looks at the beginning of the file.

    Raises:
        TaxonomyError: an empty name in a path, with its line.
    """
    if separator is None:
        head, _ = read_head(path)
        separator = find_separator([unquote(line.strip()) for line in head.split("\n") if line.strip()])
    if not separator:
        raise TaxonomyError(f"{path}: 'separator' is empty. Give the text between two names, such as ' > '.")
    builder = TaxonomyBuilder(path)
    for number, line in Lines(path).numbered():
        line = unquote(line)
        if not line or (number == 1 and line.lower() == "path"):
            continue
        names = [name.strip() for name in split_path(line, separator)]
        if "" in names:
            raise TaxonomyError(f"{path}:{number}: empty name in the path {line!r} (separator {separator!r}).")
        builder.add_path(names, separator=separator, line=number)
    return builder.build()


def split_path(line: str, separator: str) -> list[str]:
    """Names of a path; `/a/b/` is `a/b`."""
    return line.removeprefix(separator).removesuffix(separator).split(separator) if line != separator else [""]


def unquote(line: str) -> str:
    """A line of a CSV of one column without its quotes."""
    if len(line) > 1 and line[0] == line[-1] == '"':
        return line[1:-1].replace('""', '"')
    return line


def write(graph: LabelGraph, path: PathLike, *, overwrite: bool = False) -> None:
    """Write the path of names of every label, in the order of labels; ids and descriptions are left out.

    Raises:
        ConfigError: no tree, two labels with one path, a name that holds the separator or a line end.
    """
    rows = name_paths(graph, path, "paths", SEPARATOR, "\r\n")
    lines = [SEPARATOR.join(row) for row in rows]
    if find_separator(lines) != SEPARATOR:
        raise ConfigError(
            f"{path}: names such as {lines[0]!r} would be read as paths separated by {find_separator(lines)!r}. "
            "Write them as json or edges."
        )
    if lines[0].lower() == "path":
        lines.insert(0, "path")
    quoted = ['"' + line.replace('"', '""') + '"' if unquote(line) != line else line for line in lines]
    write_text(path, "\n".join(quoted) + "\n", overwrite=overwrite)
