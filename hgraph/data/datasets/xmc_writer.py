"""Corpora written in the repository's layout of raw texts and label lists, for programs that read it."""

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from hgraph.data.datasets.source import Split
from hgraph.data.datasets.writer import check_folder
from hgraph.data.labels import Corpus
from hgraph.errors import ConfigError, DataError
from hgraph.graph import LabelGraph

PREFIXES: dict[Split, str] = {"train": "trn", "val": "val", "test": "tst"}


def write_xmc(folder: str | Path, corpora: Mapping[Split, Corpus], graph: LabelGraph) -> None:
    """Write `trn_X.txt` (a text a line), `trn_Y.txt` (numbers of its labels), `Y.txt` (names) and `taxonomy.json`.

    The fields of a text are joined, and what divides its lines becomes a blank. Labels are written closed upward, as
    the corpora have them; ids of documents are not written. `hgraph convert xmc` reads the folder back.

    Args:
        folder: New or empty; it appears at the end, whole.
        corpora: By split: `train`, and perhaps `val` and `test`.
        graph: The hierarchy; label i of the files is its label i.

    Raises:
        ConfigError: The folder is not empty or cannot be written, or a split is unknown.
        DataError: A corpus belongs to another hierarchy.
    """
    folder = Path(folder)
    if "train" not in corpora or not set(corpora) <= set(PREFIXES):
        raise ConfigError(f"'corpora' must be train and perhaps val and test, found {', '.join(corpora) or 'none'}.")
    for split, corpus in corpora.items():
        if corpus.labels.shape[1] != graph.num_labels:
            raise DataError(
                f"'{split}' has {corpus.labels.shape[1]} labels, the hierarchy {graph.num_labels}. Read it with that."
            )
    check_folder(folder)
    staging = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        staging.mkdir()
        for split, corpus in corpora.items():
            _write_lines(staging / f"{PREFIXES[split]}_X.txt", corpus.texts)
            _write_lines(staging / f"{PREFIXES[split]}_Y.txt", _label_lists(corpus))
        _write_lines(staging / "Y.txt", graph.name)
        graph.save(staging / "taxonomy.json")
        os.replace(staging, folder)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write_lines(path: Path, lines: list[str]) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(" ".join(line.split()) + "\n" for line in lines)


def _label_lists(corpus: Corpus) -> list[str]:
    """Numbers of the labels of each document, ascending."""
    labels = corpus.labels
    numbers = [str(index) for index in labels.indices.tolist()]
    bounds = zip(labels.indptr[:-1].tolist(), labels.indptr[1:].tolist(), strict=True)
    return [" ".join(sorted(numbers[start:stop], key=int)) for start, stop in bounds]
