"""Who is contrasted with whom: negatives of documents, and the documents of a batch."""

from hgraph.sampling.companion_sampler import CompanionSampler
from hgraph.sampling.document_sampler import DocumentSampler
from hgraph.sampling.label_sets import LabelSets, label_sets
from hgraph.sampling.label_shortlist import LabelShortlist, ShortlistSampler, draw_others
from hgraph.sampling.level_sampler import LevelSampler
from hgraph.sampling.negatives import LABEL_NEGATIVES, LabelNegatives, LabelNegativesKind
from hgraph.sampling.support_sampler import SupportSampler
from hgraph.sampling.support_weights import SupportWeights
from hgraph.sampling.text_negatives import TEXT_NEGATIVES, TextNegatives, TextNegativesKind

__all__ = [
    "LABEL_NEGATIVES",
    "TEXT_NEGATIVES",
    "CompanionSampler",
    "DocumentSampler",
    "LabelNegatives",
    "LabelNegativesKind",
    "LabelSets",
    "LabelShortlist",
    "LevelSampler",
    "ShortlistSampler",
    "SupportSampler",
    "SupportWeights",
    "TextNegatives",
    "TextNegativesKind",
    "draw_others",
    "label_sets",
]
