"""RCV1-v2 (Lewis, Yang, Rose, Li, JMLR 5, 2004) with the LYRL2004 split.

What the files are taken to be, from the online appendices of the paper:

- `rcv1-v2.topics.qrels`: `topic document 1` a line. `rcv1.topics.hier.orig`: the hierarchy; without it, the one that
  ships with hgraph is used.
- `lyrl2004_tokens_train.dat` and `lyrl2004_tokens_test_pt0.dat` to `pt3.dat`: per document a line `.I number`, a line
  `.W` and lines of stemmed tokens without stop words, then a blank line.
- or, in place of the token files, the news themselves as NIST ships them: `2286newsML.xml` and so on, in folders,
  `.zip` or `.tar.xz` archives.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from hgraph.data.datasets.archives import archives, read_members
from hgraph.data.datasets.source import Document, Folder, Source, Split, read_lines
from hgraph.data.splits import split_indices
from hgraph.errors import DataError
from hgraph.graph import LabelGraph, read_taxonomy

TITLE = "RCV1-v2: Reuters news, 103 topics"
PAGE = "http://www.ai.mit.edu/projects/jmlr/papers/volume5/lewis04a/lyrl2004_rcv1v2_README.htm"
TERMS = "free for research, cite the paper; the news themselves need an agreement with NIST"
NEWS_PAGE = "https://trec.nist.gov/data/reuters/reuters.html"
LAST_TRAINING_ID = 26150
"""LYRL2004: documents up to this number are for training, those after it for testing."""
TEST_PARTS = range(4)
NEWS = "newsML.xml"


def open_rcv1(folder: Folder) -> Source:
    """Open the data set.

    The test documents are those of LYRL2004. Of the training documents a tenth, chosen by a hash of the text, is for
    validation; the literature draws its own tenth at random. Token files are read where they are there, else the news.
    """
    qrels = folder.need("rcv1-v2.topics.qrels")
    hierarchy = folder.find("rcv1.topics.hier.orig")
    graph = LabelGraph.from_name("rcv1") if hierarchy is None else read_taxonomy(hierarchy, format="rcv1")
    topics = read_topics(qrels)
    inputs = [qrels, *([hierarchy] if hierarchy is not None else [])]
    notes = ["A tenth of the training documents, chosen by a hash of the text, is for validation."]
    if hierarchy is None:
        notes.append("The hierarchy is the one that ships with hgraph.")
    tokens = folder.find("lyrl2004_tokens_train.dat")
    if tokens is not None:
        parts = [tokens, *(folder.need(f"lyrl2004_tokens_test_pt{part}.dat") for part in TEST_PARTS)]
        inputs += parts
        notes.append("Texts are the stemmed tokens of LYRL2004; the papers on transformers read the news themselves.")
        documents = _tokens(parts, topics)
    elif archives(folder.path) or next(folder.path.rglob(f"*{NEWS}"), None) is not None:
        notes.append("Texts are the headlines and paragraphs of the news; numbers of documents split them as LYRL2004.")
        documents = _news(folder, topics, inputs)
    else:
        raise folder.missing(f"lyrl2004_tokens_train.dat (or the *{NEWS} files of {NEWS_PAGE})")
    return Source(graph, documents, inputs, notes, total=len(topics), unknown="drop")


def read_topics(path: Path) -> dict[str, list[str]]:
    """Topics of each document.

    Raises:
        DataError: A line of another shape.
    """
    topics: dict[str, list[str]] = {}
    for number, line in read_lines(path):
        cells = line.split()
        if not cells:
            continue
        if len(cells) != 3 or not cells[1].isdecimal():
            raise DataError(f"{path}:{number}: expected 'topic document 1', found {line[:60]!r}.")
        topics.setdefault(cells[1], []).append(sys.intern(cells[0]))
    return topics


def read_tokens(path: Path) -> Iterator[tuple[str, str, int]]:
    """(document, tokens, line) of a token file.

    Raises:
        DataError: Tokens before the first document, or a document without a number.
    """
    document, start, tokens = "", 0, list[str]()
    for number, line in read_lines(path):
        if line.startswith(".I"):
            if document:
                yield document, " ".join(tokens), start
            document, start, tokens = line[2:].strip(), number, []
            if not document.isdecimal():
                raise DataError(f"{path}:{number}: expected '.I' and a number, found {line[:60]!r}.")
        elif line.strip() and line.strip() != ".W":
            if not document:
                raise DataError(f"{path}:{number}: expected '.I' and a number first, found {line[:60]!r}.")
            tokens.append(line.strip())
    if document:
        yield document, " ".join(tokens), start


def parse_news(data: bytes, where: str) -> dict[str, str]:
    """Headline and body of a news item.

    Raises:
        DataError: It is no XML.
    """
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise DataError(f"{where}: malformed XML: {error}. Copy the file again.") from None
    headline = root.findtext("headline") or root.findtext("title") or ""
    paragraphs = (" ".join("".join(part.itertext()).split()) for part in root.findall("./text/p"))
    return {"headline": re.sub(r"\s+", " ", headline).strip(), "body": "\n".join(filter(None, paragraphs))}


def _tokens(parts: list[Path], topics: dict[str, list[str]]) -> Iterator[Document]:
    for path in parts:
        for document, text, line in read_tokens(path):
            where = f"{path}:{line}"
            if document not in topics:
                raise DataError(f"{where}: document {document} has no topic in the qrels file. Download that again.")
            split: Split = "test" if path is not parts[0] else _held_out(text)
            yield Document(split, document, text, topics[document], where)


def _news(folder: Folder, topics: dict[str, list[str]], inputs: list[Path]) -> Iterator[Document]:
    missing = set(topics)
    for document, where, data, archive in read_members(folder.path, NEWS, lambda name: name in missing):
        missing.discard(document)
        inputs.append(archive or Path(where))
        text = parse_news(data, where)
        split: Split = "test" if int(document) > LAST_TRAINING_ID else _held_out("\n".join(text.values()))
        yield Document(split, document, text, topics[document], where)
    if missing:
        first = ", ".join(sorted(missing, key=int)[:3])
        raise DataError(
            f"{folder.path}: {len(missing):,} of {len(topics):,} documents are not there, such as {first}. Get all of "
            f"them from {NEWS_PAGE} (agreement with NIST)."
        )


def _held_out(text: str) -> Split:
    return "val" if len(split_indices([text], {"train": 0.9, "val": 0.1})["val"]) else "train"
