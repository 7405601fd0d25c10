"""An index is a folder: `index.json` says what it is, one file beside it holds the vectors."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hgraph.errors import DataError
from hgraph.retrieval.vector_index import VectorIndex

INDEX_FILE = "index.json"


def save_index(index: VectorIndex, path: str | os.PathLike[str], write: Callable[[Path], None], **options: Any) -> None:
    """Write an index into a new folder beside `path` and rename it, so that no reader meets half an index.

    Args:
        index: What is written.
        path: The folder; one that is there already is replaced.
        write: Writes the vectors into the folder given.
        **options: Further settings for `index.json`.
    """
    folder = Path(path)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        write(temporary)
        kind = {"type": type(index).__name__, "similarity": index.similarity}
        sizes = {"num_vectors": index.num_vectors, "channels": index.channels}
        (temporary / INDEX_FILE).write_text(json.dumps({**kind, **sizes, **options}, indent=1), encoding="utf-8")
        # A folder cannot be renamed onto one that holds something.
        old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
        if folder.exists():
            os.replace(folder, old)
        os.replace(temporary, folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_options(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `index.json` in a folder says.

    Raises:
        DataError: There is none, or it is something else.
    """
    try:
        options = json.loads((Path(path) / INDEX_FILE).read_text(encoding="utf-8"))
        if not {"type", "similarity", "num_vectors", "channels"} <= options.keys():
            raise ValueError
    except (OSError, ValueError, AttributeError):
        raise DataError(f"{path}: expected a folder with a saved index, found no readable {INDEX_FILE}.") from None
    return options
