"""Choose an index."""

import logging
import os
from typing import Any, Literal, get_args

from torch import Tensor

from hgraph.errors import ConfigError, DataError
from hgraph.retrieval.exact_index import ExactIndex
from hgraph.retrieval.faiss_index import FaissIndex
from hgraph.retrieval.index_files import read_options
from hgraph.retrieval.optional_faiss import FAISS_HINT, faiss_or_none
from hgraph.retrieval.vector_index import Similarity, VectorIndex

logger = logging.getLogger(__name__)

Backend = Literal["auto", "exact", "faiss"]


def build_index(
    vectors: Any, *, similarity: Similarity = "cosine", backend: Backend = "auto", **options: Any
) -> VectorIndex:
    """An index over the rows of a matrix.

    Args:
        vectors: What is searched, NumPy array or torch tensor.
        similarity: `"cosine"` (default) or `"dot"`.
        backend: `"exact"` or `"faiss"`; `"auto"` (default) takes FAISS where it is installed.
        **options: Other arguments of :class:`~hgraph.retrieval.FaissIndex` (`kind`, `device`, ...), which `"auto"`
            leaves out where it takes the exact index, or with `backend="exact"` of
            :class:`~hgraph.retrieval.ExactIndex`.

    Shapes:
        - **vectors**: `[N, D]`

    Raises:
        ConfigError: An unknown similarity or backend, or `"faiss"` without faiss.
        DataError: Vectors that are not a matrix, or contain NaN or infinity.

    Example:
        >>> build_index([[1.0, 0.0], [0.0, 1.0]], backend="exact")
        ExactIndex(num_vectors=2, channels=2, similarity='cosine')
    """
    if backend not in get_args(Backend):
        raise ConfigError(f"'backend' must be one of {', '.join(get_args(Backend))}, but got {backend!r}.")
    if backend == "auto" and faiss_or_none() is None:
        logger.info("faiss is not installed: searching with the slower exact index. To speed it up: %s.", FAISS_HINT)
        return ExactIndex(vectors, similarity=similarity, precision="float32")
    if backend == "exact":
        return ExactIndex(vectors, similarity=similarity, **options)
    return FaissIndex(vectors, similarity=similarity, **options)


def load_index(path: str | os.PathLike[str], *, mmap: bool = True) -> VectorIndex:
    """Read an index that its method `save` wrote.

    Args:
        path: The folder.
        mmap: Whether vectors stay on disk until they are compared: the index is ready at once, and processes share it.

    Raises:
        ConfigError: A FAISS index, but faiss is not installed.
        DataError: No folder with an index.
    """
    kinds: dict[str, type[ExactIndex] | type[FaissIndex]] = {"ExactIndex": ExactIndex, "FaissIndex": FaissIndex}
    name = read_options(path)["type"]
    if name not in kinds:
        raise DataError(f"{path}: expected one of {', '.join(kinds)}, found {name!r}.")
    return kinds[name].load(path, mmap=mmap)


def nearest(
    queries: Any, vectors: Any, k: int, *, similarity: Similarity = "cosine", backend: Backend = "auto"
) -> tuple[Tensor, Tensor]:
    """Scores and indices of the k most similar vectors of each query, best first, by an index used once.

    Args:
        queries: One query a row, NumPy array or torch tensor.
        vectors: What is searched.
        k: How many to return; more than N returns all N.
        similarity: As in :func:`build_index`.
        backend: As in :func:`build_index`.

    Shapes:
        - **queries**: `[Q, D]`, **vectors**: `[N, D]`
        - **returned**: scores `[Q, min(k, N)]` float32, indices `[Q, min(k, N)]` int64

    Example:
        >>> scores, indices = nearest([[1.0, 1.0]], [[1.0, 0.0], [3.0, 3.0], [-1.0, -1.0]], k=2)
        >>> indices
        tensor([[1, 0]])
    """
    return build_index(vectors, similarity=similarity, backend=backend).search(queries, k)
