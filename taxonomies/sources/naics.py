"""`naics`: industries of North America.

Read from a CSV with the columns `code` and `title`, saved from the spreadsheet "2-6 digit 2022 Code File" of
https://www.census.gov/naics.
"""

from __future__ import annotations

import csv
from pathlib import Path

from .hierarchy import Hierarchy


def build(path: Path, version: str) -> Hierarchy:
    """Sectors, subsectors, industry groups, industries and national industries; the id is the code."""
    with path.open(encoding="utf-8", newline="") as stream:
        titles = {row["code"].strip(): row["title"].strip() for row in csv.DictReader(stream)}
    sector = {}
    for code in titles:
        if len(code) == 2 or "-" in code:
            first, _, last = code.partition("-")
            sector.update({str(number): code for number in range(int(first), int(last or first) + 1)})
    nodes, edges = {}, []
    for code in sorted(titles):
        is_sector = code in sector.values()
        parent = "" if is_sector else sector[code[:2]] if len(code) == 3 else code[:-1]
        nodes[code] = (titles[code], "")
        if parent:
            edges.append((parent, code))
    return Hierarchy(
        name="naics",
        title="NAICS: industries of North America",
        license="public domain (U.S. Government work)",
        source="North American Industry Classification System, United States, 2022; U.S. Census Bureau, Executive "
        "Office of the President, Office of Management and Budget (modified: codes and titles only, in this layout).",
        url="https://www.census.gov/naics",
        version=version,
        nodes=nodes,
        edges=edges,
    )
