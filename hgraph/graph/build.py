"""Functions behind `LabelGraph` that need no graph object: ids to indices, paths to edges, matrices, messages."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from hgraph.errors import DataError, TaxonomyError
from hgraph.graph.validate import check_ids

if TYPE_CHECKING:
    import networkx as nx

    from hgraph.graph.label_graph import LabelGraph

SUGGESTION_LIMIT = 50_000  # difflib compares one by one: above this many labels only the first ones are compared


def index_edges(edges: Iterable[Any], nodes: Iterable[str] | None) -> tuple[list[str], np.ndarray]:
    """Ids and int64 `[2, E]` of (parent id, child id) pairs; ids in the order of `nodes`, else of appearance."""
    pairs = list(edges)
    # Whole-list tests first: a look at each of a million pairs costs more than all the rest.
    if not {*map(type, pairs)} <= {tuple, list} or not {*map(len, pairs)} <= {2}:
        _check_pairs(pairs)
    flat = list(chain.from_iterable(pairs))
    if not {*map(type, flat)} <= {str}:
        _check_ends(flat)
    if nodes is not None:
        ids = check_ids(list(nodes), "nodes")
    elif flat:
        ids = check_ids(list(dict.fromkeys(flat)), "edges")
    else:
        raise TaxonomyError("'edges' is empty. A hierarchy needs at least one label; pass 'nodes' for a flat list.")
    table = {label: index for index, label in enumerate(ids)}
    try:
        index = np.fromiter(map(table.__getitem__, flat), dtype=np.int64, count=len(flat))
    except KeyError:
        position, label = next((i, label) for i, label in enumerate(flat) if label not in table)
        parent, child = pairs[position // 2]
        raise TaxonomyError(
            f"'edges' has {parent!r} -> {child!r}, but {label!r} is not in 'nodes'. Add it or remove the edge."
        ) from None
    return ids, np.ascontiguousarray(index.reshape(-1, 2).T)


def _check_pairs(pairs: list[Any]) -> None:
    for position, pair in enumerate(pairs):
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise TaxonomyError(
                f"'edges' must hold (parent id, child id) pairs, found {pair!r} at position {position}."
            )


def _check_ends(flat: list[Any]) -> None:
    for position, label in enumerate(flat):
        if not isinstance(label, str):
            found = f"{label!r} ({type(label).__name__}) at position {position // 2}"
            raise TaxonomyError(f"'edges' must hold pairs of strings, found {found}. Convert ids with str().")


def edge_pairs(ids: Sequence[str], edge_index: Any) -> list[tuple[str, str]]:
    """(parent id, child id) of every column of an `edge_index` `[2, E]`."""
    return [(ids[parent], ids[child]) for parent, child in edge_index.t().tolist()]


def texts_of(
    texts: Mapping[str, str] | Sequence[str] | None, ids: Sequence[str], default: Sequence[str], argument: str
) -> list[str]:
    """One text for each id, from a mapping by id or a sequence in the same order."""
    if texts is None:
        return list(default)
    if isinstance(texts, Mapping):
        return [texts.get(label, other) for label, other in zip(ids, default, strict=True)]
    if isinstance(texts, str) or len(texts) != len(ids):
        raise TaxonomyError(f"{argument!r} must be a mapping from id to text or hold {len(ids)} texts.")
    return list(texts)


def split_paths(paths: Iterable[str | Sequence[str]], separator: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Name of every id, and edges between ids, of paths of names; the id is the path joined by `separator`."""
    if not separator:
        raise TaxonomyError("'separator' is empty. Give the text between two names, such as ' > '.")
    if isinstance(paths, str):
        raise TaxonomyError("'paths' must be a list of paths, found one string. Put it in a list.")
    names: dict[str, str] = {}
    edges: list[tuple[str, str]] = []
    for position, path in enumerate(paths):
        segments = path.split(separator) if isinstance(path, str) else list(path)
        parent = ""
        for segment in segments or [""]:
            name = segment.strip() if isinstance(segment, str) else ""
            if not name or separator in name:
                problem = f"a name that contains {separator!r}" if name else "an empty name"
                raise TaxonomyError(f"'paths' has {problem} at position {position}: {path!r}.")
            label = f"{parent}{separator}{name}" if parent else name
            if label not in names:
                names[label] = name
                if parent:
                    edges.append((parent, label))
            parent = label
    if not names:
        raise TaxonomyError("'paths' is empty. A hierarchy needs at least one label.")
    return names, edges


def to_networkx(graph: LabelGraph) -> nx.DiGraph:
    """A networkx graph on the ids of a `LabelGraph`."""
    import networkx as nx

    out = nx.DiGraph(name=graph.title)
    for label, name, description in zip(graph.label_id, graph.name, graph.description, strict=True):
        out.add_node(label, name=name, description=description)
    ids = graph.label_id
    out.add_edges_from((ids[parent], ids[child]) for parent, child in graph.edge_index.t().tolist())
    return out


def fingerprint(ids: Sequence[str], edges: np.ndarray) -> str:
    """First 16 hex digits of the SHA-256 of the sorted ids and the sorted edges between their ranks."""
    order = sorted(range(len(ids)), key=ids.__getitem__)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[order] = np.arange(len(ids))
    ranked = np.sort(rank[edges[0]] * len(ids) + rank[edges[1]])
    digest = hashlib.sha256(json.dumps([ids[index] for index in order]).encode())
    digest.update(ranked.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def as_binary(label_matrix: Any, num_labels: int) -> tuple[sp.csr_matrix, Callable[[Any], Any]]:
    """Boolean CSR of a label matrix, and the function that gives a result its dtype and sparse class back."""
    shape = np.shape(label_matrix)
    if len(shape) != 2 or shape[1] != num_labels:
        raise DataError(f"'label_matrix' must have shape [num_documents, {num_labels}], found {list(shape)}.")
    given = label_matrix if sp.issparse(label_matrix) else sp.csr_matrix(np.asarray(label_matrix))
    make = sp.csr_array if isinstance(label_matrix, sp.sparray) else sp.csr_matrix
    present = sp.csr_matrix(given, copy=True)
    present.sum_duplicates()
    present.eliminate_zeros()
    present = present.astype(bool)

    def restore(result: Any) -> Any:
        out = make(result)
        out.sort_indices()
        out.data = np.ones(out.nnz, dtype=given.dtype)
        return out

    return present, restore


def unknown_label_message(unknown: Sequence[Any], ids: Sequence[str], names: Sequence[str]) -> str:
    """One line for ids that do not exist, with close ids, and ids of close names, for the first of them."""
    wanted = str(unknown[0])
    owner = {name: label for label, name in islice(zip(ids, names, strict=True), SUGGESTION_LIMIT)}
    owner.update({label: label for label in islice(ids, SUGGESTION_LIMIT)})
    folded = {text.casefold(): text for text in owner}
    close = difflib.get_close_matches(wanted.casefold(), folded, n=3, cutoff=0.6)
    labels = list(dict.fromkeys(owner[folded[text]] for text in close))
    more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
    kind = "" if isinstance(unknown[0], str) else f" of type {type(unknown[0]).__name__}, ids are strings"
    hint = f" Did you mean {' or '.join(repr(label) for label in labels)}?" if labels else ""
    return f"Unknown label {unknown[0]!r}{more}{kind}: it is none of the {len(ids)} ids of the hierarchy.{hint}"
