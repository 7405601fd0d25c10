"""`iab-content`: what web pages, apps and videos are about.

Read from `Content Taxonomy 3.1.tsv` of https://github.com/InteractiveAdvertisingBureau/Taxonomies.
"""

from __future__ import annotations

import csv
from pathlib import Path

from .hierarchy import Hierarchy


def build(path: Path, version: str) -> Hierarchy:
    """All categories below the tier above; the id is the unique id of IAB Tech Lab.

    The column of parents differs from the tiers for two categories (376, 497), which this takes as a slip.
    """
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = [[cell.strip() for cell in row] for row in csv.reader(stream, delimiter="\t")]
    start = next(number for number, row in enumerate(rows) if row[0] == "Unique ID") + 1
    tiers = {row[0]: tuple(cell for cell in row[3:7] if cell) for row in rows[start:] if row and row[0]}
    owner = {path: label for label, path in tiers.items()}
    return Hierarchy(
        name="iab-content",
        title="IAB content taxonomy: topics of web pages, apps and videos",
        license="CC BY 3.0",
        source="Content Taxonomy 3.1, IAB Technology Laboratory, Inc. (modified: ids, names and tiers in this layout).",
        url="https://github.com/InteractiveAdvertisingBureau/Taxonomies",
        version=version,
        nodes={label: (path[-1], "") for label, path in tiers.items()},
        edges=[(owner[path[:-1]], label) for label, path in tiers.items() if len(path) > 1],
    )
