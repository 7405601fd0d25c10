"""One hierarchy out of two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from hgraph.errors import ConfigError, TaxonomyError
from hgraph.graph.edit.rebuild import combine, rebuild

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

On = Literal["id", "name", "path"]
Conflict = Literal["error", "first", "other"]


def merge(first: LabelGraph, other: LabelGraph, on: On, conflict: Conflict, prefix: str) -> LabelGraph:
    """The labels and edges of both; see :meth:`Editing.merge`."""
    if conflict not in ("error", "first", "other"):
        raise ConfigError(f"'conflict' must be 'error', 'first' or 'other', found {conflict!r}.")
    place = _match(first, other, on)
    new = np.flatnonzero(place < 0)
    place[new] = first.num_labels + np.arange(len(new))
    ids = [*first.label_id, *_new_ids(first, other, new, prefix)]
    first_row, other_row = np.full((2, len(ids)), -1)
    first_row[: first.num_labels], other_row[place] = np.arange(first.num_labels), np.arange(other.num_labels)
    edges = np.concatenate([first._structure.edges, place[other._structure.edges]], axis=1)
    _, at = np.unique(edges[0] * len(ids) + edges[1], return_index=True)
    at = np.sort(at)
    texts = {key: _texts(first, other, key, place, ids, conflict) for key in ("name", "description")}
    try:
        return rebuild(
            first,
            first_row,
            edges[:, at],
            edge_source=np.where(at < first._structure.edges.shape[1], at, -1),
            label_id=ids,
            license=_joined(first.license, other.license),
            source=_joined(first.source, other.source),
            attributes=combine(first, first_row, other, other_row),
            **texts,
        )
    except TaxonomyError as error:
        raise TaxonomyError(f"The two hierarchies contradict each other: {error}") from None


def _match(first: LabelGraph, other: LabelGraph, on: On) -> np.ndarray:
    """Index in `first` of every label of `other` that is the same, -1 where there is none."""
    if on == "id":
        table, keys = first.id_to_index, other.label_id
    elif on in ("name", "path"):
        keys_of = path_keys if on == "path" else lambda graph: graph.name
        ours, keys = keys_of(first), keys_of(other)
        table = {key: index for index, key in enumerate(ours)}
        for here, there, where in ((ours, keys, "this hierarchy"), (keys, ours, "'other'")):
            _unique(here, set(there), on, where)
    else:
        raise ConfigError(f"'on' must be 'id', 'name' or 'path', found {on!r}.")
    return np.fromiter((table.get(key, -1) for key in keys), dtype=np.int64, count=len(keys))


def _unique(keys: Sequence[str], matched: set[str], on: str, where: str) -> None:
    key, times = max(Counter(key for key in keys if key in matched).items(), key=lambda item: item[1], default=("", 0))
    if times > 1:
        hint = "Merge on 'path' or 'id'." if on == "name" else "Merge on 'id'."
        shown = key.replace("\0", " > ")
        raise TaxonomyError(f"{times} labels of {where} have the {on} {shown!r}: which is meant is not clear. {hint}")


def path_keys(graph: LabelGraph) -> list[str]:
    """Names from a root down to every label, through first listed parents, joined by a character no name has."""
    above, names, keys = graph._structure.primary_parent.tolist(), graph.name, [""] * graph.num_labels
    for label in graph.topological_order.tolist():
        parent = above[label]
        keys[label] = names[label] if parent < 0 else f"{keys[parent]}\0{names[label]}"
    return keys


def _new_ids(first: LabelGraph, other: LabelGraph, new: np.ndarray, prefix: str) -> list[str]:
    """Ids of the labels that only `other` has, with the prefix where the id belongs to another label already."""
    taken, other_ids = first.id_to_index, other.label_id
    ids = [other_ids[label] for label in new.tolist()]
    clashes = [label for label in ids if label in taken]
    if clashes and not prefix:
        more = f" and {len(clashes) - 1} more" if len(clashes) > 1 else ""
        raise TaxonomyError(
            f"The id {clashes[0]!r}{more} stands for different labels in the two hierarchies. "
            "Give 'prefix', which is put before such ids of 'other'."
        )
    return [f"{prefix}{label}" if label in taken else label for label in ids]


def _texts(
    first: LabelGraph, other: LabelGraph, key: str, place: np.ndarray, ids: Sequence[str], conflict: Conflict
) -> list[str]:
    """Names or descriptions of the union; a text beats none, and a name beats one that is only the id."""
    texts = [*first[key], *[""] * (len(ids) - first.num_labels)]
    for label, text, at in zip(other.label_id, other[key], place.tolist(), strict=True):
        mine = texts[at]
        if text == mine or not text or (key == "name" and mine and text == label):
            continue
        if mine and not (key == "name" and mine == ids[at]):
            if conflict == "error":
                raise TaxonomyError(
                    f"The {key} of {ids[at]!r} is {_short(mine)} here and {_short(text)} in 'other'. "
                    "Choose one with conflict='first' or 'other'."
                )
            if conflict == "first":
                continue
        texts[at] = text
    return texts


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _joined(*texts: str) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))
