"""The New York Times Annotated Corpus (LDC2008T19) with the split of the hierarchical text classification literature.

What the files are taken to be:

- `idnewnyt_train.json`, `idnewnyt_val.json`, `idnewnyt_test.json`: one path a line, such as `Nytimes/1995/0799990.xml`;
  the number is that of the article. They lie beside the published programs, with `nyt.taxonomy` (a parent and its
  children a line) and `nyt_label.vocab` (a label a line).
- the articles anywhere below the folder: `1995/10.tgz` and so on as LDC ships them, or unpacked XML (NITF).
"""

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hgraph.data.datasets.archives import archives, read_members
from hgraph.data.datasets.source import SPLITS, Document, Folder, Source, Split, count_of, read_lines
from hgraph.errors import DataError
from hgraph.graph import LabelGraph, read_taxonomy

TITLE = "NYT: news articles of the New York Times, 166 taxonomic classifiers"
PAGE = "https://catalog.ldc.upenn.edu/LDC2008T19"
TERMS = "LDC User Agreement, for a fee"
LISTS_PAGE = "https://github.com/havelhakimi/TLA, folder preprocess/NYT"
LISTS_TERMS = "no licence stated"
ENTRY = re.compile(r"(?:.*/)?(\d+)\.xml")
ROOT, TOP = "Root", "Top"

Place = tuple[Split, str]
"""Where a copy of an article goes: its split, and its id there."""


def open_nyt(folder: Folder, *, keep_leaks: bool = False) -> Source:
    """Open the data set.

    A document has the fields `headline` and `body` (the paragraphs of the full text), and as labels every prefix of its
    taxonomic classifiers that is in the hierarchy; classifiers of other types, such as `general_descriptor`, are not
    read. The published programs read the paragraphs alone, without line breaks, and skip classifiers of two parts.

    The published lists name some articles several times. By default each stays once, in the last of train, val and
    test that names it, so the test documents are all there and none of them is trained on. With `keep_leaks` every
    entry becomes a document, as in the published split; copies within a split have `#2` and so on after their ids.
    """
    lists = Folder(folder.path, page=LISTS_PAGE, terms=LISTS_TERMS)
    files = {split: lists.need(f"idnewnyt_{split}.json") for split in SPLITS}
    hierarchy = lists.need("nyt.taxonomy", "nyt_label.vocab")
    graph = _read_hierarchy(hierarchy)
    entries = {split: list(_read_list(path)) for split, path in files.items()}
    places, notes = assign(entries, keep_leaks=keep_leaks)
    inputs = [*files.values(), hierarchy]
    if not archives(folder.path) and next(folder.path.rglob("*.xml"), None) is None:
        raise folder.missing("no archive (1987/01.tgz, ...) and no .xml file")
    total = sum(map(len, places.values()))
    return Source(graph, _documents(folder, graph, places, inputs), inputs, notes, total=total)


def assign(entries: dict[Split, list[str]], *, keep_leaks: bool) -> tuple[dict[str, list[Place]], list[str]]:
    """For each article its places, and notes on articles that the lists name several times."""
    times = {split: Counter(entries[split]) for split in SPLITS}
    places: dict[str, list[Place]] = {}
    for split in SPLITS:
        for article, number in times[split].items():
            if not keep_leaks:
                places[article] = [(split, article)]
                continue
            copies = [article, *(f"{article}#{copy}" for copy in range(2, number + 1))]
            places.setdefault(article, []).extend((split, copy) for copy in copies)
    notes = []
    for split in SPLITS:
        repeated = len(entries[split]) - len(times[split])
        notes.append(f"The list of {split} has {count_of(len(entries[split]), 'line')}, {repeated:,} of them repeated.")
    for first, second in (("train", "test"), ("train", "val"), ("val", "test")):
        leaks = len(times[first].keys() & times[second].keys())  # type: ignore[index]
        kept = "kept in both" if keep_leaks else f"kept in {second} alone"
        notes.append(f"Listed in both {first} and {second}: {count_of(leaks, 'article')}, {kept}.")
    return places, notes


def _documents(
    folder: Folder, graph: LabelGraph, places: dict[str, list[Place]], inputs: list[Path]
) -> Iterator[Document]:
    missing = set(places)
    for article, where, data, archive in read_members(folder.path, ".xml", lambda name: name in missing):
        missing.discard(article)
        inputs.append(archive or Path(where))
        text, labels = parse_article(data, where, graph)
        for split, identifier in places[article]:
            yield Document(split, identifier, text, labels, where)
    if missing:
        first = ", ".join(sorted(missing)[:3])
        raise DataError(
            f"{folder.path}: {len(missing):,} of {len(places):,} listed articles are not there, such as {first}. Get "
            f"all years from {folder.page} ({folder.terms})."
        )


def parse_article(data: bytes, where: str, graph: LabelGraph) -> tuple[dict[str, str], list[str]]:
    """Headline and body of an article, and its labels.

    Raises:
        DataError: It is no XML.
    """
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise DataError(f"{where}: malformed XML: {error}. Copy the file again.") from None
    headline = root.find(".//hedline/hl1")
    title = headline if headline is not None else root.find("./head/title")
    paragraphs = root.findall(".//block[@class='full_text']/p") or root.findall(".//body.content//p")
    text = {"headline": _text(title), "body": "\n".join(filter(None, map(_text, paragraphs)))}
    labels: dict[str, None] = {}
    for classifier in root.iter("classifier"):
        if classifier.get("type") == "taxonomic_classifier":
            parts = (classifier.text or "").strip().split("/")
            prefixes = ("/".join(parts[:stop]) for stop in range(2, len(parts) + 1))
            labels.update(dict.fromkeys(label for label in prefixes if label in graph.id_to_index))
    return text, list(labels)


def _text(element: ElementTree.Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


def _read_list(path: Path) -> Iterator[str]:
    for number, line in read_lines(path):
        if line.strip():
            entry = ENTRY.fullmatch(line.strip())
            if entry is None:
                raise DataError(
                    f"{path}:{number}: expected a path such as Nytimes/1995/0799990.xml, found {line[:60]!r}."
                )
            yield entry[1]


def _read_hierarchy(path: Path) -> LabelGraph:
    if ".taxonomy" in path.name:
        graph = read_taxonomy(path, format="htc")
    else:
        labels = [line.strip() for _, line in read_lines(path) if line.strip() not in ("", ROOT, TOP)]
        known = set(labels)
        edges = [(above, label) for label in labels if (above := label.rpartition("/")[0]) in known]
        graph = LabelGraph.from_edges(edges, nodes=labels)
    graph.name = [label.rpartition("/")[2] for label in graph.label_id]
    graph.title = "nyt"
    return graph
