"""Everything that is wrong with a list of edges, at once: what building a `LabelGraph` reports one error at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order, connected_components

from hgraph.graph.checks.findings import NUM_KEPT, Finding, by_severity, counted
from hgraph.graph.structure import adjacency

MAX_CYCLES = 100  # groups of labels on cycles that are printed one by one
MAX_STARTS = 50  # labels of a group from which a short cycle is looked for
MAX_CYCLE_LABELS = 12  # a longer cycle is printed without its middle


def diagnose_edges(edges: Iterable[Any], nodes: Iterable[Any] | None = None) -> list[Finding]:
    """All problems of (parent id, child id) pairs before a hierarchy is built from them; linear in their number.

    Labels on cycles fall into groups in which every label reaches every other; a short cycle of each group is printed.
    It is the shortest one of the group when the group has at most `MAX_STARTS` labels.

    Args:
        edges: pairs of ids; what is no pair of strings is reported.
        nodes: all ids, when edges may only join these.

    Returns:
        Findings, errors first; an empty list when :meth:`LabelGraph.from_edges` would take the edges and nothing looks
        odd. The codes of errors are `malformed-edges`, `malformed-ids`, `duplicate-ids`, `unknown-labels`,
        `self-loops`, `cycle`, `more-cycles` and `no-labels`; those of warnings `duplicate-edges` and `isolated-labels`.

    Example:
        >>> for finding in diagnose_edges([("a", "b"), ("b", "a"), ("c", "c"), ("d", "e"), ("e", "f"), ("f", "d")]):
        ...     print(finding)
        error    an edge leads from a label to itself; remove it: c -> c
        error    a cycle of 2 labels; remove one of these edges: a -> b -> a
        error    a cycle of 3 labels; remove one of these edges: d -> e -> f -> d
    """
    known = None if nodes is None else list(nodes)
    pairs, findings = _well_formed(list(edges))
    if known is not None:
        findings += _id_findings(known)
    if not pairs and not known:
        findings.append(Finding("error", "no-labels", "there are neither labels nor edges", 0))
        return by_severity(findings)
    ids = list(dict.fromkeys([*(known or []), *(label for pair in pairs for label in pair)]))
    table = {label: index for index, label in enumerate(ids)}
    flat = np.fromiter((table[label] for pair in pairs for label in pair), dtype=np.int64, count=2 * len(pairs))
    parent, child = flat.reshape(-1, 2).T
    if known is not None:
        findings += _unknown_ends(parent, child, ids, len(set(known)))
    findings += _self_loops(parent, child, ids)
    findings += _cycles(parent[parent != child], child[parent != child], ids)
    findings += _repeated(parent, child, ids)
    touched = np.zeros(len(ids), dtype=bool)
    touched[flat] = True
    alone = np.flatnonzero(~touched)
    if pairs and len(alone):
        message = counted(len(alone), "label has neither parent nor child", "labels have neither parent nor child")
        findings.append(Finding("warning", "isolated-labels", message, len(alone), _labels(alone, ids)))
    return by_severity(findings)


def _well_formed(edges: Sequence[Any]) -> tuple[list[tuple[str, str]], list[Finding]]:
    """The pairs of non-empty strings, and a finding for everything else."""
    right = [
        not isinstance(pair, str)
        and isinstance(pair, Sequence)
        and len(pair) == 2
        and all(isinstance(label, str) and bool(label.strip()) for label in pair)
        for pair in edges
    ]
    pairs = [(pair[0], pair[1]) for pair, good in zip(edges, right, strict=True) if good]
    wrong = [position for position, good in enumerate(right) if not good]
    if not wrong:
        return pairs, []
    message = counted(len(wrong), "edge is no pair of ids", "edges are no pairs of ids")
    examples = [f"{edges[position]!r} at position {position}" for position in wrong[:NUM_KEPT]]
    return pairs, [Finding("error", "malformed-edges", message, len(wrong), examples)]


def _id_findings(nodes: list[Any]) -> list[Finding]:
    """Ids that are no strings, empty or repeated; the wrong ones are taken out of `nodes`."""
    wrong = [label for label in nodes if not isinstance(label, str) or not label.strip()]
    nodes[:] = [label for label in nodes if isinstance(label, str) and label.strip()]
    found = []
    if wrong:
        message = counted(len(wrong), "id is empty or no string", "ids are empty or no strings")
        found.append(Finding("error", "malformed-ids", message, len(wrong), [repr(x) for x in wrong[:NUM_KEPT]]))
    repeated = [(label, times) for label, times in Counter(nodes).most_common() if times > 1]
    if repeated:
        message = counted(len(repeated), "id is given more than once", "ids are given more than once")
        examples = [f"{label} ({times} times)" for label, times in repeated[:NUM_KEPT]]
        found.append(Finding("error", "duplicate-ids", message, len(repeated), examples))
    return found


def _unknown_ends(parent: np.ndarray, child: np.ndarray, ids: Sequence[str], num_known: int) -> list[Finding]:
    wrong = np.flatnonzero((parent >= num_known) | (child >= num_known))  # known ids come first in `ids`
    if not len(wrong):
        return []
    message = counted(len(wrong), "edge has an end that is no label", "edges have an end that is no label")
    ends = np.where(parent[wrong] >= num_known, parent[wrong], child[wrong])
    examples = [
        f"{edge} ({ids[end]!r})"
        for edge, end in zip(_edges(parent[wrong], child[wrong], ids), ends.tolist(), strict=False)
    ]
    return [Finding("error", "unknown-labels", f"{message}; add it or remove the edge", len(wrong), examples)]


def _self_loops(parent: np.ndarray, child: np.ndarray, ids: Sequence[str]) -> list[Finding]:
    loops = np.unique(parent[parent == child])
    if not len(loops):
        return []
    one, many = "an edge leads from a label to itself; remove it", "edges lead from a label to itself; remove them"
    message = one if len(loops) == 1 else f"{len(loops):,} {many}"
    return [Finding("error", "self-loops", message, len(loops), _edges(loops, loops, ids))]


def _repeated(parent: np.ndarray, child: np.ndarray, ids: Sequence[str]) -> list[Finding]:
    keys, times = np.unique(parent * len(ids) + child, return_counts=True)
    count = int((times - 1).sum())
    if not count:
        return []
    message = counted(count, "edge is given again and is dropped", "edges are given again and are dropped")
    again = keys[times > 1]
    examples = _edges(again // len(ids), again % len(ids), ids)
    return [Finding("warning", "duplicate-edges", message, count, examples)]


def _cycles(parent: np.ndarray, child: np.ndarray, ids: Sequence[str]) -> list[Finding]:
    """One finding for each of the first `MAX_CYCLES` strongly connected components, in the order of their labels."""
    size = len(ids)
    step = adjacency(parent, child, size)
    count, component = connected_components(step, directed=True, connection="strong")
    if count == size:
        return []
    sizes = np.bincount(component)
    members = np.flatnonzero(sizes[component] > 1)
    _, first, inverse = np.unique(component[members], return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))  # groups in the order of their first label
    grouped = members[np.argsort(rank[inverse], kind="stable")]
    groups = np.split(grouped, np.cumsum(np.bincount(rank[inverse]))[:-1])
    found = []
    for group in groups[:MAX_CYCLES]:
        cycle = [int(group[node]) for node in _short_cycle(step[group][:, group])]
        around = "" if len(cycle) == len(group) else f", in a group of {len(group):,} labels that all lie on cycles"
        message = f"a cycle of {len(cycle):,} labels{around}; remove one of these edges"
        found.append(Finding("error", "cycle", message, 1, [_print_cycle(cycle, ids)]))
    if len(groups) > MAX_CYCLES:
        rest = groups[MAX_CYCLES:]
        message = f"{counted(len(rest), 'more group')} of labels on cycles"
        labels = [ids[int(group[0])] for group in rest[:NUM_KEPT]]
        found.append(Finding("error", "more-cycles", message, len(rest), labels))
    return found


def _short_cycle(step: sp.csr_matrix) -> list[int]:
    """A shortest cycle through one of the first `MAX_STARTS` nodes of a strongly connected graph."""
    best: list[int] = []
    back = step.tocsc()
    for start in range(min(step.shape[0], MAX_STARTS)):
        order, above = breadth_first_order(step, start, return_predecessors=True)
        closes = np.zeros(step.shape[0], dtype=bool)
        closes[back.indices[back.indptr[start] : back.indptr[start + 1]]] = True
        node = int(order[np.argmax(closes[order])])  # the nearest node with an edge back to the start
        cycle = [node]
        while node != start:
            node = int(above[node])
            cycle.append(node)
        if not best or len(cycle) < len(best):
            best = cycle[::-1]
        if len(best) == 2:
            break
    smallest = best.index(min(best))
    return best[smallest:] + best[:smallest]


def _print_cycle(cycle: Sequence[int], ids: Sequence[str]) -> str:
    labels = [ids[node] for node in [*cycle, cycle[0]]]
    if len(labels) > MAX_CYCLE_LABELS:
        labels = [*labels[:6], f"... ({len(labels) - 11} more)", *labels[-5:]]
    return " -> ".join(labels)


def _labels(nodes: np.ndarray, ids: Sequence[str]) -> list[str]:
    return [ids[node] for node in nodes[:NUM_KEPT].tolist()]


def _edges(parent: np.ndarray, child: np.ndarray, ids: Sequence[str]) -> list[str]:
    ends = zip(parent[:NUM_KEPT].tolist(), child[:NUM_KEPT].tolist(), strict=True)
    return [f"{ids[above]} -> {ids[below]}" for above, below in ends]
