"""The arXiv Academic Paper Dataset (Yang et al., SGM, COLING 2018) with the hierarchy of arXiv's archives.

What the files are taken to be: `text_train`, `text_val`, `text_test` with one abstract a line, already tokenised, and
`label_train`, `label_val`, `label_test` with the categories of each between blanks, such as `cs.it math.it`. `.txt`
may follow the names.
"""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from hgraph.data.datasets.source import SPLITS, Document, Folder, Source, Split, read_lines
from hgraph.errors import DataError
from hgraph.graph import LabelGraph

TITLE = "AAPD: abstracts of arXiv, 54 categories of computer science and their archives"
PAGE = "https://github.com/lancopku/SGM"
TERMS = "free to download; the page states the terms"


def open_aapd(folder: Folder) -> Source:
    """Open the data set.

    The hierarchy is the one that ships with hgraph: the 54 categories below their archives. Documents name categories;
    hgraph adds the archives when it reads them. The split is the published one.
    """
    files: dict[Split, tuple[Path, Path]] = {
        split: (_file(folder, "text", split), _file(folder, "label", split)) for split in SPLITS
    }
    graph = LabelGraph.from_name("aapd")

    def documents() -> Iterator[Document]:
        for split, (texts, labels) in files.items():
            for text, codes in zip_longest(read_lines(texts), read_lines(labels)):
                if text is None or codes is None:
                    short, long = (texts, labels) if text is None else (labels, texts)
                    raise DataError(f"{short}: has fewer lines than {long.name}. Download both again.")
                number, line = codes
                where = f"{labels}:{number}"
                yield Document(split, f"{split}-{number}", text[1].strip(), line.lower().split(), where)

    notes = ["The published split.", "The hierarchy is the one that ships with hgraph."]
    return Source(graph, documents(), [path for pair in files.values() for path in pair], notes)


def _file(folder: Folder, kind: str, split: Split) -> Path:
    return folder.need(f"{kind}_{split}", f"{kind}_{split}.txt")
