"""Documents and their labels: reading, label matrices, splits, batches."""

from hgraph.data.collate import AlignmentDataset, Collator
from hgraph.data.documents import join_fields, read_documents, text_fields
from hgraph.data.labels import Corpus, LabelResolver, label_matrix, read_corpus
from hgraph.data.splits import split_indices

__all__ = [
    "AlignmentDataset",
    "Collator",
    "Corpus",
    "LabelResolver",
    "join_fields",
    "label_matrix",
    "read_corpus",
    "read_documents",
    "split_indices",
    "text_fields",
]
