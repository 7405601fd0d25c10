"""`emoji`: emoji in their groups and subgroups.

Read from `emoji-test.txt` of https://www.unicode.org/Public/emoji.
"""

from __future__ import annotations

import re
from pathlib import Path

from .hierarchy import Hierarchy


def build(path: Path, version: str) -> Hierarchy:
    """Fully qualified emoji without skin tones; the id of an emoji is the emoji, its name its short name."""
    nodes: dict[str, tuple[str, str]] = {}
    edges = []
    group = subgroup = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# group: "):
            group = line.removeprefix("# group: ")
        elif line.startswith("# subgroup: "):
            subgroup = line.removeprefix("# subgroup: ")
        entry = re.fullmatch(r"[0-9A-F ]+; fully-qualified +# (\S+) E[\d.]+ (.+)", line)
        if not entry or "skin tone" in entry[2]:
            continue
        nodes.setdefault(group, (group, ""))
        if subgroup not in nodes:
            nodes[subgroup] = (subgroup.replace("-", " "), "")
            edges.append((group, subgroup))
        nodes[entry[1]] = (entry[2], "")
        edges.append((subgroup, entry[1]))
    return Hierarchy(
        name="emoji",
        title="Unicode emoji: groups, subgroups and emoji",
        license="Unicode License v3",
        source="emoji-test.txt of the Unicode Consortium, Copyright (c) 1991-2026 Unicode, Inc. (modified: fully "
        "qualified emoji without variants of skin tone, in this layout). The license is in NOTICES.md.",
        url="https://www.unicode.org/Public/emoji",
        version=version,
        nodes=nodes,
        edges=edges,
    )
