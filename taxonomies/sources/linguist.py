"""`linguist`: programming, markup, data and prose languages.

Read from `lib/linguist/languages.yml` of https://github.com/github-linguist/linguist.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from .hierarchy import Hierarchy

TYPES = {
    "programming": "Programming language",
    "markup": "Markup language",
    "data": "Data format",
    "prose": "Prose format",
}


def build(path: Path, version: str) -> Hierarchy:
    """Languages below their type, or below the language that they are grouped with."""
    languages = yaml.safe_load(path.read_text(encoding="utf-8"))
    nodes = {f"type:{kind}": (name, "") for kind, name in TYPES.items()}
    spelling = {name.casefold(): name for name in languages}
    edges = []
    for name, language in languages.items():
        endings = ", ".join([*language.get("extensions", []), *language.get("filenames", [])][:12])
        nodes[name] = (name, f"Files: {endings}" if endings else "")
        group = language.get("group")
        own = group is None or group.casefold() == name.casefold()  # Fortran is in its own group
        edges.append((f"type:{language['type']}" if own else spelling[group.casefold()], name))
    return Hierarchy(
        name="linguist",
        title="Linguist: programming, markup and data languages",
        license="MIT",
        source="languages.yml of Linguist, Copyright (c) 2011-2014 GitHub, Inc. (modified: names, types, groups and "
        "file names in this layout). The license is in NOTICES.md.",
        url="https://github.com/github-linguist/linguist",
        version=version,
        nodes=nodes,
        edges=edges,
    )
