"""Data sets in the formats of the Extreme Classification Repository (Bhatia et al., 2016), where they have raw text.

Two layouts: `trn.json`, `tst.json` and `lbl.json` (the LF data sets), or one text a line in `trn_X.txt` with the labels
of each in `trn_Y.txt` (or a label matrix) and the names of labels in `Y.txt`. Other programs name these files
otherwise; :data:`TEXTS`, :data:`LABELS` and :data:`NAMES` have what is looked for.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from hgraph.data.datasets.source import SPLITS, Document, Folder, Source, Split, count_of
from hgraph.data.datasets.xmc_labels import LabelReader, flat_graph, open_labels, read_names
from hgraph.data.xmc.texts import read_lines, read_target_documents
from hgraph.errors import DataError
from hgraph.graph import LabelGraph

TITLE = "A data set in the formats of the Extreme Classification Repository"
PAGE = "http://manikvarma.org/downloads/XC/XMLRepository.html"
TERMS = "the page states the source and the terms of each data set"

PREFIXES: dict[Split, tuple[str, str]] = {"train": ("trn", "train"), "val": ("val", "valid"), "test": ("tst", "test")}
TEXTS = ("{0}_X.txt", "X.{0}.txt", "{1}_raw_texts.txt", "{1}_texts.txt")
LABELS = ("{0}_Y.txt", "Y.{0}.txt", "{1}_labels.txt", "{0}_Y.npz", "Y.{0}.npz", "{0}_X_Y.npz", "{0}_X_Y.txt")
NAMES = ("Y.txt", "output-items.txt")
FEATURES = ("train.txt", "trn_X_Xf.txt", "trn_X.npz", "X.trn.npz", "*_train.txt", "*_data.txt", "*.svm")
FILTERS = "filter_labels_*.txt"


def open_xmc(folder: Folder) -> Source:
    """Open the data set.

    The hierarchy is `taxonomy.json` of the folder, whose labels then are those of the data set in their order, else
    flat. The split is that of the files; without validation documents `hgraph train` holds some of training out.
    """
    notes = ["The split of the files."]
    if any(folder.path.glob(FILTERS)):
        notes.append(f"{FILTERS} were not read: published figures leave the pairs of text and label in them out.")
    if folder.find(_json("train")) is not None:
        return _open_json(folder, notes)
    if folder.find(*_names(TEXTS, "train")) is not None:
        return _open_lists(folder, notes)
    features = sorted(path.name for pattern in FEATURES for path in folder.path.glob(f"{pattern}*"))
    if features:
        raise DataError(
            f"{folder.path}: {features[0]} holds features, and a corpus needs texts: trn.json or trn_X.txt. "
            f"Get the raw text from {folder.page}, or read the features in Python with hgraph.data.xmc."
        )
    raise folder.missing(_json("train"), *_names(TEXTS, "train"))


def _json(split: Split) -> str:
    return f"{PREFIXES[split][0]}.json"


def _names(patterns: tuple[str, ...], split: Split) -> list[str]:
    return [pattern.format(*PREFIXES[split]) for pattern in patterns]


def _open_json(folder: Folder, notes: list[str]) -> Source:
    """`trn.json`, `tst.json`, `lbl.json`; labels have uids and titles."""
    label_file = folder.need("lbl.json")
    files = {split: path for split in SPLITS if (path := folder.find(_json(split))) is not None}
    ids, names, lines = [], [], []
    for label in read_target_documents(label_file):
        ids.append(label.uid)
        names.append(label.text.get("title", ""))
        lines.append(label.line)
    graph, inputs = _hierarchy(folder, lambda: flat_graph(ids, names, label_file, lines), notes, label_file)

    def documents() -> Iterator[Document]:
        weighed = 0
        for split, path in files.items():
            for found in read_target_documents(path, graph.num_labels):
                labels = [graph.label_id[index] for index in found.labels]
                text = next(iter(found.text.values())) if len(found.text) == 1 else found.text
                weighed += any(relevance != 1 for relevance in found.relevances)
                yield Document(split, found.uid, text, labels, f"{path}:{found.line}")
        _note_relevances(weighed, notes)

    return Source(graph, documents(), [*inputs, *files.values()], notes)


def _open_lists(folder: Folder, notes: list[str]) -> Source:
    """One text a line, labels in lists or matrices, names of labels perhaps."""
    texts = {split: path for split in SPLITS if (path := folder.find(*_names(TEXTS, split))) is not None}
    labels = {split: folder.need(*_names(LABELS, split)) for split in texts}
    name_file = folder.find(*NAMES)
    readers = {split: open_labels(path) for split, path in labels.items()}
    graph, inputs = _hierarchy(folder, lambda: read_names(name_file, list(readers.values())), notes, name_file)
    numbered = name_file is not None

    def documents() -> Iterator[Document]:
        for split, path in texts.items():
            yield from _pairs(split, path, readers[split], graph, numbered)
        _note_relevances(sum(reader.weighed for reader in readers.values()), notes)

    return Source(graph, documents(), [*inputs, *texts.values(), *labels.values()], notes)


def _pairs(split: Split, path: Path, reader: LabelReader, graph: LabelGraph, numbered: bool) -> Iterator[Document]:
    """Texts and labels side by side."""
    rows = reader.rows(graph, numbered=numbered)
    for number, text in read_lines(path):
        row = next(rows, None)
        if row is None:
            if not text.strip():
                continue
            raise DataError(f"{reader.path}: has fewer rows than {path.name} has texts. Download both again.")
        yield Document(split, f"{split}-{number}", text.strip(), row, f"{path}:{number}")
    if any(row for row in rows):
        raise DataError(f"{path}: has fewer texts than {reader.path.name} has rows. Download both again.")


def _hierarchy(
    folder: Folder, flat: Callable[[], LabelGraph], notes: list[str], label_file: Path | None
) -> tuple[LabelGraph, list[Path]]:
    """The hierarchy of the folder if there is one, else `flat`; and the files that were read."""
    inputs = [] if label_file is None else [label_file]
    path = folder.find("taxonomy.json")
    if path is None:
        notes.append("The labels have no hierarchy: taxonomy.json is flat.")
        return flat(), inputs
    graph = LabelGraph.load(path)
    if label_file is not None:
        _check_order(flat(), graph, label_file, path)
    notes.append(f"The hierarchy is that of {path.name}.")
    return graph, [*inputs, path]


def _check_order(flat: LabelGraph, graph: LabelGraph, label_file: Path, path: Path) -> None:
    """Documents number labels, so the hierarchy must have the same ones in the same order.

    Raises:
        DataError: It has others.
    """
    wanted = [{label, " ".join(name.split())} for label, name in zip(graph.label_id, graph.name, strict=True)]
    found = [{label, name} for label, name in zip(flat.label_id, flat.name, strict=True)]
    if len(found) != len(wanted):
        raise DataError(
            f"{label_file}: expected the {len(wanted)} labels of {path.name}, found {len(found)}. "
            f"Remove {path.name} to have no hierarchy."
        )
    for number, (first, second) in enumerate(zip(found, wanted, strict=True), 1):
        if not first & second:
            raise DataError(
                f"{label_file}: expected label {number} to be {graph.name[number - 1]!r} as in {path.name}, found "
                f"{flat.name[number - 1]!r}. Put both in one order."
            )


def _note_relevances(weighed: int, notes: list[str]) -> None:
    if weighed:
        notes.append(f"Relevances of labels left out, {count_of(weighed, 'document')}: a text has a label or not.")
