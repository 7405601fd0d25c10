"""One self-contained web page to explore a hierarchy: search, expand, read; works offline from a file."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from hgraph.errors import ConfigError
from hgraph.graph.checks.report import CheckReport
from hgraph.graph.files import PathLike, check_target, write_text
from hgraph.graph.render.counts import count_descendants, document_counts

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

MAX_LABELS = 300_000
"""Above this many labels a page would be too large for browsers; a part of the hierarchy is not."""


def explorer_html(graph: LabelGraph, *, documents: Any = None, report: CheckReport | None = None) -> str:
    """The page as text: HTML, styles, script and data in one, nothing loaded from elsewhere.

    The address may end in `#label=ID` or `#search=TEXT`, which open a label or a search.

    Args:
        graph: the hierarchy.
        documents: number of documents of each label, `[L]`.
        report: what a check found; computed when it is not given.

    Raises:
        ConfigError: more than `MAX_LABELS` labels.
        DataError: `documents` is not one count for each label.
    """
    import jinja2

    if graph.num_labels > MAX_LABELS:
        found = f"{graph.num_labels:,} labels, expected at most {MAX_LABELS:,}"
        raise ConfigError(f"'graph' is too large for one page: {found}. Take a part of it, graph.subgraph(labels).")
    report = graph.check() if report is None else report
    counts = document_counts(graph, documents)
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("explorer.html").read_text(encoding="utf-8"))
    return template.render(
        title=graph.title or "Label hierarchy",
        data=_embed(_data(graph, counts, report)),
        labels=graph.num_labels,
    )


def write_explorer(
    graph: LabelGraph,
    path: PathLike,
    *,
    documents: Any = None,
    report: CheckReport | None = None,
    overwrite: bool = False,
) -> None:
    """Write :func:`explorer_html` to a file, all or nothing.

    Raises:
        ConfigError: the file exists and `overwrite` is False, it cannot be written, or there are too many labels.
        DataError: `documents` is not one count for each label.
    """
    check_target(path, overwrite=overwrite)
    write_text(path, explorer_html(graph, documents=documents, report=report), overwrite=overwrite)


def _data(graph: LabelGraph, documents: np.ndarray | None, report: CheckReport) -> dict[str, Any]:
    """What the page's script reads; edges in their order, so that a label's first parent stays the first."""
    return {
        "title": graph.title,
        "license": graph.license,
        "source": graph.source,
        "kind": "tree" if graph.is_tree else "DAG",
        "levels": report.labels_per_level,
        "edges": graph.parents.nnz,
        "roots": report.roots,
        "leaves": report.leaves,
        "several": report.multi_parent,
        "documents": report.documents,
        "findings": [
            {"severity": finding.severity, "text": str(finding).removeprefix(finding.severity).strip()}
            for finding in report.findings
        ],
        "id": graph.label_id,
        "name": graph.name,
        "description": graph.description,
        "level": graph._structure.level.tolist(),
        "below": count_descendants(graph).tolist(),
        "count": None if documents is None else documents.tolist(),
        "parent": graph.edge_index[0].tolist(),
        "child": graph.edge_index[1].tolist(),
    }


def _embed(data: Any) -> Any:
    r"""JSON that is safe inside a script element: no text in it can end the element or open a comment.

    Example:
        >>> print(_embed(["</script><!--"]))
        ["\u003c/script\u003e\u003c!--"]
    """
    from markupsafe import Markup

    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for wrong in "<>&\u2028\u2029":
        text = text.replace(wrong, f"\\u{ord(wrong):04x}")
    return Markup(text)
