"""`data/index.json` and the table of `README.md`: what lists of hierarchies show, so that they open one small file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hgraph.graph import LabelGraph
from hgraph.graph.files import read_text

from .hierarchy import DATA

README = DATA.parent / "README.md"
BEGIN, END = "<!-- table: written by taxonomies/sources -->\n", "<!-- end of table -->"
HEAD = "| name | labels | per level | structure | licence | source |\n|---|---|---|---|---|---|\n"
SHOWN_ROOTS = 12


def write_index() -> Path:
    """Read every hierarchy of `taxonomies/data`, and write the index and the table."""
    paths = [path for path in DATA.glob("*.json*") if path.name not in ("index.json", "elsewhere.json")]
    entries = {path.name.split(".")[0]: _entry(path) for path in paths}
    lines = [f"{json.dumps(name)}: {json.dumps(entries[name], ensure_ascii=False)}" for name in sorted(entries)]
    path = DATA / "index.json"
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    rows = "".join(_row(entries[name]) for name in sorted(entries))
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(before + BEGIN + HEAD + rows + END + rest.partition(END)[2], encoding="utf-8")
    return path


def _entry(path: Path) -> dict[str, Any]:
    content = json.loads(read_text(path))
    graph = LabelGraph.load(path)
    leaves = graph.leaves
    shown = sorted({int(leaves[position]) for position in (0, len(leaves) // 2, len(leaves) - 1)})
    return {
        "file": path.name,
        **{key: content[key] for key in ("name", "title", "license", "source", "url")},
        "version": content["data_version"],
        "labels": graph.num_labels,
        "edges": graph.num_edges,
        "levels": [len(level) for level in graph.levels],
        "structure": "tree" if graph.is_tree else "dag",
        "num_roots": len(graph.roots),
        "roots": [graph.name[root] for root in graph.roots[:SHOWN_ROOTS]],
        "examples": {graph.label_id[leaf]: graph.path_names(leaf) for leaf in shown},
        "fingerprint": graph.fingerprint,
    }


def _row(entry: dict[str, Any]) -> str:
    cells = [
        f"`{entry['name']}`",
        f"{entry['labels']:,}",
        ", ".join(map(str, entry["levels"])),
        entry["structure"],
        entry["license"],
        f"[{entry['title']}]({entry['url']}), {entry['version']}",
    ]
    return f"| {' | '.join(cells)} |\n"
