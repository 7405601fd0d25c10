"""Findings about documents and labels: labels without documents, documents without labels, labels that say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from hgraph.graph.checks.findings import NUM_KEPT, Finding, counted, shown_name

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph


def find(graph: LabelGraph, present: sp.csr_matrix) -> list[Finding]:
    """Findings about a boolean CSR `[N, L]` of documents and labels, whose ancestors are added here."""
    closed = graph.expand(present)
    documents = np.bincount(closed.indices, minlength=graph.num_labels)
    specific = np.bincount(graph.most_specific(present).indices, minlength=graph.num_labels)
    return [
        *_without_documents(graph, documents),
        *_without_labels(closed),
        *_same_as_only_child(graph, documents),
        *_never_most_specific(graph, documents, specific),
    ]


def _without_documents(graph: LabelGraph, documents: np.ndarray) -> list[Finding]:
    missing = np.flatnonzero(documents == 0)
    if not len(missing):
        return []
    per_level = [
        f"level {number}: {(documents[labels] == 0).sum():,} of {len(labels):,}"
        for number, labels in enumerate(graph.levels, 1)
        if (documents[labels] == 0).any()
    ]
    if len(per_level) > 6:
        per_level = [*per_level[:5], f"and {len(per_level) - 5} more levels"]
    message = counted(len(missing), "label has no documents", "labels have no documents")
    examples = [shown_name(graph, label) for label in missing[:NUM_KEPT].tolist()]
    return [
        Finding("warning", "labels-without-documents", f"{message} ({', '.join(per_level)})", len(missing), examples)
    ]


def _without_labels(closed: sp.csr_matrix) -> list[Finding]:
    bare = np.flatnonzero(np.diff(closed.indptr) == 0)
    if not len(bare):
        return []
    message = counted(len(bare), "document has no labels", "documents have no labels")
    examples = [f"document {row + 1}" for row in bare[:NUM_KEPT].tolist()]
    return [Finding("warning", "documents-without-labels", message, len(bare), examples)]


def _same_as_only_child(graph: LabelGraph, documents: np.ndarray) -> list[Finding]:
    """A child's documents are its parent's too, so equal numbers mean the same documents."""
    single = np.flatnonzero(np.diff(graph.children.indptr) == 1)
    child = graph.children.indices[graph.children.indptr[single]]
    same = (documents[single] == documents[child]) & (documents[single] > 0)
    parents, children = single[same].tolist(), child[same].tolist()
    if not parents:
        return []
    message = counted(len(parents), "label has the same documents as its", "labels have the same documents as their")
    pairs = list(zip(parents, children, strict=True))[:NUM_KEPT]
    examples = [f"{shown_name(graph, above)} > {shown_name(graph, below)}" for above, below in pairs]
    return [Finding("info", "same-documents", f"{message} only child", len(parents), examples)]


def _never_most_specific(graph: LabelGraph, documents: np.ndarray, specific: np.ndarray) -> list[Finding]:
    only_above = np.flatnonzero((documents > 0) & (specific == 0))
    if not len(only_above):
        return []
    message = counted(len(only_above), "label never occurs", "labels never occur")
    examples = [shown_name(graph, label) for label in only_above[:NUM_KEPT].tolist()]
    text = f"{message} without a label below"
    return [Finding("info", "never-most-specific", text, len(only_above), examples)]
