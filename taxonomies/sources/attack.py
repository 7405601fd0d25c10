"""`attack`: tactics, techniques and sub-techniques of attacks on enterprise networks.

Read from `enterprise-attack-*.json` (STIX 2.1) of https://github.com/mitre-attack/attack-stix-data.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .hierarchy import Hierarchy


def build(path: Path, version: str) -> Hierarchy:
    """Live techniques below each of their tactics, and sub-techniques below their technique."""
    nodes: dict[str, tuple[str, str]] = {}
    edges = []
    objects = [entry for entry in json.loads(path.read_text(encoding="utf-8"))["objects"] if _is_live(entry)]
    techniques = {_code(entry): entry for entry in objects if entry["type"] == "attack-pattern"}
    for code, entry in sorted(techniques.items()):
        if "." in code:
            edges.append((code.split(".")[0], code))
        else:
            for phase in entry["kill_chain_phases"]:
                tactic = phase["phase_name"]
                nodes.setdefault(tactic, (_title(tactic), ""))
                edges.append((tactic, code))
    for code, entry in sorted(techniques.items()):
        nodes[code] = (entry["name"], _plain(entry["description"]))
    return Hierarchy(
        name="attack",
        title="MITRE ATT&CK: tactics and techniques of attacks on enterprises",
        license="ATT&CK Terms of Use",
        source="MITRE ATT&CK, Enterprise matrix. Copyright 2025 The MITRE Corporation. This work is reproduced and "
        "distributed with the permission of The MITRE Corporation (modified: live tactics, techniques and "
        "sub-techniques only, descriptions shortened, in this layout). The terms of use are in NOTICES.md.",
        url="https://attack.mitre.org",
        version=version,
        nodes=nodes,
        edges=edges,
    )


def _is_live(entry: dict[str, Any]) -> bool:
    return not entry.get("revoked") and not entry.get("x_mitre_deprecated")


def _code(entry: dict[str, Any]) -> str:
    return next(link["external_id"] for link in entry["external_references"] if link["source_name"] == "mitre-attack")


def _title(tactic: str) -> str:
    return tactic.replace("-", " ").title().replace(" And ", " and ")


def _plain(text: str) -> str:
    """Without citations, and with the text of links in place of links."""
    return re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", re.sub(r"\(Citation: [^)]*\)?", "", text))
