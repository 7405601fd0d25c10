"""The kinds of FAISS index, with parameters that follow from the size of what is searched."""

import math
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

Kind = Literal["flat", "hnsw", "ivf", "auto"]

FLAT_LIMIT = 20_000
"""Up to so many vectors `"auto"` compares with all of them: a core answers 5,000 queries a second."""
SMALLEST = 1_000
"""Fewer vectors are compared with all of them in every kind: too few to train on, and nothing to gain."""

HNSW_LINKS = 32
"""Links of a node on the lowest level. At the same effort 16 find 1 to 2 % fewer of the nearest 50 (MiniLM)."""
HNSW_BUILD = 80
"""Nodes kept while a new one looks for its links."""
HNSW_SEARCH = 256
"""Nodes kept while a query looks for its neighbours."""

LISTS_A_ROOT = 6.5
"""Lists for each unit of the root of the number of vectors, rounded to a power of two: 2,048 for 100,000. Twice as many
as of 4 a root find 1 % more of the nearest 50 for the same number of vectors compared, and take twice as long to
make."""
TRAINED_A_LIST = 32
"""Vectors that k-means sees for each list."""
ITERATIONS = 5
"""Rounds of k-means: lists need not be optimal, as many are searched. Twice as many rounds find 0.2 % more."""
PROBED = 5
"""One list in so many is searched, unless :meth:`~hgraph.retrieval.FaissIndex.tune` finds another number."""
LEAST_PROBED = 64
"""One list in so many is the least that tuning tries."""
STEPS_AN_OCTAVE = 4
"""How finely tuning tells efforts apart."""
KEPT = 2 / 3
"""Share of the directions that codes describe; of MiniLM's 384 the first 256 hold 97 % of the squared length."""
KEPT_ALL = 96
"""Vectors up to this width keep all directions."""
REFINED = 4
"""How many times more vectors than asked are compared exactly."""
LEAST_REFINED = 100
"""So many at least: the codes cannot tell the very nearest apart."""
CODES_A_PRODUCT = 16
"""Codes looked up in the time of one product of the exact comparison, measured with AVX-512."""
REFINEMENTS = (4, 3, 6, 2, 8)
"""What :meth:`~hgraph.retrieval.FaissIndex.tune` tries in the place of `REFINED`, the likeliest first."""
CODE_BITS = 4
"""Bits of the code of two channels: what the registers of a CPU can look up."""
CODES_A_BLOCK = 32
TRAINING_ROWS = 65_536
"""Most vectors that the directions and the codes are fitted to."""
PER_QUERY = 10
"""FAISS' number for the scan that takes one query at a time: on AVX-512 it does a third more queries a second than the
one FAISS takes for large batches, at equal results."""


def resolve_kind(kind: Kind, num_vectors: int, *, on_gpu: bool) -> Kind:
    """The kind that `"auto"` stands for, and `"flat"` for very few vectors."""
    if num_vectors < SMALLEST:
        return "flat"
    if kind == "auto":
        return "flat" if on_gpu or num_vectors <= FLAT_LIMIT else "ivf"
    return kind


def num_lists(num_vectors: int) -> int:
    """Lists of an IVF index.

    Example:
        >>> [num_lists(n) for n in (1_000, 100_000, 1_000_000)]
        [256, 2048, 8192]
    """
    return 1 << round(math.log2(LISTS_A_ROOT * math.sqrt(num_vectors)))


def kept_channels(channels: int) -> int:
    """Even number of directions that codes describe.

    Example:
        >>> [kept_channels(c) for c in (3, 64, 384, 768)]
        [4, 64, 256, 512]
    """
    kept = channels if channels <= KEPT_ALL else round(KEPT * channels)
    return kept + kept % 2


def make_flat(faiss: ModuleType, channels: int) -> Any:
    """Every vector as it is."""
    return faiss.IndexFlatIP(channels)


def make_hnsw(faiss: ModuleType, channels: int, seed: int) -> Any:
    """A graph of neighbours (`arXiv 1603.09320 <https://arxiv.org/abs/1603.09320>`_) over vectors as they are."""
    index = faiss.IndexHNSWFlat(channels, HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = HNSW_BUILD, HNSW_SEARCH
    index.hnsw.rng = faiss.RandomGenerator(seed)
    return index


def make_ivf(faiss: ModuleType, rows: np.ndarray, num_vectors: int, seed: int) -> Any:
    """Lists of short codes, with the vectors beside them for the last comparison.

    The strongest directions of the vectors are rotated at random, so that they share their length evenly. Spherical
    k-means cuts them into lists. What a vector differs by from the centre of its list becomes codes of 4 bits for two
    channels, compared in registers (`arXiv 1704.07355 <https://arxiv.org/abs/1704.07355>`_). The best by code are
    compared as they are.

    Args:
        faiss: The module.
        rows: `[n, D]` of the vectors, drawn at random, to train on.
        num_vectors: How many there are in all.
        seed: Of all draws.
    """
    channels = rows.shape[1]
    kept, lists = kept_channels(channels), num_lists(num_vectors)
    rotation = faiss.LinearTransform(channels, kept, False)
    matrix = strongest_directions(torch.from_numpy(rows[:TRAINING_ROWS]), kept, seed)
    faiss.copy_array_to_vector(matrix.numpy().ravel(), rotation.A)
    rotation.is_trained = True
    quantizer = faiss.IndexFlatIP(kept)
    metric = faiss.METRIC_INNER_PRODUCT
    codes = faiss.IndexIVFPQFastScan(quantizer, kept, lists, kept // 2, CODE_BITS, metric, CODES_A_BLOCK)
    codes.by_residual = True
    codes.cp.spherical, codes.cp.niter, codes.cp.seed = True, ITERATIONS, seed + 1
    codes.cp.max_points_per_centroid, codes.cp.min_points_per_centroid = TRAINED_A_LIST, 1
    codes.pq.cp.seed = seed + 1
    index = faiss.IndexRefineFlat(faiss.IndexPreTransform(rotation, codes))
    index.train(rows)
    return index


def strongest_directions(rows: Tensor, kept: int, seed: int) -> Tensor:
    """The `kept` directions with the largest mean squared length, turned at random among themselves.

    The mean is not subtracted: inner products with what is left are then those of the vectors, but for what the other
    directions hold.

    Shapes:
        - **rows**: `[n, D]`
        - **returned**: `[kept, D]`, float32; orthonormal rows, after D of them zeros
    """
    rows = rows.double()
    width = rows.shape[1]
    directions = torch.linalg.eigh(rows.t() @ rows).eigenvectors.flip(1)[:, :kept].t()
    turn = torch.linalg.qr(torch.randn(len(directions), len(directions), generator=_generator(seed)).double()).Q
    out = torch.zeros(kept, width, dtype=torch.float64)
    out[: len(directions)] = turn @ directions
    return out.float()


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def set_effort(faiss: ModuleType, index: Any, kind: Kind, effort: int) -> None:
    """How much a search looks at: nodes (HNSW) or lists (IVF)."""
    if kind == "hnsw":
        index.hnsw.efSearch = effort
    elif kind == "ivf" and hasattr(index, "nprobe"):  # on a GPU
        index.nprobe = effort
    elif kind == "ivf":
        lists = faiss.downcast_index(faiss.extract_index_ivf(index))
        lists.nprobe, lists.implem = effort, PER_QUERY


def set_refined(index: Any, kind: Kind, refined: int, k: int) -> None:
    """How many candidates a search for k neighbours compares exactly."""
    if kind == "ivf" and hasattr(index, "k_factor"):
        index.k_factor = max(float(refined), LEAST_REFINED / k)


def efforts(kind: Kind, num_vectors: int, k: int) -> list[int]:
    """Efforts to try, rising by the same factor.

    Example:
        >>> efforts("ivf", 100_000, 50)[-5:]
        [1024, 1218, 1448, 1722, 2048]
    """
    last = num_lists(num_vectors) if kind == "ivf" else min(num_vectors, 16 * HNSW_SEARCH)
    first = max(last // LEAST_PROBED, 1) if kind == "ivf" else min(max(k, HNSW_SEARCH // 16), last)
    steps = math.floor(STEPS_AN_OCTAVE * math.log2(last / first))
    return sorted({first, *(round(last / 2 ** (step / STEPS_AN_OCTAVE)) for step in range(steps + 1))})


def cost(kind: Kind, num_vectors: int, channels: int, k: int, effort: int, refined: int) -> float:
    """Work of one query, in products of the exact comparison: to choose between settings that find the same."""
    if kind == "hnsw":
        return float(effort)
    codes = num_vectors * effort / num_lists(num_vectors) * kept_channels(channels) / 2
    return codes / CODES_A_PRODUCT + max(refined * k, LEAST_REFINED) * channels


def make_gpu_ivf(faiss: ModuleType, rows: np.ndarray, num_vectors: int, seed: int) -> Any:
    """Lists of whole vectors, to be moved to a GPU: it compares these as fast as a CPU compares codes."""
    channels = rows.shape[1]
    quantizer = faiss.IndexFlatIP(channels)
    index = faiss.IndexIVFFlat(quantizer, channels, num_lists(num_vectors), faiss.METRIC_INNER_PRODUCT)
    index.cp.spherical, index.cp.niter, index.cp.seed = True, ITERATIONS, seed + 1
    index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = TRAINED_A_LIST, 1
    index.train(rows)
    return index


def to_gpu(faiss: ModuleType, index: Any) -> tuple[Any, Any]:
    """The index on the first GPU, and what must live as long as it."""
    resources = faiss.StandardGpuResources()
    return faiss.index_cpu_to_gpu(resources, 0, index), resources
