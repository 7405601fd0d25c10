"""Raw texts of the repository: one text a line with label lists beside, or JSON lines with titles and targets."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hgraph.data.records import decode_lines, parse_jsonl
from hgraph.data.xmc.files import read_blocks
from hgraph.errors import DataError

RELEVANCE = re.compile(r"^(.+?)::?([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)$")


class LabelList(NamedTuple):
    """The labels of one document.

    Attributes:
        line: Where it stands in the file, from 1.
        labels: As the file has them: numbers from 0 or ids.
        relevances: One for each; 1 where the file has none.
    """

    line: int
    labels: list[str]
    relevances: list[float]


class TargetDocument(NamedTuple):
    """One line of `trn.json` or `lbl.json`.

    Attributes:
        line: Where it stands in the file, from 1.
        uid: Its id.
        text: Its fields, `title` and perhaps `content`.
        labels: Numbers of its labels, from 0; none for a label.
        relevances: One for each label.
    """

    line: int
    uid: str
    text: dict[str, str]
    labels: list[int]
    relevances: list[float]


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a UTF-8 file, gzipped or not; blank lines are lines.

    Raises:
        DataError: It cannot be read, is damaged or in another encoding.
    """
    lines: Any = (line for block in read_blocks(Path(path)) for line in block[:-1].split(b"\n"))
    for number, line in enumerate(decode_lines(lines, str(path)), 1):
        yield number, line.rstrip("\r")


def read_label_lists(path: str | Path) -> Iterator[LabelList]:
    """Read `trn_Y.txt`: the labels of one document a line, separated by blanks, as `id` or `id:relevance`.

    A line may be empty. A label that a line has twice is taken once, with the higher relevance.

    Raises:
        DataError: The file cannot be read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "trn_Y.txt"
        >>> size = path.write_text("3 1:0.5\\n\\n")
        >>> [(row.labels, row.relevances) for row in read_label_lists(path)]
        [(['3', '1'], [1.0, 0.5]), ([], [])]
    """
    for number, line in read_lines(path):
        found: dict[str, float] = {}
        for token in line.split():
            match = RELEVANCE.match(token)
            label, relevance = (match[1], float(match[2])) if match else (token, 1.0)
            found[label] = max(found.get(label, relevance), relevance)
        yield LabelList(number, list(found), list(found.values()))


def read_target_documents(path: str | Path, num_labels: int | None = None) -> Iterator[TargetDocument]:
    """Read JSON lines `{"uid": ..., "title": ..., "content": ..., "target_ind": [...], "target_rel": [...]}`.

    Args:
        path: `trn.json`, `tst.json` or `lbl.json`, gzipped or not.
        num_labels: Targets must be below; None: the lines are labels and have no targets.

    Raises:
        DataError: The file cannot be read, or a line is malformed: the message names it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "trn.json"
        >>> size = path.write_text('{"uid": "a", "title": "Trees", "target_ind": [1], "target_rel": [1.0]}\\n')
        >>> next(read_target_documents(path, 2))
        TargetDocument(line=1, uid='a', text={'title': 'Trees'}, labels=[1], relevances=[1.0])
    """
    lines = (f"{line}\n" for _, line in read_lines(path))
    for number, record in parse_jsonl(lines, str(path)):
        where = f"{path}:{number}"
        uid = record.get("uid")
        if not isinstance(uid, str | int) or isinstance(uid, bool) or uid == "":
            raise DataError(f"{where}: the field 'uid' must be a string, found {_shown(uid)}. Give the line an id.")
        text = {name: record[name] for name in ("title", "content") if record.get(name) is not None}
        for name, value in text.items():
            if not isinstance(value, str):
                raise DataError(f"{where}: the field '{name}' must be a string, found {_shown(value)}. Correct it.")
        if not text:
            raise DataError(f"{where}: the fields 'title' and 'content' are missing. Give the line one of them.")
        labels, relevances = ([], []) if num_labels is None else _targets(record, num_labels, where)
        yield TargetDocument(number, str(uid), text, labels, relevances)


def _targets(record: dict[str, Any], num_labels: int, where: str) -> tuple[list[int], list[float]]:
    labels = record.get("target_ind")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < num_labels for label in labels):
        raise DataError(
            f"{where}: the field 'target_ind' must be a list of numbers below {num_labels}, found {_shown(labels)}. "
            "Labels are the lines of lbl.json, counted from 0."
        )
    relevances = record.get("target_rel", [1.0] * len(labels))
    if not isinstance(relevances, list) or not all(type(value) in (int, float) for value in relevances):
        raise DataError(f"{where}: the field 'target_rel' must be a list of numbers, found {_shown(relevances)}.")
    if len(relevances) != len(labels):
        raise DataError(
            f"{where}: 'target_rel' has {len(relevances)} numbers, 'target_ind' {len(labels)}. Correct one."
        )
    found: dict[int, float] = {}
    for label, relevance in zip(labels, map(float, relevances), strict=True):
        found[label] = max(found.get(label, relevance), relevance)
    return list(found), list(found.values())


def _shown(value: Any) -> str:
    return repr(value)[:60]
