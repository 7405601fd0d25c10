"""Formats of the Extreme Classification Repository: bags of words, matrices, splits, raw texts with label lists."""

from hgraph.data.xmc.bag_of_words import BagOfWords, read_bow, read_text_matrix
from hgraph.data.xmc.bag_of_words_writer import write_bow, write_text_matrix
from hgraph.data.xmc.matrices import read_matrix, read_split, write_matrix, write_split
from hgraph.data.xmc.texts import LabelList, TargetDocument, read_label_lists, read_target_documents

__all__ = [
    "BagOfWords",
    "LabelList",
    "TargetDocument",
    "read_bow",
    "read_label_lists",
    "read_matrix",
    "read_split",
    "read_target_documents",
    "read_text_matrix",
    "write_bow",
    "write_matrix",
    "write_split",
    "write_text_matrix",
]
