"""Checks of ids and edges, made once when a `LabelGraph` is built; every failure is a `TaxonomyError` of one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hgraph.errors import TaxonomyError


def check_ids(ids: Sequence[Any], argument: str = "label_id") -> list[str]:
    """The ids as a list, or a `TaxonomyError` for none, a non-string, an empty or a repeated one."""
    ids = list(ids)
    if not ids:
        raise TaxonomyError(f"{argument!r} is empty. A hierarchy needs at least one label.")
    # Whole-list tests first: they are several times faster than a look at each id.
    if not {*map(type, ids)} <= {str} or not all(map(str.strip, ids)):
        _check_each_id(ids, argument)
    if len(set(ids)) < len(ids):
        label, times = Counter(ids).most_common(1)[0]
        raise TaxonomyError(f"{argument!r} has {label!r} {times} times. Ids must be unique; names need not be.")
    return ids


def _check_each_id(ids: list[Any], argument: str) -> None:
    for position, label in enumerate(ids):
        if not isinstance(label, str):
            found = f"{label!r} ({type(label).__name__}) at position {position}"
            raise TaxonomyError(f"{argument!r} must hold strings, found {found}. Convert ids with str().")
        if not label.strip():
            raise TaxonomyError(f"{argument!r} has an empty id at position {position}. Give every label an id.")


def check_texts(texts: Sequence[Any] | None, default: Sequence[str], argument: str) -> list[str]:
    """One string for each label, `default` where `texts` is None."""
    if texts is None:
        return list(default)
    if isinstance(texts, str) or len(texts) != len(default):
        found = "one string" if isinstance(texts, str) else f"{len(texts)} values"
        raise TaxonomyError(f"{argument!r} must hold one string for each of {len(default)} labels, found {found}.")
    if not {*map(type, texts)} <= {str} and not all(isinstance(text, str) for text in texts):
        wrong = next(text for text in texts if not isinstance(text, str))
        raise TaxonomyError(f"{argument!r} must hold strings, found {wrong!r} ({type(wrong).__name__}).")
    return list(texts)


def check_edges(edge_index: Any, ids: Sequence[str]) -> tuple[Tensor, np.ndarray]:
    """Checked `edge_index` `[2, E]` without repeated edges, and the kept positions in the input, in order."""
    edges = torch.as_tensor(edge_index)
    if edges.numel() == 0:
        return torch.empty(2, 0, dtype=torch.long, device=edges.device), np.empty(0, dtype=np.int64)
    if edges.dim() != 2 or edges.size(0) != 2 or edges.is_floating_point() or edges.dtype == torch.bool:
        found = f"{edges.dtype} of shape {list(edges.shape)}"
        raise TaxonomyError(f"'edge_index' must be integers of shape [2, num_edges], found {found}.")
    array = edges.cpu().numpy().astype(np.int64)
    if array.min() < 0 or array.max() >= len(ids):
        wrong = int(array.min()) if array.min() < 0 else int(array.max())
        raise TaxonomyError(f"'edge_index' points at label {wrong}, but labels are numbered 0 to {len(ids) - 1}.")
    loops = np.flatnonzero(array[0] == array[1])
    if len(loops):
        label = ids[array[0, loops[0]]]
        raise TaxonomyError(f"'edges' contains a self-loop: {label} -> {label}. Remove this edge.")
    keys = array[0] * len(ids) + array[1]
    ordered = np.sort(keys)
    # Finding the repeated edges takes ten times as long as finding that there are none.
    repeated = (ordered[1:] == ordered[:-1]).any()
    keep = np.sort(np.unique(keys, return_index=True)[1]) if repeated else np.arange(len(keys))
    edges = edges.long().contiguous()
    return (edges if len(keep) == edges.size(1) else edges[:, torch.from_numpy(keep).to(edges.device)]), keep


def cycle_error(cycle: Sequence[int], ids: Sequence[str]) -> TaxonomyError:
    """The error that prints a cycle, its middle left out when it is long."""
    labels = [ids[node] for node in [*cycle, cycle[0]]]
    if len(labels) > 12:
        labels = [*labels[:6], f"... ({len(labels) - 11} more)", *labels[-5:]]
    return TaxonomyError(f"'edges' contains a cycle: {' -> '.join(labels)}. Remove one of these edges.")
