"""The nearest of many vectors: an exact index in torch, FAISS where it is installed."""

from hgraph.retrieval.build import build_index, load_index, nearest
from hgraph.retrieval.exact_index import ExactIndex
from hgraph.retrieval.faiss_index import FaissIndex
from hgraph.retrieval.functional import exact_top_k, unit_rows
from hgraph.retrieval.hard_negative_miner import HardNegativeMiner
from hgraph.retrieval.mined_negatives import MinedNegatives
from hgraph.retrieval.mining_relations import label_relations, text_relations
from hgraph.retrieval.mining_summary import MiningSummary
from hgraph.retrieval.neighbour_scorer import NeighbourScorer
from hgraph.retrieval.optional_faiss import faiss_or_none, require_faiss
from hgraph.retrieval.strategy_comparison import StrategyComparison, compare_strategies
from hgraph.retrieval.vector_index import Similarity, VectorIndex

__all__ = [
    "ExactIndex",
    "FaissIndex",
    "HardNegativeMiner",
    "MinedNegatives",
    "MiningSummary",
    "NeighbourScorer",
    "Similarity",
    "StrategyComparison",
    "VectorIndex",
    "build_index",
    "compare_strategies",
    "exact_top_k",
    "faiss_or_none",
    "label_relations",
    "load_index",
    "nearest",
    "require_faiss",
    "text_relations",
    "unit_rows",
]
