"""Findings about names: empty ones, the same name twice, names that differ in case, width or spaces alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hgraph.graph.checks.findings import NUM_KEPT, Finding, counted, shown_name

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph


def find(graph: LabelGraph) -> list[Finding]:
    """Findings about the names of a hierarchy; linear in labels and edges."""
    names = graph.name
    folded = [_fold(name) for name in names]
    empty = [graph.label_id[index] for index, name in enumerate(folded) if not name]
    findings = []
    if empty:
        message = counted(len(empty), "label has an empty name", "labels have empty names")
        findings.append(Finding("warning", "empty-names", message, len(empty), empty[:NUM_KEPT]))
    name_code, spelling = _codes(names)
    folded_code, _ = _codes(folded)
    named = np.array([bool(name) for name in folded])
    parent, child = _sibling_edges(graph)
    parent, child = parent[named[child]], child[named[child]]
    findings += _same_names(graph, parent, child, name_code, spelling, named)
    findings += _similar_names(parent, child, name_code, folded_code, spelling, named)
    return findings


def _fold(name: str) -> str:
    """A name without what a reader overlooks: case, width, spaces."""
    if name.isascii():
        return " ".join(name.lower().split())
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _codes(texts: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """A number for each text, the same for the same text, and the texts by number."""
    table: dict[str, int] = {}
    codes = np.fromiter((table.setdefault(text, len(table)) for text in texts), dtype=np.int64, count=len(texts))
    return codes, list(table)


def _sibling_edges(graph: LabelGraph) -> tuple[np.ndarray, np.ndarray]:
    """Parent and child of every edge; the roots are children of -1."""
    edges = graph.parents.tocoo()
    roots = graph.roots
    parent = np.concatenate([edges.col.astype(np.int64), np.full(len(roots), -1, dtype=np.int64)])
    return parent, np.concatenate([edges.row.astype(np.int64), roots])


def _same_names(
    graph: LabelGraph,
    parent: np.ndarray,
    child: np.ndarray,
    name_code: np.ndarray,
    spelling: Sequence[str],
    named: np.ndarray,
) -> list[Finding]:
    """Names that several labels share; worse where one parent has both."""
    times = np.bincount(name_code[named], minlength=len(spelling))
    keys, members = np.unique((parent + 1) * len(spelling) + name_code[child], return_counts=True)
    keys = keys[members > 1]
    above, shared = keys // len(spelling) - 1, keys % len(spelling)
    findings = []
    if len(keys):
        message = counted(len(keys), "name is shared by siblings", "names are shared by siblings")
        examples = [
            f"{spelling[code]!r} {'at the top' if node < 0 else f'under {shown_name(graph, node)!r}'}"
            for node, code in zip(above[:NUM_KEPT].tolist(), shared[:NUM_KEPT].tolist(), strict=True)
        ]
        findings.append(Finding("warning", "duplicate-sibling-names", message, len(keys), examples))
    times[shared] = 0
    elsewhere = np.flatnonzero(times > 1)
    if len(elsewhere):
        top = elsewhere[np.argsort(-times[elsewhere], kind="stable")[:NUM_KEPT]].tolist()
        where = "under different parents"
        message = counted(len(elsewhere), f"name is shared by labels {where}", f"names are shared by labels {where}")
        examples = [f"{spelling[code]!r} ({times[code]} labels)" for code in top]
        findings.append(Finding("info", "duplicate-names", message, len(elsewhere), examples))
    return findings


def _similar_names(
    parent: np.ndarray,
    child: np.ndarray,
    name_code: np.ndarray,
    folded_code: np.ndarray,
    spelling: Sequence[str],
    named: np.ndarray,
) -> list[Finding]:
    """Names with several spellings that differ in case, width or spaces; worse where one parent has both."""
    num_names, num_folded = len(spelling), int(folded_code.max(initial=0)) + 1
    variants = np.unique(folded_code[named] * num_names + name_code[named])  # each spelling once
    owner = variants // num_names
    different = np.bincount(owner, minlength=num_folded) > 1
    if not different.any():
        return []
    local = different[folded_code[child]]
    keys = np.unique((parent[local] + 1) * num_names + name_code[child[local]])  # each spelling once a parent
    folded_of = np.empty(num_names, dtype=np.int64)
    folded_of[name_code] = folded_code
    groups, members = np.unique((keys // num_names) * num_folded + folded_of[keys % num_names], return_counts=True)
    among_siblings = np.zeros(num_folded, dtype=bool)
    among_siblings[groups[members > 1] % num_folded] = True

    def finding(severity: str, code: str, chosen: Iterable[int], where: str) -> Finding:
        chosen = list(chosen)
        starts = np.searchsorted(owner, chosen[:NUM_KEPT])
        examples = [" / ".join(repr(spelling[variants[at + step] % num_names]) for step in (0, 1)) for at in starts]
        message = counted(len(chosen), "name has", "names have") + f" spellings that differ in case or spaces{where}"
        return Finding(severity, code, message, len(chosen), examples)  # type: ignore[arg-type]

    findings = []
    if among_siblings.any():
        near = np.flatnonzero(among_siblings).tolist()
        findings.append(finding("warning", "similar-sibling-names", near, " among siblings"))
    far = np.flatnonzero(different & ~among_siblings).tolist()
    if far:
        findings.append(finding("info", "similar-names", far, ""))
    return findings
