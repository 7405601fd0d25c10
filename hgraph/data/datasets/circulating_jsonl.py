"""The JSON lines that circulate for the data sets of hierarchical text classification, with a `.taxonomy` file.

What the files are taken to be: in one folder one file each for train, val (or dev) and test, named so and ending in
`.json` or `.jsonl`; a record has `token` and `label`, or `doc_token` and `doc_label`, where the text is a string or a
list of tokens, and other keys, which are not read. `NAME.taxonomy` has a parent and its children a line, between tabs.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hgraph.data.datasets.source import SPLITS, Document, Folder, Source, Split
from hgraph.data.documents import iterate_documents
from hgraph.data.records import Record, read_records
from hgraph.errors import DataError
from hgraph.graph import read_taxonomy

TITLE = "JSON lines with labels as in the programs of the literature"
PAGE = "the authors of the data set"
TERMS = "those of the data set"
WORDS: dict[Split, tuple[str, ...]] = {"train": ("train",), "val": ("val", "dev"), "test": ("test",)}
ENDS = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
TEXT_KEYS = ("token", "doc_token")


def open_jsonl(folder: Folder) -> Source:
    """Open the folder.

    Splits are those of the files; train and test must be there. Labels are taken as they are; where the id of a label
    is the path of its parent and a last part after a slash, that part is its name.
    """
    taxonomies = sorted(folder.path.glob("*.taxonomy"))
    if not taxonomies:
        raise folder.missing("a .taxonomy file")
    if len(taxonomies) > 1:
        raise DataError(f"{folder.path}: expected one .taxonomy file, found {', '.join(map(_name, taxonomies))}.")
    graph = read_taxonomy(taxonomies[0], format="htc")
    above = [f"{label.rpartition('/')[0]}/" for label in graph.label_id]
    parents = {child: graph.label_id[parent] for parent, child in graph.edge_index.t().tolist()}
    graph.name = [
        label.rpartition("/")[2] if parents.get(index) == above[index][:-1] else label
        for index, label in enumerate(graph.label_id)
    ]
    files = {split: path for split in SPLITS if (path := _file(folder, split)) is not None}

    def documents() -> Iterator[Document]:
        for split, path in files.items():
            for document in iterate_documents(_strings(read_records(path)), source=str(path)):
                text = document["text"][0]["value"]
                where = f"{path}:{document['line']}"
                yield Document(split, str(document["id"]), text, document["labels"], where)

    found = ", ".join(f"{path.name} is {split}" for split, path in files.items())
    return Source(graph, documents(), [*files.values(), taxonomies[0]], [f"Splits as in the files: {found}."])


def _file(folder: Folder, split: Split) -> Path | None:
    """The file of a split; none for val where there is none."""
    candidates = [path for path in sorted(folder.path.iterdir()) if path.name.lower().endswith(ENDS)]
    found = [path for path in candidates if any(word in path.name.lower() for word in WORDS[split])]
    if len(found) > 1:
        raise DataError(
            f"{folder.path}: expected one file for {split}, found {', '.join(map(_name, found))}. Move one."
        )
    if not found and split != "val":
        raise folder.missing(f"a .json or .jsonl file with '{split}' in its name")
    return found[0] if found else None


def _strings(records: Iterator[Record]) -> Iterator[Record]:
    """Records with the text as one string."""
    for line, record in records:
        yield line, {key: _joined(value) if key in TEXT_KEYS else value for key, value in record.items()}


def _joined(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(token, str) for token in value):
        return " ".join(value)
    return value


def _name(path: Path) -> str:
    return path.name
