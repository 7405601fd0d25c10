"""Path lists: one path of names from a root a line, `A > B > C`."""

from __future__ import annotations

from hgraph.errors import TaxonomyError
from hgraph.graph.files import PathLike, read_text, stem
from hgraph.graph.label_graph import LabelGraph

SEPARATOR = " > "
EXAMPLE = """\
Science
Science > Physics
Science > Physics > Optics
Science > Biology"""


def read(path: PathLike, *, separator: str = SEPARATOR) -> LabelGraph:
    """Read one path a line; the id of a label is its whole path, its name the last part.

    Blank lines, a first line `path`, and quotes around a whole line (a CSV of one column) are dropped.

    Args:
        path: the file.
        separator: text between two names.

    Raises:
        TaxonomyError: an empty name in a path, with its line.
    """
    if not separator:
        raise TaxonomyError(f"{path}: 'separator' is empty. Give the text between two names, such as ' > '.")
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        line = line.strip()
        if len(line) > 1 and line[0] == line[-1] == '"':
            line = line[1:-1].replace('""', '"')
        if not line or (number == 1 and line.lower() == "path"):
            continue
        names = [name.strip() for name in line.split(separator)]
        if "" in names:
            raise TaxonomyError(f"{path}:{number}: empty name in the path {line!r} (separator {separator!r}).")
        rows.append(names)
    return LabelGraph.from_paths(rows, separator=separator, title=stem(path))
