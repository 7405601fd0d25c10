"""The nearest of many vectors: an exact index in torch, FAISS where it is installed."""

from hgraph.retrieval.build import build_index, nearest
from hgraph.retrieval.exact_index import ExactIndex
from hgraph.retrieval.faiss_index import FaissIndex
from hgraph.retrieval.functional import exact_top_k, unit_rows
from hgraph.retrieval.optional_faiss import faiss_or_none, require_faiss
from hgraph.retrieval.vector_index import Similarity, VectorIndex

__all__ = [
    "ExactIndex",
    "FaissIndex",
    "Similarity",
    "VectorIndex",
    "build_index",
    "exact_top_k",
    "faiss_or_none",
    "nearest",
    "require_faiss",
    "unit_rows",
]
