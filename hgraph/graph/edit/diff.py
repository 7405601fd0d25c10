"""What changed between two versions of a hierarchy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hgraph.errors import ConfigError
from hgraph.graph.edit.contract import exact_map, tombstones
from hgraph.graph.structure import gather_rows

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

Match = Literal["id", "name"]
KINDS = ("added", "removed", "replaced", "renamed", "moved", "redescribed")


@dataclass(frozen=True)
class GraphDiff:
    """What changed, label by label; false when nothing did, and `str(diff)` is a short report.

    Args:
        added: ids that only the new hierarchy has.
        removed: ids that only the old hierarchy has.
        replaced: (old id, new id) of labels that got another id; only with `match="name"`.
        renamed: (id, old name, new name).
        moved: (id, old parents, new parents), parents as tuples of ids.
        redescribed: (id, old description, new description).
        unchanged: number of labels to which nothing happened.
        reordered: whether labels in both come in another order, so that their indices do not even differ by a shift.
            This alone does not make a difference: it changes indices, not the hierarchy.
        names: name of every id above, the new one where there are two.

    In `renamed`, `moved` and `redescribed` a replaced label goes by its new id. Old parents keep their old ids.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    replaced: tuple[tuple[str, str], ...] = ()
    renamed: tuple[tuple[str, str, str], ...] = ()
    moved: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = ()
    redescribed: tuple[tuple[str, str, str], ...] = ()
    unchanged: int = 0
    reordered: bool = False
    names: dict[str, str] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return any(getattr(self, kind) for kind in KINDS)

    def __str__(self) -> str:
        return "\n".join(self.lines(limit=5))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON can hold it; a key a kind of change."""
        return {
            "added": [self._node(label) for label in self.added],
            "removed": [self._node(label) for label in self.removed],
            "replaced": [{"old": old, "new": new} for old, new in self.replaced],
            "renamed": [{"id": label, "old": old, "new": new} for label, old, new in self.renamed],
            "moved": [{"id": label, "old": list(old), "new": list(new)} for label, old, new in self.moved],
            "redescribed": [{"id": label, "old": old, "new": new} for label, old, new in self.redescribed],
            "unchanged": self.unchanged,
            "reordered": self.reordered,
        }

    def lines(self, limit: int | None = None) -> list[str]:
        """The report: counts first, then the labels, at most `limit` of each kind."""
        if not self:
            return [f"No difference: {self.unchanged:,} labels.", *self._note()]
        counts = [f"{len(getattr(self, kind)):,} {kind}" for kind in KINDS if getattr(self, kind)]
        out = [f"{', '.join(counts)}; {self.unchanged:,} unchanged", *self._note()]
        for kind in KINDS:
            entries = getattr(self, kind)
            shown = entries if limit is None else entries[:limit]
            if not entries:
                continue
            out += ["", f"{kind} ({len(entries):,})", *(f"  {self._entry(kind, entry)}" for entry in shown)]
            if len(shown) < len(entries):
                out.append(f"  ... and {len(entries) - len(shown):,} more")
        return out

    def _note(self) -> list[str]:
        return ["The labels come in another order."] if self.reordered else []

    def _node(self, label: str) -> dict[str, str]:
        return {"id": label, "name": self.names[label]}

    def _entry(self, kind: str, entry: Any) -> str:
        if kind in ("added", "removed"):
            return f"{'+' if kind == 'added' else '-'} {self._shown(entry)}"
        if kind == "replaced":
            return f"{_plain(entry[0])} -> {self._shown(entry[1])}"
        if kind == "renamed":
            return f"{_plain(entry[0])}: {_short(entry[1])} -> {_short(entry[2])}"
        if kind == "moved":
            old, new = (", ".join(map(_plain, parents)) or "(root)" for parents in entry[1:])
            return f"{self._shown(entry[0])}: {old} -> {new}"
        return f"{self._shown(entry[0])}: {_short(entry[1])} -> {_short(entry[2])}"

    def _shown(self, label: str) -> str:
        name = self.names[label]
        return _plain(label) if name == label else f"{_plain(label)} ({_short(name)})"


def _plain(label: str) -> str:
    return label if label.isprintable() else repr(label)


def _short(text: str, most: int = 60) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= most else f"{text[: most - 3]}...")


def diff(old: LabelGraph, new: LabelGraph, *, match: Match = "id") -> GraphDiff:
    """What changed from `old` to `new`.

    Labels are the same when their ids are. A label moved when it has other parents; a parent that was removed counts,
    the order of parents does not. Tombstones (:func:`hgraph.graph.edit.align.align`) are not there.

    Args:
        old: the hierarchy as it was.
        new: the hierarchy as it is.
        match: `"name"` also takes a removed and an added label for the same one, under a new id, when they alone have
            their name and parents of the same names.

    Raises:
        ConfigError: there is no such `match`.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> old = LabelGraph.from_edges([("s", "p"), ("s", "b")], names={"p": "Physics"})
        >>> new = LabelGraph.from_edges([("s", "p"), ("p", "o")], names={"p": "Physical sciences"})
        >>> print(diff(old, new))
        1 added, 1 removed, 1 renamed; 1 unchanged
        <BLANKLINE>
        added (1)
          + o
        <BLANKLINE>
        removed (1)
          - b
        <BLANKLINE>
        renamed (1)
          p: 'Physics' -> 'Physical sciences'
    """
    if match not in ("id", "name"):
        raise ConfigError(f"'match' must be 'id' or 'name', found {match!r}.")
    target = exact_map(old, new)  # index in `new` of every old label
    replaced = _replaced(old, new, target) if match == "name" else np.empty((2, 0), dtype=np.int64)
    target[replaced[0]] = replaced[1]
    gone = np.flatnonzero((target < 0) & ~tombstones(old))
    added = np.setdiff1d(np.flatnonzero(~tombstones(new)), target)
    kept = np.flatnonzero(target >= 0)
    pairs = list(zip(kept.tolist(), target[kept].tolist(), strict=True))
    ids, old_ids, old_name, new_name = new.label_id, old.label_id, old.name, new.name  # a look-up in PyG takes its time
    old_text, new_text = old.description, new.description
    renamed = [(before, after) for before, after in pairs if old_name[before] != new_name[after]]
    redescribed = [(before, after) for before, after in pairs if old_text[before] != new_text[after]]
    moved = _moved(old, new, target)
    changed = {after for _, after in [*renamed, *redescribed, *moved.tolist(), *replaced.T.tolist()]}
    names = {old_ids[label]: old_name[label] for label in [*gone.tolist(), *replaced[0].tolist()]}
    names |= {ids[label]: new_name[label] for label in [*added.tolist(), *sorted(changed)]}
    new_parents = zip(moved[:, 1].tolist(), parent_texts(old, moved[:, 0]), parent_texts(new, moved[:, 1]), strict=True)
    return GraphDiff(
        added=tuple(ids[label] for label in added.tolist()),
        removed=tuple(old_ids[label] for label in gone.tolist()),
        replaced=tuple((old_ids[before], ids[after]) for before, after in replaced.T.tolist()),
        renamed=tuple((ids[after], old_name[before], new_name[after]) for before, after in renamed),
        moved=tuple((ids[after], before_, after_) for after, before_, after_ in new_parents),
        redescribed=tuple((ids[after], old_text[before], new_text[after]) for before, after in redescribed),
        unchanged=len(kept) - len(changed),
        reordered=bool((np.diff(target[kept]) < 0).any()),
        names=names,
    )


def parent_texts(graph: LabelGraph, labels: np.ndarray, key: str = "label_id") -> list[tuple[str, ...]]:
    """Ids, or other texts, of the parents of some labels; parents by index."""
    texts, stops = graph[key], np.cumsum(np.diff(graph.parents.indptr)[labels]).tolist()
    above = [texts[parent] for parent in gather_rows(graph.parents, labels).tolist()]
    return [tuple(above[start:stop]) for start, stop in zip([0, *stops], stops, strict=False)]


def _moved(old: LabelGraph, new: LabelGraph, target: np.ndarray) -> np.ndarray:
    """Old and new index `[M, 2]` of the labels in both whose parents differ, in the old order."""
    back = np.full(new.num_labels, -1)
    back[target[target >= 0]] = np.flatnonzero(target >= 0)
    # All edges in the old numbering; labels of the new hierarchy alone are numbered from `old.num_labels` on.
    back[back < 0] = old.num_labels + np.flatnonzero(back < 0)
    before, after = old._structure.edges, back[new._structure.edges]
    size = old.num_labels + new.num_labels
    keys, other = before[0] * size + before[1], after[0] * size + after[1]
    child = np.concatenate([before[1, ~np.isin(keys, other)], after[1, ~np.isin(other, keys)]])
    child = np.unique(child[child < old.num_labels])
    child = child[target[child] >= 0]
    return np.stack([child, target[child]], axis=1)


def _replaced(old: LabelGraph, new: LabelGraph, target: np.ndarray) -> np.ndarray:
    """Removed and added labels `[2, R]` that are alone with their name and with parents of the same names."""
    gone = np.flatnonzero((target < 0) & ~tombstones(old))
    added = np.setdiff1d(np.flatnonzero(~tombstones(new)), target)
    left, right = _signatures(old, gone), _signatures(new, added)
    left_times, right_times = Counter(left), Counter(right)
    place = dict(zip(right, added.tolist(), strict=True))
    found = [
        (label, place[key])
        for label, key in zip(gone.tolist(), left, strict=True)
        if left_times[key] == 1 and right_times[key] == 1
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 2).T


def _signatures(graph: LabelGraph, labels: np.ndarray) -> list[tuple[str, ...]]:
    """Name of each label, and the sorted names of its parents."""
    name, parents = graph.name, parent_texts(graph, labels, "name")
    return [(name[label], *sorted(above)) for label, above in zip(labels.tolist(), parents, strict=True)]
