"""A ranker is a folder: `ranker.json` says what it is, the arrays are `.npy` files beside it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hgraph.errors import DataError
from hgraph.ranking.level_weights import LevelWeights
from hgraph.ranking.ranker_tree import RankerTree

if TYPE_CHECKING:
    from hgraph.ranking.linear_ranker import LinearRanker

RANKER_FILE, VERSION = "ranker.json", 1
ARRAYS = [field.name for field in fields(LevelWeights)]


def save_ranker(ranker: LinearRanker, path: str | os.PathLike[str]) -> None:
    """Write into a new folder beside `path` and rename it, so that no reader meets half a ranker."""
    folder = Path(path)
    temporary, old = (folder.with_name(f".{folder.name}.{os.getpid()}{end}") for end in ("", ".old"))
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        np.save(temporary / "labels.npy", _narrow(ranker.tree.labels), allow_pickle=False)
        for level, weights in enumerate(ranker.levels):
            for name in ARRAYS:
                np.save(temporary / f"{level}_{name}.npy", getattr(weights, name), allow_pickle=False)
        options = {
            "version": VERSION,
            "num_levels": ranker.tree.num_levels,
            "num_labels": ranker.tree.num_labels,
            "num_sparse": ranker.num_sparse,
            "num_dense": ranker.num_dense,
            "transform": ranker.transform,
            "beam_size": ranker.beam_size,
        }
        (temporary / RANKER_FILE).write_text(json.dumps(options, indent=1), encoding="utf-8")
        if folder.exists():
            os.replace(folder, old)
        os.replace(temporary, folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load_ranker(path: str | os.PathLike[str]) -> LinearRanker:
    """Open a folder that `save_ranker` wrote.

    Raises:
        DataError: it is not there, of another version, or a file is missing.
    """
    from hgraph.ranking.linear_ranker import LinearRanker

    folder = Path(path)
    try:
        options = json.loads((folder / RANKER_FILE).read_text(encoding="utf-8"))
        if options["version"] != VERSION:
            raise DataError(
                f"{path}: expected a ranker of version {VERSION}, found {options['version']}. Train it anew."
            )
        levels = [
            LevelWeights(**{name: _open(folder / f"{level}_{name}.npy") for name in ARRAYS})
            for level in range(options["num_levels"])
        ]
        labels = _open(folder / "labels.npy")
        parents = [np.repeat(np.arange(level.num_parents), np.diff(level.child_ptr)) for level in levels[1:]]
        tree = RankerTree(parents, num_top=levels[0].num_nodes, labels=labels, num_labels=options["num_labels"])
        return LinearRanker(
            tree,
            levels,
            num_sparse=options["num_sparse"],
            num_dense=options["num_dense"],
            transform=options["transform"],
            beam_size=options["beam_size"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected a folder with a saved ranker, found none that is whole ({error}).") from None


def _open(path: Path) -> np.ndarray:
    """An array mapped into memory; an empty one cannot be."""
    array = np.load(path, mmap_mode="c", allow_pickle=False)
    return np.asarray(array)


def _narrow(array: np.ndarray) -> np.ndarray:
    return array.astype(np.int32) if array.max(initial=0) < 1 << 31 else array
