"""Label files: one label a line, perhaps with its number, as they lie beside the files of many corpora."""

from __future__ import annotations

import os
from pathlib import Path

from hgraph.errors import TaxonomyError
from hgraph.graph.files import Lines, PathLike
from hgraph.graph.formats.builder import TaxonomyBuilder
from hgraph.graph.label_graph import LabelGraph

EXAMPLE = "0\tCS\n1\tMedical\n2\tCivil engineering"

PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".joblib", ".npy", ".npz")


def refuse_pickle(path: PathLike) -> None:
    """Refuse files such as `slot.pt` and `value_dict.pt` by their name.

    Raises:
        TaxonomyError: the name is that of a pickle.
    """
    if Path(path).suffix.lower() in PICKLES and not os.path.isdir(path):
        raise TaxonomyError(
            f"{path}: a pickle, expected text. Loading a pickle runs the code in it, so hgraph never does; "
            "write the labels to a text file, one a line."
        )


def read(path: PathLike) -> LabelGraph:
    """Read labels without a hierarchy: `label`, `number<tab>label` or `label<tab>number` a line.

    Numbers are positions: each from 0 (or 1) to the last, once, in any order. The ids are the names.

    Raises:
        TaxonomyError: a pickle; a repeated label or number, a number out of place, a line unlike the first.
    """
    refuse_pickle(path)
    builder = TaxonomyBuilder(path)
    first_line: dict[str, int] = {}
    numbers: dict[int, str] = {}
    column = -1  # of the number
    for line_number, line in Lines(path).numbered():
        where = f"{path}:{line_number}"
        cells = [cell.strip() for cell in line.split("\t")]
        if not first_line and len(cells) == 2:
            column = number_column(cells)
        if len(cells) != (1 if column < 0 else 2) or (column >= 0 and not cells[column].isdecimal()):
            wanted = "one label" if column < 0 else "number<tab>label" if column == 0 else "label<tab>number"
            raise TaxonomyError(f"{where}: expected {wanted} a line, found {line[:60]!r}.")
        label = cells[1 - column] if column >= 0 else cells[0]
        if not label:
            raise TaxonomyError(f"{where}: the label is empty.")
        if first_line.setdefault(label, line_number) != line_number:
            raise TaxonomyError(f"{where}: {label!r} stands on line {first_line[label]} already. Remove one of them.")
        if column >= 0:
            number = int(cells[column][:18])
            if numbers.setdefault(number, label) != label:
                raise TaxonomyError(f"{where}: {label!r} has number {number}, before that of {numbers[number]!r}.")
    ordered = [numbers[number] for number in sorted(numbers)] or list(first_line)
    if (numbers and max(numbers) - min(numbers) != len(numbers) - 1) or min(numbers, default=0) > 1:
        missing = next(number for number in range(len(numbers) + 1) if number + min(min(numbers), 1) not in numbers)
        raise TaxonomyError(f"{path}: no label has number {missing + min(min(numbers), 1)}. Number them from 0 or 1.")
    for label in ordered:
        builder.add(label)
    return builder.build()


def number_column(cells: list[str]) -> int:
    """Which of two cells is a number and the other is not: 0, 1, or -1 for neither."""
    digits = [cell.isdecimal() for cell in cells]
    return digits.index(True) if len(cells) == 2 and sum(digits) == 1 else -1
