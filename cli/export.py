"""`hgraph export`."""

from pathlib import Path

import click

from hgraph.cli.options import FILE, check_output, overwrite_option


@click.command("export")
@click.argument("run", type=FILE)
@click.option("-o", "--output", type=FILE, required=True, help="ONNX file to write, in a folder of its own.")
@click.option(
    "--scores",
    type=click.Choice(["probabilities", "log_odds"]),
    default="probabilities",
    show_default=True,
    help="What the file gives for each label.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-4,
    show_default=True,
    help="How far the file may be from the model.",
)
@overwrite_option
def command(run: Path, output: Path, scores: str, tolerance: float, overwrite: bool) -> None:
    """Write the model in the folder RUN as one ONNX file, without the label graph.

    The file takes token ids and gives the calibrated scores of all labels, for any number of documents and tokens.
    labels.json beside it has the id, name, parents and threshold of each column, tokenizer/ makes token ids of texts.
    The file is compared with the model before it appears.

    Models with the text encoder `transformer` and a scorer can be exported; n-grams, votes of similar documents and
    level-by-level decoding have no ONNX form. Needs pip install "hgraph-text[onnx]".

    \b
    Example:
      mkdir served
      hgraph export runs/first -o served/model.onnx
    """
    check_output(output, "-o", overwrite=overwrite)
    from hgraph.export import export_model

    done = export_model(run, output, output=scores, tolerance=tolerance, overwrite=overwrite)  # type: ignore[arg-type]
    for path in done.files:
        click.echo(f"Written to {path}")
    if done.difference is not None:
        click.echo(f"Largest difference to the model: {done.difference:.2g}")
