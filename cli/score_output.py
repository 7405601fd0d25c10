"""Scores that a command writes as a matrix with ids beside it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hgraph.cli.options import check_output
from hgraph.errors import ConfigError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from hgraph.predictor import Predictor


def check_scores(path: Path, option: str, *, top_k: int | None, overwrite: bool) -> None:
    """Refuse, before any work, a name that is none of `*.npz`, files that exist, and no label to store.

    Raises:
        ConfigError: The name or the files.
        UsageError: `top_k` is 0.
    """
    if path.suffix.lower() != ".npz":
        raise ConfigError(f"{option} {path}: expected a file named *.npz, found '{path.name}'. Rename it.")
    check_output(path, option, overwrite=overwrite)
    check_output(path.with_suffix(".json"), option, overwrite=overwrite)
    if top_k == 0:
        raise click.UsageError(f"--top-k 0 stores no label with {option}. Give at least 1.")


class ScoreWriter:
    """Gathers scores as they come, the best of each document, and writes them at the end.

    Args:
        path: The `.npz` file.
        top_k: How many labels of a document to keep; None: all that come.
        overwrite: Replace the files if they exist.
    """

    def __init__(self, path: Path, top_k: int | None, overwrite: bool) -> None:
        self.path, self.top_k, self.overwrite = path, top_k, overwrite
        self.documents: list[str] = []
        self.parts: list[csr_matrix] = []

    def add(self, documents: list[str], scores: "csr_matrix") -> None:
        """Scores of some more documents, CSR [len(documents), L]."""
        from hgraph.decoding.cells import best_cells

        self.documents += documents
        self.parts.append(scores if self.top_k is None else best_cells(scores, self.top_k))

    def write(self, predictor: "Predictor") -> None:
        """Write what came, with the labels and thresholds of `predictor`."""
        from scipy import sparse

        from hgraph.decoding.score_files import ScoreFile, write_scores

        scores = sparse.vstack(self.parts, format="csr")
        content = ScoreFile(scores, self.documents, predictor.graph.label_id, predictor.thresholds)
        write_scores(self.path, content, overwrite=self.overwrite)
