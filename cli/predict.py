"""`hgraph predict`."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from hgraph.cli.options import FILE, atomic_writer, check_output, fields_like, fields_of, overwrite_option
from hgraph.cli.score_output import ScoreWriter, check_scores
from hgraph.errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from hgraph.data.records import Record
    from hgraph.predictor import Prediction, Predictor
    from hgraph.text import Text

CHUNK = 2048


@click.command("predict")
@click.argument("run", type=FILE)
@click.argument("stdin", required=False, metavar="[-]")
@click.option("--text", "texts", multiple=True, help="A text to classify; repeat for several.")
@click.option("--data", type=FILE, help="Documents: .jsonl, .csv, .tsv, .parquet, or .txt with one text a line.")
@click.option("--taxonomy", help="A newer version of the model's hierarchy, a file or a name, to predict on.")
@click.option(
    "--top-k",
    type=click.IntRange(min=0),
    help="Length of `top`, by default 5; with --scores how many labels of a document are stored, by default all kept.",
)
@click.option("--threshold", type=click.FloatRange(0, 1), help="One threshold for all labels, not the tuned ones.")
@click.option("--output", type=FILE, help="File to write. Default: standard output.")
@click.option(
    "--scores", type=FILE, help="Write the scores as a sparse matrix there, *.npz, and their ids beside it, *.json."
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["jsonl", "csv", "table"]),
    help="Default: jsonl; on a terminal, table for --text.",
)
@click.option("--text-fields", help="Fields that make up the text, joined by commas. Default: those of training.")
@click.option("--batch-size", type=click.IntRange(min=1), default=128, show_default=True, help="Documents at once.")
@overwrite_option
def command(
    run: Path,
    stdin: str | None,
    texts: tuple[str, ...],
    data: Path | None,
    taxonomy: str | None,
    top_k: int | None,
    threshold: float | None,
    output: Path | None,
    scores: Path | None,
    output_format: str | None,
    text_fields: str | None,
    batch_size: int,
    overwrite: bool,
) -> None:
    """Classify texts with the model in the folder RUN.

    Texts come from --text, from a file, or with `-` from standard input (JSON lines, or plain text, one a line). Each
    gives one JSON line: "labels" are those above their thresholds with all ancestors, "top" the most probable ones.
    With --scores and without --output the scores alone are written, for `evaluate` and `ensemble`.

    \b
    Examples:
      hgraph predict runs/first --text "Repair brakes on freight trains."
      hgraph predict runs/first --data new.jsonl --output predictions.jsonl
      cat notes.txt | hgraph predict runs/first - --format csv
      hgraph predict runs/first --taxonomy next-year.json --data new.jsonl
      hgraph predict runs/first --data test.jsonl --scores test.npz
    """
    given = [name for name, value in (("--text", texts), ("--data", data), ("-", stdin)) if value]
    if len(given) != 1 or (stdin is not None and stdin != "-"):
        found = f"'{stdin}'" if stdin not in (None, "-") else " and ".join(given) or "nothing"
        raise click.UsageError(f"expected one of --text TEXT, --data FILE and -, found {found}.")
    check_output(output, "--output", overwrite=overwrite)
    if scores is not None:
        check_scores(scores, "--scores", top_k=top_k, overwrite=overwrite)
    if output_format is None:
        output_format = "table" if texts and output is None and sys.stdout.isatty() else "jsonl"

    from hgraph.decoding import Thresholds
    from hgraph.predictor import Predictor

    graph = None
    if taxonomy is not None:
        from hgraph.cli.taxonomy import open_taxonomy

        graph = open_taxonomy(taxonomy, "--taxonomy")
    predictor = Predictor(run, thresholds=None if threshold is None else Thresholds(value=threshold), taxonomy=graph)
    reader = Reader(
        fields_of(text_fields), predictor.saved.config.get("text_fields", [""]), predictor.saved.reads_fields
    )
    documents = _documents(texts, data, reader)
    kept = None if scores is None else ScoreWriter(scores, top_k, overwrite)
    if kept is not None and output is None:
        for chunk, rows in _score(predictor, documents, batch_size, show_progress=data is not None):
            kept.add(chunk, rows)
        kept.write(predictor)
        return
    results = _predict(predictor, documents, 5 if top_k is None else top_k, batch_size, kept, data is not None)
    writer = {"jsonl": _write_jsonl, "csv": _write_csv, "table": _write_table}[output_format]
    if output is None:
        writer(results, sys.stdout)
    else:
        with atomic_writer(output, "--output") as stream:
            writer(results, stream)
            if kept is not None:
                kept.write(predictor)


@dataclass(frozen=True)
class Reader:
    """Turns records into (id, text) pairs.

    Args:
        fields: Text fields that were asked for.
        trained: Text fields of training, taken where none were.
        apart: Whether the model keeps fields apart.
    """

    fields: list[str] | None
    trained: Sequence[str]
    apart: bool = False

    def read(self, records: Iterable["Record"], source: str) -> Iterator[tuple[str, "Text"]]:
        """Check and join, one record at a time; the first one decides about the fields."""
        from hgraph.data.documents import iterate_documents

        records = iter(records)
        first = next(records, None)
        if first is None:
            raise DataError(f"{source}: expected at least one document, found none.")
        fields = self.fields or fields_like(first[1], self.trained)
        for document in iterate_documents(chain([first], records), source=source, fields=fields, labels=False):
            yield document["id"], self._text(document["text"])

    def _text(self, parts: list[dict[str, str]]) -> "Text":
        """The fields apart where the model reads them so, else joined."""
        from hgraph.data import join_fields

        return {part["field"]: part["value"] for part in parts} if self.apart else join_fields(parts)


def _documents(texts: tuple[str, ...], data: Path | None, reader: Reader) -> Iterator[tuple[str, "Text"]]:
    """(id, text) pairs, checked; read as they are asked for."""
    from hgraph.data.records import read_records

    if texts:
        for number, text in enumerate(texts, 1):
            if not text.strip():
                raise DataError(f"--text: text {number} is empty.")
            if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
                raise DataError(f"--text: text {number} is not UTF-8.")
            yield str(number), text
        return
    if data is None or data.suffix == ".txt":
        yield from _plain_or_jsonl(data, reader)
        return
    yield from reader.read(read_records(data), str(data))


def _plain_or_jsonl(path: Path | None, reader: Reader) -> Iterator[tuple[str, "Text"]]:
    """Lines of standard input or of a text file: JSON objects if the first one is, else plain texts."""
    from hgraph.data.records import decode_lines, parse_jsonl

    if path is not None and path.is_dir():
        raise DataError(f"--data: '{path}' is a folder, expected a file.")
    if path is not None and not path.exists():
        raise DataError(f"--data: there is no file '{path}'.")
    stream = sys.stdin.buffer if path is None else open(path, "rb")  # noqa: SIM115 - read to its end by the generator
    source = "standard input" if path is None else str(path)
    lines = decode_lines(stream, source)
    blank, first = 0, next(lines, None)
    while first is not None and not first.strip():
        blank, first = blank + 1, next(lines, None)
    if first is None:
        raise DataError(f"{source}: expected at least one document, found none.")
    # Blank lines are counted: ids and messages name lines.
    lines = chain([""] * blank, [first], lines)
    if first.lstrip().startswith("{"):
        yield from reader.read(parse_jsonl(lines, source), source)
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield str(number), line.strip()


def _score(
    predictor: "Predictor", documents: Iterable[tuple[str, "Text"]], batch_size: int, *, show_progress: bool
) -> Iterator[tuple[list[str], "csr_matrix"]]:
    """Ids and scores, a chunk of documents at a time."""
    from tqdm.auto import tqdm

    iterator = iter(documents)
    with tqdm(unit="doc", desc="predict", disable=None if show_progress else True) as bar:
        while chunk := list(islice(iterator, CHUNK)):
            yield (
                [identifier for identifier, _ in chunk],
                predictor.scores([text for _, text in chunk], batch_size=batch_size),
            )
            bar.update(len(chunk))


def _predict(
    predictor: "Predictor",
    documents: Iterable[tuple[str, "Text"]],
    top_k: int,
    batch_size: int,
    kept: ScoreWriter | None,
    show_progress: bool,
) -> Iterator[tuple[str, "Prediction"]]:
    """Ids and predictions; `kept` is given the scores as they come."""
    for chunk, rows in _score(predictor, documents, batch_size, show_progress=show_progress):
        if kept is not None:
            kept.add(chunk, rows)
        yield from zip(chunk, predictor.decode(rows, top_k=top_k), strict=True)


def _write_jsonl(results: Iterable[tuple[str, "Prediction"]], stream: IO[str]) -> None:
    for identifier, prediction in results:
        stream.write(json.dumps({"id": identifier, **prediction.to_dict()}, ensure_ascii=False) + "\n")


def _write_csv(results: Iterable[tuple[str, "Prediction"]], stream: IO[str]) -> None:
    writer = csv.writer(stream)
    writer.writerow(["document", "id", "name", "path", "probability"])
    for identifier, prediction in results:
        for label in prediction.labels:
            writer.writerow([identifier, label.id, label.name, label.path, label.probability])


def _write_table(results: Iterable[tuple[str, "Prediction"]], stream: IO[str]) -> None:
    from hgraph.cli.options import table

    for identifier, prediction in results:
        stream.write(f"\n{identifier}: ")
        shown, title = (prediction.labels, "labels") if prediction.labels else (prediction.top, "none predicted; best")
        rows = [["probability", "id", "path"]]
        rows += [[f"{label.probability:.3f}", label.id, label.path] for label in shown]
        stream.write(f"{title}\n{table(rows, align='r')}\n")
