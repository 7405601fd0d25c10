"""Vectors of texts on disk, so that no text passes a frozen model twice."""

import hashlib
import json
import logging
import os
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor

from hgraph.errors import ConfigError

logger = logging.getLogger(__name__)

Dtype = Literal["float16", "float32"]
FOLDER_VARIABLE = "HGRAPH_CACHE"
HASH_BYTES = 16
"""128 bits: among 10^12 texts, two share a hash with a probability below 10^-14."""


class EmbeddingCache:
    """Folders of vectors, one for each model with its settings.

    Nothing in it is needed again: any part may be deleted at any time, and comes back when it is asked for. It holds
    vectors and hashes of texts, not the texts.

    Args:
        folder: Where the folders lie. Default: `embeddings` in the folder that the environment variable `HGRAPH_CACHE`
            names, else in `~/.cache/hgraph`.
        dtype: How vectors are stored; `"float16"` takes half the space of `"float32"`.
    """

    def __init__(self, folder: str | Path | None = None, *, dtype: Dtype = "float16") -> None:
        if dtype not in get_args(Dtype):
            raise ConfigError(f"'dtype' must be one of {', '.join(get_args(Dtype))}, but got {dtype!r}.")
        root = Path(os.environ.get(FOLDER_VARIABLE) or "~/.cache/hgraph")
        self.folder = (root / "embeddings" if folder is None else Path(folder)).expanduser()
        self.dtype = np.dtype(dtype)

    def shards(self, settings: Mapping[str, Any], state: Mapping[str, Tensor], channels: int) -> "EmbeddingShards":
        """The vectors of the model with these settings and these weights."""
        key = fingerprint({**settings, "dtype": self.dtype.name}, state)
        return EmbeddingShards(self.folder / key, channels=channels, dtype=self.dtype)

    def __repr__(self) -> str:
        return f"EmbeddingCache('{self.folder}', dtype='{self.dtype.name}')"


class EmbeddingShards:
    """The vectors of one model: files that are written once, whole, and never changed.

    A file appears under its name only when it is complete, so a reader needs no lock, and a run that was killed leaves
    what it had finished. A file that cannot be read, or whose check sum is wrong, is removed with a warning; its texts
    count as unknown. A folder that cannot be written costs a warning, and nothing is stored.

    Args:
        folder: Where the files lie; made when the first one is written.
        channels: Width D of the vectors.
        dtype: Of the stored vectors.

    Shapes:
        - hashes: [n] of 16 bytes; see :func:`text_hashes`.
        - vectors: [n, D].
    """

    def __init__(self, folder: Path, *, channels: int, dtype: np.dtype) -> None:
        self.folder = folder
        self.channels = channels
        self.dtype = dtype
        self.writable = True

    def read(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of the texts are known (bool [n]), and the vectors [n, D] of all, zeros where one is not known."""
        known = np.zeros(len(hashes), dtype=bool)
        vectors = np.zeros((len(hashes), self.channels), dtype=self.dtype)
        order = np.argsort(hashes)
        for path in sorted(self.folder.glob("*.safetensors")):
            if known.all():
                break
            stored = self._read_file(path, hashes, known, order)
            if stored is not None:
                rows, values = stored
                known[rows] = True
                vectors[rows] = values
        return known, vectors

    def _read_file(
        self, path: Path, hashes: np.ndarray, known: np.ndarray, order: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Rows of `hashes` that a file knows and their vectors; None where there is none."""
        try:
            with safe_open(path, framework="numpy") as file:
                stored = _as_hashes(file.get_tensor("hashes"))
                place = np.searchsorted(hashes, stored, sorter=order)
                place = order[np.minimum(place, len(order) - 1)]
                found = (hashes[place] == stored) & ~known[place]
                if not found.any():
                    return None
                vectors = file.get_tensor("vectors")
                if vectors.shape != (len(stored), self.channels) or vectors.dtype != self.dtype:
                    raise ValueError(f"holds {vectors.dtype} {vectors.shape}")
                if str(_check_sum(stored, vectors)) != (file.metadata() or {}).get("crc32"):
                    raise ValueError("wrong check sum")
                return place[found], vectors[found]
        except FileNotFoundError:  # another process found it damaged first
            return None
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            logger.warning("%s is damaged (%s); its texts are encoded again", path, error)
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return None

    def write(self, hashes: np.ndarray, vectors: np.ndarray) -> None:
        """Add the vectors of texts that are not known yet."""
        if not self.writable:
            return
        content = save(
            {"hashes": hashes.view(np.uint8).reshape(-1, HASH_BYTES), "vectors": np.ascontiguousarray(vectors)},
            metadata={"crc32": str(_check_sum(hashes, vectors))},
        )
        name = uuid.uuid4().hex
        temporary = self.folder / f"{name}.tmp"
        try:
            temporary.write_bytes(content)
            temporary.replace(self.folder / f"{name}.safetensors")
        except OSError as error:
            self._give_up(error)
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Held by the one process that encodes; the next finds its work done. A dead process holds nothing."""
        lock = FileLock(self.folder / ".lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            self._give_up(error)
        try:
            yield
        finally:
            lock.release()

    def _give_up(self, error: OSError) -> None:
        self.writable = False
        logger.warning(
            "%s cannot be written (%s); vectors are kept in memory alone. Give another folder, or set %s",
            self.folder, error.strerror or error, FOLDER_VARIABLE,
        )  # fmt: skip


def text_hashes(texts: Sequence[str]) -> np.ndarray:
    """A hash of 16 bytes for each text."""
    digests = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES) for text in texts)
    return np.array([digest.digest() for digest in digests], dtype=f"S{HASH_BYTES}")


def fingerprint(settings: Mapping[str, Any], state: Mapping[str, Tensor]) -> str:
    """Hexadecimal name for a model: its settings and every weight decide it, where it was loaded from does not.

    Example:
        >>> import torch
        >>> weights = {"w": torch.ones(2)}
        >>> fingerprint({"pooling": "cls"}, weights) == fingerprint({"pooling": "mean"}, weights)
        False
    """
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True, ensure_ascii=False).encode(), digest_size=HASH_BYTES)
    for name, value in sorted(state.items()):
        value = value.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        # Bytes, because numpy has no bfloat16.
        digest.update(value.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _as_hashes(table: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(table).view(f"S{HASH_BYTES}").reshape(-1)


def _check_sum(hashes: np.ndarray, vectors: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(vectors).data, zlib.crc32(hashes.view(np.uint8).data))
