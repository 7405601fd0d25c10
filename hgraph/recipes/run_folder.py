"""The folder of a training run: free to use, or begun with the very same things."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from hgraph.data import Corpus
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import write_json
from hgraph.recipes.recipe import Recipe

RUN_FILE = "run.json"
CHECKPOINTS = "checkpoints"


def check_folder(
    folder: Path, recipe: Recipe, graph: LabelGraph, train_corpus: Corpus, val_corpus: Corpus, *, resume: bool
) -> None:
    """Check that the output folder is free, or that a begun one was begun with the very same things.

    Raises:
        ConfigError: See :func:`train`.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"-o {folder}: expected a folder, found a file. Choose another name.")
    if folder.is_dir() and any(folder.iterdir()):
        if not resume:
            begun = (folder / RUN_FILE).exists() and not (folder / "config.json").exists()
            way = "Choose another, or go on with --resume." if begun else "Choose another, or remove it."
            raise ConfigError(f"-o {folder}: the folder exists and is not empty. {way}")
        _check_signature(folder, _signature(recipe, graph, train_corpus, val_corpus))
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not place.is_dir():
        raise ConfigError(f"-o {folder}: '{place}' is a file, expected a folder. Choose another name.")
    if not os.access(place, os.W_OK):
        raise ConfigError(f"-o {folder}: no permission to write into '{place}'. Choose another folder.")


def open_folder(folder: Path, recipe: Recipe, graph: LabelGraph, train_corpus: Corpus, val_corpus: Corpus) -> None:
    """Make the output folder and note what the run was begun with.

    Raises:
        ConfigError: The system refuses.
    """
    try:
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{RUN_FILE}"
        write_json(temporary, _signature(recipe, graph, train_corpus, val_corpus))
        os.replace(temporary, folder / RUN_FILE)
    except OSError as error:
        raise ConfigError(f"-o {folder}: cannot be written: {error.strerror or error}.") from None


def not_written(folder: Path, error: Exception) -> ConfigError:
    """The error for a checkpoint that the system refuses to write."""
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return ConfigError(f"{folder}: a checkpoint cannot be written: {reason}. Make room, then go on with --resume.")


def _signature(recipe: Recipe, graph: LabelGraph, train_corpus: Corpus, val_corpus: Corpus) -> dict[str, Any]:
    return {
        "taxonomy": graph.fingerprint,
        "train": corpus_fingerprint(train_corpus),
        "val": corpus_fingerprint(val_corpus),
        "recipe": recipe.to_dict(),
    }


def _check_signature(folder: Path, signature: dict[str, Any]) -> None:
    """Refuse to go on with other data, another taxonomy or another recipe."""
    if (folder / "config.json").exists():
        raise ConfigError(f"--resume: the training in {folder} is finished; there is nothing to go on with.")
    try:
        begun = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        begun = None
    if not isinstance(begun, dict):
        raise ConfigError(f"--resume: {folder} holds no training run that was begun. Choose another folder.")
    what = {"taxonomy": "--taxonomy", "train": "--train", "val": "--val", "recipe": "--recipe or --set"}
    for key, option in what.items():
        if begun.get(key) != signature[key]:
            detail = f" (fingerprint {signature[key]}, expected {begun.get(key)})" if key == "taxonomy" else ""
            raise ConfigError(
                f"--resume: {option} differs from what the run in {folder} was begun with{detail}. Give the same, or "
                "train into another folder."
            )


def corpus_fingerprint(corpus: Corpus) -> str:
    """Sixteen hexadecimal digits that depend on every text and label, in order."""
    digest = hashlib.sha256()
    for text in corpus.texts:
        digest.update(text.encode())
        digest.update(b"\0")
    digest.update(np.asarray(corpus.labels.indptr, dtype=np.int64).tobytes())
    digest.update(np.asarray(corpus.labels.indices, dtype=np.int64).tobytes())
    return digest.hexdigest()[:16]
