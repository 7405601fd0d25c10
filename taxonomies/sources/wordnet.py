"""`wordnet-nouns`: the noun synsets of WordNet.

Read from the folder `dict` of WordNet 3.0, https://wordnet.princeton.edu/download, with `data.noun` and `index.noun`.
"""

from __future__ import annotations

from pathlib import Path

from .hierarchy import Hierarchy, below

GLOSS_LIMIT = 120


def build(path: Path, version: str) -> Hierarchy:
    """Noun synsets below their hypernyms; instances (persons, places, events) are left out.

    The id is the first word of a synset with the number of its sense: `dog.n.01`.
    """
    sense = {}
    for line in _lines(path / "index.noun"):
        fields = line.split()
        offsets = fields[-int(fields[2]) :]
        sense.update({(fields[0], offset): number for number, offset in enumerate(offsets, start=1)})
    synsets = {}
    for line in _lines(path / "data.noun"):
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        words = [fields[4 + 2 * position] for position in range(int(fields[3], 16))]
        pointers = fields[5 + 2 * len(words) :]
        quads = [pointers[start : start + 4] for start in range(0, len(pointers), 4)]
        above = [target for symbol, target, kind, _ in quads if symbol == "@" and kind == "n"]
        if any(symbol == "@i" for symbol, *_ in quads):
            continue
        synsets[fields[0]] = (words, above, gloss.split('; "')[0].strip())
    edges = [(above, offset) for offset, (_, targets, _) in synsets.items() for above in targets]
    wanted = below([next(iter(synsets))], edges)  # the first synset is `entity`
    ids = {
        offset: f"{words[0].lower()}.n.{sense[words[0].lower(), offset]:02d}"
        for offset, (words, _, _) in synsets.items()
        if offset in wanted
    }
    return Hierarchy(
        name="wordnet-nouns",
        title="WordNet 3.0: noun synsets and their hypernyms",
        license="WordNet 3.0 license",
        source="WordNet 3.0, Princeton University: noun synsets without instances, each named by its first word "
        "(modified: selection, glosses without examples and shortened, in this layout). WordNet 3.0 Copyright 2006 by "
        "Princeton University. All rights reserved. The license is in NOTICES.md.",
        url="https://wordnet.princeton.edu",
        version=version,
        nodes={ids[key]: (synsets[key][0][0].replace("_", " "), _cut(synsets[key][2])) for key in ids},
        edges=[(ids[above], ids[key]) for above, key in edges if above in wanted and key in wanted],
        packed=True,
    )


def _lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="ascii").splitlines()
    return [line for line in lines if not line.startswith("  ")]  # the license stands above the data, indented


def _cut(gloss: str) -> str:
    return gloss if len(gloss) <= GLOSS_LIMIT else gloss[: gloss.rfind(" ", 0, GLOSS_LIMIT - 2)].rstrip(",;:(") + "..."
