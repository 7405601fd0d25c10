"""Web of Science WOS-46985 (Kowsari et al., HDLTex, ICMLA 2017) as its authors publish it.

What the files are taken to be, from the data set's own description:

- `Data.xlsx` (in `Meta-data/`), one sheet, a header row with at least `Y1`, `Y2`, `Domain`, `area` and `Abstract`; `Y1`
  numbers the domain and `Y2` the area in it. `Data.txt` is the same sheet saved with tabs between columns.
- `X.txt`, `YL1.txt`, `YL2.txt` (in `WOS46985/`): one abstract, `Y1` and `Y2` a line. The numbers of domains are taken
  in the order of :data:`DOMAINS`; areas have numbers for names.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hgraph.data.datasets.source import Document, Folder, Source, Split, count_of, read_lines
from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph

TITLE = "WOS-46985: abstracts of the Web of Science, 7 domains and their areas"
PAGE = "https://doi.org/10.17632/9rw3vkcfy4"
TERMS = "free to download; the page states the terms"
DOMAINS = ("CS", "ECE", "Psychology", "MAE", "Civil", "Medical", "biochemistry")
COLUMNS = ("Y1", "Y2", "Domain", "area", "Abstract")

Labels = Literal["codes", "names"]


@dataclass(frozen=True)
class Row:
    """One abstract: the number of its domain and of its area in it, their names, the text, and where it stands."""

    first: int
    second: int
    domain: str
    area: str
    text: str
    where: str


def open_wos(folder: Folder, *, labels: Labels = "codes") -> Source:
    """Open the data set.

    With `labels="codes"` an area is a pair of numbers (Y1, Y2), named by the name that most of its rows have: 134
    areas, 141 labels with the domains. Other names of the same number are merged into it, as the published
    preprocessing of the literature does; that one replaces a name by a more frequent name of the same number that it
    met earlier in the file, so it depends on the order of rows, and ours does not. With `labels="names"` each pair of
    domain and area name is a label, so that `Depression` below `Medical` is a label of its own. Either way areas of one
    name below two domains are kept apart.

    The split is the published one: rows shuffled by numpy's legacy generator with seed 7, then a fifth for the test and
    a fifth of the rest for validation by scikit-learn's `train_test_split` with `random_state=0`, both on the rows in
    the order of the file. It needs all rows in that order.
    """
    if labels not in ("codes", "names"):
        raise ConfigError(f"'labels' must be 'codes' or 'names', but got {labels!r}.")
    sheet = folder.find("Data.txt", "Meta-data/Data.txt", "Data.xlsx", "Meta-data/Data.xlsx")
    if sheet is not None:
        inputs = [sheet]
        rows = list(_read_sheet(sheet))
    else:
        texts = folder.find("X.txt", "WOS46985/X.txt")
        if texts is None:
            raise folder.missing("Data.xlsx", "X.txt")
        inputs = [texts, *(_beside(folder, texts, name) for name in ("YL1.txt", "YL2.txt"))]
        rows = list(_read_numbers(inputs))
    if len(rows) < 3:
        raise DataError(f"{inputs[0]}: expected at least 3 abstracts to split, found {len(rows)}.")
    keys, names, notes = label_rows(rows, labels)
    graph, ids = build_graph(names)
    splits = published_split(len(rows))
    if sheet is None:
        notes.append("The text files have no names of areas: they are numbers. Data.xlsx has them.")
    notes += [_compared(graph), f"{count_of(len(rows), 'row')}; the published data set has 46,985. Split as published."]

    def documents() -> Iterator[Document]:
        for number, (row, key, split) in enumerate(zip(rows, keys, splits, strict=True), 1):
            yield Document(split, str(number), row.text, [ids[key[:1]], ids[key]], row.where)

    return Source(graph, documents(), inputs, notes, total=len(rows))


def label_rows(
    rows: Sequence[Row], labels: Labels
) -> tuple[list[tuple[Any, Any]], dict[tuple[Any, ...], str], list[str]]:
    """For each row the key of its area, the names of keys (one item is a domain, two an area), and notes on merges."""
    domains: dict[int, Counter[str]] = {}
    areas: dict[tuple[int, int], Counter[str]] = {}
    for row in rows:
        domains.setdefault(row.first, Counter())[row.domain] += 1
        areas.setdefault((row.first, row.second), Counter())[row.area] += 1
    if labels == "names":
        keys: list[tuple[Any, Any]] = [(row.domain, row.area) for row in rows]
        return keys, {key: key[-1] for pair in sorted(set(keys)) for key in (pair[:1], pair)}, []
    names: dict[tuple[Any, ...], str] = {}
    notes = []
    for (first, second), counter in sorted(areas.items()):
        names[(first,)] = _most_frequent(domains[first])
        names[first, second] = kept = _most_frequent(counter)
        gone = ", ".join(f"{name!r} ({number:,})" for name, number in sorted(counter.items()) if name != kept)
        if gone:
            notes.append(f"Area {first}-{second} is {kept!r} ({counter[kept]:,} rows) and takes in {gone}.")
    return [(row.first, row.second) for row in rows], names, notes


def build_graph(names: dict[tuple[Any, ...], str]) -> tuple[LabelGraph, dict[tuple[Any, ...], str]]:
    """The hierarchy, and the id of each key: the name if no other has it, else the path, else that and the key."""
    times = Counter(names.values())
    paths = {key: f"{names[key[:1]]}/{name}" if len(key) > 1 else name for key, name in names.items()}
    same = Counter(paths.values())
    ids = {
        key: name if times[name] == 1 else paths[key] if same[paths[key]] == 1 else f"{paths[key]} {key[-1]}"
        for key, name in names.items()
    }
    edges = [(ids[key[:1]], ids[key]) for key in names if len(key) > 1]
    shipped = LabelGraph.from_name("wos")
    long = dict(zip(shipped.label_id, shipped.name, strict=True))
    shown = {label: long.get(names[key], names[key]) for key, label in ids.items()}
    return LabelGraph.from_edges(edges, nodes=ids.values(), names=shown, title="wos", source=PAGE), ids


def published_split(number: int) -> list[Split]:
    """The split of each of `number` rows; see :func:`open_wos`."""
    from sklearn.model_selection import train_test_split

    order = list(range(number))
    np.random.RandomState(7).shuffle(order)
    rest, test = train_test_split(order, test_size=0.2, random_state=0)
    _, val = train_test_split(rest, test_size=0.2, random_state=0)
    splits: list[Split] = ["train"] * number
    for row in test:
        splits[row] = "test"
    for row in val:
        splits[row] = "val"
    return splits


def _most_frequent(names: Counter[str]) -> str:
    return min(names, key=lambda name: (-names[name], name))


def _compared(graph: LabelGraph) -> str:
    """How the labels relate to the hierarchy that ships with hgraph."""
    shipped, here = set(LabelGraph.from_name("wos").label_id), set(graph.label_id)
    note = (
        f"{len(here & shipped)} of {count_of(len(here), 'label')} have the id of a label of the shipped hierarchy wos"
    )
    only = [", ".join(sorted(some)[:10]) for some in (here - shipped, shipped - here)]
    return f"{note}; only here: {only[0] or 'none'}; only there: {only[1] or 'none'}."


def _beside(folder: Folder, texts: Path, name: str) -> Path:
    found = folder.find(str(texts.parent.relative_to(folder.path) / name))
    if found is None:
        raise folder.missing(str(texts.parent.relative_to(folder.path) / name))
    return found


def _read_numbers(paths: Sequence[Path]) -> Iterator[Row]:
    texts, *numbers = (read_lines(path) for path in paths)
    for text, *codes in zip_longest(texts, *numbers):
        for path, cell in zip(paths, (text, *codes), strict=True):
            if cell is None:
                raise DataError(f"{path}: has fewer lines than the files beside it. Download it again.")
        line = text[0]
        first, second = (_number(code[1], f"{path}:{line}") for path, code in zip(paths[1:], codes, strict=True))
        if first >= len(DOMAINS):
            raise DataError(f"{paths[1]}:{line}: expected a domain from 0 to {len(DOMAINS) - 1}, found {first}.")
        yield Row(first, second, DOMAINS[first], f"{DOMAINS[first]} {second}", text[1].strip(), f"{paths[0]}:{line}")


def _read_sheet(path: Path) -> Iterator[Row]:
    cells = _workbook(path) if path.name.endswith(".xlsx") else _tabs(path)
    _, header = next(cells, (0, []))
    names = [str(name or "").strip().lower() for name in header]
    missing = [name for name in COLUMNS if name.lower() not in names]
    if missing:
        raise DataError(f"{path}:1: expected the columns {', '.join(COLUMNS)}, found no {missing[0]!r}.")
    places = [names.index(name.lower()) for name in COLUMNS]
    for number, row in cells:
        if not any(row):
            continue
        where = f"{path}:{number}"
        if len(row) <= max(places):
            raise DataError(f"{where}: expected {len(names)} columns, found {len(row)}.")
        first, second, domain, area, text = (row[place] for place in places)
        if not str(domain or "").strip() or not str(area or "").strip():
            raise DataError(f"{where}: 'Domain' or 'area' is empty.")
        yield Row(
            _number(first, where), _number(second, where), str(domain).strip(), str(area).strip(),
            str(text or "").strip(), where,
        )  # fmt: skip


def _tabs(path: Path) -> Iterator[tuple[int, list[Any]]]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader((f"{line}\n" for _, line in read_lines(path)), delimiter="\t")
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: malformed table: {error}. Save the sheet again.") from None


def _workbook(path: Path) -> Iterator[tuple[int, list[Any]]]:
    try:
        import openpyxl
    except ImportError:
        raise ConfigError(
            f'{path}: reading it needs openpyxl: pip install "hgraph-text[xlsx]". Or save the sheet as Data.txt '
            "with tabs between columns, or give the folder of X.txt, whose areas have numbers for names."
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        for number, row in enumerate(book.worksheets[0].iter_rows(values_only=True), 1):
            yield number, list(row)
    except Exception as error:  # a zip archive cut short, XML that ends early: each library has errors of its own
        raise DataError(f"{path}: is not a readable workbook: {error}. Download it again.") from None


def _number(cell: Any, where: str) -> int:
    try:
        return int(str(cell).strip())
    except ValueError:
        raise DataError(f"{where}: expected a whole number as code, found {str(cell)[:40]!r}.") from None
