"""Text vectors against labels: the modules that turn two sets of vectors into scores."""

from hgraph.scoring.additive_scorer import AdditiveScorer
from hgraph.scoring.bilinear_scorer import BilinearScorer
from hgraph.scoring.cascade_decoding import CascadeDecoding
from hgraph.scoring.cascade_levels import CascadeLevels
from hgraph.scoring.cascade_scorer import CascadeScorer
from hgraph.scoring.concat_scorer import ConcatScorer
from hgraph.scoring.dot_scorer import DotScorer
from hgraph.scoring.frozen_cascade_scorer import FrozenCascadeScorer
from hgraph.scoring.frozen_concat_scorer import FrozenConcatScorer
from hgraph.scoring.frozen_cosine_scorer import FrozenCosineScorer
from hgraph.scoring.frozen_gated_scorer import FrozenGatedScorer
from hgraph.scoring.frozen_hjcl_scorer import FrozenHJCLScorer
from hgraph.scoring.frozen_label_attention_scorer import FrozenLabelAttentionScorer
from hgraph.scoring.frozen_level_scorer import FrozenLevelScorer
from hgraph.scoring.frozen_scorer import FrozenScorer
from hgraph.scoring.functional import additive_scores, dot_scores, log_odds, shrinkage
from hgraph.scoring.fusion import gated_scores, hidden_scores
from hgraph.scoring.gated_scorer import GatedScorer
from hgraph.scoring.hjcl_scorer import HJCLScorer
from hgraph.scoring.hmcn_scorer import FrozenHMCNScorer, HMCNScorer
from hgraph.scoring.label_attention import attended_features, attention_scores, attention_weights
from hgraph.scoring.label_attention_scorer import LabelAttentionScorer
from hgraph.scoring.label_rows import label_buffers, label_parameters, label_tables, rows_of_labels, score_labels
from hgraph.scoring.level_decoding import LevelDecoding
from hgraph.scoring.lexical_scorer import LexicalScorer
from hgraph.scoring.linear_scorer import LinearScorer
from hgraph.scoring.mlp_scorer import FrozenMLPScorer, MLPScorer
from hgraph.scoring.restore import restore
from hgraph.scoring.scorer import Scorer
from hgraph.scoring.shrunk_linear_scorer import ShrunkLinearScorer

__all__ = [
    "AdditiveScorer",
    "BilinearScorer",
    "CascadeDecoding",
    "CascadeLevels",
    "CascadeScorer",
    "ConcatScorer",
    "DotScorer",
    "FrozenCascadeScorer",
    "FrozenConcatScorer",
    "FrozenCosineScorer",
    "FrozenGatedScorer",
    "FrozenHJCLScorer",
    "FrozenHMCNScorer",
    "FrozenLabelAttentionScorer",
    "FrozenLevelScorer",
    "FrozenMLPScorer",
    "FrozenScorer",
    "GatedScorer",
    "HJCLScorer",
    "HMCNScorer",
    "LabelAttentionScorer",
    "LevelDecoding",
    "LexicalScorer",
    "LinearScorer",
    "MLPScorer",
    "Scorer",
    "ShrunkLinearScorer",
    "additive_scores",
    "attended_features",
    "attention_scores",
    "attention_weights",
    "dot_scores",
    "gated_scores",
    "hidden_scores",
    "label_buffers",
    "label_parameters",
    "label_tables",
    "log_odds",
    "restore",
    "rows_of_labels",
    "score_labels",
    "shrinkage",
]
