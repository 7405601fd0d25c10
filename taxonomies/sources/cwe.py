"""`cwe`: weaknesses of software and hardware.

Read from `cwec_v*.xml` of https://cwe.mitre.org/data/downloads.html.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from .hierarchy import Hierarchy, below

SPACE = "{http://cwe.mitre.org/cwe-7}"
RESEARCH_VIEW = "1000"


def build(path: Path, version: str) -> Hierarchy:
    """Weaknesses that are not deprecated, in the research view (CWE-1000); its pillars are the roots."""
    nodes, edges, pillars = {}, [], []
    for weakness in ElementTree.parse(path).getroot().iter(f"{SPACE}Weakness"):
        label = f"CWE-{weakness.get('ID')}"
        if weakness.get("Status") == "Deprecated":
            continue
        if weakness.get("Abstraction") == "Pillar":
            pillars.append(label)
        text = "".join(weakness.find(f"{SPACE}Description").itertext())  # type: ignore[union-attr]
        nodes[label] = (str(weakness.get("Name")), text)
        for related in weakness.iter(f"{SPACE}Related_Weakness"):
            if (related.get("Nature"), related.get("View_ID")) == ("ChildOf", RESEARCH_VIEW):
                edges.append((f"CWE-{related.get('CWE_ID')}", label))
    wanted = below(pillars, edges) & nodes.keys()
    return Hierarchy(
        name="cwe",
        title="CWE: weaknesses of software and hardware",
        license="CWE Terms of Use",
        source="Common Weakness Enumeration, view CWE-1000, Copyright (c) 2006-2024, The MITRE Corporation. CWE is a "
        "trademark of The MITRE Corporation (modified: weaknesses and their ChildOf relations only, descriptions "
        "shortened, in this layout). The terms of use are in NOTICES.md.",
        url="https://cwe.mitre.org",
        version=version,
        nodes={label: nodes[label] for label in sorted(wanted, key=lambda label: int(label[4:]))},
        edges=sorted({edge for edge in edges if edge[0] in wanted and edge[1] in wanted}),
    )
