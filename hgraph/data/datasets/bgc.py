"""The Blurb Genre Collection, English (Aly, Remus, Biemann, ACL-SRW 2019).

What the files are taken to be, from the data set's page and programs that read it:

- `BlurbGenreCollection_EN_train.txt`, `..._dev.txt`, `..._test.txt`: one `<book>` element after the other, each with
  `<title>`, `<body>` and, in `<topics>`, genres as `<d0>` (top level) to `<d3>`. They are no XML: there is no root, and
  `&` stands as it is.
- `hierarchy.txt`: a parent, a tab and a child a line; a top genre without children stands alone.
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path

from hgraph.data.datasets.source import Document, Folder, Source, Split, read_lines
from hgraph.errors import DataError, TaxonomyError
from hgraph.graph import LabelGraph
from hgraph.graph.formats.builder import TaxonomyBuilder

TITLE = "BGC: blurbs of English books and their genres"
PAGE = "https://www.inf.uni-hamburg.de/en/inst/ab/lt/resources/data/blurb-genre-collection.html"
TERMS = "blurbs are copyright of Penguin Random House and its licensors, shared for research; see the page"
FILES: dict[Split, str] = {"train": "train", "val": "dev", "test": "test"}
FIELD = {name: re.compile(rf"<{name}>(.*?)</{name}>", re.DOTALL) for name in ("title", "body", "topics")}
GENRE = re.compile(r"<d\d>(.*?)</d\d>", re.DOTALL)
OPEN, CLOSE = "<book", "</book>"


def open_bgc(folder: Folder) -> Source:
    """Open the data set.

    A document has the fields `title` and `body`; the published programs read the body alone. Its labels are all its
    genres; those that the hierarchy does not have are left out and counted. The split is the published one.
    """
    files = {split: folder.need(f"BlurbGenreCollection_EN_{name}.txt") for split, name in FILES.items()}
    hierarchy = folder.need("hierarchy.txt")

    def documents() -> Iterator[Document]:
        for split, path in files.items():
            for number, (block, line) in enumerate(read_books(path), 1):
                text, genres = parse_book(block, f"{path}:{line}")
                yield Document(split, f"{split}-{number}", text, genres, f"{path}:{line}")

    notes = ["The published split."]
    return Source(read_hierarchy(hierarchy), documents(), [*files.values(), hierarchy], notes, unknown="drop")


def read_hierarchy(path: Path) -> LabelGraph:
    """The genres.

    Raises:
        DataError: A line of more than two genres.
    """
    builder = TaxonomyBuilder(path)
    for number, line in read_lines(path):
        cells = [html.unescape(cell).strip() for cell in line.split("\t") if cell.strip()]
        if len(cells) > 2:
            raise DataError(f"{path}:{number}: expected parent<tab>child, found {line[:60]!r}.")
        if len(cells) == 2:
            builder.add_edge(cells[0], cells[1], line=number)
        elif cells:
            builder.add(cells[0])
    try:
        graph = builder.build(title="bgc", source=PAGE)
    except TaxonomyError as error:
        raise DataError(str(error)) from None
    graph.name = [name.replace("\u2019", "'").replace("\u2013", "-") for name in graph.name]
    return graph


def read_books(path: Path) -> Iterator[tuple[str, int]]:
    """Each `<book>` element and the line it begins on.

    Raises:
        DataError: The file ends inside a book, or a book begins inside another.
    """
    block: list[str] = []
    start = 0
    for number, line in read_lines(path):
        if OPEN in line:
            if block:
                raise DataError(f"{path}:{number}: a book begins inside the one of line {start}. Download it again.")
            start = number
        elif not block:
            continue
        block.append(line)
        if CLOSE in line:
            yield "\n".join(block), start
            block = []
    if block:
        raise DataError(f"{path}:{start}: the file ends inside this book. Download it again.")


def parse_book(block: str, where: str) -> tuple[dict[str, str], list[str]]:
    """Title and body of a book, and its genres.

    Raises:
        DataError: It has no body or no topics.
    """
    found = {name: pattern.search(block) for name, pattern in FIELD.items()}
    for name in ("body", "topics"):
        if found[name] is None:
            raise DataError(f"{where}: the book has no <{name}>. Download the file again.")
    texts = {name: html.unescape(match[1]).strip() if match else "" for name, match in found.items()}
    genres = [html.unescape(genre).strip() for genre in GENRE.findall(texts["topics"])]
    return {"title": texts["title"], "body": texts["body"]}, genres
