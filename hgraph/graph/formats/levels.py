"""Level columns: CSV or TSV with one column a level, one path a row."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from hgraph.errors import TaxonomyError
from hgraph.graph.files import PathLike, write_text
from hgraph.graph.formats.builder import SEPARATOR, TaxonomyBuilder
from hgraph.graph.formats.guards import name_paths
from hgraph.graph.formats.tables import Table, delimiter_of, write_table
from hgraph.graph.label_graph import LabelGraph

EXAMPLE = """\
level1,level2,level3
Science,Physics,Optics
Science,Biology,"""

WORDS = "level|lvl|l|tier|depth|category|cat|class|label|group|name"
CELL = re.compile(rf"({WORDS})[ _.-]*(\d+)([ _.-]*(?:name|label|title))?", re.IGNORECASE)


def is_header(cells: Sequence[str]) -> bool:
    """Whether the cells name consecutive levels, such as `level1,level2` or `Cat_0;Cat_1`."""
    matches = [CELL.fullmatch(cell.strip()) for cell in cells]
    found = [match.groups() for match in matches if match]
    numbers = [int(number) for _, number, _ in found]
    alike = len({(word.lower(), (end or "").lower()) for word, _, end in found}) == 1
    consecutive = numbers == list(range(numbers[0], numbers[0] + len(cells))) if numbers else False
    return len(found) == len(cells) > 1 and alike and consecutive


def has_header(line: str) -> bool:
    """Whether the line names consecutive levels."""
    return is_header(next(csv.reader([line], delimiter=delimiter_of(line)), []))


def read(path: PathLike, *, separator: str | None = None) -> LabelGraph:
    """Read one path of names a row, its root first; cells at the end may be empty or missing.

    The id of a label is its path, joined by `" > "`. A first row such as `level1,level2` is a header; without one the
    first row is a path.

    Args:
        path: the file.
        separator: one character between columns; by default tab, semicolon or comma.

    Raises:
        TaxonomyError: an empty cell before a filled one, more columns than in the first row, a bad quote.
    """
    table, builder = Table(path, delimiter=separator, ragged=True), TaxonomyBuilder(path)
    for number, row in enumerate(table):
        names = [cell.strip() for cell in row]
        if number == 0 and is_header(names):
            continue
        while names and not names[-1]:
            names.pop()
        if "" in names:
            column = names.index("") + 1
            raise TaxonomyError(
                f"{table.where}: column {column} is empty, but a later one is not. Write every path from its root."
            )
        builder.add_path(names, line=table.line)
    return builder.build()


def write(graph: LabelGraph, path: PathLike, *, overwrite: bool = False) -> None:
    """Write the path of names of every leaf; ids and descriptions are left out.

    Raises:
        ConfigError: no tree, two labels with one path, a name that holds `" > "` or a line end.
    """
    paths = name_paths(graph, path, "levels", SEPARATOR, "\r\n")
    rows = [[f"level{level}" for level in range(1, graph.num_levels + 1)]]
    if graph.num_levels == 1:  # one column would be a list of names: a second one, empty, says what this is
        rows = [["level1", "level2"]]
    leaves = [paths[leaf] for leaf in graph.leaves.tolist()]
    rows += [names + [""] * (len(rows[0]) - len(names)) for names in leaves]
    write_text(path, write_table(path, rows), overwrite=overwrite)
