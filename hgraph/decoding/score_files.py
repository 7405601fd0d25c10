"""Scores of documents as a file: the matrix as `.npz`, and in a JSON file beside it what its rows and columns are."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from hgraph.data.xmc.files import whole_file
from hgraph.data.xmc.matrices import load_npz, save_npz
from hgraph.decoding.cells import score_matrix
from hgraph.decoding.thresholds import Thresholds
from hgraph.errors import ConfigError, DataError

FORMAT = "hgraph-scores"


@dataclass(frozen=True, eq=False)
class ScoreFile:
    """Scores of documents and what their rows and columns are.

    Args:
        scores: float32 CSR [N, L], each document's best labels.
        documents: Ids of the documents, or None where the file is a bare matrix.
        labels: Ids of the labels, or None.
        thresholds: Where scores become predictions, or None where nobody tuned any.
    """

    scores: sparse.csr_matrix
    documents: Sequence[str] | None = None
    labels: Sequence[str] | None = None
    thresholds: Thresholds | None = None

    def __post_init__(self) -> None:
        for axis, name, ids in ((0, "documents", self.documents), (1, "labels", self.labels)):
            if ids is not None and len(ids) != self.scores.shape[axis]:
                raise DataError(f"'{name}' must be {self.scores.shape[axis]} ids, one for each, found {len(ids)}.")

    def rows(self, documents: Sequence[str], source: str) -> sparse.csr_matrix:
        """Scores of these documents in their order, CSR [len(documents), L].

        A bare matrix is taken to have them in that order.

        Raises:
            DataError: A document has no scores, or a bare matrix another number of rows; `source` stands before it.
        """
        if self.documents is None:
            if self.scores.shape[0] != len(documents):
                raise DataError(f"{source}: expected {len(documents)} rows, found {self.scores.shape[0]}. Score again.")
            return self.scores
        if list(self.documents) == list(documents):
            return self.scores
        places = {document: place for place, document in enumerate(self.documents)}
        missing = next((document for document in documents if document not in places), None)
        if missing is not None:
            raise DataError(f"{source}: there are no scores of the document {missing!r}. Predict on the same file.")
        return self.scores[[places[document] for document in documents]]

    def check_labels(self, labels: Sequence[str], source: str) -> None:
        """Refuse scores of other labels than these; of a bare matrix the number is compared.

        Raises:
            DataError: The labels differ; `source` stands before it.
        """
        found = self.labels if self.labels is not None else labels
        if self.scores.shape[1] != len(labels) or len(found) != len(labels):
            raise DataError(
                f"{source}: expected scores of {len(labels)} labels, found {self.scores.shape[1]}. Take the "
                "hierarchy of the model that made them."
            )
        for number, (first, second) in enumerate(zip(found, labels, strict=True), 1):
            if first != second:
                raise DataError(
                    f"{source}: expected label {number} to be {second!r}, found {first!r}. Take the "
                    "hierarchy of the model that made the scores."
                )


def write_scores(path: str | Path, content: ScoreFile, *, overwrite: bool = False) -> None:
    """Write the matrix to `path` and the rest to the file of the same name with `.json`; each whole or not at all.

    Raises:
        ConfigError: The name does not end in `.npz`, or a file exists or cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "scores.npz"
        >>> write_scores(path, ScoreFile(sparse.csr_matrix([[0.5, 0.0]]), ["d1"], ["a", "b"]))
        >>> sorted(file.name for file in path.parent.iterdir())
        ['scores.json', 'scores.npz']
        >>> read_scores(path).labels
        ['a', 'b']
    """
    path = Path(path)
    beside = ids_file(path)
    for target in (path, beside):
        if target.exists() and not overwrite:
            raise ConfigError(f"{target}: the file exists. Choose another name, or replace it with --overwrite.")
    thresholds = content.thresholds
    said: dict[str, Any] = {
        "format": FORMAT,
        "version": 1,
        "documents": None if content.documents is None else list(content.documents),
        "labels": None if content.labels is None else list(content.labels),
        "thresholds": None if thresholds is None else thresholds.to_dict(),
    }
    save_npz(path, content.scores, overwrite=overwrite)
    with whole_file(beside, overwrite=overwrite) as stream:
        stream.write((json.dumps(said, ensure_ascii=False) + "\n").encode())


def ids_file(path: Path) -> Path:
    """The JSON file beside an `.npz`.

    Raises:
        ConfigError: The name does not end in `.npz`.
    """
    if path.suffix.lower() != ".npz":
        raise ConfigError(f"{path}: expected a file named *.npz, found '{path.name}'. Rename it.")
    return path.with_suffix(".json")


def read_scores(path: str | Path) -> ScoreFile:
    """Read what :func:`write_scores` wrote, or any `.npz` of scipy, with nothing beside it.

    Raises:
        DataError: A file cannot be read or is malformed, or the two do not belong together.
        ConfigError: The name does not end in `.npz`.
    """
    path = Path(path)
    beside = ids_file(path)
    loaded = load_npz(path)
    if loaded.dtype.kind not in "biuf" or not np.isfinite(loaded.data).all():
        raise DataError(f"{path}: expected finite numbers, found others. Check the model that made them.")
    try:
        scores = score_matrix(loaded, name=str(path))
        return ScoreFile(scores, **(_beside(beside) if beside.exists() else {}))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _beside(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DataError(f"'{path.name}' beside it cannot be read: {error}. Predict again.") from None
    if not isinstance(said, dict) or said.get("format") != FORMAT or said.get("version") != 1:
        raise DataError(f"'{path.name}' beside it is none of {FORMAT}, version 1. Move it away, or predict again.")
    for name in ("documents", "labels"):
        ids = said.get(name)
        if ids is not None and not (isinstance(ids, list) and all(isinstance(label, str) for label in ids)):
            raise DataError(f"'{path.name}' beside it must list strings under '{name}'. Predict again.")
    given = said.get("thresholds")
    try:
        thresholds = None if given is None else Thresholds.from_dict(given)
    except ConfigError as error:
        raise DataError(f"'{path.name}' beside it: {error}") from None
    return {"documents": said.get("documents"), "labels": said.get("labels"), "thresholds": thresholds}
