"""Training on some labels of a large hierarchy at a time."""

from hgraph.nn.label_sampling.label_subgraph import LabelSubgraph, NeighbourSampler, label_subgraph

__all__ = ["LabelSubgraph", "NeighbourSampler", "label_subgraph"]
