"""`places`: continents, regions, countries and their subdivisions.

Read from the Unicode CLDR in JSON, https://github.com/unicode-org/cldr-json: one folder with
`territoryContainment.json` and `subdivisionContainment.json` of cldr-core, `territories.json` of cldr-localenames-full
(`main/en`), and `en.json` of cldr-subdivisions-full.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .hierarchy import Hierarchy, below


def build(path: Path, version: str) -> Hierarchy:
    """Continents (UN M49), regions, countries (ISO 3166-1) and subdivisions (ISO 3166-2) that have an English name."""
    inside: dict[str, list[str]] = {}
    for name in ("territory", "subdivision"):
        content = _read(path / f"{name}Containment.json")["supplemental"][f"{name}Containment"]
        for key, value in content.items():
            inside.setdefault(key, []).extend(value["_contains"])
    territories = _read(path / "territories.json")["main"]["en"]["localeDisplayNames"]["territories"]
    subdivisions = _read(path / "en.json")["subdivisions"]["localeDisplayNames"]["subdivisions"]
    names = {**territories, **subdivisions}
    edges = [(parent, child) for parent, children in inside.items() for child in children if child in names]
    # Groups such as the European Union, and territories of the past, are listed apart and not reached from the world.
    wanted = below(["001"], edges) - {"001"}
    order = [label for label in names if label in wanted]
    return Hierarchy(
        name="places",
        title="Continents, regions, countries and their subdivisions",
        license="Unicode License v3",
        source="Unicode CLDR, Copyright (c) 2004-2026 Unicode, Inc. (modified: containment of territories and "
        "subdivisions with English names, without groupings such as the European Union, in this layout). The license "
        "is in NOTICES.md.",
        url="https://cldr.unicode.org",
        version=version,
        nodes={_code(label): (names[label], "") for label in order},
        edges=[(_code(parent), _code(child)) for parent, child in edges if parent in wanted],
        packed=True,
    )


def _code(label: str) -> str:
    """`usca` is `US-CA` in ISO 3166-2; the other codes stay."""
    return f"{label[:2]}-{label[2:]}".upper() if label[:2].islower() else label


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
