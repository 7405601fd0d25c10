"""`hgraph ensemble`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hgraph.cli.options import FILE, data_options, fields_of, overwrite_option, table
from hgraph.errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from hgraph.data import Corpus
    from hgraph.decoding.score_files import ScoreFile
    from hgraph.decoding.sparse_fusion import SparseFusion
    from hgraph.graph import LabelGraph

METHODS = ("mean", "softmax", "rank", "sigmoid", "round_robin", "learnt")


@click.command("ensemble")
@click.argument("scores", metavar="SCORES...", type=FILE, nargs=-1, required=True)
@click.option("--method", type=click.Choice(METHODS), default="mean", show_default=True, help="How to combine.")
@click.option(
    "--missing",
    type=click.Choice(["zero", "lowest"]),
    default="zero",
    show_default=True,
    help="What a label counts where a model stored no score of it: 0, or the lowest that it stored for the document.",
)
@click.option("--data", type=FILE, help="Labelled validation documents; needed for --method learnt.")
@click.option("--taxonomy", help="The hierarchy of the scores, a file or a name; needed for --data.")
@click.option("--val-scores", type=FILE, multiple=True, help="Scores of --data, one file for each of SCORES, in order.")
@click.option("--top-k", type=click.IntRange(min=1), help="How many labels of a document are written. Default: all.")
@click.option("-o", "--output", type=FILE, required=True, help="File to write, *.npz; ids beside it, *.json.")
@overwrite_option
@data_options
def command(
    scores: tuple[Path, ...],
    method: str,
    missing: str,
    data: Path | None,
    taxonomy: str | None,
    val_scores: tuple[Path, ...],
    top_k: int | None,
    output: Path,
    overwrite: bool,
    unknown_labels: str,
    text_fields: str | None,
    label_separator: str,
) -> None:
    """Combine the scores of several models, as `predict --scores` writes them, into one matrix.

    mean suits probabilities, which hgraph writes; softmax and sigmoid are means of raw scores so mapped, rank is that
    of reversed ranks; round_robin takes the best label of each in turn. learnt fits a weight for each matrix on
    validation documents, which suits models of different kinds. With --data a threshold is tuned too and written beside
    the scores, for `evaluate`.

    \b
    Examples:
      hgraph ensemble a.npz b.npz -o both.npz
      hgraph ensemble a.npz b.npz --method learnt --taxonomy taxonomy.json --data val.jsonl \\
          --val-scores a-val.npz --val-scores b-val.npz -o both.npz
    """
    from hgraph.cli.score_output import check_scores

    check_scores(output, "--output", top_k=top_k, overwrite=overwrite)
    _check_usage(scores, method, missing, data, taxonomy, val_scores)
    from hgraph.cli.taxonomy import open_taxonomy
    from hgraph.data import read_corpus
    from hgraph.decoding import tune_global
    from hgraph.decoding.cells import best_cells
    from hgraph.decoding.score_files import ScoreFile, write_scores

    files = open_scores(scores)
    thresholds, fusion = None, None
    if data is not None and taxonomy is not None:
        graph = open_taxonomy(taxonomy, "--taxonomy")
        corpus = read_corpus(
            data,
            graph,
            unknown=unknown_labels,  # type: ignore[arg-type]
            fields=fields_of(text_fields),
            label_separator=label_separator,
        )
        files[0].check_labels(graph.label_id, str(scores[0]))
        matrices = _validation(val_scores, corpus, graph)
        fusion = _fit(matrices, corpus, scores) if method == "learnt" else None
        thresholds = tune_global(combine(matrices, method, missing, fusion), corpus.labels, graph)
    combined = combine([file.scores for file in files], method, missing, fusion)
    if top_k is not None:
        combined = best_cells(combined, top_k)
    first = files[0]
    write_scores(output, ScoreFile(combined, first.documents, first.labels, thresholds), overwrite=overwrite)
    click.echo(f"{combined.shape[0]} documents, {combined.nnz} scores. Written to {output}")


def _check_usage(
    scores: tuple[Path, ...], method: str, missing: str, data: Path | None, taxonomy: str | None, val: tuple[Path, ...]
) -> None:
    """Options that belong together."""
    if method == "learnt" and data is None:
        raise click.UsageError("--method learnt needs --data, --taxonomy and --val-scores. Give them.")
    if data is not None and (taxonomy is None or len(val) != len(scores)):
        raise click.UsageError(
            f"--data needs --taxonomy and {len(scores)} --val-scores, one for each of SCORES, found {len(val)} and "
            f"{'no' if taxonomy is None else 'a'} --taxonomy."
        )
    if data is None and (val or taxonomy is not None):
        raise click.UsageError("--val-scores and --taxonomy have no meaning without --data. Leave them out.")
    if missing != "zero" and method in ("learnt", "round_robin"):
        raise click.UsageError(f"--missing has no meaning for --method {method}. Leave it out.")


def open_scores(paths: tuple[Path, ...]) -> list["ScoreFile"]:
    """Files of scores of the same documents and labels; rows in the order of the first.

    Raises:
        DataError: A file is malformed, or the files do not belong together.
    """
    from hgraph.decoding.score_files import ScoreFile, read_scores

    files = [read_scores(path) for path in paths]
    labels = next((file.labels for file in files if file.labels is not None), None)
    documents = next((file.documents for file in files if file.documents is not None), None)
    aligned = []
    for path, file in zip(paths, files, strict=True):
        if file.scores.shape != files[0].scores.shape:
            raise DataError(
                f"{path}: expected {files[0].scores.shape} documents and labels as in {paths[0]}, found "
                f"{file.scores.shape}. Score the same documents with models of one hierarchy."
            )
        if labels is not None:
            file.check_labels(labels, str(path))
        rows = file.scores if documents is None else file.rows(documents, str(path))
        aligned.append(ScoreFile(rows, documents, labels))
    return aligned


def _validation(paths: tuple[Path, ...], corpus: "Corpus", graph: "LabelGraph") -> list["csr_matrix"]:
    """Scores of the documents of a corpus, in its order."""
    from hgraph.decoding.score_files import read_scores

    matrices = []
    for path in paths:
        file = read_scores(path)
        file.check_labels(graph.label_id, str(path))
        matrices.append(file.rows(corpus.documents["id"], str(path)))
    return matrices


def _fit(matrices: list["csr_matrix"], corpus: "Corpus", paths: tuple[Path, ...]) -> "SparseFusion":
    """Weights of the matrices, printed."""
    from hgraph.decoding.sparse_fusion import fit_sparse_fusion

    fusion = fit_sparse_fusion(matrices, corpus.labels)
    rows = [["scores", "weight", "where missing"]]
    for path, weight, missing in zip(paths, fusion.weights, fusion.missing, strict=True):
        rows.append([str(path), f"{weight:.3f}", f"{missing:.3f}"])
    click.echo(table(rows, align="lrr"))
    return fusion


def combine(matrices: list["csr_matrix"], method: str, missing: str, fusion: "SparseFusion | None") -> "csr_matrix":
    """One matrix from several, by a method of :func:`hgraph.decoding.ensemble` or by weights that were learnt."""
    from hgraph.decoding.ensembles import ensemble

    if fusion is not None:
        return fusion.apply(matrices)
    return ensemble(matrices, method, missing=missing)  # type: ignore[arg-type]
