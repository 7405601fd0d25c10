"""Search by FAISS."""

import logging
import os
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from hgraph.errors import ConfigError
from hgraph.retrieval import faiss_kinds as kinds
from hgraph.retrieval.checks import as_vectors, check_k, check_similarity
from hgraph.retrieval.effort_trial import EffortTrial
from hgraph.retrieval.faiss_kinds import Kind
from hgraph.retrieval.functional import unit_rows
from hgraph.retrieval.index_files import read_options, save_index
from hgraph.retrieval.optional_faiss import require_faiss
from hgraph.retrieval.vector_index import Similarity

logger = logging.getLogger(__name__)

_QUERIES = 32_768  # queries searched at a time
_ROWS = 16_384  # rows scaled in float64 and added at a time
_VECTORS = "vectors.faiss"
_GROUPED = 1024  # queries from which on it pays to sort them
_LANDMARKS = 256


class FaissIndex:
    r"""An inner-product index of `FAISS <https://arxiv.org/abs/2401.08281>`_.

    Scores are inner products of the vectors themselves whatever the kind, summed in float32. For the cosine, vectors
    are stored at length one. The kinds:

    - `"flat"` finds what :class:`~hgraph.retrieval.ExactIndex` finds, faster; vectors with (nearly) equal scores may
      come in another order.
    - `"ivf"` searches some of many lists of short codes and compares the best exactly
      (:func:`~hgraph.retrieval.faiss_kinds.make_ivf`): the fastest for many queries at once.
    - `"hnsw"` walks a graph of neighbours; its links take 0.3 GB for a million vectors, and building it takes longest.
    - `"auto"` (default) is `"flat"` up to 20,000 vectors and on a GPU, else `"ivf"`.

    The last two miss some neighbours. How many depends on the vectors and the queries: :meth:`tune` measures it and
    sets the effort; untuned it is that of the constants of `faiss_kinds`. Fewer than 1,000 vectors are always flat.

    Args:
        vectors: What is searched, NumPy array or torch tensor; copied into the index.
        similarity: `"dot"` (default) or `"cosine"`. The cosine of a zero vector is 0.
        kind: See above.
        effort: Lists (`"ivf"`) or nodes (`"hnsw"`) that a query visits; None follows from the size.
        refined: How many times more vectors than asked `"ivf"` compares exactly.
        device: `"gpu"` searches on the first GPU, which FAISS must be built for; `"auto"` does where there is one. On a
            GPU `"ivf"` keeps whole vectors instead of codes, and there is no `"hnsw"`.
        seed: Of all draws. The same seed and vectors give the same index.

    Shapes:
        - **vectors**: `[N, D]`, **queries**: `[Q, D]`
        - **returned by search**: scores `[Q, min(k, N)]` float32, indices `[Q, min(k, N)]` int64

    Raises:
        ConfigError: faiss is not installed or sees no GPU, or an argument is unknown.
        DataError: Vectors that are not a matrix, or contain NaN or infinity.
    """

    def __init__(
        self,
        vectors: Any,
        *,
        similarity: Similarity = "dot",
        kind: Kind = "auto",
        effort: int | None = None,
        refined: int = kinds.REFINED,
        device: Literal["auto", "cpu", "gpu"] = "auto",
        seed: int = 0,
    ) -> None:
        check_similarity(similarity)
        _check_options(kind, effort, refined, device)
        faiss = require_faiss("FaissIndex")
        self.on_gpu = _use_gpu(faiss, device, kind)
        vectors = as_vectors(vectors, "vectors")
        self.num_vectors, self.channels = vectors.shape
        self.similarity: Similarity = similarity
        self.kind: Kind = kinds.resolve_kind(kind, self.num_vectors, on_gpu=self.on_gpu)
        self.index = self._fill(faiss, vectors, seed)
        self.set_effort(self._default_effort() if effort is None else effort, refined)

    def _fill(self, faiss: ModuleType, vectors: Tensor, seed: int) -> Any:
        if self.kind == "flat":
            index = kinds.make_flat(faiss, self.channels)
        elif self.kind == "hnsw":
            index = kinds.make_hnsw(faiss, self.channels, seed)
        else:
            count = max(kinds.TRAINING_ROWS, kinds.TRAINED_A_LIST * kinds.num_lists(self.num_vectors))
            order = torch.randperm(self.num_vectors, generator=torch.Generator().manual_seed(seed))[:count]
            rows = self._prepare(vectors[order.to(vectors.device)])
            make = kinds.make_gpu_ivf if self.on_gpu else kinds.make_ivf
            index = make(faiss, rows, self.num_vectors, seed)
        threads = faiss.omp_get_max_threads()
        try:
            if self.kind == "hnsw":
                faiss.omp_set_num_threads(1)  # threads that add at the same time link nodes in an order left to chance
            for rows in vectors.split(_ROWS):
                index.add(self._prepare(rows))
        finally:
            faiss.omp_set_num_threads(threads)
        if self.on_gpu:
            index, self._resources = kinds.to_gpu(faiss, index)
        return index

    def _default_effort(self) -> int:
        if self.kind == "hnsw":
            return kinds.HNSW_SEARCH
        return 1 if self.kind == "flat" else max(kinds.num_lists(self.num_vectors) // kinds.PROBED, 1)

    def set_effort(self, effort: int, refined: int = kinds.REFINED) -> None:
        """Lists or nodes that a query visits, and how many times more vectors than asked are compared exactly."""
        self.effort, self.refined = effort, refined
        kinds.set_effort(require_faiss("FaissIndex"), self.index, self.kind, effort)

    def search(self, queries: Any, k: int) -> tuple[Tensor, Tensor]:
        """Scores and indices of the k most similar vectors of each query, best first, on the device of the queries."""
        check_k(k)
        queries = as_vectors(queries, "queries", channels=self.channels)
        # Asked for more than it holds, FAISS pads with index -1.
        k = min(k, self.num_vectors)
        if k == 0 or len(queries) == 0:
            empty = torch.empty(len(queries), k, dtype=torch.int64, device=queries.device)
            return empty.float(), empty
        # In blocks, because FAISS keeps several times k candidates of every query that it is given at once.
        found = [self.search_rows(self._prepare(block), k) for block in queries.split(_QUERIES)]
        scores, indices = (torch.from_numpy(np.concatenate(part)) for part in zip(*found, strict=True))
        return scores.to(queries.device), indices.to(queries.device)

    def search_rows(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`search` for rows as FAISS takes them, of length one for the cosine."""
        kinds.set_refined(self.index, self.kind, self.refined, k)
        if self.kind == "flat" or len(rows) < _GROUPED:
            scores, indices = self.index.search(rows, k)
        else:
            # Queries that are alike meet the same vectors, which are then in the cache: a quarter less time.
            order = _like_together(rows)
            back = np.argsort(order)
            scores, indices = (found[back] for found in self.index.search(rows[order], k))
        few = (indices < 0).any(1)  # the lists that were searched held less than k
        if few.any():
            scores[few], indices[few] = self.search_all(rows[few], k)
        return scores, indices

    def search_all(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The exact neighbours of such rows."""
        faiss = require_faiss("FaissIndex")
        if self.kind == "hnsw":
            return faiss.downcast_index(self.index.storage).search(rows, k)
        if self.kind == "ivf" and not self.on_gpu:
            return faiss.downcast_index(self.index.refine_index).search(rows, k)
        if self.kind == "ivf":
            kinds.set_effort(faiss, self.index, self.kind, self.index.nlist)
        found = self.index.search(rows, k)
        kinds.set_effort(faiss, self.index, self.kind, self.effort)
        return found

    def tune(self, queries: Any, k: int, *, recall: float = 0.98, sample: int = 512, seed: int = 0) -> float:
        """Set the least effort that finds enough of the k nearest of such queries, and return the share it finds.

        `sample` of the queries are compared with every vector, and then searched until the cheapest setting is known
        that finds the share asked for. The more queries look like the vectors the less is needed, so this beats any
        setting chosen beforehand. Where none is enough, the one that finds most is set, and a warning logged.

        Args:
            queries: Like those that will be asked.
            k: Neighbours that will be asked for.
            recall: Share of the k nearest that must be found; of a sample, two standard errors more.
            sample: How many queries are tried.
            seed: Which of them.

        Shapes:
            - **queries**: `[Q, D]`
        """
        check_k(k)
        if not 0 < recall <= 1:
            raise ConfigError(f"'recall' must be above 0 and at most 1, but got {recall}.")
        if self.kind == "flat" or not len(queries):
            return 1.0
        rows = as_vectors(queries, "queries", channels=self.channels)
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:sample]
        tried = self._prepare(rows[order.to(rows.device)])
        trial = EffortTrial(self, tried, min(k, self.num_vectors), recall, is_sample=len(tried) < len(rows))
        effort, refined, found = trial.best()
        self.set_effort(effort, refined)
        if found < recall:
            logger.warning("%r finds %.3f of the %d nearest, less than the %.3f asked for.", self, found, k, recall)
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a folder that :meth:`load` reads; all or nothing, and without anything of a GPU."""
        faiss = require_faiss("FaissIndex")

        def write(folder: Path) -> None:
            index = faiss.index_gpu_to_cpu(self.index) if self.on_gpu else self.index
            faiss.write_index(index, str(folder / _VECTORS))

        save_index(self, path, write, kind=self.kind, effort=self.effort, refined=self.refined)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, mmap: bool = True) -> "FaissIndex":
        """Read what :meth:`save` wrote, for the CPU; with `mmap` vectors stay on disk until they are compared."""
        faiss = require_faiss("FaissIndex")
        options = read_options(path)
        index = cls.__new__(cls)
        index.index = faiss.read_index(str(Path(path) / _VECTORS), faiss.IO_FLAG_MMAP_IFC if mmap else 0)
        index.num_vectors, index.channels = options["num_vectors"], options["channels"]
        index.similarity, index.kind, index.on_gpu = options["similarity"], options["kind"], False
        index.set_effort(options["effort"], options["refined"])
        return index

    def _prepare(self, rows: Tensor) -> np.ndarray:
        """Rows as FAISS takes them: NumPy, float32, of length one for the cosine."""
        rows = rows.cpu()
        if self.similarity == "dot":
            return rows.numpy()
        return torch.cat([unit_rows(some.double()).float() for some in rows.split(_ROWS)]).numpy()

    def __repr__(self) -> str:
        size = f"num_vectors={self.num_vectors}, channels={self.channels}"
        effort = "" if self.kind == "flat" else f", effort={self.effort}"
        return f"{type(self).__name__}({size}, similarity={self.similarity!r}, kind={self.kind!r}{effort})"


def _like_together(rows: np.ndarray) -> np.ndarray:
    """An order of the rows in which neighbours are most similar to the same one of some of them."""
    landmarks = rows[:: -(-len(rows) // _LANDMARKS)]
    return np.argsort((rows @ landmarks.T).argmax(1), kind="stable")


def _check_options(kind: str, effort: int | None, refined: int, device: str) -> None:
    for name, value, choices in (("kind", kind, get_args(Kind)), ("device", device, ("auto", "cpu", "gpu"))):
        if value not in choices:
            raise ConfigError(f"{name!r} must be one of {', '.join(choices)}, but got {value!r}.")
    for name, number in (("effort", effort), ("refined", refined)):
        if number is not None and number < 1:
            raise ConfigError(f"{name!r} must be at least 1, but got {number}.")


def _use_gpu(faiss: ModuleType, device: str, kind: Kind) -> bool:
    # Asked for its resources, FAISS does not say that there is no GPU; the number of GPUs does.
    gpus = faiss.get_num_gpus() if hasattr(faiss, "StandardGpuResources") else 0
    if device == "gpu" and not gpus:
        raise ConfigError("'device' is 'gpu', but faiss sees none. Install \"hgraph-text[gpu]\", or take 'auto'.")
    if device == "gpu" and kind == "hnsw":
        raise ConfigError("'kind' must be 'flat' or 'ivf' on a GPU, but got 'hnsw', which FAISS has on the CPU alone.")
    return bool(gpus) and device != "cpu" and kind != "hnsw"
