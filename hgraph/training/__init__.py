"""Training on `transformers.Trainer`, with measures and thresholds that fit hierarchies."""

from hgraph.training.evaluation import Evaluation, predict_scores, tune_thresholds
from hgraph.training.length_grouped_sampler import EpochSampler, LengthGroupedSampler
from hgraph.training.mining import MiningCallback
from hgraph.training.optimizer import ChainedOptimizer, build_optimizer
from hgraph.training.trainer import HierarchicalTrainer, last_checkpoint

__all__ = [
    "ChainedOptimizer",
    "EpochSampler",
    "Evaluation",
    "HierarchicalTrainer",
    "LengthGroupedSampler",
    "MiningCallback",
    "build_optimizer",
    "last_checkpoint",
    "predict_scores",
    "tune_thresholds",
]
