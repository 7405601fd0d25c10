"""Text vectors against labels: the modules that turn two sets of vectors into scores."""

from hgraph.scoring.additive_scorer import AdditiveScorer
from hgraph.scoring.dot_scorer import DotScorer
from hgraph.scoring.frozen_cosine_scorer import FrozenCosineScorer
from hgraph.scoring.functional import additive_scores, dot_scores, log_odds
from hgraph.scoring.lexical_scorer import LexicalScorer
from hgraph.scoring.linear_scorer import LinearScorer
from hgraph.scoring.scorer import Scorer

__all__ = [
    "AdditiveScorer",
    "DotScorer",
    "FrozenCosineScorer",
    "LexicalScorer",
    "LinearScorer",
    "Scorer",
    "additive_scores",
    "dot_scores",
    "log_odds",
]
