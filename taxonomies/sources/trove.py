"""`trove`: the classifiers of the Python Package Index.

Read from the Python module of https://github.com/pypa/trove-classifiers, `src/trove_classifiers/__init__.py`.
"""

from __future__ import annotations

import ast
from pathlib import Path

from hgraph.graph import LabelGraph

from .hierarchy import Hierarchy

SEPARATOR = " :: "


def build(path: Path, version: str) -> Hierarchy:
    """Every classifier that is not deprecated; the id is the classifier itself."""
    values = {}
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            values[statement.target.id] = statement.value
    deprecated = ast.literal_eval(values["deprecated_classifiers"])
    listed = ast.literal_eval(values["sorted_classifiers"])
    wanted = [text for text in listed if text not in deprecated and not text.startswith("Private ::")]
    graph = LabelGraph.from_paths(wanted, separator=SEPARATOR)
    ids = graph.label_id
    return Hierarchy(
        name="trove",
        title="Trove classifiers of Python packages",
        license="Apache-2.0",
        source="trove-classifiers, the canonical list of the classifiers of the Python Package Index, by the PyPI "
        "admins (modified: one label for each part of a classifier; without deprecated and private ones).",
        url="https://github.com/pypa/trove-classifiers",
        version=version,
        nodes={label: (name, "") for label, name in zip(ids, graph.name, strict=True)},
        edges=[(ids[parent], ids[child]) for parent, child in graph.edge_index.t().tolist()],
    )
