"""Sparse linear rankers on label trees (XR-Linear)."""

from hgraph.ranking.linear_ranker import LinearRanker
from hgraph.ranking.ranker_tree import RankerTree

__all__ = ["LinearRanker", "RankerTree"]
