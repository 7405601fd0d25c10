"""`hgraph evaluate`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hgraph.cli.options import FILE, atomic_writer, check_output, data_options, fields_like, fields_of, overwrite_option

if TYPE_CHECKING:
    from hgraph.data import Corpus
    from hgraph.graph import LabelGraph


@click.command("evaluate")
@click.argument("runs", metavar="RUN...", type=FILE, nargs=-1)
@click.option("--data", type=FILE, required=True, help="Labelled documents.")
@click.option(
    "--scores", type=FILE, multiple=True, help="Scores that were written, *.npz, in place of a RUN; repeat for several."
)
@click.option(
    "--json", "json_file", type=FILE, help="Write the figures there too: an object, or a list for several RUNs."
)
@click.option("--taxonomy", help="Make sure that the models were trained on this hierarchy; needed for --scores.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="One threshold for all labels, not the tuned ones.")
@click.option("--batch-size", type=click.IntRange(min=1), default=128, show_default=True, help="Documents at once.")
@overwrite_option
@data_options
def command(
    runs: tuple[Path, ...],
    data: Path,
    scores: tuple[Path, ...],
    json_file: Path | None,
    taxonomy: str | None,
    threshold: float | None,
    batch_size: int,
    overwrite: bool,
    unknown_labels: str,
    text_fields: str | None,
    label_separator: str,
) -> None:
    """Measure the models in the folders RUN... on labelled documents.

    F1 is of predictions with all ancestors added, at the thresholds tuned in training; macro-F1 once over all labels
    and once over those that occur in the data; violations are predicted labels without a predicted parent, before
    ancestors are added. Precision@k and R-Precision rank all labels.

    With --scores a matrix of `predict --scores` or `ensemble` is measured without a model, at the thresholds that came
    with it, else at 0.5.

    \b
    Examples:
      hgraph evaluate runs/first --data test.jsonl --json figures.json
      hgraph evaluate runs/first runs/flat --data test.jsonl
      hgraph evaluate --scores test.npz --taxonomy taxonomy.json --data test.jsonl
    """
    if bool(runs) == bool(scores) or (scores and taxonomy is None):
        found = "--scores without --taxonomy" if scores and not runs else "both" if runs else "nothing"
        raise click.UsageError(f"expected RUN..., or --scores FILE --taxonomy FILE, found {found}.")
    for run in runs:
        if run.is_file():
            raise click.UsageError(f"RUN: expected a model folder, found the file {run}. Scores are given by --scores.")
    check_output(json_file, "--json", overwrite=overwrite)
    from hgraph.cli.taxonomy import open_taxonomy
    from hgraph.data import read_corpus
    from hgraph.decoding import Thresholds
    from hgraph.hub import check_taxonomy
    from hgraph.predictor import Predictor

    if scores and taxonomy is not None:
        graph = open_taxonomy(taxonomy, "--taxonomy")
        corpus = read_corpus(
            data,
            graph,
            unknown=unknown_labels,  # type: ignore[arg-type]
            fields=fields_of(text_fields),
            label_separator=label_separator,
        )
        _show({str(path): _measure(path, corpus, graph, threshold) for path in scores}, json_file)
        return
    reports: dict[str, dict[str, Any]] = {}
    for run in runs:
        predictor = Predictor(run, thresholds=None if threshold is None else Thresholds(value=threshold))
        if taxonomy is not None:
            check_taxonomy(predictor.saved.config, open_taxonomy(taxonomy, "--taxonomy"), f"--taxonomy {taxonomy}")
        corpus = read_corpus(
            data,
            predictor.graph,
            unknown=unknown_labels,  # type: ignore[arg-type]
            fields=fields_of(text_fields) or trained_fields(data, predictor.saved.config),
            label_separator=label_separator,
        )
        name = run.name if run.name not in reports else str(run)
        texts = corpus.field_texts if predictor.saved.reads_fields else corpus.texts
        reports[name] = predictor.evaluate(texts, corpus.labels, batch_size=batch_size).report
    _show(reports, json_file)


def _measure(path: Path, corpus: "Corpus", graph: "LabelGraph", threshold: float | None) -> dict[str, Any]:
    """The report of a file of scores."""
    from hgraph.decoding import Thresholds
    from hgraph.decoding.score_files import read_scores
    from hgraph.training.evaluation import Evaluation

    content = read_scores(path)
    content.check_labels(graph.label_id, str(path))
    scores = content.rows(corpus.documents["id"], str(path))
    thresholds = (content.thresholds or Thresholds()) if threshold is None else Thresholds(value=threshold)
    return Evaluation.of(scores, corpus.labels, graph, thresholds).report


def _show(reports: dict[str, dict[str, Any]], json_file: Path | None) -> None:
    """Print the tables; write the figures to `json_file` if there is one."""
    from hgraph.cli.report import level_table, metric_table

    if json_file is not None:
        figures = [{"run": name, **report} for name, report in reports.items()]
        with atomic_writer(json_file, "--json") as stream:
            json.dump(figures[0] if len(figures) == 1 else figures, stream, indent=1)
            stream.write("\n")
    first = next(iter(reports.values()))
    click.echo(f"{first['documents']} documents, {first['labels']} labels ({first['labels_supported']} occur)\n")
    click.echo(metric_table(reports))
    if len(reports) == 1:
        click.echo(f"\n{level_table(first)}")


def trained_fields(data: Path, config: dict[str, Any]) -> list[str] | None:
    """Text fields as in training, decided by the first record."""
    from hgraph.data.records import read_records

    _, first = next(read_records(data), (0, {}))
    return fields_like(first, config.get("text_fields", [""]))
