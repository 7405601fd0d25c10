"""A converted data set as a folder that appears whole or not at all."""

import gzip
import hashlib
import json
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from tqdm.auto import tqdm

from hgraph.data.datasets.source import SPLITS, Document, Source, Split, count_of
from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph
from hgraph.version import __version__

MAX_LISTED = 40
"""Input files that the README lists one by one."""


@dataclass
class Counts:
    """What went by.

    Attributes:
        documents: Written, by split.
        labels: Their labels, by split, as the files have them.
        empty: Left out for want of a text.
        bare: Written without a label.
        open: Written without an ancestor of one of their labels.
        unknown: Labels left out because the hierarchy does not have them.
        texts: For the hash of each text the splits it was seen in, one bit each.
        repeats: Documents whose text stands in the same split already.
    """

    documents: Counter[Split] = field(default_factory=Counter)
    labels: Counter[Split] = field(default_factory=Counter)
    empty: int = 0
    bare: int = 0
    open: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    texts: dict[int, int] = field(default_factory=dict)
    repeats: Counter[Split] = field(default_factory=Counter)

    def shared(self) -> dict[tuple[Split, Split], int]:
        """Different texts that stand in both of two splits."""
        bits = {split: 1 << place for place, split in enumerate(SPLITS)}
        pairs = {(first, second): bits[first] | bits[second] for first, second in combinations(SPLITS, 2)}
        seen = Counter(self.texts.values())
        return {pair: sum(n for mask, n in seen.items() if mask & both == both) for pair, both in pairs.items()}


def write_corpus(source: Source, folder: Path, *, title: str, terms: str) -> str:
    """Write taxonomy.json, the splits as train.jsonl.gz and so on, and README.txt.

    Args:
        source: The opened data set.
        folder: New or empty; it appears at the end, whole.
        title: What the data set is, for the README.
        terms: Its licence or agreement, for the README.

    Returns:
        The text of the README.

    Raises:
        ConfigError: The folder is not empty or cannot be written.
        DataError: A document is malformed, or there is none.
    """
    check_folder(folder)
    staging = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        staging.mkdir()
        counts = _write_documents(source, staging)
        source.graph.save(staging / "taxonomy.json")
        text = readme(source, counts, title=title, terms=terms)
        (staging / "README.txt").write_text(text, encoding="utf-8")
        os.replace(staging, folder)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return text


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something or cannot be made.

    Raises:
        ConfigError: It is a file, has files, or its parent is missing.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: exists already. Nothing is overwritten; choose another name.")
    if not folder.absolute().parent.is_dir():
        raise ConfigError(f"{folder}: the folder '{folder.parent}' does not exist. Make it first.")


def _write_documents(source: Source, staging: Path) -> Counts:
    counts, closure = Counts(), _Closure(source.graph)
    seen: dict[Split, set[str]] = {split: set() for split in SPLITS}
    with ExitStack() as stack:
        files: dict[Split, gzip.GzipFile] = {}
        for document in tqdm(source.documents, total=source.total, unit="document", desc="convert", disable=None):
            record = _record(document, source, closure, counts)
            if record is None:
                continue
            if document.id in seen[document.split]:
                raise DataError(f"{document.where}: the id '{document.id}' is in {document.split} already.")
            seen[document.split].add(document.id)
            if document.split not in files:
                raw = stack.enter_context(open(staging / f"{document.split}.jsonl.gz", "wb"))
                packed = gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0)
                files[document.split] = stack.enter_context(packed)
            files[document.split].write(record)
    if not counts.documents:
        raise DataError("the files hold no document, expected at least one. Check --source.")
    return counts


def _record(document: Document, source: Source, closure: "_Closure", counts: Counts) -> bytes | None:
    """The line of a document, None where it has no text."""
    text = document.text if isinstance(document.text, str) else "\n".join(document.text.values())
    if not text.strip():
        counts.empty += 1
        return None
    labels = []
    for label in dict.fromkeys(document.labels):
        if label in source.graph.id_to_index:
            labels.append(label)
        elif source.unknown == "drop":
            counts.unknown[label] += 1
        else:
            raise DataError(f"{document.where}: the label {label!r} is not in the hierarchy. Add it there.")
    split = document.split
    counts.documents[split] += 1
    counts.labels[split] += len(labels)
    counts.bare += not labels
    counts.open += not closure.holds(labels)
    bit = 1 << SPLITS.index(split)
    key = int.from_bytes(hashlib.blake2b(" ".join(text.split()).encode(), digest_size=8).digest(), "big")
    before = counts.texts.get(key, 0)
    counts.texts[key] = before | bit
    counts.repeats[split] += bool(before & bit)
    line = json.dumps({"id": document.id, "text": document.text, "labels": labels}, ensure_ascii=False)
    return line.encode() + b"\n"


class _Closure:
    """Whether sets of labels hold all their ancestors."""

    def __init__(self, graph: LabelGraph) -> None:
        self.parents: dict[str, set[str]] = {label: set() for label in graph.label_id}
        for parent, child in graph.edge_index.t().tolist():
            self.parents[graph.label_id[child]].add(graph.label_id[parent])

    def holds(self, labels: Sequence[str]) -> bool:
        """Every parent of every label is there."""
        present = set(labels)
        return all(self.parents[label] <= present for label in labels)


def readme(source: Source, counts: Counts, *, title: str, terms: str) -> str:
    """What README.txt says."""
    graph = source.graph
    levels = ", ".join(f"{int((graph.level == level).sum()):,}" for level in range(1, int(graph.level.max()) + 1))
    lines = [title, f"Converted by hgraph {__version__}.", "", "Files"]
    lines.append(f"- taxonomy.json: {count_of(graph.num_labels, 'label')}, on levels {levels}")
    for split in SPLITS:
        if number := counts.documents[split]:
            each = counts.labels[split] / number
            lines.append(f"- {split}.jsonl.gz: {count_of(number, 'document')}, {each:.2f} labels each")
    lines += ["", "What was done", *(f"- {note}" for note in [*source.notes, *_remarks(counts)])]
    lines += ["", "Input files (md5)", *(f"- {row}" for row in checksums(source.inputs)), "", f"Terms: {terms}", ""]
    return "\n".join(lines)


def _remarks(counts: Counts) -> list[str]:
    """Sentences about what the documents have in common, lack or lost."""
    remarks = []
    if counts.empty:
        remarks.append(f"{count_of(counts.empty, 'document')} without a text left out.")
    if counts.unknown:
        shown = ", ".join(f"{label!r} ({times:,})" for label, times in counts.unknown.most_common(10))
        total = count_of(sum(counts.unknown.values()), "label")
        remarks.append(f"{total} of documents left out, not in the hierarchy: {shown}.")
    if counts.bare:
        remarks.append(f"{count_of(counts.bare, 'document')} without a label, kept.")
    if counts.open:
        remarks.append(f"{count_of(counts.open, 'document')} without all ancestors of the labels; hgraph adds them.")
    for split, number in counts.repeats.items():
        if number:
            remarks.append(f"Texts of {split} that repeat one of {split}: {number:,}, kept.")
    for (first, second), number in counts.shared().items():
        if number:
            remarks.append(f"Different texts in both {first} and {second}: {number:,}, kept.")
    return remarks


def checksums(paths: Iterable[Path]) -> list[str]:
    """`md5  name` of each file, or one line for many: the md5 of these lines."""
    unique = sorted(dict.fromkeys(paths))
    rows = [f"{_md5(path)}  {path.name}" for path in unique]
    if len(rows) <= MAX_LISTED:
        return rows
    whole = hashlib.md5("\n".join(rows).encode(), usedforsecurity=False).hexdigest()
    return [f"{whole}  {len(rows):,} files, {unique[0].name} to {unique[-1].name}: md5 of their lines `md5  name`"]


def _md5(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
