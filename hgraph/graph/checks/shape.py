"""Findings about the shape of a hierarchy: redundant edges, isolated labels, only children, fan-out, uneven leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.csgraph import connected_components

from hgraph.graph.checks.findings import NUM_KEPT, Finding, counted, shown_name
from hgraph.graph.edit.contract import redundant_mask
from hgraph.graph.structure import adjacency

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

LARGE_FAN_OUT = 100  # more children than this,
UNBALANCED_FAN_OUT = 20  # and more than this many times the median, stand out
UNEVEN_LEAVES = 2  # leaves that many levels apart are worth a word


def find(graph: LabelGraph, redundant: np.ndarray) -> list[Finding]:
    """Findings about the shape, given the :func:`redundant_edges`; linear in labels and edges."""
    return [
        *_edge_findings(graph, redundant),
        *_isolated(graph),
        *_fan_out(graph),
        *_roots(graph),
        *_only_children(graph),
        *_leaf_levels(graph),
    ]


def redundant_edges(graph: LabelGraph) -> np.ndarray:
    """Edges `[2, R]` whose child is also reachable from the parent over another of its parents."""
    structure = graph._structure
    return structure.edges[:, redundant_mask(structure)]


def _edge_findings(graph: LabelGraph, redundant: np.ndarray) -> list[Finding]:
    findings = []
    if count := redundant.shape[1]:
        message = counted(count, "edge is redundant: its child", "edges are redundant: their child")
        pairs = zip(*redundant[:, :NUM_KEPT].tolist(), strict=True)
        examples = [f"{graph.label_id[parent]} -> {graph.label_id[child]}" for parent, child in pairs]
        where = "is below the parent another way too"
        findings.append(Finding("warning", "redundant-edges", f"{message} {where}", count, examples))
    if count := graph.num_dropped_edges:
        message = counted(count, "edge was given again and is dropped", "edges were given again and are dropped")
        findings.append(Finding("info", "duplicate-edges", message, count))
    return findings


def _isolated(graph: LabelGraph) -> list[Finding]:
    """Labels without edges, in a hierarchy that has some."""
    edges = np.diff(graph.parents.indptr) + np.diff(graph.children.indptr)
    alone = np.flatnonzero(edges == 0)
    if not len(alone) or not graph.parents.nnz:
        return []
    message = counted(len(alone), "label has neither parent nor child", "labels have neither parent nor child")
    return [Finding("warning", "isolated-labels", message, len(alone), _names(graph, alone))]


def _roots(graph: LabelGraph) -> list[Finding]:
    """Several roots, labels without edges left out."""
    roots = graph.roots[np.diff(graph.children.indptr)[graph.roots] > 0]
    if len(roots) < 2:
        return []
    return [Finding("info", "several-roots", f"{len(roots):,} roots", len(roots), _names(graph, roots))]


def _fan_out(graph: LabelGraph) -> list[Finding]:
    """Labels with far more children than the others."""
    children = np.diff(graph.children.indptr)
    inner = children[children > 0]
    if not len(inner):
        return []
    median = float(np.median(inner))
    wide = np.flatnonzero(children > max(LARGE_FAN_OUT, UNBALANCED_FAN_OUT * median))
    if not len(wide):
        return []
    wide = wide[np.argsort(-children[wide], kind="stable")]
    message = counted(len(wide), "label has", "labels have")
    message += f" more than {UNBALANCED_FAN_OUT} times as many children as usual ({median:g})"
    examples = [f"{shown_name(graph, label)} ({children[label]:,})" for label in wide[:NUM_KEPT].tolist()]
    return [Finding("warning", "unbalanced-fan-out", message, len(wide), examples)]


def _only_children(graph: LabelGraph) -> list[Finding]:
    """Labels whose one child has no other parent; the longest chains of them as examples."""
    parents, children = graph.parents, graph.children
    single = (np.diff(children.indptr) == 1)[graph.edge_index[0].cpu().numpy()]
    parent, child = graph.edge_index.cpu().numpy()[:, single]
    own = np.diff(parents.indptr)[child] == 1
    parent, child = parent[own], child[own]
    if not len(parent):
        return []
    message = counted(len(parent), "label has an only child", "labels have an only child")
    _, chain = connected_components(adjacency(parent, child, graph.num_labels), directed=False)
    longest = np.argsort(-np.bincount(chain), kind="stable")[:NUM_KEPT]
    longest = longest[np.bincount(chain)[longest] > 1]
    examples = [_chain(graph, np.flatnonzero(chain == number)) for number in longest]
    return [Finding("info", "only-children", message, len(parent), examples)]


def _chain(graph: LabelGraph, labels: np.ndarray, most: int = 5) -> str:
    """Names from the top down, the middle left out."""
    names = [shown_name(graph, label) for label in labels[np.argsort(graph._structure.level[labels])].tolist()]
    return " > ".join(names if len(names) <= most else [*names[: most - 2], "...", names[-1]])


def _leaf_levels(graph: LabelGraph) -> list[Finding]:
    """Leaves on very different levels; labels without edges left out."""
    level = graph._structure.level
    leaves = graph.leaves[np.diff(graph.parents.indptr)[graph.leaves] > 0]
    if not len(leaves) or np.ptp(level[leaves]) < UNEVEN_LEAVES:
        return []
    count = np.bincount(level[leaves])
    usual = int(np.argmax(count))
    message = f"leaves lie on levels {level[leaves].min()} to {level[leaves].max()}, most of them on level {usual}"
    other = np.flatnonzero(level[leaves] != usual)
    far = other[np.argsort(-np.abs(level[leaves[other]] - usual), kind="stable")[:NUM_KEPT]]
    examples = [f"{shown_name(graph, label)} (level {level[label]})" for label in leaves[far].tolist()]
    return [Finding("info", "uneven-leaves", message, len(other), examples)]


def _names(graph: LabelGraph, labels: np.ndarray) -> list[str]:
    return [shown_name(graph, label) for label in labels[:NUM_KEPT].tolist()]
