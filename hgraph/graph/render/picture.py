"""A hierarchy as a picture: levels from left to right, the height of a label in proportion to what is below it."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hgraph.errors import ConfigError
from hgraph.graph.files import PathLike, check_target, write_bytes
from hgraph.graph.render.counts import document_counts
from hgraph.graph.render.tree import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hgraph.graph.label_graph import LabelGraph

MAX_COLUMNS = 12
"""Levels that are drawn; what is below them is part of the height of their labels."""
MAX_EXTRA_EDGES = 600
"""Edges to further parents that are drawn, those of the highest bars; more would cover the picture."""
NAME_HEIGHT = 0.165  # inches a line of text needs
GAP = 0.012  # inches between columns
PALETTE = (  # hue, 0 to 1: neighbours in the list are far apart
    0.585, 0.08, 0.40, 0.78, 0.13, 0.50, 0.95, 0.30, 0.68, 0.03, 0.45, 0.86,
)  # fmt: skip


@dataclass(frozen=True)
class Icicle:
    """Where the labels of a hierarchy stand in a picture, each below its first listed parent.

    Args:
        column: distance to the root over first listed parents, int64 `[L]`.
        top: upper edge, float64 `[L]`, in `[0, 1]`.
        height: float64 `[L]`; the labels below a label fill it, or a part of it when there are documents.
        branch: position of the top-level branch a label belongs to, int64 `[L]`.
    """

    column: np.ndarray
    top: np.ndarray
    height: np.ndarray
    branch: np.ndarray


def place(graph: LabelGraph, documents: Any = None) -> Icicle:
    """Compute an icicle; whole levels at a time, linear in the labels.

    A label is as high as the leaves below it together. With documents, a leaf is as high as its documents, and an
    inner label as the larger of its own and what is below it.

    Example:
        >>> from hgraph.graph import LabelGraph
        >>> place(LabelGraph.from_edges([("a", "b"), ("a", "c"), ("c", "d"), ("c", "e")])).height.round(2).tolist()
        [1.0, 0.33, 0.67, 0.33, 0.33]
    """
    above, counts = graph._structure.primary_parent, document_counts(graph, documents)
    column, columns = _columns(graph)
    weight = np.ones(graph.num_labels) if counts is None else counts.astype(np.float64)
    inner = np.zeros(graph.num_labels, dtype=bool)
    inner[above[above >= 0]] = True
    if counts is None:
        weight[inner] = 0
    for labels in columns[:0:-1]:
        below = np.bincount(above[labels], weights=weight[labels], minlength=graph.num_labels)
        weight = np.maximum(weight, below)
    total = weight[graph.roots].sum() or 1.0
    top, branch = np.zeros(graph.num_labels), np.zeros(graph.num_labels, dtype=np.int64)
    for depth, labels in enumerate(columns):
        labels = labels[np.lexsort((labels, top[above[labels]]))] if depth else labels
        start = np.cumsum(weight[labels]) - weight[labels]
        if depth:
            parent = above[labels]
            first = np.flatnonzero(np.concatenate(([True], parent[1:] != parent[:-1])))
            sizes = np.diff(np.append(first, len(labels)))
            start = start - np.repeat(start[first], sizes) + top[parent]
            branch[labels] = branch[parent]
        top[labels] = start
        if depth == (1 if len(graph.roots) == 1 else 0):
            branch[labels] = np.arange(len(labels))
    return Icicle(column, top / total, weight / total, branch)


def _columns(graph: LabelGraph) -> tuple[np.ndarray, list[np.ndarray]]:
    """Depth of every label below its first listed parent, and the labels of each depth."""
    above, column = graph._structure.primary_parent, np.zeros(graph.num_labels, dtype=np.int64)
    for labels in graph.levels[1:]:
        column[labels] = column[above[labels]] + 1
    order = np.argsort(column, kind="stable")
    return column, np.split(order, np.cumsum(np.bincount(column))[:-1])


def draw_icicle(
    graph: LabelGraph, *, documents: Any = None, width: float = 14.0, height: float = 10.0, dpi: int = 120
) -> Figure:
    """Draw the hierarchy as a matplotlib figure.

    Each column is a level, each bar a label: below its first listed parent, as high as the leaves below it together, or
    as its documents. Names stand where there is room. Thin lines lead to the further parents of a label.

    Args:
        graph: the hierarchy.
        documents: number of documents of each label, `[L]`.
        width: inches.
        height: inches.
        dpi: dots an inch.

    Raises:
        ConfigError: matplotlib is not installed.
        DataError: `documents` is not one count for each label.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            "drawing a picture needs the package 'matplotlib': pip install \"hgraph-text[plot]\"."
        ) from None
    icicle = place(graph, documents)
    figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.012, 0.012, 0.976, 0.935))
    axes.set_axis_off()
    axes.set_xlim(0, width * 0.976)
    axes.set_ylim(height * 0.935, 0)
    _draw(axes, graph, icicle, width * 0.976, height * 0.935, 1 / dpi)
    unit = "leaves below" if documents is None else "documents"
    kind = "tree" if graph.is_tree else "DAG, thin lines to further parents"
    head = f"{printable(graph.title) or 'Label hierarchy'}: {graph.num_labels:,} labels, {kind}"
    style: dict[str, Any] = {"va": "top", "parse_math": False, "clip_on": True}
    figure.text(0.012, 0.985, _fit(head, width * 0.75, 14), fontsize=14, fontweight="bold", color="#1c2330", **style)
    figure.text(0.988, 0.981, f"height = {unit}", fontsize=10, color="#657083", ha="right", **style)
    return figure


def write_picture(graph: LabelGraph, path: PathLike, *, documents: Any = None, overwrite: bool = False) -> None:
    """Write :func:`draw_icicle` to a PNG file, all or nothing.

    Raises:
        ConfigError: matplotlib is not installed, the file exists and `overwrite` is False, or it cannot be written.
        DataError: `documents` is not one count for each label.
    """
    check_target(path, overwrite=overwrite)
    figure, data = draw_icicle(graph, documents=documents), io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # drawn as a box, which is all there is to do
        figure.savefig(data, format="png", metadata={"Software": None})  # the same hierarchy gives the same bytes
    write_bytes(path, data.getvalue(), overwrite=overwrite)


def _draw(axes: Any, graph: LabelGraph, icicle: Icicle, width: float, height: float, pixel: float) -> None:
    """Bars, lines and names, in inches."""
    from matplotlib.collections import LineCollection, PolyCollection

    columns = min(int(icicle.column.max()) + 1, MAX_COLUMNS)
    step = width / columns
    left, right = icicle.column * step, icicle.column * step + step - GAP
    top, bottom = icicle.top * height, (icicle.top + icicle.height) * height
    seen = np.flatnonzero((icicle.column < columns) & (icicle.height > 0))
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    boxes = np.stack([np.stack([x[seen], y[seen]], axis=1) for x, y in corners], axis=1)  # [bars, 4, 2]
    tall = bottom[seen] - top[seen] > 3 * pixel  # a white edge around less would leave nothing of the bar
    axes.add_collection(
        PolyCollection(
            list(boxes),
            facecolors=_colours(icicle)[seen],
            edgecolors=np.where(tall[:, None], [[1.0, 1.0, 1.0, 1.0]], [[1.0, 1.0, 1.0, 0.0]]),
            linewidths=0.6,
        )
    )
    parent, child = _further_edges(graph, icicle, columns)
    middle = (top + bottom) / 2
    # From inside one bar to inside the other: between two columns next to each other there is no room for a bend.
    start, end = left[parent] + 0.8 * step, left[child] + 0.6 * step
    along = np.linspace(0, 1, 24)
    bend = (1 - np.cos(np.pi * along)) / 2
    x = start[:, None] + (end - start)[:, None] * along
    y = middle[parent][:, None] + (middle[child] - middle[parent])[:, None] * bend
    strength = float(np.clip(30 / max(len(parent), 1), 0.1, 0.5))
    axes.add_collection(
        LineCollection(list(np.stack([x, y], axis=2)), colors=(0.11, 0.14, 0.19, strength), linewidths=0.6)
    )
    _write_names(axes, graph, seen[bottom[seen] - top[seen] >= NAME_HEIGHT], left, top, bottom, step)


def _write_names(
    axes: Any,
    graph: LabelGraph,
    labels: np.ndarray,
    left: np.ndarray,
    top: np.ndarray,
    bottom: np.ndarray,
    step: float,
) -> None:
    """Names of bars that are high enough; at most height / `NAME_HEIGHT` a column."""
    for label in labels.tolist():
        size = 8.5 if bottom[label] - top[label] < 0.4 else 10
        name = _fit(printable(graph.name[label]) or graph.label_id[label], step - 0.14, size)
        axes.text(
            left[label] + 0.07,
            (top[label] + bottom[label]) / 2,
            name,
            fontsize=size,
            color="#1c2330",
            va="center",
            clip_on=True,
            parse_math=False,
        )


def _fit(text: str, inches: float, size: float) -> str:
    """As much of a text as fits, by the usual width of a letter."""
    most = max(int(inches * 72 / (size * 0.54)), 1)
    return text if len(text) <= most else text[: max(most - 1, 1)].rstrip() + "…"


def _colours(icicle: Icicle) -> np.ndarray:
    """One hue a branch, paler further right; RGB `[L, 3]`."""
    from matplotlib.colors import hsv_to_rgb

    hue = np.array(PALETTE)[icicle.branch % len(PALETTE)]
    depth = np.minimum(icicle.column, 6)
    saturation = 0.34 - 0.037 * depth
    value = np.full(len(hue), 0.95)
    return hsv_to_rgb(np.stack([hue, saturation, value], axis=1))


def _further_edges(graph: LabelGraph, icicle: Icicle, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Parents and children of drawn edges to other than the first listed parent; those of the highest bars."""
    parent, child = graph.edge_index.cpu().numpy()
    other = graph._structure.primary_parent[child] != parent
    other &= (icicle.column[child] < columns) & (icicle.column[parent] < columns)
    other &= (icicle.height[child] > 0) & (icicle.height[parent] > 0)
    chosen = np.flatnonzero(other)
    if len(chosen) > MAX_EXTRA_EDGES:
        size = icicle.height[child[chosen]]
        chosen = chosen[np.argsort(-size, kind="stable")[:MAX_EXTRA_EDGES]]
    return parent[chosen], child[chosen]
